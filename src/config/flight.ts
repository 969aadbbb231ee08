import { HomieError } from '../errors';
import type { HomieBroker } from '../homie/broker';
import type { Device } from '../homie/device';
import type { Change, Outcome } from '../homie/update';
import type { Check } from './check';
import type { ConfigSettings } from './settings';

export interface ConfigFlight {
  readonly publishedAt: number;
}

export function configFlightOf(_device: Device, _check: Check, _done: number, _settings: ConfigSettings): ConfigFlight {
  return { publishedAt: Date.now() };
}

export async function judgeConfigFlight(_input: {
  broker: HomieBroker;
  device: string;
  flight: ConfigFlight;
  settings: ConfigSettings;
  abandon: AbortSignal;
  report: (change: Change) => void;
}): Promise<{ kind: 'ended'; outcome: Outcome } | { kind: 'again' }> {
  return { kind: 'ended', outcome: { state: 'failed', error: new HomieError('ABANDONED') } };
}
