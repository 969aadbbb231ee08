import { Home } from './home';
import { image } from './images';
import type { ErrandPlan, Plan } from './plan';

/** Seconds: short, since most of them pass in vain. */
const deadlines = { sending: 3, accepted: 1.5, stall: 1.5, reboot: 3, ready: 2, received: 1.5, expires: 3, soak: 0.1 };

/** The patches that are brought, by version. */
export const patches = [{ settings: { percentage: 60 } }, { name: 'renamed', settings: { percentage: 70 } }] as const;

/** The message of an errand. */
export function messageOf(plan: Plan, errand: ErrandPlan): Record<string, unknown> {
  const { what, devices, version, encoding, concurrency, canary, maxFailures, order } = errand;
  const named = devices === 'all' ? plan.devices.map((_device, index) => index) : devices;
  const family = plan.devices[named[0] ?? 0]?.implementation ?? 'esp8266';
  const ids = named.map((index) => Home.id(plan, index));
  const common = { ...deadlines, concurrency, canary, maxFailures, order };
  if (what === 'set') return { ...common, device: ids, payload: patches[version === 1 ? 0 : 1] };
  return {
    ...common,
    ...(devices === 'all' ? { matchFirmware: true } : { device: ids }),
    payload: image(version === 1 ? 'next' : 'newest', family, plan.size),
    encoding,
    attempts: plan.attempts,
  };
}
