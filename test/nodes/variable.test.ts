import assert from 'node:assert/strict';
import { expand } from '../../nodes/shared/environment';
import { readSecret } from '../../nodes/shared/secrets';
import { holdsVariable, isVariable } from '../../nodes/shared/variable';

describe('an environment variable in a field', () => {
  for (const [typed, is, holds] of [
    ['${NAME}', true, true],
    ['$(NAME)', true, true],
    ['homie/${SITE}/', false, true],
    ['${SCHEME}://${HOST}', true, true],
    ['homie/$(SITE)/', false, false],
    [' $(NAME)', false, false],
    ['$(NAME}', false, false],
    ['$(MY NAME)', false, false],
    ['${MY NAME}', false, true],
    ['${}', false, false],
    ['$()', false, false],
    ['${NAME', false, false],
    ['$NAME', false, false],
    ['', false, false],
  ] as const) {
    const what = is ? 'alone' : holds ? 'within a text' : 'not at all';
    it(`is ${what} in ${JSON.stringify(typed)}`, () => {
      assert.deepEqual([isVariable(typed), holdsVariable(typed)], [is, holds]);
    });
  }

  const values: Record<string, unknown> = { NAME: 'kitchen', PORT: 1883, SITE: 'home' };
  const environment = (name: string): unknown => values[name];
  for (const [typed, text, secret] of [
    ['${NAME}', 'kitchen', 'kitchen'],
    ['$(NAME)', 'kitchen', 'kitchen'],
    ['$(PORT)', '1883', '1883'],
    ['homie/${SITE}/', 'homie/home/', 'homie/${SITE}/'],
    ['homie/$(SITE)/', 'homie/$(SITE)/', 'homie/$(SITE)/'],
    ['${UNSET}', undefined, undefined],
    ['$(UNSET)', undefined, undefined],
    ['${UNSET', '${UNSET', '${UNSET'],
  ] as const) {
    it(`${JSON.stringify(typed)} stands for ${text ?? 'nothing'} as a text, and ${secret ?? 'nothing'} as a secret`, () => {
      assert.deepEqual([expand(typed, environment), readSecret(typed, environment)], [text, secret]);
    });
  }
});
