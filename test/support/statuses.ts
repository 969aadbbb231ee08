import { once } from 'node:events';
import type { HomieError } from '../../src/errors';
import type { HomieBroker } from '../../src/homie/broker';
import type { Connection, ConnectionStatus } from '../../src/mqtt/connection';

type Source = Connection | HomieBroker;

/** Waits until the source is connected. @returns its status */
export async function connected(source: Source): Promise<ConnectionStatus & { state: 'connected' }> {
  while (source.status.state !== 'connected') await once(source, 'status');
  return source.status;
}

/** Waits for the next failed attempt or lost connection. @returns the reason */
export async function disconnected(source: Source): Promise<HomieError> {
  do await once(source, 'status');
  while (source.status.state !== 'disconnected');
  return source.status.error;
}
