import type { NodeAPI } from 'node-red';
import type { SidebarJobs } from '../shared/sidebar-jobs';
import type { Subject } from '../../src/bug-report/facts';
import { findBrokerNode } from '../shared/broker-node';
import { bugReport } from '../shared/bug-report';
import { ownPagesOnly, type Reply } from '../shared/same-origin';
import type { ReportAnswer } from './answers';
import { detailsOf } from './device-details';
import { readUpload, UploadSlots, type Upload } from './firmware-upload';
import { steerJob } from './job-plan';
import { offer, withdraw } from './offers';
import { readPlanRequest, readText } from './plan-request';
import { Plans } from './plans';
import { Feeds } from './sidebar-feed';
import { SidebarRefusal, refusalOf } from './sidebar-refusal';
import { userOf, UserRate, type Asker } from './user-rate';

/** A request whose body Node-RED has read, if it is JSON. */
interface Asked extends Asker {
  is(type: string): unknown;
  readonly body: unknown;
  readonly params: Readonly<Record<string, unknown>>;
}

/**
 * Registers the routes of the sidebar: see docs/admin-api.md. Viewing requires the permission `homie-ota.read`; whatever
 * changes something, or plans a change, requires `homie-ota.write`.
 */
export = (RED: NodeAPI): void => {
  const feeds = new Feeds(RED);
  const slots = new UploadSlots();
  const rate = new UserRate();
  const read = RED.auth.needsPermission('homie-ota.read');
  const write = RED.auth.needsPermission('homie-ota.write');
  const jobsOf = ({ params }: Pick<Asked, 'params'>): SidebarJobs => findJobs(RED, String(params['id']));
  /** Responds with what a user's request does, unless the user has sent too many. */
  const limited = (
    request: Asked,
    response: Response,
    work: (jobs: SidebarJobs) => Promise<object | undefined>,
  ): void => answer(response, () => rate.run(userOf(request), async () => work(jobsOf(request))));

  RED.httpAdmin.get('/homie-ota/brokers/:id/table', ownPagesOnly, read, (request, response) => {
    const { since } = request.query;
    answer(response, async () => feeds.read(String(request.params.id), typeof since === 'string' ? since : undefined));
  });

  RED.httpAdmin.get('/homie-ota/brokers/:id/devices/:device', ownPagesOnly, read, (request, response) => {
    answer(response, async () => detailsOf(jobsOf(request), String(request.params.device)));
  });

  RED.httpAdmin.get('/homie-ota/brokers/:id/report', ownPagesOnly, read, (request, response) => {
    const { device, job } = request.query;
    answer(response, async (): Promise<ReportAnswer> => {
      const { broker } = jobsOf(request);
      return { text: bugReport(RED, broker, readSubject(device, job)) };
    });
  });

  RED.httpAdmin.post('/homie-ota/brokers/:id/offers', ownPagesOnly, write, (request, response) => {
    const { replace = 'false' } = request.query;
    limited(request, response, async (jobs) => {
      const isFlag = replace === 'true' || replace === 'false';
      if (!isFlag || !request.is('application/octet-stream')) throw new SidebarRefusal('malformed');
      return offer(jobs, await upload(request), replace === 'true');
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

  RED.httpAdmin.delete('/homie-ota/brokers/:id/offers/:md5', ownPagesOnly, write, (request, response) => {
    limited(request, response, async (jobs) => withdraw(jobs, readText(request.params.md5)));
  });

  RED.httpAdmin.post('/homie-ota/brokers/:id/plans', ownPagesOnly, write, (request, response) => {
    limited(request, response, async (jobs) => Plans.of(jobs).make(readPlanRequest(json(request))));
  });

  RED.httpAdmin.post('/homie-ota/brokers/:id/plans/:plan/start', ownPagesOnly, write, (request, response) => {
    limited(request, response, async (jobs) => Plans.of(jobs).start(String(request.params.plan)));
  });

  RED.httpAdmin.post('/homie-ota/brokers/:id/jobs/:job/pause', ownPagesOnly, write, (request, response) => {
    limited(request, response, async (jobs) => steerJob(jobs, 'pause', String(request.params.job)));
  });

  RED.httpAdmin.post('/homie-ota/brokers/:id/jobs/:job/close', ownPagesOnly, write, (request, response) => {
    limited(request, response, async (jobs) => steerJob(jobs, 'close', String(request.params.job)));
  });
};

/**
 * Returns the jobs of the sidebar for a homie-broker.
 *
 * @throws {SidebarRefusal} undeployed: the homie-broker is not deployed
 * @throws {HomieError} what is wrong with its settings
 */
function findJobs(RED: NodeAPI, brokerId: string): SidebarJobs {
  const node = findBrokerNode(RED, brokerId);
  if (node?.sidebar !== undefined) return node.sidebar;
  throw node !== undefined && 'error' in node.link ? node.link.error : new SidebarRefusal('undeployed');
}

/**
 * Reads what a report is about.
 *
 * @throws {SidebarRefusal} malformed
 */
function readSubject(device: unknown, job: unknown): Subject {
  return {
    ...(device !== undefined && { devices: [readText(device)] }),
    ...(job !== undefined && { job: readText(job) }),
  };
}

interface Response extends Reply {
  end(): unknown;
}

/** Responds with the result of `work` (204 without one), or with why it was refused. */
function answer(response: Response, work: () => Promise<object | undefined>): void {
  const reply = (body: object | undefined): unknown =>
    body === undefined ? response.status(204).end() : response.json(body);
  const failed = (error: unknown): void => {
    const { status, body } = refusalOf(error);
    response.status(status).json(body);
  };
  work().then(reply, failed);
}

/**
 * Returns the body of a request, which only JSON may be: a form of another site cannot send it.
 *
 * @throws {SidebarRefusal} malformed
 */
function json(request: Asked): unknown {
  if (!request.is('application/json')) throw new SidebarRefusal('malformed');
  return request.body;
}
