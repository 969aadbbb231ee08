/** When a device sleeps and wakes by itself, in ms; Infinity where it does so only when it is told. */
export interface SleepOptions {
  /** From the moment at which the sketch is told that MQTT is ready. */
  awake: number;
  /** From there to the boot that ends the sleep. */
  asleep: number;
}

/** The timers of a sketch that sleeps, as in homie-esp8266 docs/advanced-usage/deep-sleep.md. */
export class SleepTimer {
  readonly #options: SleepOptions | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SleepOptions | undefined) {
    this.#options = options;
  }

  /** MQTT is ready. @param sleep called when the device has been awake for long enough */
  ready(sleep: () => void): void {
    // After a mere reconnect the timer of the sketch still runs.
    if (this.#timer === undefined) this.#set(this.#options?.awake, sleep);
  }

  /** The device sleeps. @param wake called when it is to boot */
  asleep(wake: () => void): void {
    this.stop();
    this.#set(this.#options?.asleep, wake);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #set(milliseconds = Infinity, callback: () => void): void {
    if (Number.isFinite(milliseconds)) this.#timer = setTimeout(callback, milliseconds);
  }
}
