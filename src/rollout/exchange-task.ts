import type { HomieError } from '../errors';
import type { HomieBroker } from '../homie/broker';
import type { Device } from '../homie/device';
import type { OpenEnd } from '../homie/lock-table';
import { whyNot } from '../homie/presence';
import { isMeant, selectDevices, type DeviceChoice } from '../homie/select';
import type { Outcome, Update } from '../update/update';
import type { Author } from './store/history-record';
import type { Hooks, Judged } from './task';

/**
 * The result of a device that was in flight. `open`: how an exchange left a device that may still boot something.
 * `again`: the device can be served again.
 */
type FlightEnd =
  { readonly kind: 'ended'; readonly outcome: Outcome; readonly open?: OpenEnd } | { readonly kind: 'again' };

/** What tasks for updates and for configuration changes have in common. */
interface ExchangeTaskInput<Settings> {
  readonly broker: HomieBroker;
  readonly choice: DeviceChoice;
  readonly settings: Settings;
  /** Whether more devices may appear later, so that none need be found at the start. */
  readonly continuous: boolean;
  /** The firmware name in the image, if it carries one. */
  readonly firmwareName?: string | undefined;
  /** The author to record in the history. */
  readonly author?: Author | undefined;
}

/** A task that sends an image or a patch to a device, and judges the result by what the device does then. */
export abstract class ExchangeTask<Flight, Settings extends { readonly force: boolean }> {
  readonly broker: HomieBroker;
  protected readonly input: ExchangeTaskInput<Settings>;

  constructor(input: ExchangeTaskInput<Settings>) {
    this.input = input;
    this.broker = input.broker;
  }

  select(signal: AbortSignal): Promise<readonly string[]> {
    const { choice, firmwareName, continuous } = this.input;
    return selectDevices(this.broker, choice, firmwareName, signal, continuous);
  }

  admits(device: Device): boolean {
    const { choice, firmwareName } = this.input;
    return isMeant(choice, device, firmwareName);
  }

  missing(device: string): HomieError {
    return whyNot(this.broker, device);
  }

  async judge(device: string, flight: Flight, hooks: Hooks<Flight>): Promise<Judged> {
    const end = await this.judgeFlight(device, flight, hooks);
    await this.broker.locks.left(device, end.kind === 'ended' ? end.open : undefined);
    return end.kind === 'again' ? 'again' : end.outcome;
  }

  /** Returns an update with the author to record in the history. */
  protected authored(update: Update): Update & { readonly node?: Author } {
    const { author } = this.input;
    return author === undefined ? update : { ...update, node: author };
  }

  protected abstract judgeFlight(device: string, flight: Flight, hooks: Hooks<Flight>): Promise<FlightEnd>;

  /** Returns the settings for a device. `force` applies only to devices that the user requested. */
  protected settingsFor(_device: string, asked: boolean): Settings {
    const { settings } = this.input;
    return { ...settings, force: settings.force && asked };
  }
}
