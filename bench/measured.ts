/** What is measured of the package. */
export { Firmware } from '../src/firmware/firmware';
export { inspect } from '../src/firmware/inspect';
export { md5 } from '../src/firmware/checksum';
export { HomieBroker } from '../src/homie/broker';
export { subscriptions } from '../src/homie/topics';
export { OtaJob } from '../src/rollout/ota-job';
export { JobStore } from '../src/rollout/store';
