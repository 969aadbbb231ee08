import assert from 'node:assert/strict';
import { everyDevice, filterOf, readQuery } from '../../src/devices/query';
import { raw, next } from '../ota/lab';

describe('What a question for devices may say', () => {
  it('is a list, or text with commas, and overlays what the node says', () => {
    const node = readQuery(everyDevice, { device: 'lamp-*, plug', state: 'lost', firmware: '', outdated: false });
    assert.deepEqual(node, {
      device: ['lamp-*', 'plug'],
      state: ['lost'],
      firmware: undefined,
      outdated: false,
    });
    assert.deepEqual(readQuery(node, { state: ['ready', 'sleeping'], firmware: 'my-light', outdated: 'true' }), {
      device: ['lamp-*', 'plug'],
      state: ['ready', 'sleeping'],
      firmware: ['my-light'],
      outdated: true,
    });
  });

  it('says nothing when it is empty text, and means none when it is an empty list', () => {
    for (const nothing of [undefined, null, '', ' ', ' , ']) {
      assert.deepEqual(readQuery(everyDevice, { device: nothing, state: nothing, firmware: nothing }), everyDevice);
    }
    assert.deepEqual(readQuery(everyDevice, { device: [] }).device, []);
  });

  for (const [values, code, name] of [
    [{ state: 'online' }, 'INVALID_SETTING', /state .*init, ready/],
    [{ state: 7 }, 'INVALID_SETTING', /state/],
    [{ firmware: Buffer.from('x') }, 'INVALID_SETTING', /firmware/],
    [{ outdated: 'perhaps' }, 'INVALID_SETTING', /outdated/],
    [{ device: 'a/b' }, 'INVALID_DEVICE_ID', /a\/b/],
    [{ device: ['$*'] }, 'INVALID_DEVICE_ID', /\$/],
  ] as const) {
    it(`is refused as ${JSON.stringify(values)}`, () => {
      assert.throws(() => readQuery(everyDevice, values), { code, message: name });
    });
  }

  it('cannot be about a firmware without a name', async () => {
    const nameless = await raw(next);
    const { name: _name, ...info } = nameless.info;
    assert.throws(() => filterOf(everyDevice, { ...nameless, info }), { code: 'NOT_HOMIE' });
  });
});
