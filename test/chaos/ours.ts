import type { Home } from './home';
import type { Moments } from './moments';
import type { ErrandPlan } from './plan';
import type { Seen } from './record';

/** What a run has around it. */
export interface Surroundings {
  readonly home: Home;
  readonly see: (seen: Seen) => void;
  readonly moments: Moments;
  /** Told of whatever should not be. */
  readonly complain: (what: string) => void;
}

/** Our side of a run: the nodes of a flow, in this process or in a Node-RED. */
export interface Ours {
  /** Sends a message. Resolves when it has its answer, or will have none. */
  ask(errand: ErrandPlan): Promise<void>;
  steer(action: 'cancel' | 'pause' | 'resume' | 'retry', device?: number): Promise<void>;
  /** Makes the nodes again; ends the process and starts it; or kills it and starts it. */
  redeploy(): Promise<void>;
  restart(): Promise<void>;
  kill(): Promise<void>;
  /** Starts a second process on the same user directory, where there can be one. @returns ends it */
  rival(): Promise<() => Promise<void>>;
  /** Our connection to the broker. */
  readonly line: Line;
  /** Resolves when all jobs have ended, or wait for a person. */
  quiet(): Promise<void>;
  /** Cancels what waits for a person. @returns what does not end for that, in words */
  finish(): Promise<string[]>;
  /** What is not done yet, in words. */
  unfinished(): string[];
  /** @returns what is left of it, in words */
  close(): Promise<string[]>;
}

/** What can be done with our connection to the broker. */
export interface Line {
  cut(): void;
  cutAfter(bytes: number): void;
  stall(): void;
  flow(): void;
  mute(): void;
  limit(bytesPerSecond: number): void;
}
