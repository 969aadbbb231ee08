/** What the demo says and expects. */
import type { ErrorReport } from '../src/update/update';
import type { Observer, Seen } from './observer';

/** What is not as it should be. */
export const wrong: string[] = [];

/** Notes what is not as it should be. */
export function expect(isSo: boolean, what: string): void {
  if (isSo) return;
  wrong.push(what);
  say(`  NOT AS IT SHOULD BE: ${what}`);
}

export function say(text = ''): void {
  process.stdout.write(`${text}\n`);
}

/** Says what went wrong, if anything did. */
export function sayError(error: ErrorReport | undefined): void {
  if (error !== undefined) say(`  ${error.code}: ${error.message} ${error.hint}`);
}

/** Returns how often something happened, in words. */
export function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** A device in a line, as the broker knows it. */
export function describe(observer: Observer, id: string): string {
  const fact = (name: string): string => observer.last(`homie/${id}/${name}`) ?? 'unknown';
  return `${fact('$fw/name')} ${fact('$fw/version')}  ${fact('$state')}, up ${uptime(observer, id)} s`;
}

/** Seconds. */
export function uptime(observer: Observer, id: string): number {
  return Number(observer.last(`homie/${id}/$stats/uptime`) ?? Number.NaN);
}

/** What a live message of this device says of its reboot, in a word. */
export function signOfLife({ topic, payload, live }: Seen, id: string): string | undefined {
  const text = payload.toString();
  if (!live) return undefined;
  if (topic === `homie/${id}/$state`) return text;
  if (topic === `homie/${id}/$fw/checksum`) return 'checksum';
  return topic === `homie/${id}/$stats/uptime` ? `uptime ${text}` : undefined;
}
