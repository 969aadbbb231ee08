import type { NodeAPI, NodeDef, NodeMessage } from 'node-red';
import { HomieError } from '../../src/errors';
import type { Chosen } from '../../src/sources/search';
import { foundImage } from '../../src/sources/report';
import { environmentOf } from '../shared/environment';
import { ownSettings } from '../shared/job-node';
import { migrated } from '../shared/migrated';
import { answerMessage, onClose } from '../shared/node-events';
import { keptProperties } from '../shared/replies';
import { ThrottledStatus } from '../shared/throttled-status';
import { typedFields } from '../shared/typed-fields';
import type { FirmwareNode } from './firmware-node';
import { readNodeSource, sendsPlainSecret, type SourceCredentials } from './firmware-settings';
import { offerSearch } from './search-endpoint';
import { Searches, type SearchAnswer } from './searches';
import { ShownSearches } from './shown-searches';
import { workingFolderOf } from './working-folder';

/** How often the age in the status changes, in ms. */
const MINUTE = 60_000;

export = (RED: NodeAPI): void => {
  function HomieFirmwareNode(this: FirmwareNode, definition: NodeDef): void {
    RED.nodes.createNode(this, definition);
    const own = ownSettings(this, () =>
      readNodeSource({
        fields: { ...migrated(this.type, definition) },
        typed: typedFields(RED, definition),
        credentials: this.credentials ?? {},
        environment: environmentOf(RED, this),
      }),
    );
    this.own = own;
    if ('settings' in own && sendsPlainSecret(own)) {
      this.warn('the credentials are sent without encryption. Use an address that starts with https://.');
    }
    const searches = new Searches(own, workingFolderOf(RED));
    const shown = new ShownSearches(searches, own instanceof HomieError ? own : undefined, () => status.refresh());
    const status = new ThrottledStatus(this, () => shown.status);
    const clock = setInterval(() => status.refresh(), MINUTE);
    status.refresh();

    this.on('input', (msg, send, done) => {
      const kept: NodeMessage = RED.util.cloneMessage(keptProperties(msg));
      const answer = (found: SearchAnswer): void => send(messagesOf(found, () => RED.util.cloneMessage(kept)));
      const options: unknown = Reflect.get(msg, 'options');
      void answerMessage(this, () => shown.answer(options, answer), done);
    });
    onClose(this, async () => {
      clearInterval(clock);
      await searches.close();
      status.close();
    });
  }

  offerSearch(RED);
  RED.nodes.registerType<FirmwareNode, NodeDef, object, SourceCredentials>('homie-firmware', HomieFirmwareNode, {
    credentials: { user: { type: 'text' }, password: { type: 'password' }, token: { type: 'password' } },
  });
};

/** Returns one message for each image for the first output, and the report for the second. */
function messagesOf({ sent, report }: SearchAnswer, clone: () => NodeMessage): NodeMessage[][] {
  const images = sent.map((chosen) => ({ ...clone(), ...imageMessage(chosen) }));
  return [images, [{ ...clone(), payload: structuredClone(report) }]];
}

function imageMessage({ candidate, firmware }: Chosen): NodeMessage & Record<string, unknown> {
  const { filename, name, version, ...facts } = foundImage(candidate);
  return {
    topic: name ?? '',
    // Copied, since a flow may write into it, and the image in memory is sent to devices.
    payload: Buffer.from(firmware.image),
    checksum: facts.md5,
    filename,
    firmware: { name, version, ...facts, notes: candidate.notes },
  };
}
