import type { Device } from './device';
import type { Facts } from './values';

/**
 * A device in the registry. All its properties exist from the start, because objects of the same shape are small and
 * fast.
 */
export class KnownDevice implements Device, Facts {
  readonly id: string;
  seenAt: number | undefined;
  connectedAt: number | undefined;
  sleeps: boolean | undefined;
  state: Facts['state'];
  homie: Facts['homie'];
  name: Facts['name'];
  mac: Facts['mac'];
  fwName: Facts['fwName'];
  fwVersion: Facts['fwVersion'];
  checksum: Facts['checksum'];
  implementation: Facts['implementation'];
  implementationVersion: Facts['implementationVersion'];
  config: Facts['config'];
  configSet: Facts['configSet'];
  otaEnabled: Facts['otaEnabled'];
  otaStatus: Facts['otaStatus'];
  ip: Facts['ip'];
  signal: Facts['signal'];
  interval: Facts['interval'];
  uptime: Facts['uptime'];

  constructor(id: string) {
    this.id = id;
  }
}
