/** The default keepalive of AsyncMqttClient, which Homie does not change, in ms. */
const KEEPALIVE = 15_000;

/** The client sends a PINGREQ after it has sent nothing for this long, in ms. */
const PING = 0.7 * KEEPALIVE;

/** The client disconnects if the PINGRESP has not arrived this long after the PINGREQ, in ms. */
const PATIENCE = 2 * KEEPALIVE;

/** Tolerance in ms: messages arrive with a delay, so the PINGREQ may be a little older than it seems. */
const EARLY = 2_000;

/** Tolerance in ms: the client checks its timers twice a second, and takes a while to reconnect. */
const LATE = 9_500;

/** When a device has sent statuses during a transfer, in ms of one clock. */
export interface Sendings {
  /** When the first status came. */
  readonly from: number;
  /** When the last status came before a silence long enough for the client to send a PINGREQ. */
  readonly quietFrom: number;
}

/** Returns the sendings with the status that came at `now` (ms). */
export function sentStatus(sendings: Sendings | undefined, now: number): Sendings {
  const { from, quietFrom } = sendings ?? { from: now, quietFrom: now };
  return { from, quietFrom: now - quietFrom < PING ? now : quietFrom };
}

/**
 * Determines whether the MQTT client of a device itself ended the connection because a transfer took too long. The
 * PINGRESP waits behind the image on the TCP connection, so AsyncMqttClient 0.8.2 disconnects 30 s after its PINGREQ,
 * about 40 s after the start of the transfer. Then `init` comes without a `lost` before it, because a DISCONNECT
 * discards the will (AsyncMqttClient.cpp `_onPoll`, recording `ota_slow_600`).
 *
 * @param initAt when the device reconnected, in ms
 * @returns s from the first status to the reconnect; undefined if another cause is as likely
 */
export function endedByClient({ from, quietFrom }: Sendings, initAt: number): number | undefined {
  const quiet = initAt - quietFrom;
  const isInTime = quiet >= PATIENCE - EARLY && quiet <= PING + PATIENCE + LATE;
  return isInTime ? Math.round((initAt - from) / 1000) : undefined;
}
