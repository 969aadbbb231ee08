/** Runs rows of a table, each the exchange of an image with one device. */
import assert from 'node:assert/strict';
import type { Image } from '../../src/ota/image';
import type { OtaSettings } from '../../src/ota/settings';
import type { DeviceOptions } from '../simulator/device';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { codeOf, Lab, next, raw } from './lab';

/** A row: the image, the device, and the expected result. */
export interface Row {
  readonly title: string;
  readonly device?: Partial<DeviceOptions>;
  readonly image?: () => Promise<Image>;
  readonly settings?: Partial<OtaSettings>;
  readonly expected: string;
  /** A result that is also right if the device took longer. The device does not stay locked then. */
  readonly late?: string;
  /** What the device runs at the end: the old firmware, the image as it was sent, or something else. */
  readonly runs?: 'old' | 'new' | 'other';
  /** Number of firmware publishes that reached the device, without the one-byte ones. */
  readonly transfers?: number;
  /** Whether the device stays locked. */
  readonly locked?: boolean;
}

/** Describes the exchanges, with each broker. */
export function describeExchanges(title: string, rows: readonly Row[]): void {
  describeWithBrokers(title, (start) => {
    let broker: TestBroker;

    before(async () => {
      broker = await start();
    });
    after(() => broker?.stop());

    for (const row of rows) it(`${row.title}: ${row.expected}`, () => exchange(broker.url, row));
  });
}

async function exchange(url: string, row: Row): Promise<void> {
  const { device, image, settings, expected, late, runs, transfers, locked = false } = row;
  const lab = await Lab.open(url, device);
  try {
    const sent = await (image?.() ?? raw(next));
    const before = lab.device.checksum;
    const { outcome } = await lab.bring(sent, settings);
    const isLate = late !== undefined && codeOf(outcome) === late;
    if (!isLate) assert.equal(codeOf(outcome), expected);
    if (runs !== undefined) {
      const now = lab.device.image;
      const actual = now.equals(sent.image) ? 'new' : lab.device.checksum === before ? 'old' : 'other';
      assert.equal(actual, runs);
    }
    if (transfers !== undefined) {
      assert.equal(lab.device.images.length, transfers);
    }
    assert.equal(lab.broker.locks.isRebootPending(lab.device.id), locked && !isLate);
  } finally {
    await lab.close();
  }
}
