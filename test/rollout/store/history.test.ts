import assert from 'node:assert/strict';
import type { ErrorCode } from '../../../src/errors';
import type { State, Update } from '../../../src/update/update';
import { History } from '../../../src/rollout/store/history';
import { type DeviceHistory } from '../../../src/rollout/store/history-record';
import { endedUpdate } from '../../support/updates';

const lamp = 'localhost/homie/lamp';
const [oldImage, newImage] = ['a'.repeat(32), 'b'.repeat(32)];

const update = (state: State, code?: ErrorCode): Update => endedUpdate('lamp', state, code);

describe('the history of devices and images', () => {
  let history: History;

  beforeEach(() => {
    history = new History();
  });

  it('counts transfers, but for those that were not sent after all', () => {
    void history.begun(lamp, newImage);
    void history.begun(lamp, newImage);
    assert.equal(history.mayTransfer(lamp, newImage, 3), 1);
    history.notSent(lamp, newImage);
    assert.equal(history.mayTransfer(lamp, newImage, 3), 2);
    assert.equal(history.mayTransfer(lamp, oldImage, 3), 3);
    assert.equal(history.mayTransfer('localhost/homie/other', newImage, 3), 3);
  });

  it('holds an image that was sent as often as is allowed', () => {
    void history.begun(lamp, newImage);
    assert.equal(history.heldBecause(lamp, newImage, 2), undefined);
    void history.begun(lamp, newImage);
    assert.equal(history.heldBecause(lamp, newImage, 2), 'ATTEMPTS');
    assert.equal(history.mayTransfer(lamp, newImage, 1), 0);
  });

  for (const code of ['OLD_FIRMWARE', 'OTHER_FIRMWARE', 'NOT_BACK'] as const) {
    it(`holds an image after ${code}, until it is allowed again`, () => {
      void history.begun(lamp, newImage);
      void history.ended(lamp, newImage, update('failed', code));
      assert.equal(history.heldBecause(lamp, newImage, 5), code);
      history.allowAgain(lamp, newImage);
      assert.equal(history.heldBecause(lamp, newImage, 5), undefined);
      assert.equal(history.mayTransfer(lamp, newImage, 5), 5);
    });
  }

  it('does not hold an image after another failure', () => {
    void history.begun(lamp, newImage);
    void history.ended(lamp, newImage, update('failed', 'NOT_ACCEPTED'));
    assert.equal(history.heldBecause(lamp, newImage, 5), undefined);
    assert.equal(history.mayTransfer(lamp, newImage, 5), 4);
  });

  it('starts again with a device that runs the image', () => {
    void history.begun(lamp, newImage);
    void history.ended(lamp, newImage, update('failed', 'NOT_BACK'));
    history.shows(lamp, newImage, true);
    assert.equal(history.heldBecause(lamp, newImage, 2), undefined);
    assert.equal(history.mayTransfer(lamp, newImage, 2), 2);
  });

  it('holds an image that a device had, when it runs another one that nobody of us brought', () => {
    void history.ended(lamp, newImage, update('succeeded'));
    history.shows(lamp, newImage, false);
    assert.equal(history.heldBecause(lamp, newImage, 2), 'REPLACED');
  });

  it('does not hold an image that a device never had', () => {
    history.shows(lamp, newImage, false);
    assert.equal(history.heldBecause(lamp, newImage, 2), undefined);
  });

  it('lets the user go back to an image that was replaced by one of ours, and nobody else', () => {
    void history.ended(lamp, oldImage, update('succeeded'));
    void history.ended(lamp, newImage, update('succeeded'));
    history.shows(lamp, oldImage, false);
    assert.equal(history.heldBecause(lamp, oldImage, 2), undefined);
    assert.equal(history.heldBecause(lamp, oldImage, 2, false), 'REPLACED');
    void history.ended(lamp, oldImage, update('succeeded'));
    assert.equal(history.heldBecause(lamp, oldImage, 2, false), undefined);
    assert.equal(history.heldBecause(lamp, newImage, 2, false), 'REPLACED');
  });

  it('still holds an image that a device did not take when it takes another one', () => {
    void history.ended(lamp, newImage, update('failed', 'OLD_FIRMWARE'));
    void history.begun(lamp, newImage);
    void history.ended(lamp, oldImage, update('succeeded'));
    assert.equal(history.heldBecause(lamp, newImage, 5), 'OLD_FIRMWARE');
    assert.equal(history.mayTransfer(lamp, newImage, 5), 4);
  });

  describe('under another host of the broker', () => {
    const renamed = '192.168.1.5/homie/lamp';

    beforeEach(() => {
      void history.ended(lamp, newImage, update('failed', 'NOT_BACK'));
      void history.stop('localhost/homie/', newImage);
      // Something is known under the new name.
      void history.ended('192.168.1.5/homie/other', oldImage, update('succeeded'));
    });

    it('still holds an image after a failure, until it is allowed again', () => {
      assert.equal(history.heldBecause(renamed, newImage, 5), 'NOT_BACK');
      assert.equal(history.heldBecause('192.168.1.5/other/lamp', newImage, 5), undefined);
      history.allowAgain(renamed, newImage);
      assert.equal(history.heldBecause(lamp, newImage, 5), undefined);
    });

    it('still holds an image after a failure, until the device runs it', () => {
      history.shows(renamed, newImage, true);
      assert.equal(history.heldBecause(renamed, newImage, 5), undefined);
      assert.equal(history.heldBecause(lamp, newImage, 5), undefined);
    });

    it('still stops an image, until it is allowed again', () => {
      assert.notEqual(history.stopOf('192.168.1.5/homie/', newImage), undefined);
      assert.equal(history.stopOf('192.168.1.5/other/', newImage), undefined);
      history.endStop('192.168.1.5/homie/', newImage);
      assert.equal(history.stopOf('localhost/homie/', newImage), undefined);
    });
  });

  it('keeps all that over a restart', () => {
    const written = new Map<string, string>();
    history = new History(async (device, record) => {
      written.set(device, JSON.stringify(record));
    });
    void history.ended(lamp, newImage, update('failed', 'OLD_FIRMWARE'));
    void history.begun('__proto__', oldImage);
    const later = new History();
    for (const [device, record] of written) later.restore(device, JSON.parse(record));
    assert.equal(later.heldBecause(lamp, newImage, 2), 'OLD_FIRMWARE');
    assert.equal(later.mayTransfer('__proto__', oldImage, 2), 1);
    assert.deepEqual(later.lastResults(lamp), [update('failed', 'OLD_FIRMWARE')]);
  });

  it('takes nothing from a record that is none', () => {
    for (const record of [null, 1, { images: [['x', {}]], results: [null] }, { images: {}, results: 'no' }]) {
      history.restore(lamp, record);
    }
    assert.equal(history.mayTransfer(lamp, 'x', 2), 2);
    assert.deepEqual(history.lastResults(lamp), []);
  });

  it('leaves out what is damaged, and takes in the rest of a record', () => {
    const sound = { transfers: 1, had: true, held: 'REPLACED' };
    const damaged = [{ transfers: -1 }, { transfers: 1.5 }, { had: 'yes' }, { held: 'whatever' }, { replaced: 'no' }];
    const images = damaged.map((part, index) => [`damaged ${index}`, { ...sound, ...part }] as const);
    history.restore(lamp, {
      images: [...images, [oldImage, sound]],
      results: [{ device: lamp, state: 'unheard of' }, update('succeeded')],
    });
    assert.equal(history.heldBecause(lamp, oldImage, 2), 'REPLACED');
    for (const [name] of images) assert.equal(history.mayTransfer(lamp, name, 2), 2);
    assert.deepEqual(history.lastResults(lamp), [update('succeeded')]);
  });

  it('tells of each change once, and waits until a transfer is written down', async () => {
    let changes = 0;
    let written: () => void = () => undefined;
    history = new History(() => {
      changes += 1;
      return new Promise((resolve) => {
        written = resolve;
      });
    });
    const order: string[] = [];
    const begin = async (): Promise<void> => {
      await history.begun(lamp, newImage);
      order.push('begun');
    };
    const beginning = begin();
    await Promise.resolve();
    order.push('written');
    written();
    await beginning;
    assert.deepEqual(order, ['written', 'begun']);
    history.shows(lamp, newImage, true);
    history.shows(lamp, newImage, true);
    assert.equal(changes, 2);
  });

  it('remembers the last results of a device', () => {
    for (const state of ['failed', 'rejected', 'canceled', 'timed_out', 'skipped', 'succeeded'] as const) {
      void history.remember(lamp, update(state));
    }
    const states = history.lastResults(lamp).map(({ state }) => state);
    assert.deepEqual(states, ['rejected', 'canceled', 'timed_out', 'skipped', 'succeeded']);
    assert.deepEqual(history.lastResults('localhost/homie/other'), []);
  });

  it('keeps one of several skips in a row that say the same, so that nights without an update push out none', () => {
    void history.remember(lamp, update('succeeded'));
    const skip = (job: string, reason: 'up_to_date' | 'older'): Update => ({ ...update('skipped'), job, reason });
    for (let night = 1; night <= 9; night += 1) void history.remember(lamp, skip(`night ${night}`, 'up_to_date'));
    void history.remember(lamp, skip('last', 'older'));
    const jobs = history.lastResults(lamp).map(({ job }) => job);
    assert.deepEqual(jobs, ['job', 'night 9', 'last']);
  });

  it('tells the results of one broker, from new to old', () => {
    const at = (device: string, hour: number): Update => ({
      ...update('succeeded'),
      device,
      startedAt: `2026-01-01T0${hour}:00:00.000Z`,
    });
    for (const [scope, device, hour] of [
      ['localhost/homie/', 'lamp', 3],
      ['localhost/homie/', 'hall', 1],
      ['localhost/homie/', 'lamp', 4],
      ['localhost/homie/other/', 'lamp', 5],
      ['localhost/', 'homie', 6],
    ] as const) {
      void history.remember(`${scope}${device}`, at(device, hour));
    }
    const told = history.recent('localhost/homie/', ({ state }) => state === 'succeeded');
    assert.deepEqual(told, [at('lamp', 4), at('lamp', 3), at('hall', 1)]);
    assert.deepEqual(
      history.recent('localhost/homie/', ({ device }) => device === 'hall'),
      [at('hall', 1)],
    );
    assert.deepEqual(
      history.recent('elsewhere/', () => true),
      [],
    );
  });

  it('takes no result from a file of which a part is damaged that would be told', () => {
    const sound = { ...update('failed', 'NOT_BACK'), to: { version: '1' }, node: { id: 'n', name: 'Night' } };
    const damaged = [
      { startedAt: 'tonight' },
      { duration: 'long' },
      { duration: 1e300 },
      { from: undefined },
      { from: { version: 7 } },
      { to: { name: {} } },
      { error: { code: 'NOT_BACK', message: [] } },
      { node: { name: 'Night' } },
      { node: { id: 'n', name: 1 } },
      { late: 'yes' },
    ];
    history.restore(lamp, { results: [...damaged.map((part) => ({ ...sound, ...part })), sound] });
    assert.deepEqual(history.lastResults(lamp), [sound]);
  });

  it('puts a result that nobody was told aside for the one that is told', async () => {
    await history.remember(lamp, update('failed'));
    await history.remember(lamp, { ...update('succeeded'), duration: 1 }, true);
    await history.remember(lamp, { ...update('skipped'), job: 'another' }, true);
    const states = history.lastResults(lamp).map(({ state }) => state);
    assert.deepEqual(states, ['succeeded', 'skipped']);
  });

  it('gives a late result the place of the last one of its job, and to no job that is forgotten', async () => {
    const of = (job: string, state: Update['state'], late?: true): Update => ({
      ...update(state),
      job,
      ...(late && { late }),
    });
    await history.ended(lamp, newImage, { ...update('failed', 'NOT_BACK'), job: 'first' });
    await history.ended(lamp, oldImage, of('second', 'rejected'));
    assert.equal(history.heldBecause(lamp, newImage, 2), 'NOT_BACK');
    await history.ended(lamp, newImage, of('first', 'succeeded', true));
    await history.ended(lamp, newImage, of('forgotten', 'failed', true));
    assert.deepEqual(history.lastResults(lamp), [of('first', 'succeeded', true), of('second', 'rejected')]);
    assert.equal(history.heldBecause(lamp, newImage, 2), undefined);
  });

  it('forgets what was used longest ago, in bounded memory', () => {
    const kept = new Map<string, DeviceHistory>();
    history = new History(async (device, record) => {
      if (record === undefined) kept.delete(device);
      else kept.set(device, record);
    });
    for (let index = 0; index <= 20_000; index += 1) {
      void history.begun(`device-${index}`, newImage);
      void history.remember(`device-${index}`, update('failed', 'NOT_ACCEPTED'));
      void history.begun(lamp, index.toString(16).padStart(32, '0'));
    }
    const records = [...kept.values()];
    assert.equal(records.filter(({ images }) => images.length > 0).length, 20_000);
    assert.equal(records.filter(({ results }) => results.length > 0).length, 1000);
    assert.equal(kept.get(lamp)?.images.length, 20);
    assert.equal(history.mayTransfer('device-0', newImage, 2), 2);
    assert.equal(history.mayTransfer('device-20000', newImage, 2), 1);
  });
});
