import type { Home } from './home';
import { jump } from './clock';
import type { Moments } from './moments';
import type { Ours } from './ours';
import type { Fault } from './plan';

export interface Scene {
  readonly home: Home;
  readonly ours: Ours;
  readonly moments: Moments;
  /** Keeps in mind what is going on. */
  readonly track: (work: Promise<unknown>) => void;
}

/** Lets a fault befall the home. */
export async function befall(fault: Fault, scene: Scene): Promise<void> {
  const { home, ours, moments } = scene;
  const { line } = ours;
  /** Ends it when that is to be; at once where nobody is there to bring it about. */
  const until = (end: () => void): void => {
    if (!('until' in fault) || !home.isLively) end();
    else moments.mend(fault.until, end);
  };
  switch (fault.what) {
    case 'broker killed': {
      until(() => scene.track(home.broker.restart()));
      return home.broker.kill();
    }
    case 'broker frozen':
      home.broker.freeze();
      return until(() => home.broker.thaw());
    case 'cut':
      return line.cut();
    case 'truncated':
      return line.cutAfter(fault.bytes);
    case 'stalled':
      line.stall();
      return until(() => line.flow());
    case 'muted':
      return line.mute();
    case 'slow':
      line.limit(fault.bytesPerSecond);
      return until(() => line.limit(Infinity));
    case 'devices cut':
      return home.cutDevices();
    case 'devices stalled':
      home.stallDevices();
      return until(() => home.endStall());
    case 'dropped':
      return home.at(fault.device)?.dropConnection();
    case 'crashed':
      return home.at(fault.device)?.crash();
    case 'asleep':
      return home.at(fault.device)?.prepareToSleep();
    case 'idle':
      return home.at(fault.device)?.setIdle(true);
    case 'off':
      until(() => scene.track(home.switchOn(fault.device)));
      return home.switchOff(fault.device);
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
    case 'paused':
      until(() => scene.track(ours.steer('resume')));
      return ours.steer('pause');
    case 'canceled':
      return ours.steer('cancel');
    case 'retried':
      return ours.steer('retry');
    case 'canceled one':
      return ours.steer('cancel', fault.device);
    case 'retried one':
      return ours.steer('retry', fault.device);
    case 'joined': {
      const [first] = home.plan.errands;
      return first && ours.ask(first);
    }
  }
}
