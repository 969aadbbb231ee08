/** The page of the admin API. */
import assert from 'node:assert/strict';
import { planActions } from '../../nodes/sidebar/answers';
import { readPlanRequest } from '../../nodes/sidebar/plan-request';
import { blocksOf, codesIn, prose, rowsOf } from '../docs/markdown';
import { adminRoutes, nameOf } from '../support/admin-routes';

const page = 'docs/admin-api.md';
const commands = blocksOf(page)
  .filter(({ about }) => about === 'admin')
  .flatMap(({ text }) => text.split('\n'));

/** Returns the name of the route that a curl command asks. */
function routeOf(command: string): string | undefined {
  const { pathname } = new URL(/http:\S+$/.exec(command)?.[0] ?? 'none:');
  const method = / -X (\w+)/.exec(command)?.[1] ?? (/ (-d|--data-binary) /.test(command) ? 'POST' : 'GET');
  const route = adminRoutes.find(
    (each) =>
      each.method === method && new RegExp(`^/homie-ota/${each.path.replaceAll(/:\w+/g, '[^/]+')}$`).test(pathname),
  );
  return route && nameOf(route);
}

describe('the page of the admin API', () => {
  const routes = adminRoutes.filter((route) => route.path.startsWith('brokers/')).map(nameOf);

  it('describes each route of the sidebar', () => {
    const text = prose(page);
    for (const route of routes) {
      const told = route
        .replace('brokers/:id', '/homie-ota/brokers/BROKER')
        .replaceAll(/:\w+/g, (name) => name.slice(1).toUpperCase());
      assert.ok(text.includes(`\`${told}\``), told);
    }
  });

  it('has a command for each route but the list of devices, and one for the token', () => {
    const [token, ...others] = commands;
    assert.match(String(token), /^curl .* http:\/\/localhost:1880\/auth\/token$/);
    assert.deepEqual(
      new Set(others.map(routeOf)),
      new Set(routes.filter((route) => route !== 'GET brokers/:id/devices')),
    );
  });

  it('sends requests that are read', () => {
    const bodies = commands.flatMap((command) => / -d '([^']+)'/.exec(command)?.[1] ?? []);
    assert.deepEqual(
      bodies.map((body) => readPlanRequest(JSON.parse(body))),
      [{ action: 'update', devices: ['kitchen-light', 'hall-light'] }],
    );
  });

  it('names each action of a plan', () => {
    const actions = rowsOf(page).flatMap(([cell = '']) => codesIn(cell));
    for (const action of planActions) assert.ok(actions.includes(action), action);
  });
});
