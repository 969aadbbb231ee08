import assert from 'node:assert/strict';
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
});
