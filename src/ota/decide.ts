import { asHomieError, HomieError } from '../errors';
import { isOlder } from '../firmware/version';
import { wouldNotStart } from './boot-checks';
import type { ImageFacts } from './image';
import type { HomieBroker } from '../homie/broker';
import type { Device } from '../homie/device';
import { dialectOf } from '../homie/dialect';
import { firmwareTopic } from '../homie/topics';
import type { OtaSettings } from './settings';

/** What to do with a device that is ready. `reinstall`: the device runs this very MD5, and `force` is set. */
export type Decision =
  | { readonly kind: 'update'; readonly reinstall: boolean }
  | { readonly kind: 'skip'; readonly reason: 'up_to_date' | 'older' | 'ota_disabled'; readonly hint?: string }
  | { readonly kind: 'reject'; readonly error: HomieError };

/**
 * Decides from what a device reports whether to send it the image. Valid only while the device is ready: before that,
 * its topics describe the past.
 *
 * @param broker where the device is
 */
export async function decide(
  device: Device,
  firmware: ImageFacts,
  settings: OtaSettings,
  broker: Pick<HomieBroker, 'baseTopic' | 'shown'>,
): Promise<Decision> {
  const misfit =
    (settings.allowIncompatible ? fatal(device, firmware) : incompatibility(device, firmware)) ??
    wouldNotStart(device, firmware, broker) ??
    longTopic(device, firmware, broker.baseTopic);
  if (misfit !== undefined) return { kind: 'reject', error: misfit };

  const running = device.checksum?.value;
  if (running !== undefined && !settings.force && (await runs(running, firmware))) {
    return { kind: 'skip', reason: 'up_to_date' };
  }
  if (device.otaEnabled?.value === false) return { kind: 'skip', reason: 'ota_disabled', hint: otaDisabledHint };
  const version = device.fwVersion?.value;
  if (!settings.allowDowngrade && isOlder(firmware.info.version, version)) {
    return { kind: 'skip', reason: 'older', hint: 'Use allowDowngrade to install the image anyway.' };
  }
  return { kind: 'update', reinstall: running === firmware.info.md5 };
}

export const otaDisabledHint = 'Enable OTA on the device with the configuration patch {"ota":{"enabled":true}}.';

/** Returns whether a device that reports this checksum runs the image. */
export async function runs(checksum: string, firmware: ImageFacts): Promise<boolean> {
  return checksum === firmware.info.md5 || (await firmware.checksums()).has(checksum);
}

/**
 * Returns the error that no setting overrides: the updater of an ESP8266 copies any image to flash address 0, over the
 * boot loader. The updater of an ESP32 refuses an image for another chip.
 */
function fatal(device: Device, image: ImageFacts): HomieError | undefined {
  return device.implementation?.value === 'esp8266' ? wrongChip(device, image) : undefined;
}

function longTopic(device: Device, { info }: ImageFacts, baseTopic: string): HomieError | undefined {
  try {
    firmwareTopic(baseTopic, device.id, info.md5, dialectOf(device).maxTopic);
    return undefined;
  } catch (error) {
    return asHomieError(error);
  }
}

function wrongChip(device: Device, { info }: ImageFacts): HomieError | undefined {
  const implementation = device.implementation?.value;
  if (implementation === undefined || implementation === info.family) return undefined;
  return new HomieError('WRONG_CHIP.device', { chip: info.chip, device: device.id, implementation });
}

/** Returns why the image does not fit the device, as far as known; undefined if nothing speaks against it. */
function incompatibility(device: Device, image: ImageFacts): HomieError | undefined {
  const { info } = image;
  if (!info.homie) return new HomieError('NOT_HOMIE');
  const misfit = wrongChip(device, image);
  if (misfit !== undefined) return misfit;
  const running = device.fwName?.value;
  if (running !== undefined && running !== info.name) {
    const values = { device: device.id, running, name: info.name ?? '' };
    return new HomieError(`WRONG_FIRMWARE.${info.name === undefined ? 'nameless' : 'named'}`, values);
  }
  return undefined;
}
