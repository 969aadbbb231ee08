import assert from 'node:assert/strict';
import type { Change } from '../../src/update/update';
import { History } from '../../src/rollout/store/history';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { describeIf } from '../support/describe-if';
import { mosquittoAvailable, startMosquitto, type Mosquitto } from '../support/mosquitto';
import { codeOf, Lab, large, next, raw } from './lab';
import { untilTrue } from '../support/until-true';
import { endedUpdate } from '../support/updates';

describeWithBrokers('a device that is unplugged in the middle of a transfer', (start) => {
  let broker: TestBroker;

  before(async () => {
    broker = await start();
  });
  after(() => broker.stop());

  /** Cuts the power of the device in this phase. */
  const unplug = async (lab: Lab, image: Buffer, when: Change['phase']): ReturnType<Lab['bring']> => {
    let isPlugged = true;
    return lab.bring(
      await raw(image),
      { reboot: 1_000 },
      {
        onChange: ({ phase }) => {
          if (phase !== when || !isPlugged) return;
          isPlugged = false;
          void lab.device.stop();
        },
      },
    );
  };

  it('was lost in the transfer where it cannot have had the whole image, and is updated when it is back', async () => {
    const lab = await Lab.open(broker.url, { flashDelay: 20 });
    try {
      const { outcome } = await unplug(lab, large, 'flashing');
      assert.equal(codeOf(outcome), 'LOST_IN_TRANSFER');
      assert.ok(outcome.state === 'failed');
      assert.match(outcome.error.message, /at about 37 %.* did not come back in time/);
      assert.equal(lab.isPending, true, 'nothing proves that nothing is staged');

      await lab.device.restart();
      await untilTrue(lab.broker.registry, 'event', () => !lab.isPending);
      const again = await lab.bring(await raw(large));
      assert.equal(codeOf(again.outcome), 'succeeded');
    } finally {
      await lab.close();
    }
  });

  it('is not back where it may have had the whole image, with a text that names both causes', async () => {
    const lab = await Lab.open(broker.url, { flashDelay: 100 });
    try {
      const { outcome } = await unplug(lab, next, 'accepted');
      assert.equal(codeOf(outcome), 'NOT_BACK');
      assert.ok(outcome.state === 'failed');
      assert.match(outcome.error.message, /may have received the whole image/);
      assert.match(outcome.error.hint, /power supply and Wi-Fi.*flash layout/);
    } finally {
      await lab.close();
    }
  });
});

describeIf(mosquittoAvailable())(
  'a device that left unnoticed, so that an MQTT 5 broker has nobody to deliver the image to',
  () => {
    let mosquitto: Mosquitto;

    before(async () => {
      mosquitto = await startMosquitto();
    });
    after(() => mosquitto?.stop());

    it('receives the image when it is back', async () => {
      const lab = await Lab.open(mosquitto.url);
      const { connection } = lab.broker;
      const say = (state: string): Promise<unknown> =>
        connection.publish(`homie/${lab.device.id}/$state`, state, { qos: 1, retain: true, timeout: 5_000 });
      try {
        await lab.lose();
        await say('ready');
        let isSent = false;
        const onChange = ({ phase, state }: Change): void => {
          if (phase === 'sending' && !isSent) {
            isSent = true;
            void say('lost');
          } else if (state === 'waiting' && isSent) void lab.device.start();
        };
        const { outcome } = await lab.bring(await raw(next), { reboot: 1_000 }, { onChange });
        assert.equal(codeOf(outcome), 'succeeded');
      } finally {
        await lab.close();
      }
    });
  },
);

describe('the history of images', () => {
  it('holds back no image that was lost in the transfer', async () => {
    const history = new History();
    await history.ended('lamp', 'md5', endedUpdate('lamp', 'failed', 'LOST_IN_TRANSFER'));
    assert.equal(history.heldBecause('lamp', 'md5', 2), undefined);
    await history.ended('lamp', 'md5', endedUpdate('lamp', 'failed', 'NOT_BACK'));
    assert.equal(history.heldBecause('lamp', 'md5', 2), 'NOT_BACK');
  });
});
