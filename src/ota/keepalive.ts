/** Homie leaves AsyncMqttClient its default keepalive, in ms. */
const KEEPALIVE = 15_000;

/** The client sends a PINGREQ when it has sent nothing for this long, in ms. */
const PING = 0.7 * KEEPALIVE;

/** The client ends its connection when the PINGRESP has not come this long after the PINGREQ, in ms. */
const PATIENCE = 2 * KEEPALIVE;

/** Messages arrive with a delay, in ms: the PINGREQ may be a little older than it seems. */
const EARLY = 2_000;

/** The client looks at its timers twice a second, and takes a while to connect again; ms. */
const LATE = 9_500;

/** What a device has sent during a transfer. In ms of one clock. */
export interface Sendings {
  /** When the first status came. */
  readonly from: number;
  /** When the last status came before the device had sent nothing for long enough to send a PINGREQ. */
  readonly quietFrom: number;
}

/** Takes in a status that came at `now` (ms). */
export function sentStatus(sendings: Sendings | undefined, now: number): Sendings {
  const { from, quietFrom } = sendings ?? { from: now, quietFrom: now };
  return { from, quietFrom: now - quietFrom < PING ? now : quietFrom };
}

/**
 * Whether the MQTT client of a device has itself ended the connection because a transfer took too long. The PINGRESP waits
 * behind the image on the TCP connection, so AsyncMqttClient 0.8.2 disconnects 30 s after its PINGREQ, that is some 40 s
 * after the beginning of the transfer: `init` comes without a `lost` before it, since a DISCONNECT discards the will
 * (AsyncMqttClient.cpp `_onPoll`, recording `ota_slow_600`).
 *
 * @param initAt when the device connected again, in ms
 * @returns s from the first status to that; undefined where another cause is as likely
 */
export function endedByClient({ from, quietFrom }: Sendings, initAt: number): number | undefined {
  const quiet = initAt - quietFrom;
  const isInTime = quiet >= PATIENCE - EARLY && quiet <= PING + PATIENCE + LATE;
  return isInTime ? Math.round((initAt - from) / 1000) : undefined;
}
