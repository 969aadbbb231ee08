import { on, once } from 'node:events';
import { md5 } from '../../src/firmware/checksum';
import type { Image } from '../../src/ota/image';
import { HomieBroker } from '../../src/homie/broker';
import { untilReady } from '../../src/homie/presence';
import type { Serving } from '../../src/homie/serving';
import { bringFirmware, type ExchangeInput } from '../../src/ota/exchange';
import { otaDefaults, type OtaSettings } from '../../src/ota/settings';
import type { Change, Outcome } from '../../src/update/update';
import type { ConnectionOptions } from '../../src/mqtt/connection';
import { rolloutDefaults, type RolloutSettings } from '../../src/rollout/settings';
import { SimulatedDevice, type DeviceOptions } from '../simulator/device';
import { buildEsp8266Image, running } from '../support/images';
import { HANG_LIMIT } from '../support/limits';

export { next, running } from '../support/images';
import { resetLocks } from '../support/locks';
import { untilTrue } from '../support/until-true';

/** An image whose transfer takes long enough for something to happen meanwhile. */
export const large = buildEsp8266Image({ name: 'my-light', version: '1.1.0', size: 400_000, seed: 3 });

/** Deadlines for tests in which every response that the exchange waits for arrives. */
export const patient: OtaSettings = {
  ...otaDefaults,
  sending: HANG_LIMIT,
  accepted: HANG_LIMIT,
  stall: HANG_LIMIT,
  reboot: HANG_LIMIT,
  ready: HANG_LIMIT,
};

/** Deadlines for tests in which a response never arrives; long enough for the steps before it on a busy machine. */
export const expiring = { accepted: 8_000, stall: 8_000, reboot: 8_000, ready: 8_000 };

/** One device at a time, without canaries and without a stop after failures. */
export const sequential: RolloutSettings = { ...rolloutDefaults, canary: 0, maxFailures: 0, expires: HANG_LIMIT };

/** Returns any bytes as a valid Homie image for the simulated device. */
export async function raw(image: Buffer, changes: Partial<Image['info']> = {}): Promise<Image> {
  const checksum = await md5(image);
  return {
    image,
    info: {
      chip: 'esp8266',
      family: 'esp8266',
      size: image.length,
      end: image.length,
      md5: checksum,
      flashMode: 'DIO',
      flashSize: 1_048_576,
      homie: true,
      name: 'my-light',
      version: '1.1.0',
      ...changes,
    },
    checksums: async () => {
      const patched = [0, 1, 2, 3, 0xff].map((mode) => {
        const copy = Buffer.from(image);
        if (copy.length > 2) copy[2] = mode;
        return md5(copy);
      });
      return new Set([changes.md5 ?? checksum, ...(await Promise.all(patched))]);
    },
  };
}

/** Returns what a job provides for a device that it serves, if it lets everything happen and needs to know nothing. */
export function serving(broker: HomieBroker, device: string) {
  const never = new AbortController().signal;
  return {
    broker,
    device,
    job: 'test',
    mayBegin: () => true,
    handedOver: () => undefined,
    cancel: never,
    abandon: never,
    report: () => undefined,
    begin: async () => false,
    unsent: () => undefined,
    acknowledged: () => undefined,
    flashed: () => undefined,
    watchOn: () => undefined,
  } satisfies Serving & Partial<ExchangeInput>;
}

/** What an exchange with an image has resulted in. */
export interface Brought {
  readonly outcome: Outcome;
  /** All reported changes, in order. */
  readonly changes: readonly Change[];
}

/** A broker, our connection to it, and a simulated device. */
export class Lab {
  readonly broker: HomieBroker;
  readonly device: SimulatedDevice;

  readonly #url: string;

  private constructor(url: string, broker: HomieBroker, device: SimulatedDevice) {
    this.#url = url;
    this.broker = broker;
    this.device = device;
  }

  static #count = 0;

