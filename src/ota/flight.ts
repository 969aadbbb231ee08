import type { HomieBroker } from '../homie/broker';
import type { Device } from '../homie/device';
import type { OpenEnd } from '../homie/lock';
import type { Change, Outcome } from '../homie/update';
import type { Image } from './image';
import type { OtaSettings } from './settings';
import { HomieError } from '../errors';

export interface Flight {
  readonly publishedAt: number;
  readonly before?: string;
  readonly statistics: boolean;
  readonly up?: number;
  readonly status?: string;
  readonly flashed: boolean;
  readonly reinstall: boolean;
}

export function flightOf({ checksum, uptime, otaStatus }: Device, reinstall: boolean): Flight {
  return {
    publishedAt: Date.now(),
    ...(checksum && { before: checksum.value }),
    statistics: uptime !== undefined,
    ...(uptime && { up: uptime.value }),
    ...(otaStatus && { status: otaStatus.value }),
    flashed: false,
    reinstall,
  };
}

export async function judgeFlight(_input: {
  broker: HomieBroker;
  device: string;
  firmware: Image;
  flight: Flight;
  settings: OtaSettings;
  abandon: AbortSignal;
  report: (change: Change) => void;
}): Promise<{ kind: 'ended'; outcome: Outcome; open?: OpenEnd } | { kind: 'again' }> {
  return { kind: 'ended', outcome: { state: 'failed', error: new HomieError('ABANDONED') }, open: 'unknown' };
}
