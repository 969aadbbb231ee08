import assert from 'node:assert/strict';
import fc from 'fast-check';
import { dialectOf } from '../../src/homie/dialect';
import { dialects, dialectOfVersion } from '../support/dialects';

describe('the dialect of a device', () => {
  for (const [version, name] of [
    ['2.0.1', 'original'],
    ['3.0.0', 'original'],
    ['3.0.99', 'original'],
    ['3.1.0', 'fork 3.1'],
    ['3.6.1', 'fork 3.1'],
    ['3.7.0', 'fork 3.7'],
    ['3.10.2', 'fork 3.7'],
    ['4.0.0', 'fork 4'],
    ['4.0.0-rc.1', 'fork 4'],
    ['12.3.4', 'fork 4'],
  ]) {
    it(`is ${name} for version ${version}`, () => assert.equal(dialectOfVersion(version ?? '').name, name));
  }

  it('is unknown for a device that does not report its version', () => {
    assert.equal(dialectOf(undefined).name, 'unknown');
    assert.equal(dialectOf({}).name, 'unknown');
  });

  it('is unknown for any text that is not a version', () => {
    for (const text of ['', 'v4', '4', 'x4.0.0', '-3.7.0', '99999.1.0', '3.', '3.x', '4 0']) {
      assert.equal(dialectOfVersion(text).name, 'unknown', text);
    }
    fc.assert(fc.property(fc.string(), (text) => assert.ok(dialectOfVersion(text).maxTopic <= 129)));
  });

  it('never trusts an unknown device more than any other', () => {
    const { unknown, ...known } = dialects;
    for (const { maxTopic, strictNames, discarded, config } of Object.values(known)) {
      assert.ok(unknown.maxTopic <= maxTopic);
      assert.ok(unknown.strictNames || !strictNames);
      assert.ok(unknown.config.maxStatsInterval <= config.maxStatsInterval);
      assert.ok(unknown.config.maxPatch <= config.maxPatch);
      assert.ok(config.takesTls || !unknown.config.takesTls);
      assert.ok(unknown.discarded === undefined || discarded !== undefined);
    }
    // To the original firmware, any other question could be an image.
    assert.equal(unknown.question, dialects.original.question);
  });

  it('asks with nothing that a device could take for the start of an image', () => {
    for (const { question } of Object.values(dialects)) {
      assert.notEqual(question.payload[0], 0xe9);
      assert.doesNotMatch(question.payload.toString('latin1'), /^6/);
    }
  });
});
