import type { Update } from '../homie/update';

/** Why an image is not sent again to a device. */
export type Held = 'OLD_FIRMWARE' | 'OTHER_FIRMWARE' | 'NOT_BACK' | 'ATTEMPTS' | 'REPLACED';

/** What is remembered of devices and images, so that no device is flashed over and over. */
export class History {
  mayTransfer(_device: string, _md5: string, attempts: number): number {
    return attempts;
  }
  heldBecause(_device: string, _md5: string, _attempts: number): Held | undefined {
    return undefined;
  }
  begun(_device: string, _md5: string): void {}
  notSent(_device: string, _md5: string): void {}
  ended(_device: string, _md5: string, _end: { state: string; code?: string }): void {}
  shows(_device: string, _checksum: string, _alternatives?: ReadonlySet<string>): void {}
  allowAgain(_device: string, _md5: string): void {}
  lastResult(_device: string): Update | undefined {
    return undefined;
  }
  remember(_update: Update): void {}
}
