import { startProxy, type Proxy } from '../support/proxy';
import type { Surroundings } from './ours';
import { Tap, type Publish } from './tap';

/** Bytes of the shortest image. */
const SHORTEST = 5000;

/**
 * Starts a proxy between our side and the broker, which records what our side publishes.
 *
 * @param isDown whether no connection can be made now
 */
export function listen({ home, see, moments }: Surroundings, isDown: () => boolean = () => false): Promise<Proxy> {
  const read = ({ topic, bytes }: Publish): { device: string; what: string } | undefined => {
    const [, device = '', path_ = ''] = /^homie\/(?:5\/)?([^/]+)\/\$implementation\/(.*)$/.exec(topic) ?? [];
    const [, checksum] = /^ota\/firmware\/([0-9a-fA-F]{32})$/.exec(path_) ?? [];
    // A shorter payload is the question whether an update was cut off.
    if (checksum !== undefined && bytes < SHORTEST) return undefined;
    if (checksum !== undefined) return { device, what: checksum.toLowerCase() };
    return path_ === 'config/set' ? { device, what: 'patch' } : undefined;
  };
  return startProxy(home.broker.port, {
    closeAt: isDown,
    listen: () => {
      const tap = new Tap(
        (publish) => {
          const known = read(publish);
          if (known === undefined) return;
          see({ kind: 'begun', at: performance.now(), ...known });
          moments.tell(
            known.what === 'patch' ? 'patch' : 'sent',
            home.dwellers.find(({ device }) => device.id === known.device)?.index,
          );
        },
        (publish) => {
          const known = read(publish);
          if (known !== undefined) see({ kind: 'published', at: performance.now(), ...known, dup: publish.dup });
        },
      );
      return (chunk) => tap.hear(chunk);
    },
  });
}
