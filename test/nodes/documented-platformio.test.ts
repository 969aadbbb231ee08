/** The script for PlatformIO in the documentation, called as PlatformIO calls it, with the example that it sends to. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { blocks } from '../docs/markdown';
import { isInstalled } from '../support/broker-process';
import { Stage } from './examples-stage';
import { next, running, state } from './scene';

/**
 * Stands in for PlatformIO: has the script add its action, and calls that with `source`, `target` and `env` as SCons does.
 * Its arguments are the script, the firmware, and the options of the project as JSON.
 */
const standIn = `
import json, sys

script, firmware, options = sys.argv[1:]

class File:
    def get_abspath(self):
        return firmware

class Environment:
    actions = []

    def AddPostAction(self, file, action):
        self.actions.append((file, action))

    def GetProjectOption(self, name, default=None):
        return json.loads(options).get(name, default)

env = Environment()
with open(script) as code:
    exec(compile(code.read(), script, "exec"), {"Import": lambda *names: None, "env": env})
[(file, action)] = env.actions
assert file == "$BUILD_DIR/\${PROGNAME}.bin", file
sys.exit(action([File()], [File()], env))
`;

/** How the script has ended, and what it has printed. */
interface Ended {
  readonly code: number;
  readonly output: string;
}

function blockOf(language: string): string {
  const [block, ...more] = blocks.filter((each) => each.language === language && each.about === 'platformio');
  assert.ok(block !== undefined && more.length === 0);
  return block.text;
}

describe('the script for PlatformIO in the documentation', () => {
  const example = '3 - Update when a build server says so';
  const token = 'b91f0e5d7c3a4f68';
  let stage: Stage;

  beforeEach(async function () {
    if (!isInstalled('python3')) return this.skip();
    stage = await Stage.open();
    await writeFile(stage.file('firmware.bin'), next);
    await writeFile(stage.file('script.py'), blockOf('python'));
  });
  afterEach(() => stage?.close());

  const play = (): Promise<void> =>
    stage.play(example, { env: { BUILD_TOKEN: token }, nodes: { 'homie-ota': { soak: '0' } } });

  /** Runs the script with a token in its environment; none if it is undefined. */
  const build = (given: string | undefined, options: object = {}): Promise<Ended> => {
    const { BUILD_TOKEN: _, ...env } = process.env;
    const all = { custom_firmware_url: stage.url('/firmware'), ...options };
    const args = ['-c', standIn, stage.file('script.py'), stage.file('firmware.bin'), JSON.stringify(all)];
    return new Promise((resolve) => {
      execFile('python3', args, { env: { ...env, ...(given && { BUILD_TOKEN: given }) } }, (error, stdout, stderr) =>
        resolve({ code: Number(error?.code ?? 0), output: `${stdout}${stderr}` }),
      );
    });
  };

  it('sends the firmware to all devices that run it, and says which job updates them', async () => {
    const devices = [await stage.device('a'), await stage.device('b')];
    await play();
    const { code, output } = await build(token);
    assert.match(output, /^Node-RED updates the devices in the job [0-9a-f-]{36}\.\n$/);
    assert.equal(code, 0);
    await stage.shown('summary').first(state('succeeded'));
    for (const { image } of devices) assert.deepEqual(image, next);
  });

  it('sends the firmware to the device of the project', async () => {
    const [a, b] = [await stage.device('a'), await stage.device('b')];
    await play();
    assert.equal((await build(token, { custom_firmware_device: 'b' })).code, 0);
    await stage.shown('summary').first(state('succeeded'));
    assert.deepEqual([a.image, b.image], [running, next]);
  });

  it('sends nothing without the token, and the build succeeds', async () => {
    const device = await stage.device('a');
    await play();
    const { code, output } = await build(undefined);
    assert.deepEqual([code, output], [0, 'BUILD_TOKEN is not set, so the firmware is not sent to Node-RED.\n']);
    assert.equal(device.received.length, 0);
  });

  it('says why Node-RED refuses the firmware, and the build fails', async () => {
    await stage.device('a');
    await play();
    const wrong = await build('wrong');
    assert.deepEqual(
      [wrong.code, wrong.output],
      [1, 'Node-RED refused the firmware (401): The token is missing or wrong.\n'],
    );
    await writeFile(stage.file('firmware.bin'), '<html>');
    const page = await build(token);
    assert.equal(page.code, 1);
    assert.match(page.output, /^Node-RED refused the firmware \(422\): .*HTML.*\n$/);
  });

  it('says that Node-RED cannot be reached, and the build fails', async () => {
    const { code, output } = await build(token, { custom_firmware_url: 'http://127.0.0.1:9/firmware' });
    assert.equal(code, 1);
    assert.match(output, /^Node-RED did not take the firmware: .*refused/);
    assert.ok(!output.includes(token));
  });

  it('is the one that the settings of the project name, with options that it reads', () => {
    const script = blockOf('python');
    const settings = blockOf('ini').split('\n');
    const [, file = ''] = /^extra_scripts = post:(\S+)$/.exec(settings[0] ?? '') ?? [];
    assert.ok(blocks.length > 0 && file.endsWith('.py'));
    for (const setting of settings.slice(1)) {
      const [, name = ''] = /^(custom_\w+) = \S+$/.exec(setting) ?? [];
      assert.ok(script.includes(`env.GetProjectOption("${name}", `), setting);
    }
  });
});
