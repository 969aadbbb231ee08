/** Finds devices on which an image would not start, because it checks their configuration when it boots. */
import { HomieError } from '../errors';
import type { HomieBroker } from '../homie/broker';
import type { Device } from '../homie/device';
import { STRICT_NAME } from '../homie/dialect';
import { ownBaseTopic, readMqtt } from '../homie/own-config';
import type { ImageFacts } from './image';

/**
 * Returns why a device would be lost with an image that checks what it finds when it boots (read in the sources of
 * labodj/homie-esp8266). From 3.7 on, the firmware does not start if its base topic has several levels, or if its base
 * topic, id or firmware name contains anything but a-z, 0-9 and -. Version 4 does not start with `mqtt.ssl`. An image
 * contains the texts of its checks; see `Marks`.
 *
 * @returns undefined if the image would start, as far as known
 */
export function wouldNotStart(
  device: Device,
  { info }: ImageFacts,
  broker: Pick<HomieBroker, 'baseTopic' | 'shown'>,
): HomieError | undefined {
  const { id } = device;
  if (info.refusesTls === true && usesTls(device)) return new HomieError('WOULD_NOT_START.tls', { id });
  if (info.checksNames !== true) return undefined;
  const baseTopic = ownBaseTopic(device, broker.baseTopic);
  // Convention 5 may stand in the configuration, too.
  const level = baseTopic.replace(info.convention5 === true ? /(?:\/5)?\/?$/ : /\/?$/, '');
  if (!STRICT_NAME.test(level)) {
    return new HomieError('WOULD_NOT_START.baseTopic', { id, baseTopic: broker.shown(baseTopic) });
  }
  if (!STRICT_NAME.test(id)) return new HomieError('WOULD_NOT_START.deviceId', { id });
  if (info.name !== undefined && !STRICT_NAME.test(info.name)) {
    return new HomieError('WOULD_NOT_START.firmwareName', { name: info.name });
  }
  return undefined;
}

function usesTls({ config }: Device): boolean {
  const isOn = (readMqtt(config?.value, 'ssl') ?? false) !== false;
  return isOn || (readMqtt(config?.value, 'ssl_fingerprint') ?? '') !== '';
}
