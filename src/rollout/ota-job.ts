import type { HomieBroker } from '../homie/broker';
import { selectDevices, type DeviceChoice } from '../homie/select';
import { bringFirmware } from '../ota/exchange';
import type { Image } from '../ota/image';
import type { OtaSettings } from '../ota/settings';
import { Job } from './job';

/** One firmware for some devices. `run` rejects with NO_DEVICE, INVALID_DEVICE_ID, NO_MATCH or NOT_HOMIE. */
export class OtaJob extends Job {
  constructor(broker: HomieBroker, firmware: Image, choice: DeviceChoice, settings: OtaSettings) {
    const { name, version, md5: checksum, size } = firmware.info;
    super(broker.locks, {
      devices: 'devices' in choice ? choice.devices : [],
      initial: {
        total: size,
        to: { checksum, size, ...(name !== undefined && { name }), ...(version !== undefined && { version }) },
      },
      select: (signal) => selectDevices(broker, choice, name, signal),
      exchange: (device, hooks) => bringFirmware({ broker, device, firmware, settings, ...hooks }),
    });
  }
}
