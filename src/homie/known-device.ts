import type { Device } from './device';
import type { Facts } from './values';

/** All slots are there from the start: objects of one shape are small and quick. */
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
  uptime: Facts['uptime'];

  constructor(id: string) {
    this.id = id;
  }
}
