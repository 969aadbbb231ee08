import type { EventEmitter } from 'node:events';

/**
 * Resolves as soon as a condition holds. Unlike a loop around `once`, does not miss a state that the next event ends at
 * once, as when several packets have arrived together.
 *
 * @param event the event after which the condition may hold
 */
export async function untilTrue(source: EventEmitter, event: string, holds: () => boolean): Promise<void> {
  if (holds()) return;
  await new Promise<void>((resolve) => {
    const check = (): void => {
      if (!holds()) return;
      source.off(event, look);
      resolve();
    };
    const look = (): void => {
      check();
      // Later listeners may make it hold.
      queueMicrotask(check);
    };
    source.on(event, look);
  });
}
