import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { ErrorCode } from '../../../src/errors';
import { DeviceLocks } from '../../../src/homie/lock';
import type { Update } from '../../../src/update/update';
import { History } from '../../../src/rollout/store/history';
import { endedUpdate } from '../../support/updates';

const lamp = 'localhost/homie/property-lamp';
const images = ['a'.repeat(32), 'b'.repeat(32)];

const codes = ['OLD_FIRMWARE', 'OTHER_FIRMWARE', 'NOT_BACK', 'LOST_IN_TRANSFER', 'NOT_ACCEPTED'] as const;

const ended = (code?: ErrorCode): Update =>
  endedUpdate('property-lamp', code === undefined ? 'succeeded' : 'failed', code);

const which = fc.constantFrom(...images);
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('send' as const), image: which, lost: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('fail' as const), image: which, code: fc.constantFrom(...codes) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('succeed' as const, 'allow' as const), image: which }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('show' as const), image: which, runs: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), image: which }) },
);

describe('whatever happens to a device', () => {
  it('is sent an image no more often than is allowed, and not at all where it does not run, until the user says so', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 60, size: 'max' }), (attempts, steps) => {
        const written = new Map<string, string>();
        const open = (): History =>
          new History(async (device, record) => {
            if (record === undefined) written.delete(device);
            else written.set(device, JSON.stringify(record));
          });
        let history = open();
        /** Transfers of each image since the device ran it or the user allowed it; `barred` must not be sent at all. */
        const sent = new Map<string, number>();
        const barred = new Set<string>();
        /**
         * Images that the device was seen to run. They may be sent again once another image has replaced them on
         * purpose.
         */
        const had = new Set<string>();
        const runs = (image: string): void => {
          sent.delete(image);
          barred.delete(image);
          had.add(image);
        };
        for (const each of steps) {
          const { image } = each;
          switch (each.kind) {
            case 'send': {
              const held = history.heldBecause(lamp, image, attempts);
              assert.equal(held === undefined, !barred.has(image) && (sent.get(image) ?? 0) < attempts);
              if (held !== undefined) break;
              void history.begun(lamp, image);
              if (each.lost) history.notSent(lamp, image);
              else sent.set(image, (sent.get(image) ?? 0) + 1);
              assert.ok((sent.get(image) ?? 0) <= attempts);
              break;
            }
            case 'fail':
              void history.ended(lamp, image, ended(each.code));
              if (codes.indexOf(each.code) < 3) barred.add(image);
              break;
            case 'succeed':
              void history.ended(lamp, image, ended());
              for (const other of had) {
                if (other === image || barred.has(other)) continue;
                sent.delete(other);
                had.delete(other);
              }
              runs(image);
              break;
            case 'show':
              if (each.runs) {
                history.shows(lamp, image, true);
                runs(image);
              }
              break;
            case 'allow':
              history.allowAgain(lamp, image);
              sent.delete(image);
              barred.delete(image);
              had.delete(image);
              break;
            case 'restart':
              history = open();
              history.restore(lamp, JSON.parse(written.get(lamp) ?? 'null'));
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('has one job at a time', () => {
    const locks = new DeviceLocks('mqtt://127.0.0.1', 'property/');
    const action = fc.record({
      kind: fc.constantFrom('acquire' as const, 'takeUp' as const, 'release' as const),
      job: fc.constantFrom('one', 'two', 'three'),
    });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
        let holder: string | undefined;
        for (const { kind, job } of actions) {
          if (kind === 'release') {
            locks.release('lamp', job);
            if (holder === job) holder = undefined;
          } else if (holder === undefined || holder === job) {
            locks[kind]('lamp', job);
            holder = job;
          } else {
            assert.throws(() => locks[kind]('lamp', job), { code: 'DEVICE_BUSY' });
          }
          assert.equal(locks.holder('lamp'), holder);
        }
        if (holder !== undefined) locks.release('lamp', holder);
      }),
    );
  });
});
