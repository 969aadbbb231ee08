import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { inspect } from '../../src/firmware/inspect';
import { COMPILER, buildFixtures } from '../fixtures/firmware/build';
import { fixture } from './fixture';

/** The version that made the images: Debian 12. Another one makes other bytes. */
const COMPILER_VERSION = '12.2.0';

function compilerVersion(): string | undefined {
  try {
    return execFileSync(COMPILER, ['-dumpversion'], { encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
}

describe('the linked images', () => {
  for (const version of ['1.0.0', '1.1.0']) {
    it(`tell that they are my-light ${version}`, async () => {
      const image = fixture(version);
      const { md5, size, ...info } = await inspect(image);
      assert.match(md5, /^[0-9a-f]{32}$/);
      assert.deepEqual(info, {
        chip: 'esp8266',
        family: 'esp8266',
        end: size,
        flashMode: 'DIO',
        flashSize: 4 * 1024 * 1024,
        homie: true,
        name: 'my-light',
        version,
        brand: 'homie-ota',
      });
    });
  }

  it('are what their recipe makes', function () {
    if (compilerVersion() !== COMPILER_VERSION) this.skip();
    for (const [name, image] of buildFixtures()) {
      assert.ok(image.equals(fixture(name.replace(/^my-light-|\.bin$/g, ''))), name);
    }
  });
});
