import type { NodeAPI } from 'node-red';
import { Firmware } from '../../src/firmware/firmware';
import type { DeviceChoice } from '../../src/homie/select';
import { checkDeviceId } from '../../src/homie/topics';
import { readUpload, UploadSlots, type Upload } from './firmware-upload';
import { UploadStore, type Staged } from './upload-store';
import { ownPagesOnly, type Reply } from '../shared/same-origin';
import { membersOf, readDevices, type Request } from '../shared/request';
import { Feeds } from './sidebar-feed';
import { planUpdate, startUpdate } from './sidebar-plan';
import { SidebarRefusal, refusalOf } from './sidebar-refusal';

/**
 * Registers the routes of the sidebar. Viewing requires the permission `homie-ota.read`; uploading firmware and
 * starting an update require `homie-ota.write`.
 */
export = (RED: NodeAPI): void => {
  const feeds = new Feeds(RED);
  const stage = new UploadStore();
  const slots = new UploadSlots();
  const read = RED.auth.needsPermission('homie-ota.read');
  const write = RED.auth.needsPermission('homie-ota.write');

  RED.httpAdmin.get('/homie-ota/brokers/:id/table', ownPagesOnly, read, (request, response) => {
    const { since } = request.query;
    answer(response, async () => feeds.read(String(request.params.id), typeof since === 'string' ? since : undefined));
  });

  RED.httpAdmin.post('/homie-ota/firmware', ownPagesOnly, write, (request, response) => {
    answer(response, async () => {
      if (!request.is('application/octet-stream')) throw new SidebarRefusal('malformed');
      const { id, firmware } = stage.add(await Firmware.from(await upload(request)));
      return { id, firmware: firmware.info };
    });
  });
  const upload = async (request: Upload & Asker): Promise<Buffer> => {
    const release = slots.take(userOf(request));
    try {
      return await readUpload(request);
    } finally {
      release();
    }
  };

  RED.httpAdmin.post('/homie-ota/firmware/:id/plan', ownPagesOnly, write, (request, response) => {
    answer(response, async () => {
      const { broker, devices } = fieldsOf(request);
      return planUpdate(RED, staged(request.params.id), text(broker), choiceOf(devices));
    });
  });

  RED.httpAdmin.post('/homie-ota/firmware/:id/start', ownPagesOnly, write, (request, response) => {
    answer(response, async () => {
      const { broker, plan } = fieldsOf(request);
      const found = staged(request.params.id);
      const devices = await startUpdate(RED, found, text(broker), text(plan));
      stage.remove(found.id);
      return { devices };
    });
  });

  RED.httpAdmin.delete('/homie-ota/firmware/:id', ownPagesOnly, write, (request, response) => {
    stage.remove(String(request.params.id));
    response.status(204).end();
  });

  const staged = (id: unknown): Staged => {
    const found = stage.get(String(id));
    if (found === undefined) throw new SidebarRefusal('unstaged');
    return found;
  };
};

/** The sender of a request. */
interface Asker {
  /** Set if users have to log in. */
  readonly user?: unknown;
  readonly socket: { readonly remoteAddress?: string | undefined };
}

/** Returns a key for the user who sends the request, or else for the address. */
function userOf({ user, socket }: Asker): string {
  const username: unknown = Reflect.get(Object(user), 'username');
  return typeof username === 'string' ? `user ${username}` : `address ${socket.remoteAddress ?? ''}`;
}

/** Responds with the result of `work`, or with why it was refused. */
function answer(response: Reply, work: () => Promise<object>): void {
  const failed = (error: unknown): void => {
    const { status, body } = refusalOf(error);
    response.status(status).json(body);
  };
  work().then((body) => response.json(body), failed);
}

/** @throws {SidebarRefusal} */
function fieldsOf(request: { is(type: string): unknown; readonly body: unknown }): Request {
  const fields = request.is('application/json') ? membersOf(request.body) : undefined;
  if (fields === undefined) throw new SidebarRefusal('malformed');
  return fields;
}

/** @throws {SidebarRefusal} */
function text(value: unknown): string {
  if (typeof value !== 'string' || value.length > 100) throw new SidebarRefusal('malformed');
  return value;
}

/** Maximum number of devices in a request: no more are known at the same time. */
const MAX_DEVICES = 20_000;

/**
 * Selects all devices that run the firmware, or those with these ids.
 *
 * @throws {SidebarRefusal} malformed
 * @throws {HomieError} NO_DEVICE, INVALID_DEVICE_ID
 */
function choiceOf(devices: unknown): DeviceChoice {
  if (devices === 'firmware') return { runningThisFirmware: true };
  if (!Array.isArray(devices) || devices.length > MAX_DEVICES) throw new SidebarRefusal('malformed');
  return { devices: readDevices(devices).map(checkDeviceId) };
}
