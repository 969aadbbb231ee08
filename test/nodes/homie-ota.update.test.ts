import assert from 'node:assert/strict';
import { buildEsp8266Image } from '../support/images';
import { HANG_LIMIT } from '../support/limits';
import { caughtCode, next, payload, running, Scene, state } from './scene';
import { md5 } from '../support/md5';

describe('homie-ota, when it updates', () => {
  let scene: Scene;

  beforeEach(async () => {
    scene = await Scene.open();
  });
  afterEach(async () => {
    await scene.close();
  });

  describe('of a device that nobody has seen', () => {
    it('says at once that it was never seen, which id may be meant, and waits for it', async () => {
      await scene.device('my-Light-3');
      const flow = await scene.flow({ device: 'my-ligth-3' });
      flow.send({ payload: next });
      const waiting = await flow.progress.first(state('waiting'));
      assert.equal(payload(waiting, 'reason'), 'never_seen');
      assert.equal(payload(waiting, 'hint'), 'Never seen; did you mean my-Light-3?');
      const status = await flow.showed('never seen; did you mean my-Light-3?');
      assert.deepEqual([status.fill, status.shape], ['yellow', 'ring']);
      flow.send({ action: 'status' });
      const text = 'my-ligth-3: waiting. Never seen; did you mean my-Light-3?';
      assert.equal(payload(await flow.summary.first(), 'text'), text);
      assert.equal(flow.result.messages.length, 0);

      await scene.device('my-ligth-3');
      const result = await flow.result.first();
      assert.equal(payload(result, 'state'), 'succeeded');
      assert.deepEqual([payload(result, 'reason'), payload(result, 'hint')], [undefined, undefined]);
    });

    it('says no more that it was never seen once it is seen, though it is not ready', async () => {
      const flow = await scene.flow({ device: 'my-light' });
      flow.send({ payload: next });
      await flow.progress.first((msg) => payload(msg, 'reason') === 'never_seen');
      await flow.showed('never seen');
      const { connection, baseTopic } = flow.broker;
      await connection.publish(`${baseTopic}my-light/$state`, 'sleeping', { qos: 1, timeout: HANG_LIMIT });
      await flow.progress.first((msg) => state('waiting')(msg) && payload(msg, 'reason') === 'offline');
      await flow.showed('offline, waiting');
    });

    it('says so when it is given up, and in a check', async () => {
      await scene.device('my-light-3');
      const flow = await scene.flow({ device: 'my-light3', expires: '0' });
      flow.send({ payload: next });
      const text = 'my-light3 was never seen; did you mean my-light-3?';
      assert.equal(payload(await flow.result.first(), 'error.message'), text);
      flow.send({ action: 'check', payload: next, asked: 'check' });
      const answer = await flow.summary.first((msg) => msg['asked'] === 'check');
      assert.equal(payload(answer, 'text'), 'my-light3: The device was never seen; did you mean my-light-3?');
    });
  });

  it('tells the job at once, then the progress, then result and summary, and is done', async () => {
    const device = await scene.device('my-light');
    const flow = await scene.flow();
    flow.send({ payload: next });

    const complete = await flow.completed.first();
    const [queued] = flow.progress.messages;
    assert.equal(queued && payload(queued, 'state'), 'queued');
    assert.equal(queued && payload(queued, 'device'), 'my-light');
    const job = queued && payload(queued, 'job');
    assert.match(String(job), /^[\w-]{8,}$/);

    assert.equal(flow.result.messages.length, 1);
    const [result] = flow.result.messages;
    assert.ok(result);
    assert.equal(payload(result, 'job'), job);
    assert.equal(payload(result, 'state'), 'succeeded');
    assert.equal(payload(result, 'reboot'), 'proven');
    assert.equal(payload(result, 'from.version'), '1.0.0');
    assert.equal(payload(result, 'to.version'), '1.1.0');
    assert.equal(payload(result, 'to.size'), next.length);

    assert.equal(flow.summary.messages.length, 1);
    const [summary] = flow.summary.messages;
    assert.ok(summary);
    assert.equal(payload(summary, 'state'), 'succeeded');
    assert.deepEqual(payload(summary, 'counts'), { succeeded: 1 });
    assert.equal(payload(summary, 'text'), 'my-light: updated from my-light 1.0.0 to 1.1.0.');

    assert.equal(device.checksum, md5(next));
    assert.ok(complete);
    assert.deepEqual(flow.dones, [{ code: undefined }]);
  });

  it('keeps the properties of the message, and never sends the firmware on nor changes it', async () => {
    await scene.device('my-light');
    const flow = await scene.flow();
    const image = Buffer.from(next);
    const properties = {
      _msgid: 'abc',
      topic: 'a topic',
      filename: '/tmp/x.bin',
      deep: { list: [1, 2] },
    };
    flow.send({ ...properties, checksum: md5(next), options: { attempts: 1 }, payload: image, copy: image });
    await flow.completed.first();

    const messages = [...flow.result.messages, ...flow.progress.messages, ...flow.summary.messages];
    assert.ok(messages.length >= 5);
    const device = { device: 'my-light', topic: 'my-light' };
    for (const msg of messages) {
      const { payload: _, ...rest } = msg;
      const isOfDevice = flow.result.messages.includes(msg) || payload(msg, 'device') !== undefined;
      assert.deepEqual(rest, { ...properties, ...(isOfDevice && device) });
    }
    assert.ok(messages.every((msg) => JSON.stringify(msg).length < 5000));
    assert.deepEqual(image, next);
  });

  it('lets progress never fall, and sends at most 4 a second besides changes of state', async () => {
    const large = buildEsp8266Image({ name: 'my-light', version: '2.0.0', size: 600_000, seed: 3 });
    await scene.device('my-light', { flashDelay: 10, segment: 536 });
    const flow = await scene.flow();
    flow.send({ payload: large });
    await flow.completed.first();

    const updates = flow.progress.messages.map((msg) => ({
      step: `${String(payload(msg, 'state'))} ${String(payload(msg, 'phase'))}`,
      progress: Number(payload(msg, 'progress')),
      at: Number(payload(msg, 'duration')),
    }));
    const flashing = updates.filter(({ step }) => step === 'running flashing');
    assert.ok(flashing.length >= 3);
    for (const [index, update] of updates.entries()) {
      const before = updates[index - 1];
      if (before === undefined) continue;
      assert.ok(update.progress >= before.progress, `${before.progress} % then ${update.progress} %`);
      assert.ok(update.step !== before.step || update.at - before.at >= 250, `${update.at - before.at} ms apart`);
    }
    assert.equal(updates.at(-1)?.progress, 100);
    assert.ok(flow.statuses.some(({ text, fill }) => /^\d+ %$/.test(text ?? '') && fill === 'blue'));
  });

  it('shows below the node what happens, in short words', async () => {
    await scene.device('my-light');
    const flow = await scene.flow();
    flow.send({ payload: next });
    const status = await flow.showed('updated');
    assert.deepEqual(status, { fill: 'green', shape: 'dot', text: 'updated' });
  });

  it('skips a device that runs the firmware already, and counts that as well', async () => {
    const device = await scene.device('my-light');
    const flow = await scene.flow();
    flow.send({ payload: running });
    const result = await flow.result.first();
    assert.equal(payload(result, 'state'), 'skipped');
    assert.equal(payload(result, 'reason'), 'up_to_date');
    await flow.completed.first();
    await flow.showed('up to date');
    assert.equal(device.received.length, 0);
    assert.equal(flow.caught.messages.length, 0);
  });

  it('updates several devices, with a result for each and one summary', async () => {
    await scene.device('light-1');
    await scene.device('light-2');
    await scene.device('light-3', { image: next });
    const flow = await scene.flow({ device: 'light-1, light-2,light-3' });
    flow.send({ payload: next });
    await flow.completed.first();
    assert.deepEqual(
      new Set(flow.result.messages.map((msg) => payload(msg, 'device'))),
      new Set(['light-1', 'light-2', 'light-3']),
    );
    assert.equal(flow.summary.messages.length, 1);
    const summary = await flow.summary.first();
    assert.deepEqual(payload(summary, 'counts'), { succeeded: 2, skipped: 1 });
    await flow.showed('✓3');
  });

  it('updates all devices that run this firmware, where that is chosen', async () => {
    await scene.device('light-1');
    await scene.device('light-2');
    const other = await scene.device('fan', { image: buildEsp8266Image({ name: 'fan', seed: 9 }) });
    const flow = await scene.flow({ deviceType: 'all', device: '' });
    flow.send({ payload: next });
    await flow.completed.first();
    const [first] = flow.progress.messages;
    assert.equal(first && payload(first, 'state'), 'queued');
    assert.match(String(first && payload(first, 'job')), /./);
    assert.deepEqual(
      new Set(flow.result.messages.map((msg) => payload(msg, 'device'))),
      new Set(['light-1', 'light-2']),
    );
    assert.equal(other.received.length, 0);
  });

  it('tells a catch node which device failed and why, after the summary', async () => {
    await scene.device('lost-light', { misbehavior: { neverBack: true } });
    const flow = await scene.flow({ device: 'lost-light', reboot: '1' });
    flow.send({ payload: next, asked: 'kept' });
    const caught = await flow.caught.first();
    assert.equal(caughtCode(caught), 'NOT_BACK');
    assert.match(String(Reflect.get(Object(caught['error']), 'message')), /lost-light: failed: The device rebooted/);
    assert.equal(caught['asked'], 'kept');
    const summary = await flow.summary.first();
    assert.equal(payload(summary, 'state'), 'failed');
    const result = await flow.result.first();
    assert.equal(payload(result, 'error.code'), 'NOT_BACK');
    assert.match(String(payload(result, 'error.hint')), /access point/);
    await flow.showedError('NOT_BACK');
    assert.deepEqual(flow.dones, [{ code: 'NOT_BACK' }]);
  });

  it('sends no part of an image to a device, whatever is allowed', async () => {
    const device = await scene.device('my-light');
    const flow = await scene.flow();
    const part = buildEsp8266Image({ name: 'my-light', version: '1.1.0', size: 80_000 }).subarray(0x1000);
    flow.send({ payload: part, options: { allowIncompatible: true, allowDowngrade: true, force: true } });
    assert.equal(caughtCode(await flow.caught.first()), 'FIRMWARE_PART');
    assert.match(String(payload(await flow.result.first(), 'error.hint')), /combined file: firmware\.bin/);
    assert.equal(device.received.length, 0);
  });

  it('waits for a device that is offline, until the deadline of the message', async () => {
    const device = await scene.device('my-light');
    await device.stop();
    const flow = await scene.flow();
    flow.send({ payload: next, options: { expires: '0.6' } });
    await flow.showed('offline, waiting');
    const result = await flow.result.first();
    assert.equal(payload(result, 'state'), 'timed_out');
    assert.equal(caughtCode(await flow.caught.first()), 'DEVICE_OFFLINE');
    assert.equal(flow.completed.messages.length, 0);
  });

  it('shows several jobs at once rightly, and is done once for each message', async () => {
    const slow = await scene.device('slow', { flashDelay: 30 });
    await scene.device('quick');
    const flow = await scene.flow();
    const [another, third] = [4, 5].map((seed) => buildEsp8266Image({ name: `my-light-${seed}`, size: 60_000, seed }));
    flow.send({ payload: next, device: slow.id });
    flow.send({ payload: another, device: 'quick', options: { allowIncompatible: true } });
    flow.send({ payload: third, device: 'never-seen', options: { expires: 0 } });
    await flow.completed.nth(2);
    await flow.caught.first();
    await flow.showed('✓2 ✗1');
    assert.equal(flow.dones.length, 3);
    assert.equal(flow.summary.messages.length, 3);
    assert.ok(flow.statuses.some(({ text }) => /^[12]\/3/.test(text ?? '')));
  });

  it('does nothing twice for messages with the same firmware', async () => {
    const device = await scene.device('my-light', { flashDelay: 20 });
    await scene.device('other-light');
    const flow = await scene.flow();
    flow.send({ payload: next, asked: 'first' });
    await flow.progress.first(state('running'));
    flow.send({ payload: next, asked: 'second', device: ['my-light', 'other-light'] });
    await flow.completed.nth(2);
    assert.equal(device.received.length, 1);
    assert.deepEqual(
      new Set(
        flow.result.messages.map((msg) => [msg['asked'], payload(msg, 'device'), payload(msg, 'state')].join(' ')),
      ),
      new Set(['first my-light succeeded', 'second other-light succeeded', 'second my-light skipped']),
    );
  });

  it('lets a newer firmware take over what waits, and finish what runs', async () => {
    const newer = buildEsp8266Image({ name: 'my-light', version: '1.2.0', size: 60_000, seed: 6 });
    const [runs, waits] = [await scene.device('light-1', { flashDelay: 20 }), await scene.device('light-2')];
    const flow = await scene.flow({ device: 'light-1, light-2' });
    flow.send({ payload: next, asked: 'older' });
    await flow.progress.first((msg) => payload(msg, 'phase') === 'accepted');
    flow.send({ payload: newer, asked: 'newer' });
    await flow.completed.nth(2);
    const results = flow.result.messages.map((msg) => {
      const { device, state: end, reason } = Object(msg.payload);
      return [msg['asked'], device, end, reason].join(' ');
    });
    assert.deepEqual(results.sort(), [
      'newer light-1 succeeded ',
      'newer light-2 succeeded ',
      'older light-1 succeeded ',
      'older light-2 canceled superseded',
    ]);
    for (const device of [runs, waits]) assert.ok(device.image.equals(newer));
    assert.equal(waits.received.length, 1);
  });
});
