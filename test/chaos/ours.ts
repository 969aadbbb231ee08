import type { Home } from './home';
import type { Moments } from './moments';
import type { ErrandPlan } from './plan';
import type { Seen } from './record';

/** The surroundings of our side in a run. */
export interface Surroundings {
  readonly home: Home;
  readonly see: (seen: Seen) => void;
  readonly moments: Moments;
  /** Called for anything that should not happen. */
  readonly complain: (what: string) => void;
}

/** Our side of a run: the nodes of a flow, in this process or in a Node-RED. */
export interface Ours {
  /** Sends a message. Resolves when the answer has arrived, or can no longer arrive. */
  ask(errand: ErrandPlan): Promise<void>;
  steer(action: 'cancel' | 'pause' | 'resume' | 'retry', device?: number): Promise<void>;
  /** Excludes a device from updates, or includes it again. */
  exclude(device: number, isExcluded: boolean): Promise<void>;
  /** Recreates the nodes. */
  redeploy(): Promise<void>;
  /** Ends the process in an orderly way, and starts it again. */
  restart(): Promise<void>;
  /** Kills the process, and starts it again. */
  kill(): Promise<void>;
  /** Starts a second process on the same user directory, if possible. @returns a function that ends it */
  rival(): Promise<() => Promise<void>>;
  /** Our connection to the broker. */
  readonly line: Line;
  /** Waits until all jobs have ended, or wait for a person. */
  quiet(): Promise<void>;
  /** Cancels jobs that wait for a person. @returns descriptions of what has not ended then */
  finish(): Promise<string[]>;
  /** Describes what has not ended yet. */
  unfinished(): string[];
  /** Ends our side. @returns descriptions of what is left behind */
  close(): Promise<string[]>;
}

/** Disturbances of our connection to the broker; see `Proxy`. */
export interface Line {
  cut(): void;
  cutAfter(bytes: number): void;
  stall(): void;
  flow(): void;
  mute(): void;
  limit(bytesPerSecond: number): void;
  /** Cuts the connection, and lets no other one be made until `restore`. */
  interrupt(): void;
  restore(): void;
}
