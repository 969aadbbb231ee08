import assert from 'node:assert/strict';
import { once } from 'node:events';
import { CertificateAuthority, opensslAvailable } from '../support/certificates';
import { startAedes } from '../support/aedes';
import { mosquittoAvailable, startMosquitto } from '../support/mosquitto';
import { Fleet } from './fleet';

const firmware = { firmware: 'my-light', version: '1.0.0', bootDelay: 0 };

describe('a fleet of simulated devices', () => {
  it('runs the same firmware under many ids, and tells what each device does', async () => {
    const broker = await startAedes();
    const fleet = new Fleet({ ...firmware, url: broker.url, count: 3 });
    const told: string[] = [];
    fleet.on('event', (id, text) => told.push(`${id} ${text}`));
    try {
      const ready = fleet.devices.map((device) => once(device, 'ready'));
      fleet.switchOn();
      await Promise.all(ready);
      assert.deepEqual(
        fleet.devices.map(({ id }) => id),
        ['my-light-1', 'my-light-2', 'my-light-3'],
      );
      assert.equal(new Set(fleet.devices.map(({ checksum }) => checksum)).size, 1);
      assert.ok(told.includes('my-light-2 $state ready'));
    } finally {
      await fleet.stop();
      await broker.close();
    }
  });

  it('connects with a password over TLS, and says so when it is refused', async function () {
    if (!mosquittoAvailable() || !opensslAvailable()) this.skip();
    const authority = new CertificateAuthority();
    const tls = { ca: authority.ca, ...authority.issue('IP:127.0.0.1') };
    const broker = await startMosquitto({ tls, password: { username: 'lamp', password: 'right' } });
    const login = { url: broker.url, tls: { ca: authority.pem }, username: 'lamp' };
    const right = new Fleet({ ...firmware, ...login, password: 'right', count: 1 });
    const wrong = new Fleet({ ...firmware, ...login, password: 'wrong', firmware: 'other', count: 1 });
    try {
      const ready = right.devices.map((device) => once(device, 'ready'));
      right.switchOn();
      await Promise.all(ready);
      const told = once(wrong, 'event');
      wrong.switchOn();
      await told;
      assert.deepEqual(await once(wrong, 'event'), [
        'other-1',
        'is not connected: The broker refused the connection (5)',
      ]);
    } finally {
      await Promise.all([right.stop(), wrong.stop()]);
      await broker.stop();
      authority.remove();
    }
  });
});
