import assert from 'node:assert/strict';
import fc from 'fast-check';
import { HomieError } from '../../src/errors';
import { isForSame } from '../../src/library/stored-image';
import type { Image } from '../../src/ota/image';
import { deviceOf, home, imageOf, LibraryLab, MEGABYTE } from './lab';

const scopes = [home, 'elsewhere/homie/'] as const;
const ids = ['one', 'two'] as const;

/** Two names, two flash sizes, and versions that are lower, equal, higher and not comparable. */
const images = ['my-light', 'my-plug'].flatMap((name) =>
  [MEGABYTE, 4 * MEGABYTE].flatMap((flashSize) =>
    ['1.0.0', '1.1', '1.1.0', 'nightly'].map((version) => imageOf({ name, flashSize, version })),
  ),
);
const image = fc.constantFrom(...images);
const scope = fc.constantFrom(...scopes);
const device = fc.constantFrom(...ids);

const anyStep = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('offer'), image, scope, replace: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('withdraw'), image, scope }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('proven'), image, device }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('rollback', 'allow', 'forget'), image, device }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
);
type Step = Partial<{ device: string; scope: string; replace: boolean }> & { kind: string; image?: Image };

/** What a device has shown, as its user knows it. */
interface Shown {
  now?: string;
  before?: string | undefined;
  readonly held: Set<string>;
}

describe('whatever happens to the library', () => {
  it('keeps what an offer or a device refers to and nothing else, and knows the same after a restart', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array<Step>(anyStep, { maxLength: 40, size: 'max' }), async (steps) => {
        const lab = new LibraryLab();
        const shown = new Map<string, Shown>(ids.map((id) => [id, { held: new Set() }]));
        for (const each of steps) {
          await act(lab, shown, each);
          await lab.settled();
          check(lab, shown);
        }
        const before = snapshot(lab);
        await lab.restart();
        assert.deepEqual(snapshot(lab), before);
      }),
      { numRuns: 200 },
    );
  });
});

async function act(lab: LibraryLab, shown: Map<string, Shown>, step: Step): Promise<void> {
  const { kind, image: given = imageOf(), device: id = '', scope: at = home, replace } = step;
  const { info } = given;
  const of = shown.get(id) ?? { held: new Set<string>() };
  switch (kind) {
    case 'offer':
      await lab.library.offer(at, given, replace).catch(only('VERSION_UNCLEAR'));
      break;
    case 'withdraw':
      await lab.library.withdraw(at, info.md5).catch(only('NOT_ON_OFFER'));
      break;
    case 'proven':
      await lab.prove(id, given);
      of.held.delete(info.md5);
      if (of.now !== info.md5) [of.now, of.before] = [info.md5, of.now];
      break;
    case 'rollback':
      await rollBack(lab, id, of);
      break;
    case 'allow':
      await lab.library.allowAgain(`${home}${id}`, info.md5);
      of.held.delete(info.md5);
      break;
    case 'forget':
      await lab.library.forget(`${home}${id}`);
      shown.set(id, { held: new Set() });
      break;
    default:
      await lab.restart();
  }
}

/** Sends a device back, where there is a way back. */
async function rollBack(lab: LibraryLab, id: string, of: Shown): Promise<void> {
  const { now } = of;
  const choice = lab.library.choose('previous', home, deviceOf(id, { fwName: 'my-light', checksum: now ?? '' }));
  assert.equal('image' in choice ? choice.image.md5 : undefined, of.before);
  const back = images.find(({ info }) => info.md5 === of.before);
  if (back === undefined || now === undefined) return;
  await lab.prove(id, back, { isRollback: true, from: now });
  of.held.add(now);
  of.held.delete(back.info.md5);
  [of.now, of.before] = [back.info.md5, undefined];
}

function check(lab: LibraryLab, shown: ReadonlyMap<string, Shown>): void {
  const { library } = lab;
  const used = new Set<string>();
  for (const at of scopes) {
    const offers = library.offers(at);
    for (const offer of offers) used.add(offer.md5);
    for (const one of offers)
      assert.deepEqual(
        offers.filter((other) => isForSame(one, other)),
        [one],
      );
  }
  for (const [id, { now, before, held }] of shown) {
    for (const md5 of [now, before]) if (md5 !== undefined) used.add(md5);
    for (const { info } of images) assert.equal(library.isHeld(`${home}${id}`, info.md5), held.has(info.md5));
    // A rollback never brings what an earlier one has left.
    for (const checksum of [now, 'f'.repeat(32)]) {
      const choice = library.choose('previous', home, deviceOf(id, { checksum: checksum ?? '' }));
      if ('image' in choice) assert.ok(!held.has(choice.image.md5));
    }
  }
  assert.deepEqual([...lab.files.keys()].sort(), [...used].sort());
  assert.deepEqual(images.filter(({ info }) => library.needs(info.md5)).length, used.size);
}

/** Returns all that the library says. */
function snapshot({ library, files }: LibraryLab): unknown {
  return {
    offers: scopes.map((at) => library.offers(at)),
    files: [...files.keys()].sort(),
    devices: ids.flatMap((id) =>
      images.map(({ info }) => {
        const known = deviceOf(id, { fwName: info.name ?? '', checksum: info.md5, implementation: 'esp8266' });
        const [offer, previous] = (['offer', 'previous'] as const).map((origin) => library.choose(origin, home, known));
        return [offer, previous, library.knowsRunning(home, known), library.isHeld(`${home}${id}`, info.md5)];
      }),
    ),
  };
}

function only(code: string): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof HomieError) || error.code !== code) throw error;
  };
}
