import type { Node, NodeAPI, NodeMessage } from 'node-red';
import { asHomieError, HomieError } from '../../src/errors';
import type { HomieBroker } from '../../src/homie/broker';
import { Queue } from '../../src/rollout/queue';
import type { Actions, ActionsContext } from './actions';
import type { BrokerLink } from './broker-node';
import { connectionStatus, errorStatus, jobStatus } from './job-status';
import { useStore } from './job-files';
import { Jobs } from './jobs';
import { answerMessage, onClose } from './node-events';
import { Replies } from './replies';
import type { Request } from './request';
import { ThrottledStatus } from './throttled-status';

/** What `runJobNode` needs to run a node. */
export interface JobNode {
  readonly link: BrokerLink;
  /** The settings of the node, or the errors in them. */
  readonly settings: readonly object[];
  /** Called with each message, to warn of what is no longer read from it. */
  readonly warnOfOld: (msg: object) => void;
  /** Creates the actions for its messages. */
  readonly actions: (around: ActionsContext) => Actions<string, unknown>;
  /** Removes from a message what the flow must no longer see, and returns the message as it was. */
  readonly take?: (msg: NodeMessage) => Request;
}

/**
 * Runs a node until it is closed: does what messages request, calls `done` for each, and shows the status of the node.
 */
export function runJobNode(RED: NodeAPI, node: Node, options: JobNode): void {
  const { link, settings, warnOfOld, actions: actionsWith, take } = options;
  const queue = 'broker' in link ? Queue.of(link.broker) : undefined;
  const refresh = (): void => status.refresh();
  const jobs = new Jobs(queue, node.id, refresh);
  const use = useStore(RED);
  const store = use?.store;
  const clone = (message: NodeMessage): NodeMessage => RED.util.cloneMessage(message);
  const actions = actionsWith({
    link,
    jobs,
    node: node.id,
    author: { id: node.id, ...(node.name && { name: node.name }) },
    store,
    reply: (kept) => new Replies(kept, clone, (messages) => node.send(messages)),
  });
  const status = new ThrottledStatus(node, () => {
    const { shown } = jobs;
    if (shown.length > 0) return jobStatus(shown, jobs.halted);
    if (store?.ownership.isInUse === true) return errorStatus('USER_DIR_IN_USE');
    const wrong = settings.find((each) => each instanceof HomieError);
    return wrong === undefined ? connectionStatus(link) : errorStatus(wrong.code);
  });
  const connectionChanged = (): void => jobs.forgetEnded();
  const unprotect = 'broker' in link ? protectDevices(link.broker) : () => undefined;
  if ('broker' in link) link.broker.on('status', connectionChanged);
  refresh();
  actions.start();
  // Registered after the actions, which leave their jobs when the folder is lost.
  store?.ownership.on('owned', refresh).on('lost', refresh);

  node.on('input', (msg: NodeMessage, send, done) => {
    warnOfOld(msg);
    const request = take?.(msg) ?? msg;
    const replies = new Replies(msg, clone, send);
    void answerMessage(node, () => actions.handle(request, replies), done);
  });
  onClose(node, async (removed) => {
    unprotect();
    if ('broker' in link) link.broker.off('status', connectionChanged);
    store?.ownership.off('owned', refresh).off('lost', refresh);
    await actions.close(removed);
    await use?.leave();
    status.close();
  });
}

/**
 * Prevents devices with a job or a history from being forgotten.
 *
 * @returns a function that ends the protection
 */
export function protectDevices(broker: HomieBroker): () => void {
  const { locks, registry } = broker;
  const queue = Queue.of(broker);
  return registry.protect((id) => queue.isServed(id) || queue.history.knows(locks.keyOf(id)));
}

/** Returns the settings of a node, or the error in them, which is logged at once. */
export function ownSettings<Settings>(node: Node, read: () => Settings): Settings | HomieError {
  try {
    return read();
  } catch (error) {
    const problem = asHomieError(error);
    node.error(`${problem.message} ${problem.hint}`);
    return problem;
  }
}
