import type { HomieError } from '../errors';
import type { HomieBroker } from '../homie/broker';
import type { Device } from '../homie/device';
import type { OpenEnd } from '../homie/lock-table';
import { whyNot } from '../homie/presence';
import { isMeant, selectDevices, type DeviceChoice } from '../homie/select';
import type { Outcome, Update } from '../update/update';
import type { Author } from './store/history-record';
import type { Hooks, Judged } from './task';

/** What happened to a device that was in flight. `open`: it may still boot something. */
type FlightEnd =
  { readonly kind: 'ended'; readonly outcome: Outcome; readonly open?: OpenEnd } | { readonly kind: 'again' };

/** What an update and a configuration change have in common. */
interface ExchangeTaskInput<Settings> {
  readonly broker: HomieBroker;
  readonly choice: DeviceChoice;
  readonly settings: Settings;
  /** Devices may appear later, too. */
  readonly continuous: boolean;
  /** The name that the image carries, if it carries one. */
  readonly firmwareName?: string | undefined;
  /** Who is remembered to have done it. */
  readonly author?: Author | undefined;
}

/** A task that sends something to a device, and judges by what the device does then. */
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

  /** An update together with who is remembered to have done it. */
  protected authored(update: Update): Update & { readonly node?: Author } {
    const { author } = this.input;
    return author === undefined ? update : { ...update, node: author };
  }

  protected abstract judgeFlight(device: string, flight: Flight, hooks: Hooks<Flight>): Promise<FlightEnd>;

  /** Returns the settings for a device. `force` counts only for a device that the user asked for. */
  protected settingsFor(_device: string, asked: boolean): Settings {
    const { settings } = this.input;
    return { ...settings, force: settings.force && asked };
  }

  /** Returns the key of a device in the history. */
  protected keyOf(device: string): string {
    return `${this.broker.locks.scope}${device}`;
  }
}
