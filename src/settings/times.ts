/**
 * Spans of the day in local time, each from one minute of the day to another. A span that ends before it starts crosses
 * midnight.
 */
export type Window = readonly { readonly from: number; readonly to: number }[];

/** Minutes in a day. */
export const DAY = 1440;

/**
 * Reads a time window.
 *
 * @param text such as `"01:00-05:00"`, in local time. A span may cross midnight; several are separated by commas
 * @returns undefined if the text is not a time window
 */
export function readWindow(text: unknown): Window | undefined {
  if (typeof text !== 'string') return undefined;
  const spans = text.split(',').map((part) => {
    const [, fromHour, fromMinute, toHour, toMinute] = /^\s*(\d\d?):(\d\d)\s*-\s*(\d\d?):(\d\d)\s*$/.exec(part) ?? [];
    return { from: minuteOf(fromHour, fromMinute), to: minuteOf(toHour, toMinute) };
  });
  const wrong = spans.some(({ from, to }) => Number.isNaN(from + to) || from === DAY || from === to);
  return wrong ? undefined : spans;
}

/** Returns the minute of the day; NaN if the time is invalid. 24:00 is the end of the day. */
function minuteOf(hour: string | undefined, minute: string | undefined): number {
  const [h, m] = [Number(hour), Number(minute)];
  return h <= 23 && m <= 59 ? h * 60 + m : h === 24 && m === 0 ? DAY : Number.NaN;
}
