/** When a device sleeps and wakes by itself, in ms. Infinity: only when the test makes it. */
export interface SleepOptions {
  /** Time awake, from the moment when the sketch is told that MQTT is ready. */
  awake: number;
  /** Time from falling asleep to the boot that ends the sleep. */
  asleep: number;
}

/** The timers of a sketch that sleeps, as homie-esp8266 documents it (docs/advanced-usage/deep-sleep.md). */
export class SleepTimer {
  readonly #options: SleepOptions | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SleepOptions | undefined) {
    this.#options = options;
  }

  /** Starts the awake timer when MQTT is ready. @param sleep called when the device has been awake long enough */
  ready(sleep: () => void): void {
    // After a reconnect without a reboot, the timer of the sketch is still running.
    if (this.#timer === undefined) this.#set(this.#options?.awake, sleep);
  }

  /** Starts the sleep timer. @param wake called when the device must boot */
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
