/** The dialects that devices speak, by the versions that they report. */
import { dialectOf, type Dialect } from '../../src/homie/dialect';

/** Returns what is special about the firmware of a device that reports this version. */
export function dialectOfVersion(version: string): Dialect {
  return dialectOf({ implementationVersion: { value: version, live: true, at: 0 } });
}

export const dialects = {
  original: dialectOfVersion('3.0.0'),
  fork31: dialectOfVersion('3.6.1'),
  fork37: dialectOfVersion('3.7.1'),
  fork4: dialectOfVersion('4.0.0'),
  unknown: dialectOf(undefined),
} as const;
