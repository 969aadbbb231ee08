import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from '../support/node-red';
import { blocks, codesIn, pages, prose, type Block } from './markdown';

const manifest: { name: string; version: string; scripts: Record<string, string> } = JSON.parse(
  readFileSync(path.join(root, 'package.json'), 'utf8'),
);

/** What every kind of block is tested by; paths from this folder. */
const kinds: readonly { readonly is: RegExp; readonly by: string }[] = [
  { is: /^sh $/, by: 'snippets.test.ts' },
  { is: /^sh admin$/, by: '../nodes/documented-admin-api.test.ts' },
  { is: /^json message to homie-(ota|config|devices|firmware)$/, by: '../nodes/documented-messages.test.ts' },
  { is: /^json (summary|check) of homie-ota$/, by: '../nodes/documented-messages.test.ts' },
  { is: /^(python|ini) platformio$/, by: '../nodes/documented-platformio.test.ts' },
  { is: /^conf (acl|mosquitto)$/, by: '../nodes/documented-brokers.test.ts' },
  { is: /^(conf nats|yaml ejabberd|conf rabbitmq)$/, by: '../brokers/matrix.test.ts' },
];

const at = ({ page, line }: Block): string => `${page}:${line}`;

/** Commands of a block or a line of shell, without their comments. */
function commandsOf(text: string): string[] {
  return text
    .split(/\n|&&/)
    .map((line) => line.replace(/(^|\s)#.*$/, '').trim())
    .filter((line) => line !== '');
}

/** Asserts that a command of npm does what it says. */
function checkNpm(command: string): void {
  const [, verb = '', name = ''] = command.split(/\s+/);
  switch (verb) {
    case 'run':
      assert.ok(name in manifest.scripts, command);
      break;
    case 'test':
    case 'start':
      assert.ok(verb in manifest.scripts, command);
      break;
    case 'install':
      if (name !== '') {
        assert.equal(name.split('/').at(-1), `${manifest.name.slice(1).replace('/', '-')}-${manifest.version}.tgz`);
      }
      break;
    default:
      assert.ok(['ci', 'cit', 'pack', 'publish', 'version', 'audit'].includes(verb), command);
  }
}

/** Asserts that an example answers at the address of a curl command, and takes what it sends. */
function checkCurl(command: string): void {
  const { pathname, port } = new URL(/http:\S+/.exec(command)?.[0] ?? 'none:');
  assert.equal(port, '1880');
  const examples = readdirSync(path.join(root, 'examples')).flatMap((file): { type: string; url?: string }[] =>
    JSON.parse(readFileSync(path.join(root, 'examples', file), 'utf8')),
  );
  const urls = examples.flatMap(({ type, url }) => (type === 'http in' && url !== undefined ? [url] : []));
  const fits = urls.some((url) => new RegExp(`^${url.replaceAll(/:\w+/g, '[^/]+')}$`).test(pathname));
  assert.ok(fits, `${pathname} is none of ${urls.join(', ')}`);
  if (/ (-d|--data-binary) /.test(command))
    assert.match(command, /-H 'Content-Type: application\/(octet-stream|json)'/);
}

describe('the blocks of code in the documentation', () => {
  it('are each of a kind that a test uses', () => {
    assert.ok(blocks.length > 15);
    for (const block of blocks) {
      const kind = kinds.find(({ is }) => is.test(`${block.language} ${block.about}`));
      assert.ok(kind !== undefined, `${at(block)}: ${block.language} ${block.about}`);
      assert.ok(existsSync(path.join(__dirname, kind.by)), kind.by);
    }
  });

  for (const block of blocks.filter(({ language, about }) => language === 'sh' && about === '')) {
    it(`are commands that exist (${at(block)})`, () => {
      const commands = commandsOf(block.text);
      assert.ok(commands.length > 0);
      for (const command of commands) {
        if (command.startsWith('npm ')) checkNpm(command);
        else if (command.startsWith('curl ')) checkCurl(command);
        else assert.match(command, /^(cd ~\/\.node-red|mosquitto_passwd (-c )?\/etc\/mosquitto\/passwords [\w-]+)$/);
      }
    });
  }
});

describe('the commands in the text of the documentation', () => {
  for (const page of pages) {
    it(`exist (${page})`, () => {
      const commands = codesIn(prose(page)).filter((code) => /^(npm|npx) /.test(code));
      for (const command of commands.flatMap(commandsOf)) if (command.startsWith('npm ')) checkNpm(command);
    });
  }

  it('are those of package.json, each of which is told of somewhere', () => {
    const told = pages.flatMap((page) => [...codesIn(prose(page)), ...blocks.map(({ text }) => text)]).join('\n');
    for (const name of Object.keys(manifest.scripts)) {
      if (['build', 'prepare', 'prepublishOnly', 'prepack', 'postpack', 'types'].includes(name)) continue;
      assert.match(told, new RegExp(`npm (run )?${name}\\b`), name);
    }
  });
});

describe('the examples in the documentation', () => {
  const names = readdirSync(path.join(root, 'examples')).map((file) => path.basename(file, '.json'));

  it('are each told of, by their names', () => {
    const told = pages.map(prose).join('\n');
    for (const name of names) assert.ok(told.includes(`_${name}_`), name);
  });

  it('are there', () => {
    for (const page of pages) {
      for (const [, name = ''] of prose(page).matchAll(/\bexamples? _([^_]+)_/g)) {
        assert.ok(names.includes(name), `${page}: ${name}`);
      }
    }
  });
});
