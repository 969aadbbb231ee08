/** What is measured of the package: as it is published, since a loader for TypeScript makes the code slower. */
export const { HomieBroker }: typeof import('../src/homie/broker') = require('../dist/src/homie/broker.js');
export const { Firmware }: typeof import('../src/firmware/firmware') = require('../dist/src/firmware/firmware.js');
export const { inspect }: typeof import('../src/firmware/inspect') = require('../dist/src/firmware/inspect.js');
export const { md5 }: typeof import('../src/firmware/checksum') = require('../dist/src/firmware/checksum.js');
export const { OtaJob }: typeof import('../src/rollout/ota-job') = require('../dist/src/rollout/ota-job.js');
export const { JobStore }: typeof import('../src/rollout/store') = require('../dist/src/rollout/store.js');
export const { subscriptions }: typeof import('../src/homie/topics') = require('../dist/src/homie/topics.js');
