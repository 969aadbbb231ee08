/** A firmware message as it reached the device. */
export interface ReceivedFirmware {
  readonly topic: string;
  /** Bytes of the whole payload. */
  readonly total: number;
  /** Bytes of it that came. */
  bytes: number;
}

/** Adds to the list that so many bytes of a message have come: a new one, or the last one going on. */
export function noteTransfer(received: ReceivedFirmware[], topic: string, bytes: number, total: number): void {
  const last = received.at(-1);
  const goesOn = last?.topic === topic && last.bytes < total && bytes > last.bytes;
  if (last && goesOn) last.bytes = bytes;
  else received.push({ topic, total, bytes });
}

/** Whether a message is an image, and not the question whether an update was cut off, which has 4,096 bytes. */
export function isImage({ total }: ReceivedFirmware): boolean {
  return total > 4096;
}