  /** Starts our connection and a device, and waits until we know that the device is ready, and its uptime. */
  static async open(
    url: string,
    options: Partial<DeviceOptions> = {},
    connection: Partial<ConnectionOptions> = {},
  ): Promise<Lab> {
    const id = options.id ?? `lab-${(Lab.#count += 1)}`;
    const device = new SimulatedDevice({ url, id, image: running, uptime: 3600, ...options });
    const broker = new HomieBroker({
      url,
      protocolVersion: 'auto',
      baseTopic: device.baseTopic,
      reconnect: { min: 20, max: 100 },
      ...connection,
    });
    broker.start();
    await broker.settled();
    const lab = new Lab(url, broker, device);
    await Promise.all([device.start(), lab.#seen(options.misbehavior?.noStatistics === true ? 'state' : 'uptime')]);
    return lab;
  }

  /** Waits until the device is ready, and has published this attribute in its current connection. */
  async #seen(attribute: 'state' | 'uptime'): Promise<void> {
    for (;;) {
      const known = this.broker.registry.get(this.device.id);
      if (known?.state?.value === 'ready' && (known[attribute]?.at ?? 0) >= known.state.at) return;
      await once(this.broker.registry, 'event');
    }
  }

  /** Returns a lab with the same device, and a new connection. */
  async later(): Promise<Lab> {
    const broker = new HomieBroker({ url: this.#url, protocolVersion: 'auto', baseTopic: this.broker.baseTopic });
    broker.start();
    await broker.settled();
    return new Lab(this.#url, broker, this.device);
  }

  /** Whether the device may have something to boot. */
  get isPending(): boolean {
    return this.broker.locks.isRebootPending(this.device.id);
  }

  /** Waits for the next live value of an attribute of the device. */
  async live(attribute: string): Promise<unknown> {
    // Several events may arrive at once.
    for await (const [id, event] of on(this.broker.registry, 'event')) {
      if (id === this.device.id && event.attribute === attribute && event.live) return event.value;
    }
  }

  /** Stops the device, and waits until we know that the device is lost. */
  async lose(): Promise<void> {
    await this.device.stop();
    await untilTrue(
      this.broker.registry,
      'event',
      () => this.broker.registry.get(this.device.id)?.state?.value === 'lost',
    );
  }

  /**
   * Publishes an image to the device as another client would. The misbehavior `dropAt` of the device cuts off the
   * transfer. Resolves when the device is ready again, half dead.
   */
  async cutOff(image: Buffer): Promise<void> {
    const { broker, device } = this;
    const topic = `homie/${device.id}/$implementation/ota/firmware/${await md5(image)}`;
    const watch = broker.watch(device.id);
    await broker.connection.publish(topic, image, { qos: 1, timeout: HANG_LIMIT });
    let state: unknown;
    for (let left = false; !left || state !== 'ready'; left ||= state === 'lost') {
      const event = await watch.next(Infinity);
      if (event?.attribute === 'state') state = event.value;
    }
    watch.close();
  }

  /** Stops device and connection, and resets the locks: the next lab may have a device with the same id. */
  async close(): Promise<void> {
    await this.device.stop();
    await this.broker.close();
    resetLocks();
  }

  /** Updates the device with `image` as a job does, and collects the reported changes. */
  async bring(
    image: Image,
    settings: Partial<OtaSettings> = {},
    options: {
      cancel?: AbortSignal;
      abandon?: AbortSignal;
      onChange?: (change: Change) => void;
      watchOn?: (late: Promise<Outcome | undefined>) => void;
    } = {},
  ): Promise<Brought> {
    const changes: Change[] = [];
    const id = this.device.id;
    const { onChange, ...hooks } = options;
    const job = { ...serving(this.broker, id), ...hooks };
    this.broker.locks.acquire(id, 'test');
    const watch = this.broker.watch(id);
    const stop = AbortSignal.any([job.cancel, job.abandon]);
    const report = (change: Change): void => {
      changes.push(change);
      onChange?.(change);
    };
    try {
      for (;;) {
        report({ state: 'waiting' });
        await untilReady(this.broker, watch, id, performance.now() + HANG_LIMIT, stop);
        const outcome = await bringFirmware({
          ...job,
          firmware: image,
          settings: { ...patient, ...settings },
          report,
        });
        if (outcome !== undefined) return { outcome, changes };
      }
    } finally {
      watch.close();
      this.broker.locks.release(id, 'test');
    }
  }
}

/** Runs `work` with its own lab. */
export async function withLab(
  url: string,
  options: Partial<DeviceOptions> | undefined,
  work: (lab: Lab) => Promise<void>,
): Promise<void> {
  const lab = await Lab.open(url, options);
  try {
    await work(lab);
  } finally {
    await lab.close();
  }
}

/** Returns the error code, the reason or the state of an outcome, the first that it has. */
export function codeOf(outcome: Outcome): string {
  if ('error' in outcome) return outcome.error.code;
  return 'reason' in outcome ? outcome.reason : outcome.state;
}
