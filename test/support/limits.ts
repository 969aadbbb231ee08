/**
 * After this many ms a wait in a test counts as a hang. It is far longer than anything takes on a slow, busy machine: no test
 * waits for it to pass.
 */
export const HANG_LIMIT = 120_000;

/** The same in seconds, as the settings of a node have it. */
export const HANG_LIMIT_SECONDS = String(HANG_LIMIT / 1000);
