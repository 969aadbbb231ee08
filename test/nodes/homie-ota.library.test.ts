import assert from 'node:assert/strict';
import { md5 } from '../../src/firmware/checksum';
import { buildEsp32Image, buildEsp8266Image } from '../support/images';
import type { NodeMessage } from 'node-red';
import type { Inbox, TestFlow } from './flow';
import { caughtCode, next, payload, Scene, state } from './scene';
import { untilTrue } from '../support/until-true';

/** A flash size as the header of an image has it. */
const ONE_MEGABYTE = 2;

const newest = buildEsp8266Image({ name: 'my-light', version: '1.2.0', seed: 3 });
const plug = buildEsp8266Image({ name: 'my-plug', version: '2.1.0', seed: 4 });

let asked = 0;

/** Sends a message, and returns its last summary when it is done. */
async function ask(flow: TestFlow, message: object, summaries = 1): Promise<NodeMessage> {
  asked += 1;
  const own = (msg: NodeMessage): boolean => msg['asked'] === asked;
  flow.send({ ...message, asked });
  return flow.summary.nth(summaries, own);
}

/** Returns the messages of an inbox that answer the last message. */
const answers = (inbox: Inbox): NodeMessage[] => inbox.messages.filter((msg) => msg['asked'] === asked);

describe('homie-ota, with firmware on offer,', () => {
  let scene: Scene;

  beforeEach(async () => {
    scene = await Scene.open();
  });
  afterEach(async () => {
    await scene.close();
  });

  it('keeps an image, says for how many devices it is, and sends nothing', async () => {
    const device = await scene.device('light');
    const flow = await scene.flow({ device: 'light' });
    const answer = await ask(flow, { payload: next, action: 'offer' });
    assert.deepEqual(payload(answer, 'firmware'), {
      name: 'my-light',
      version: '1.1.0',
      chip: 'esp8266',
      flashSize: 4 * 1024 * 1024,
      size: next.length,
      checksum: await md5(next),
    });
    assert.equal(payload(answer, 'text'), 'my-light 1.1.0 is on offer for 1 known device.');
    await flow.done();
    assert.deepEqual(flow.dones, [{ code: undefined }]);
    assert.equal(device.received.length, 0);
  });

  it('sends to each device what is on offer for it, in a job and a summary for each image', async () => {
    const light = await scene.device('light');
    const outlet = await scene.device('outlet', { image: buildEsp8266Image({ name: 'my-plug', version: '2.0.0' }) });
    const other = await scene.device('other', { image: buildEsp8266Image({ name: 'other' }) });
    const flow = await scene.flow({ deviceType: 'all' });
    for (const image of [next, plug]) await ask(flow, { payload: image, action: 'offer' });

    await ask(flow, {}, 2);
    await flow.done(3);
    const parts = answers(flow.summary).map((msg) => Object(Reflect.get(msg, 'parts')));
    assert.deepEqual(parts.map(({ index, count }) => `${index} of ${count}`).sort(), ['0 of 2', '1 of 2']);
    assert.equal(parts[0].id, parts[1].id);
    assert.equal(new Set(answers(flow.summary).map((msg) => payload(msg, 'job'))).size, 2);
    const results = answers(flow.result).map((msg) => `${String(payload(msg, 'device'))} ${'parts' in msg}`);
    assert.deepEqual(results.sort(), ['light false', 'outlet false']);
    assert.deepEqual([light.checksum, outlet.checksum], [await md5(next), await md5(plug)]);
    assert.equal(other.received.length, 0);
  });

  it('starts no job for an image that no named device gets, when it is continuous', async () => {
    const light = await scene.device('light');
    const flow = await scene.flow({ device: 'light', continuous: true });
    for (const image of [next, plug]) await ask(flow, { payload: image, action: 'offer' });
    const summary = await ask(flow, {});
    assert.deepEqual([payload(summary, 'state'), Reflect.get(Object(summary['parts']), 'count')], ['succeeded', 1]);
    assert.equal(light.checksum, await md5(next));
    assert.deepEqual(
      flow.dones.filter(({ code }) => code !== undefined),
      [],
    );
  });

  it('refuses devices for which nothing is on offer, each with the reason, and updates the others', async () => {
    await scene.device('light');
    await scene.device('other', { image: buildEsp8266Image({ name: 'other' }) });
    const flow = await scene.flow({ device: 'light,other,never-seen' });
    await ask(flow, { payload: next, action: 'offer' });
    await ask(flow, {}, 2);
    const ends = answers(flow.result).map((msg) => [payload(msg, 'device'), payload(msg, 'state')].join(' '));
    assert.deepEqual(ends.sort(), ['light succeeded', 'never-seen rejected', 'other rejected']);
    const refused = await flow.summary.first(state('rejected'));
    assert.deepEqual(
      [0, 1].map((index) => payload(refused, `devices.${index}.error.message`)),
      [
        'Nothing is on offer for other, which runs "other".',
        'Nothing is on offer for never-seen, because its firmware name is not known.',
      ],
    );
    assert.equal(caughtCode(await flow.caught.first()), 'NOTHING_ON_OFFER');
  });

  it('skips excluded devices, also those for which nothing is on offer', async () => {
    const light = await scene.device('light');
    await scene.device('other', { image: buildEsp8266Image({ name: 'other' }) });
    const flow = await scene.flow({ device: '*', exclude: 'other, light' });
    await ask(flow, { payload: next, action: 'offer' });
    const checked = await ask(flow, { action: 'check' });
    assert.deepEqual(payload(checked, 'counts'), { excluded: 2 });
    await ask(flow, {}, 2);
    const ends = answers(flow.result).map((msg) => [payload(msg, 'device'), payload(msg, 'reason')].join(' '));
    assert.deepEqual(ends.sort(), ['light excluded', 'other excluded']);
    await flow.done(3);
    assert.deepEqual(
      flow.dones.map(({ code }) => code),
      [undefined, undefined, undefined],
    );
    assert.equal(light.received.length, 0);
  });

  it('refuses an update without a payload while nothing is on offer', async () => {
    await scene.device('light');
    const flow = await scene.flow({ deviceType: 'all' });
    const answer = await ask(flow, {});
    assert.deepEqual([payload(answer, 'state'), payload(answer, 'error.code')], ['rejected', 'NOTHING_ON_OFFER']);
    assert.match(String(payload(answer, 'error.hint')), /action offer/);
  });

  for (const [what, value] of [
    ['an empty text', ''],
    ['an empty Buffer', Buffer.alloc(0)],
    ['a timestamp', Date.now()],
  ] as const) {
    it(`refuses ${what}, says how to send what is on offer, and sends nothing`, async () => {
      const device = await scene.device('light');
      const flow = await scene.flow({ device: 'light' });
      await ask(flow, { payload: next, action: 'offer' });
      const { error } = Object((await ask(flow, { payload: value })).payload);
      assert.match(error.code, /^(FIRMWARE_EMPTY|PAYLOAD_TYPE)$/);
      assert.match(error.hint, /To send the firmware on offer, remove msg\.payload\.$/);
      assert.equal(device.received.length, 0);
    });
  }

  it('refuses a message without a payload whose file could not be read, and sends nothing in its place', async () => {
    const device = await scene.device('light');
    const flow = await scene.flow({ device: 'light' });
    await ask(flow, { payload: next, action: 'offer' });
    const source = { id: 'file', type: 'file in' };
    const missing = "ENOENT: no such file or directory, open '/firmware.bin'";
    for (const error of [new Error(missing), { message: `Error: ${missing}`, source }]) {
      const answer = await ask(flow, { error });
      assert.equal(payload(answer, 'error.code'), 'FIRMWARE_NOT_READ');
      assert.equal(payload(answer, 'text'), `light: The firmware could not be read: ${missing}.`);
      assert.deepEqual(await flow.showed('firmware not read'), {
        fill: 'red',
        shape: 'dot',
        text: 'firmware not read',
      });
    }
    const download = await ask(flow, { error: { message: 'no answer from http://me:secret@host/firmware.bin' } });
    assert.match(String(payload(download, 'text')), /no answer from http:\/\/host\/firmware\.bin\.$/);
    assert.equal(payload(await ask(flow, { error: 7 }), 'error.message'), 'The firmware could not be read.');
    assert.equal(device.received.length, 0);
  });

  it('says in a check without a payload what would happen to each device, and sends nothing', async () => {
    const light = await scene.device('light');
    await scene.device('new', { image: next });
    await scene.device('other', { image: buildEsp8266Image({ name: 'other' }) });
    const flow = await scene.flow({ device: '*' });
    await ask(flow, { payload: next, action: 'offer' });
    const answer = await ask(flow, { action: 'check' });
    assert.deepEqual(payload(answer, 'counts'), { update: 1, up_to_date: 1, nothing_on_offer: 1 });
    assert.equal(payload(answer, 'devices.0.to.version'), '1.1.0');
    assert.match(String(payload(answer, 'devices.2.reason')), /^Nothing is on offer for other, which runs "other"\./);
    assert.match(
      String(payload(answer, 'text')),
      /There is no way back for light: the image that runs now is not stored/,
    );
    assert.equal(light.received.length, 0);
  });

  it('offers the higher version, unless replace is set', async () => {
    const flow = await scene.flow({ device: 'light' });
    const unclear = buildEsp8266Image({ name: 'my-light', version: 'nightly' });
    const texts: unknown[] = [];
    for (const message of [
      { payload: newest },
      { payload: next },
      { payload: next, options: { replace: true } },
      { payload: unclear },
      { payload: unclear, options: { replace: 'yes' } },
    ]) {
      texts.push(payload(await ask(flow, { ...message, action: 'offer' }), 'text'));
    }
    assert.deepEqual(texts, [
      'my-light 1.2.0 is on offer for 0 known devices.',
      'my-light 1.2.0 stays on offer, because its version is higher than 1.1.0. Set options.replace to offer 1.1.0 anyway.',
      'my-light 1.1.0 is on offer for 0 known devices.',
      '"my-light" 1.1.0 stays on offer: its version cannot be compared with nightly.',
      'replace must be true or false.',
    ]);
    assert.equal(caughtCode(await flow.caught.first()), 'VERSION_UNCLEAR');
  });

  it('withdraws an image by its MD5, and then sends it to nobody', async () => {
    const device = await scene.device('light');
    const flow = await scene.flow({ device: 'light' });
    await ask(flow, { payload: next, action: 'offer' });
    const answer = await ask(flow, { action: 'withdraw', checksum: await md5(next) });
    assert.equal(payload(answer, 'text'), 'my-light 1.1.0 is no longer on offer.');
    const update = await ask(flow, {});
    assert.equal(payload(update, 'devices.0.error.code'), 'NOTHING_ON_OFFER');
    const again = await ask(flow, { action: 'withdraw', checksum: await md5(next) });
    assert.equal(payload(again, 'error.code'), 'NOT_ON_OFFER');
    assert.equal(device.received.length, 0);
  });

  it('skips a device that waits when its image is withdrawn', async () => {
    const device = await scene.device('light');
    const flow = await scene.flow({ device: 'light' });
    await ask(flow, { payload: next, action: 'offer' });
    await device.stop();
    const { registry } = flow.broker;
    await untilTrue(registry, 'event', () => registry.get('light')?.state?.value === 'lost');
    const update = ask(flow, {});
    await flow.progress.first(state('waiting'));
    flow.send({ action: 'withdraw', checksum: await md5(next) });
    await flow.summary.first((msg) => payload(msg, 'offered') === false);
    await device.start();
    assert.equal(payload(await update, 'text'), 'light: skipped. The image is no longer on offer for this device.');
    assert.equal(device.received.length, 0);
  });

  it('offers the image of an update for all devices, but not that of an update for named ones', async () => {
    const light = await scene.device('light');
    const spare = await scene.device('spare');
    const flow = await scene.flow({ device: 'light' });
    await ask(flow, { payload: next });
    const nothing = await ask(flow, { device: 'spare' });
    assert.equal(payload(nothing, 'devices.0.error.code'), 'NOTHING_ON_OFFER');
    await ask(flow, { payload: newest, device: null, options: { matchFirmware: true } });
    assert.deepEqual([light.checksum, spare.checksum], [await md5(newest), await md5(newest)]);
    const late = await scene.device('late');
    await ask(flow, { device: 'late' });
    assert.equal(late.checksum, await md5(newest));
  });

  it('sends an image of the flash size that was proven last, and none where several fit', async () => {
    const device = await scene.device('light');
    const flow = await scene.flow({ device: 'light' });
    const small = buildEsp8266Image({ name: 'my-light', version: '1.2.0', flashSize: ONE_MEGABYTE, seed: 5 });
    await ask(flow, { payload: newest, action: 'offer' });
    await ask(flow, { payload: small, action: 'offer' });
    const refused = await ask(flow, {});
    assert.equal(payload(refused, 'devices.0.error.code'), 'NOTHING_ON_OFFER');
    assert.match(
      String(payload(refused, 'devices.0.error.message')),
      /its flash size is not known: 1\.2\.0 for esp8266, 4 MB, 1\.2\.0 for esp8266, 1 MB\./,
    );
    await ask(flow, { payload: next });
    await ask(flow, {});
    assert.equal(device.checksum, await md5(newest));
  });

  it('never offers an image for another chip', async () => {
    await scene.device('light');
    const flow = await scene.flow({ device: 'light' });
    await ask(flow, { payload: buildEsp32Image({ name: 'my-light', version: '3.0.0' }), action: 'offer' });
    const message = String(payload(await ask(flow, {}), 'devices.0.error.message'));
    assert.match(
      message,
      /^Nothing is on offer for light, whose chip is an esp8266\. On offer for .*: 3\.0\.0 for esp32/,
    );
  });

  describe('asked to go back,', () => {
    it('sends the image that was proven before, and holds back the one that ran until it is retried', async () => {
      const device = await scene.device('light');
      const flow = await scene.flow({ device: 'light' });
      for (const image of [next, newest]) await ask(flow, { payload: image });
      await ask(flow, { payload: newest, action: 'offer' });
      const back = await ask(flow, { action: 'rollback' });
      assert.match(String(payload(back, 'text')), /^light: updated from my-light 1\.2\.0 to 1\.1\.0/);
      assert.equal(device.checksum, await md5(next));

      for (const message of [{}, { payload: newest }, { payload: newest, options: { force: true } }]) {
        const held = await ask(flow, message);
        assert.match(String(payload(held, 'text')), /^light: held back\. The device was rolled back from this image\./);
      }
      const nothing = await ask(flow, { action: 'rollback' });
      assert.equal(payload(nothing, 'devices.0.error.code'), 'NOTHING_TO_GO_BACK_TO');

      await ask(flow, { action: 'retry', device: 'light' });
      // The first one was before the rollback.
      await flow.result.nth(2, (msg) => payload(msg, 'to.version') === '1.2.0' && state('succeeded')(msg));
      assert.equal(device.checksum, await md5(newest));
    });

    it('does not wait for the observation of a canary, but ends it as a failure, which stops the rollout', async () => {
      const devices = [await scene.device('a'), await scene.device('b')];
      const flow = await scene.flow({ deviceType: 'all' });
      await ask(flow, { payload: next });
      flow.send({ payload: newest, options: { canary: 1, soak: 86_400, order: 'id' } });
      const isUpdated = (msg: NodeMessage): boolean =>
        payload(msg, 'to.version') === '1.2.0' && state('succeeded')(msg);
      assert.equal(payload(await flow.result.first(isUpdated), 'device'), 'a');

      const back = await ask(flow, { action: 'rollback', device: 'a' });
      assert.match(String(payload(back, 'text')), /^a: updated from my-light 1\.2\.0 to 1\.1\.0/);
      const stopped = await flow.summary.first(state('stopped'));
      assert.equal(payload(stopped, 'error.code'), 'CANARY_UNSTABLE');
      const again = await ask(flow, { payload: newest, options: { canary: 0 } });
      assert.match(String(payload(again, 'text')), /skipped/);
      assert.deepEqual(
        devices.map(({ checksum, received }) => [checksum, received.length]),
        [
          [await md5(next), 3],
          [await md5(next), 1],
        ],
      );
    });

    it('says that there is no way back before and after the first update, and for all devices at once', async () => {
      await scene.device('light');
      const flow = await scene.flow({ deviceType: 'all' });
      const back = { action: 'rollback', device: 'light' };
      const message = async (): Promise<string> => String(payload(await ask(flow, back), 'devices.0.error.message'));
      assert.match(await message(), /no image was verified on it yet/);
      await ask(flow, { payload: next });
      assert.match(await message(), /no earlier image was verified/);
      assert.equal(payload(await ask(flow, { action: 'rollback' }), 'error.code'), 'NO_DEVICE');
    });
  });
});
