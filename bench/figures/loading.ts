import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { root } from '../../test/support/node-red';
import { alternate, median } from '../arithmetic';
import { ms, type Figure } from '../report';

/**
 * Scripts that load the nodes as Node-RED does, or mqtt alone, and print how long that took, in ms. Both load Node-RED
 * first, because its modules are already loaded when it loads the nodes.
 */
const scripts = {
  ours: `require('node-red');
    const { nodes } = require('./package.json')['node-red'];
    const RED = new Proxy(() => RED, { get: (_, name) => (name === Symbol.toPrimitive ? () => '' : RED) });
    const begun = performance.now();
    for (const file of Object.values(nodes)) require('./' + file)(RED);
    console.log(performance.now() - begun);`,
  mqtt: `require('node-red');
    const begun = performance.now();
    require('mqtt');
    console.log(performance.now() - begun);`,
};

/** Time that the package adds to the start of Node-RED, beyond mqtt.js. */
export const loading: Figure = {
  number: 8,
  title: 'Loading the package',
  async measure(bench) {
    const load = (script: string) => async (): Promise<number> => {
      const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], { cwd: root });
      return Number(stdout);
    };
    const contestants = { ours: load(scripts.ours), mqtt: load(scripts.mqtt) };
    await alternate(1, contestants);
    const { ours, mqtt } = await alternate(bench.quick ? 3 : 15, contestants);
    return [
      {
        what: 'time beyond that of mqtt.js',
        value: median(ours) - median(mqtt),
        unit: 'ms',
        limit: { atMost: 60 },
        note: `${ms(median(ours))} / ${ms(median(mqtt))}`,
      },
    ];
  },
};
