/** The output and the checks of the demo. */
import type { ErrorReport } from '../src/update/update';
import type { Observer, Seen } from './observer';

/** Descriptions of the failed checks. */
export const wrong: string[] = [];

/** Notes and prints a failed check. */
export function expect(isSo: boolean, what: string): void {
  if (isSo) return;
  wrong.push(what);
  say(`  NOT AS IT SHOULD BE: ${what}`);
}

export function say(text = ''): void {
  process.stdout.write(`${text}\n`);
}

/** Prints an error, if there is one. */
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

/** Returns a line about a device, from what the broker knows. */
export function describe(observer: Observer, id: string): string {
  const fact = (name: string): string => observer.last(`homie/${id}/${name}`) ?? 'unknown';
  return `${fact('$fw/name')} ${fact('$fw/version')}  ${fact('$state')}, up ${uptime(observer, id)} s`;
}

/** Returns the uptime of a device in seconds; NaN if it is unknown. */
export function uptime(observer: Observer, id: string): number {
  return Number(observer.last(`homie/${id}/$stats/uptime`) ?? Number.NaN);
}

/**
 * Returns a short description of a live message that may show a reboot of this device; undefined for other messages.
 */
export function signOfLife({ topic, payload, live }: Seen, id: string): string | undefined {
  const text = payload.toString();
  if (!live) return undefined;
  if (topic === `homie/${id}/$state`) return text;
  if (topic === `homie/${id}/$fw/checksum`) return 'checksum';
  return topic === `homie/${id}/$stats/uptime` ? `uptime ${text}` : undefined;
}
