import assert from 'node:assert/strict';
import { Firmware } from '../../src/firmware/firmware';
import { HomieError } from '../../src/errors';
import { searchSource } from '../../src/sources/search';
import { searchReport } from '../../src/sources/report';
import type { Candidate, Findings, Source } from '../../src/sources/source';
import { buildEsp8266Image, next, running } from '../support/images';

const { signal } = new AbortController();
const LONG = 60_000;

function source(search: Source['search']): Source {
  return { shown: 'somewhere', search };
}

async function candidate(image: Buffer, more: Partial<Candidate> = {}): Promise<Candidate> {
  const firmware = await Firmware.from(image);
  const facts = { info: firmware.info, filename: 'a.bin', source: 'somewhere/a.bin', publishedAt: undefined };
  return { ...facts, read: () => Promise.resolve(firmware), ...more };
}

const found = (...candidates: readonly Candidate[]): Findings => ({ candidates, refused: [] });

describe('a search', () => {
  it('tells which images are new since the last one, also after one that found nothing', async () => {
    const last = new Map<string, string>();
    const isNew = async (findings: Findings): Promise<boolean[]> =>
      (
        await searchSource(
          source(() => Promise.resolve(findings)),
          last,
          LONG,
          signal,
        )
      ).chosen.map((each) => each.isNew);
    assert.deepEqual(await isNew(found(await candidate(running))), [true]);
    assert.deepEqual(await isNew(found(await candidate(running))), [false]);
    assert.deepEqual(await isNew(found()), []);
    assert.deepEqual(await isNew(found(await candidate(running))), [false]);
    assert.deepEqual(await isNew(found(await candidate(running), await candidate(next))), [true]);
  });

  it('refuses an image that cannot be read any more, and leaves the others', async () => {
    const gone = await candidate(next, { read: () => Promise.reject(new HomieError('FILE_REFUSED.changed')) });
    const pump = await candidate(buildEsp8266Image({ name: 'my-pump', size: 50_000 }));
    const { chosen, refused } = await searchSource(
      source(() => Promise.resolve(found(gone, pump))),
      new Map(),
      LONG,
      signal,
    );
    assert.deepEqual([chosen.map(({ firmware }) => firmware.info.name), refused.length], [['my-pump'], 1]);
  });

  it('ends after its time and with its signal, also where the source hangs', async () => {
    const hanging = source(() => new Promise(() => undefined));
    await assert.rejects(searchSource(hanging, new Map(), 50, signal), { key: 'SOURCE_TIMEOUT.search' });
    const closing = new AbortController();
    const search = searchSource(hanging, new Map(), LONG, closing.signal);
    closing.abort();
    await assert.rejects(search, { name: 'AbortError' });
  });

  it('ends after its time where the reading of an image hangs', async () => {
    const one = { ...(await candidate(running)), read: () => new Promise<never>(() => undefined) };
    const hanging = source(() => Promise.resolve({ candidates: [one], refused: [] }));
    await assert.rejects(searchSource(hanging, new Map(), 50, signal), { key: 'SOURCE_TIMEOUT.search' });
  });

  it('is reported with 200 entries of a list at most, and with the real counts', async () => {
    const one = await candidate(running);
    const refused = Array.from({ length: 300 }, (_, i) => ({
      filename: `${i}.bin`,
      source: 'somewhere',
      error: new HomieError('FIRMWARE_EMPTY'),
    }));
    const place = source(() => Promise.resolve({ candidates: Array.from({ length: 300 }, () => one), refused }));
    const result = await searchSource(place, new Map(), LONG, signal);
    const report = searchReport(place, result, new Set(result.chosen), { startedAt: new Date(0), duration: 1.4 });
    assert.deepEqual([report.found.length, report.refused.length], [200, 200]);
    assert.deepEqual(report.counts, { found: 300, chosen: 1, refused: 300, sent: 1 });
    assert.equal(report.text, 'Found my-light 1.0.0 in somewhere; refused: 300.');
    assert.equal(
      report.refused[0]?.text,
      '0.bin: The firmware is empty. Check that the file is not empty and was read completely.',
    );
    assert.deepEqual([report.startedAt, report.duration], ['1970-01-01T00:00:00.000Z', 1]);
  });

  /** The sentence of a search that finds these images. */
  async function sentence(findings: Findings, isSent: boolean): Promise<string> {
    const place = source(() => Promise.resolve(findings));
    const result = await searchSource(place, new Map(), LONG, signal);
    return searchReport(place, result, new Set(isSent ? result.chosen : []), { startedAt: new Date(0), duration: 0 })
      .text;
  }

  it('says whether anything is there, is new, and was refused', async () => {
    const one = await candidate(running);
    const refused = [{ filename: 'x.bin', source: 'somewhere', error: new HomieError('FIRMWARE_EMPTY') }];
    const none: Findings = { candidates: [], refused };
    const some: Findings = { candidates: [one], refused };
    assert.equal(await sentence(found(), true), 'Found no firmware in somewhere.');
    assert.equal(await sentence(none, true), 'Found no usable firmware in somewhere; refused: 1.');
    assert.equal(await sentence(found(one), true), 'Found my-light 1.0.0 in somewhere.');
    assert.equal(
      await sentence(found(one), false),
      'Found my-light 1.0.0 in somewhere, unchanged since the last search.',
    );
    assert.equal(
      await sentence(some, false),
      'Found my-light 1.0.0 in somewhere, unchanged since the last search; refused: 1.',
    );
  });

  it('names three firmwares and counts the others, with the chip only where two have the same name', async () => {
    const image = (name: string, version?: string): Promise<Candidate> =>
      candidate(buildEsp8266Image({ name, size: 50_000, ...(version !== undefined && { version }) }));
    const named = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name) => image(name, '1.0.0')));
    assert.equal(await sentence(found(...named), true), 'Found a 1.0.0, b 1.0.0, c 1.0.0 and 2 more in somewhere.');
    const [pump] = named;
    assert.ok(pump);
    const esp32: Candidate = { ...pump, info: { ...pump.info, chip: 'esp32', family: 'esp32' } };
    assert.equal(await sentence(found(pump, esp32), true), 'Found a 1.0.0 (esp32), a 1.0.0 (esp8266) in somewhere.');
    const unversioned: Candidate = { ...pump, info: { ...pump.info } };
    Reflect.deleteProperty(unversioned.info, 'version');
    assert.equal(await sentence(found(unversioned), true), 'Found a no version in somewhere.');
  });
});
