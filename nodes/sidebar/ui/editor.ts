/** The parts of the editor of Node-RED that the sidebar uses. */
import type { EditorNodeInstance, EditorRED } from 'node-red';

type EditorNode = EditorNodeInstance & { readonly changed?: boolean; readonly baseTopic?: string };

/** A device that the test of a dialog has found. Its texts are untrusted. */
export interface TestedDevice {
  readonly id: string;
  readonly name?: string;
  readonly firmware?: string;
  readonly version?: string;
  readonly state?: string;
}

/** What the types of the editor lack, or leave open. */
interface Precise {
  readonly nodes: {
    eachConfig(visit: (node: EditorNode) => boolean): void;
    node(id: string): EditorNode | undefined;
  };
  readonly comms: EditorRED['comms'] & { on(event: 'connect', heed: () => void): void };
  readonly settings: {
    getLocal(key: string): unknown;
    setLocal(key: string, value: string): void;
  };
  readonly actions: { invoke(name: string): void };
  readonly editor: { editConfig(property: string, type: string, id: string): void };
  readonly clipboard: { copyText(text: string): boolean };
}

declare global {
  const RED: Omit<EditorRED, keyof Precise> & Precise;
  interface Window {
    /** The devices that the test of a homie-broker dialog has found, by the id of the node. */
    readonly homieTested?: Readonly<Record<string, readonly TestedDevice[] | undefined>>;
  }
}

/** A homie-broker in the editor, deployed or not. */
export interface BrokerNode {
  readonly id: string;
  readonly label: string;
  /** Whether it has changes that are not deployed yet. */
  readonly changed: boolean;
}

/** Returns the homie-brokers of the flows that are open in the editor. */
export function brokerNodes(): BrokerNode[] {
  const found: BrokerNode[] = [];
  RED.nodes.eachConfig((node) => {
    if (node.type === 'homie-broker') {
      found.push({ id: node.id, label: RED.utils.getNodeLabel(node, node.id), changed: node.changed === true });
    }
    return true;
  });
  return found;
}

/** Whether the user may change devices. */
export function mayWrite(): boolean {
  return RED.user.hasPermission('homie-ota.write');
}

/** Whether the user may change and deploy flows. */
export function mayDeploy(): boolean {
  return RED.user.hasPermission('flows.write');
}

/** Deploys the flows, as the button of the editor does. */
export function deploy(): void {
  RED.actions.invoke('core:deploy-flows');
}

/** Opens the dialog of a homie-broker, or of a new one. */
export function openSettings(broker?: string): void {
  RED.editor.editConfig('', 'homie-broker', broker ?? '_ADD_');
}
