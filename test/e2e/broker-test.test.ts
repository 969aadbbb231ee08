import german from '../../src/texts/de.json';
import { SimulatedDevice } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { describeIf } from '../support/describe-if';
import { chromiumAvailable, Editor, runtimes } from '../support/editor';
import { buildEsp8266Image } from '../support/images';
import { startNodeRed, type NodeRed } from '../support/node-red';

const image = buildEsp8266Image({ name: 'my-light', version: '1.0.0', size: 60_000 });

for (const { title, tag, options } of runtimes.filter(({ dark }) => !dark)) {
  describeIf(chromiumAvailable())(`the test button of homie-broker in ${title}`, () => {
    let broker: AedesBroker;
    let device: SimulatedDevice;
    let nodeRed: NodeRed;
    let editor: Editor;

    before(async () => {
      broker = await startAedes();
      device = new SimulatedDevice({ url: broker.url, id: 'kitchen-light', baseTopic: 'house/devices/', image });
      await device.start();
      const node = { type: 'homie-ota', z: 'flow', x: 200, y: 80, wires: [[], [], []] };
      nodeRed = await startNodeRed({
        ...options,
        flows: [
          { id: 'flow', type: 'tab', label: 'test' },
          { id: 'broker', type: 'homie-broker', host: '127.0.0.1', port: '1', baseTopic: 'homie/' },
          { id: 'ota', broker: 'broker', device: 'kitchen-light', deviceType: 'str', ...node },
        ],
      });
      editor = await Editor.open(nodeRed.url);
      await editor.edit('ota');
      await editor.editConfig('broker');
    });

    after(async () => {
      await editor.close();
      await nodeRed.stop();
      await device.stop();
      await broker.close();
    });

    afterEach(async function () {
      if (this.currentTest?.state === 'failed') await editor.capture(`${tag}-broker-test-failed`);
      editor.quiet();
    });

    const answer = async (typed: Record<string, string>, text: string): Promise<void> => {
      const { page } = editor;
      for (const [name, value] of Object.entries(typed)) await page.locator(`#node-config-input-${name}`).fill(value);
      await page.locator('#homie-broker-test').press('Enter');
      await page.locator('#homie-broker-answer').getByText(text).waitFor();
      await page.locator('#homie-broker-test:not([disabled])').waitFor();
    };

    it('says why there is no connection', async () => {
      await answer({}, 'mqtt://127.0.0.1:1 cannot be reached');
      await editor.fits('.homie-broker-form');
      await editor.screenshot(`${tag}-broker-test`);
      await answer({ port: 'x' }, 'The port must be a whole number');
      await answer({ port: '1', baseTopic: 'a+b' }, 'is invalid');
    });

    it('says under which other base topic devices are', async () => {
      const typed = { port: String(broker.port), baseTopic: 'homie/' };
      await answer(typed, 'Found no devices under homie/. Did you mean house/devices/?');
      await editor.fits('.homie-broker-form');
    });

    it('says how many devices it found', async () => {
      await answer({ baseTopic: 'house/devices' }, 'Connected. Found one device under house/devices/; it is ready.');
    });

    it('says that there are none at all', async () => {
      const empty = await startAedes();
      await answer({ port: String(empty.port) }, 'or anywhere else');
      await empty.close();
    });

    it('speaks German, as the status below a node does', async () => {
      await editor.appear({ language: 'de' });
      await editor.status('ota', german.errors.BROKER_UNREACHABLE.status);
      await editor.edit('ota');
      await editor.editConfig('broker');
      const { text } = german.errors.BROKER_UNREACHABLE.noListener;
      await answer({ port: '1' }, text.replace('__url__', 'mqtt://127.0.0.1:1'));
      await editor.fits('.homie-broker-form');
      await editor.screenshot(`${tag}-broker-test-german`);
    });
  });
}
