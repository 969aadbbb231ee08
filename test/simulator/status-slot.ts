/**
 * The OTA status of the maintained fork that waits for the loop (BootNormal.cpp, _queueOtaStatus). There is room for
 * one only: a newer status replaces one that was not sent. It is kept while the device is not connected.
 */
export class StatusSlot {
  readonly #send: (status: string) => void;
  #waiting: string | undefined;
  /** When the last status came, as `performance.now()`. */
  changedAt = -Infinity;

  constructor(send: (status: string) => void) {
    this.#send = send;
  }

  put(status: string): void {
    this.#waiting = status;
    this.changedAt = performance.now();
  }

  /** Sends the status that waits. @param delays returns true for a status that goes on waiting */
  flush(delays: (status: string) => boolean): void {
    const status = this.#waiting;
    if (status === undefined || delays(status)) return;
    this.#waiting = undefined;
    this.#send(status);
  }
}
