/** Control characters (also those by which a terminal is steered), line ends, turns of the direction, halves of pairs. */
const DISTURBING = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u202A-\u202E\u2066-\u2069]/gu;

/**
 * A text of one line that may stand in a log, or beside other text: names and versions come from whoever may publish on the
 * broker. What would break the line, steer a terminal, or turn the direction of writing becomes a U+FFFD.
 *
 * @param longest in characters; what is longer is cut
 */
export function plainText(text: string, longest = Infinity): string {
  const short = text.length > longest ? `${text.slice(0, longest - 1)}…` : text;
  return short.replaceAll(DISTURBING, '\u{FFFD}');
}
