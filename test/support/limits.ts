/**
 * Milliseconds after which a wait in a test counts as a hang. Nothing takes nearly as long, even on a slow, busy
 * machine, and no test waits for this time to pass.
 */
export const HANG_LIMIT = 120_000;

/** `HANG_LIMIT` in seconds, as a setting of a node. */
export const HANG_LIMIT_SECONDS = String(HANG_LIMIT / 1000);

/**
 * Milliseconds after which a suite with a slow broker counts as hanging. RabbitMQ computes for seconds until it listens,
 * which takes minutes where dozens of processes share two cores.
 */
export const BROKER_HANG_LIMIT = 1_800_000;
