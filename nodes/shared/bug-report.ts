import os from 'node:os';
import { MqttClient } from 'mqtt';
import type { NodeAPI } from 'node-red';
import { name, version } from '../../package.json';
import { writeBugReport } from '../../src/bug-report/bug-report';
import { collectFacts, type Subject } from '../../src/bug-report/facts';
import type { HomieBroker } from '../../src/homie/broker';

/**
 * Returns a bug report about a broker, some of its devices or a job: see `writeBugReport`.
 *
 * @throws {HomieError} INVALID_DEVICE_ID, DEVICE_UNKNOWN, UNKNOWN_JOB
 */
export function bugReport(RED: NodeAPI, broker: HomieBroker, subject: Subject): string {
  const versions = {
    Package: `${name} ${version}`,
    'Node-RED': String(Reflect.get(RED.settings, 'version') ?? 'unknown'),
    'Node.js': process.version,
    'Operating system': `${os.type()} ${os.release()} ${process.arch}`,
    'MQTT.js': MqttClient.VERSION,
  };
  return writeBugReport(collectFacts(broker, subject, versions));
}
