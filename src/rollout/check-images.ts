/** What an update with images from the library would do to each device. */
import { asHomieError, HomieError, saysOf } from '../errors';
import { EXCLUDED } from '../homie/checks';
import { runningFirmware } from '../homie/device';
import type { CheckVerdict, DeviceCheck } from '../ota/check';
import { inEnglish, type Value } from '../texts/text';
import type { FirmwareName } from '../update/update';
import type { ByImage, ImageGroup } from './by-image';
import { checkOta, type OtaWish } from './ota-work';
import { Queue } from './queue';
import type { WorkContext } from './work';

/** What the update would do to a device. `nothing_on_offer`: there is no image for it, or its file is damaged. */
export interface ImageCheck extends Omit<DeviceCheck, 'verdict'> {
  readonly verdict: CheckVerdict | 'nothing_on_offer';
  readonly to?: FirmwareName;
}

/**
 * Checks devices that are divided by image, and sends nothing. An image that cannot be read refuses only its own
 * devices.
 *
 * @throws {HomieError} the errors of `checkOta`, except those of an image
 */
export async function checkImages(
  { groups, without }: ByImage,
  wish: OtaWish,
  around: WorkContext,
  signal: AbortSignal,
): Promise<ImageCheck[]> {
  const { library } = Queue.of(around.broker);
  const fromOf = (device: string): FirmwareName => {
    const known = around.broker.registry.get(device);
    return known === undefined ? {} : runningFirmware(known);
  };
  const told = (device: string, verdict: 'excluded' | 'nothing_on_offer', says: readonly Value[]): ImageCheck => ({
    device,
    verdict,
    reason: says.map(inEnglish).join(' '),
    says,
    from: fromOf(device),
  });
  const checkGroup = async ({ image, choice, devices }: ImageGroup): Promise<ImageCheck[]> => {
    if (devices.length === 0) return [];
    const firmware = await library.read(image.md5).catch(asHomieError);
    if (firmware instanceof HomieError)
      return devices.map((device) => told(device, 'nothing_on_offer', saysOf(firmware)));
    const { devices: found, to } = await checkOta(firmware, { ...wish, choice }, around, signal);
    const own = new Set(devices);
    return found.filter(({ device }) => own.has(device)).map((each) => ({ ...each, to }));
  };
  const checked = await Promise.all(groups.map(checkGroup));
  const nothing = without.map(({ device, outcome }) =>
    outcome.state === 'skipped'
      ? told(device, 'excluded', [EXCLUDED])
      : told(device, 'nothing_on_offer', saysOf(outcome.error)),
  );
  return [...checked.flat(), ...nothing];
}
