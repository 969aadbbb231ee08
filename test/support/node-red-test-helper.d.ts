/** The parts of node-red-node-test-helper that the tests use. The package has no types. */
declare module 'node-red-node-test-helper' {
  import type { Node, NodeAPI, NodeMessage, NodeStatus } from 'node-red';

  namespace helper {
    type NodeModule = (RED: NodeAPI) => void;

    /** A node of a test flow. */
    interface FlowNode {
      id: string;
      type: string;
      [property: string]: unknown;
    }

    /** A node whose calls the helper records. */
    interface TestNode extends Node {
      status: Node['status'] & { getCalls(): { thisValue: unknown; args: [NodeStatus] }[] };
      on(event: 'call:status', listener: () => void): this;
      on(event: 'input', listener: (msg: NodeMessage) => void): this;
      off(event: 'call:status', listener: () => void): this;
    }

    interface TestHelper {
      init(runtime: string, settings?: object): void;
      load(modules: NodeModule[], flow: FlowNode[], credentials: Record<string, object>): Promise<void>;
      settings(settings: object): void;
      unload(): Promise<void>;
      getNode(id: string): TestNode;
      setFlows(flow: FlowNode[], type: 'full' | 'flows' | 'nodes', credentials: Record<string, object>): Promise<void>;
      /** Sends requests to the admin API of the test runtime. */
      request(): { post(path: string): { send(body: object): Promise<{ status: number; body: unknown }> } };
      log(): { args: [{ level: number; msg: unknown; id?: string; type?: string }][] };
    }
  }

  const helper: helper.TestHelper;
  export = helper;
}
