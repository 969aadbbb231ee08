/** A firmware message as it reached the device. */
export interface ReceivedFirmware {
  readonly topic: string;
  /** Bytes of the whole payload. */
  readonly total: number;
  /** Bytes of the payload that arrived. */
  bytes: number;
}

/** Notes the number of bytes that have arrived of a message: of the last one in the list, or of a new one. */
export function noteTransfer(received: ReceivedFirmware[], topic: string, bytes: number, total: number): void {
  const last = received.at(-1);
  const goesOn = last?.topic === topic && last.total === total && last.bytes < total && bytes > last.bytes;
  if (last && goesOn) last.bytes = bytes;
  else received.push({ topic, total, bytes });
}
