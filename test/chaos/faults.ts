import { setTimeout as delay } from 'node:timers/promises';
import type { Home } from './home';
import { jump } from './clock';
import type { Moments } from './moments';
import type { Ours } from './ours';
import type { Fault } from './plan';

interface Scene {
  readonly home: Home;
  readonly ours: Ours;
  readonly moments: Moments;
  /** Makes the run wait for some work. */
  readonly track: (work: Promise<unknown>) => void;
}

/** Carries out a fault. */
export async function befall(fault: Fault, scene: Scene): Promise<void> {
  const { home, ours, moments } = scene;
  const { line } = ours;
  /** Starts a fault, and ends it at its moment; immediately if no device is connected to cause that moment. */
  const last = async (begin: () => unknown, end: () => void): Promise<void> => {
    const awaited = 'until' in fault && home.isLively;
    if (awaited) moments.mend(fault.until, end);
    await begin();
    if (!awaited) end();
  };
  switch (fault.what) {
    case 'broker killed':
      return last(
        () => home.broker.kill(),
        () => scene.track(home.broker.restart()),
      );
    case 'broker blinked':
      await home.broker.kill();
      await delay(fault.milliseconds);
      return home.broker.restart();
    case 'broker frozen':
      return last(
        () => home.broker.freeze(),
        () => home.broker.thaw(),
      );
    case 'cut':
      return line.cut();
    case 'truncated':
      return line.cutAfter(fault.bytes);
    case 'stalled':
      return last(
        () => line.stall(),
        () => line.flow(),
      );
    case 'late':
      line.stall();
      await delay(fault.milliseconds);
      return line.flow();
    case 'outage':
      line.interrupt();
      await delay(fault.milliseconds);
      return line.restore();
    case 'muted':
      return line.mute();
    case 'slow':
      return last(
        () => line.limit(fault.bytesPerSecond),
        () => line.limit(Infinity),
      );
    case 'devices cut':
      return home.cutDevices();
    case 'devices stalled':
      return last(
        () => home.stallDevices(),
        () => home.endStall(),
      );
    case 'dropped':
      return home.at(fault.device)?.dropConnection();
    case 'crashed':
      return home.at(fault.device)?.crash();
    case 'asleep':
      return home.at(fault.device)?.prepareToSleep();
    case 'idle':
      return home.at(fault.device)?.setIdle(true);
    case 'off':
      return last(
        () => home.switchOff(fault.device),
        () => scene.track(home.switchOn(fault.device)),
      );
    case 'replaced':
      return home.replace(fault.device);
    case 'other firmware':
      return home.bringOther(fault.device);
    case 'other patch':
      return home.strike(fault.device, '$implementation/config/set', '{"name":"by another"}');
    case 'clock':
      return jump(fault.by);
    case 'redeployed':
      return ours.redeploy();
    case 'restarted':
      return ours.restart();
    case 'killed':
      return ours.kill();
    case 'second process': {
      const rival = ours.rival();
      return last(
        () => rival,
        () => scene.track(rival.then((end) => end())),
      );
    }
    case 'paused':
      return last(
        () => ours.steer('pause'),
        () => scene.track(ours.steer('resume')),
      );
    case 'canceled':
      return ours.steer('cancel');
    case 'resumed':
      return ours.steer('resume');
    case 'retried':
      return ours.steer('retry');
    case 'canceled one':
      return ours.steer('cancel', fault.device);
    case 'retried one':
      return ours.steer('retry', fault.device);
    case 'excluded':
    case 'included':
      return ours.exclude(fault.device, fault.what === 'excluded');
    case 'joined': {
      const [first] = home.plan.errands;
      return first && ours.ask(first);
    }
  }
}
