import type { DeviceOptions } from '../device';
import type { Misbehavior } from '../misbehavior';
import type { Recording } from './recording';

export type ReplayOptions = Omit<DeviceOptions, 'url' | 'image'>;

/** Seconds, for a device that dies silently. The 15 s of the firmware would only delay its will. */
const SHORT_KEEPALIVE = 1;
/** Milliseconds. A boot takes time, but nothing depends on how long. */
const LONGEST_BOOT = 200;

/**
 * Misbehavior by the argument of `--reboot-mode`. The last two never start again; the last one leaves its connection
 * open.
 */
const REBOOTS: Readonly<Record<string, Misbehavior>> = {
  fin: { reboot: 'fin' },
  silent: { reboot: 'silent' },
  hang: { neverBack: true },
  'hang-silent': { reboot: 'hang' },
};

/** Returns the options of the recorded device, or the first unknown argument. */
export function optionsOf({ variant, device_args, config }: Recording['input']): ReplayOptions | { unknown: string } {
  const core = { core2: 2, amc09: 2, core3: 3 } as const;
  if (!(variant in core)) return { unknown: variant };
  const misbehavior: Misbehavior = {};
  const values: { device_id?: string } = JSON.parse(config);
  const options: ReplayOptions = {
    id: values.device_id ?? '5ccf7f000001',
    mac: '5C:CF:7F:00:00:01',
    core: variant === 'core3' ? 3 : 2,
    config,
    // The firmware ran on a host without Wi-Fi.
    anyNetwork: true,
    bootDelay: 10,
    misbehavior,
    ...(variant === 'amc09' && { mqttClient: '0.9.0' }),
  };
  for (let i = 0; i < device_args.length; i++) {
    const argument = device_args[i] ?? '';
    const value = () => device_args[++i] ?? '';
    switch (argument) {
      case '--chunk':
        options.segment = Number(value());
        break;
      case '--free-space':
        options.freeSpace = Number(value());
        break;
      case '--chip-size':
        options.chipSize = Number(value());
        break;
      case '--flash-delay-us':
        options.flashDelay = Number(value()) / 1000;
        break;
      case '--boot-delay-ms':
        options.bootDelay = Math.min(LONGEST_BOOT, Number(value()));
        break;
      case '--fail-erase-at':
        misbehavior.failEraseAt = Number(value());
        break;
      case '--fail-write-at':
        misbehavior.failWriteAt = Number(value());
        break;
      case '--fail-read-at':
        misbehavior.failReadAt = Number(value());
        break;
      case '--crash-at':
        misbehavior.crashAt = Number(value());
        break;
      case '--drop-tcp-at':
        misbehavior.dropAt = Number(value());
        break;
      case '--hang-at':
        misbehavior.hangAt = Number(value());
        options.keepalive = SHORT_KEEPALIVE;
        break;
      case '--no-reboot':
        misbehavior.notIdle = true;
        break;
      case '--reboot-mode': {
        const mode = value();
        const reboot = REBOOTS[mode];
        if (!reboot) return { unknown: `--reboot-mode ${mode}` };
        Object.assign(misbehavior, reboot);
        if (mode === 'hang-silent') options.keepalive = SHORT_KEEPALIVE;
        break;
      }
      case '--verbose':
        break;
      default:
        return { unknown: argument };
    }
  }
  return options;
}
