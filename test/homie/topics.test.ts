import assert from 'node:assert/strict';
import { checkDeviceId, firmwareTopic, normalizeBaseTopic, subscriptions } from '../../src/homie/topics';

const md5 = 'd41d8cd98f00b204e9800998ecf8427e';

/** Whether a filter matches a topic. */
function matches(filter: string, topic: string): boolean {
  const levels = topic.split('/');
  const wanted = filter.split('/');
  return wanted.length === levels.length && wanted.every((level, i) => level === '+' || level === levels[i]);
}

describe('The base topic', () => {
  it('gets its trailing slash', () => {
    assert.equal(normalizeBaseTopic('homie'), 'homie/');
    assert.equal(normalizeBaseTopic('homie/'), 'homie/');
    assert.equal(normalizeBaseTopic('  home/upstairs '), 'home/upstairs/');
  });

  it('may begin with a slash and have empty levels, as MQTT allows', () => {
    assert.equal(normalizeBaseTopic('/homie'), '/homie/');
    assert.equal(normalizeBaseTopic('/'), '/');
    assert.equal(normalizeBaseTopic('a//b'), 'a//b/');
  });

  for (const text of ['', ' ', '+/homie', 'homie/#', 'ho+mie', '$homie', '$SYS/', 'ho\0mie', 'ho\nmie', '\ud800']) {
    it(`is refused as ${JSON.stringify(text)}`, () => {
      assert.throws(() => normalizeBaseTopic(text), { code: 'INVALID_BASE_TOPIC' });
    });
  }

  it('is refused when it leaves no room for a device', () => {
    assert.throws(() => normalizeBaseTopic('a'.repeat(129)), { code: 'INVALID_BASE_TOPIC' });
  });
});

describe('A device id', () => {
  for (const id of ['lamp-1', '5ccf7f000000', 'Lamp_1', 'lamp.attic', 'lämpchen', '__proto__']) {
    it(`may be ${id}`, () => assert.equal(checkDeviceId(id), id));
  }

  for (const id of ['', '+', '#', 'a/b', '$stats', 'la mp', 'lamp*', 'la\0mp', 'la\u200bmp', 'x'.repeat(65)]) {
    it(`may not be ${JSON.stringify(id)}`, () => {
      assert.throws(() => checkDeviceId(id), { code: 'INVALID_DEVICE_ID' });
    });
  }
});

describe('The firmware topic', () => {
  it('ends in the MD5', () => {
    assert.equal(firmwareTopic('homie/', 'lamp', md5), `homie/lamp/$implementation/ota/firmware/${md5}`);
  });

  it('may have 129 bytes and no more', () => {
    const base = `${'b'.repeat(40)}/`;
    assert.equal(firmwareTopic(base, 'd'.repeat(26), md5).length, 129);
    assert.throws(() => firmwareTopic(base, 'd'.repeat(27), md5), { code: 'TOPIC_TOO_LONG' });
    assert.throws(() => firmwareTopic(base, 'ü'.repeat(14), md5), { code: 'TOPIC_TOO_LONG' });
  });
});

describe('The subscriptions', () => {
  const filters = subscriptions('home/upstairs/');

  it('bring no firmware back', () => {
    const topic = firmwareTopic('home/upstairs/', 'lamp', md5);
    assert.deepEqual(
      filters.filter((filter) => matches(filter, topic)),
      [],
    );
    assert.ok(filters.every((filter) => !filter.includes('#')));
  });

  it('bring the status of an update', () => {
    const topic = 'home/upstairs/lamp/$implementation/ota/status';
    assert.equal(filters.filter((filter) => matches(filter, topic)).length, 1);
  });
});
