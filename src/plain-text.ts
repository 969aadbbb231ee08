/** Control characters (also those that control a terminal), line ends, changes of text direction, lone surrogates. */
const DISTURBING = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u202A-\u202E\u2066-\u2069]/gu;

/**
 * Returns a text as one line that is safe in a log or beside other text: names and versions come from anyone who may
 * publish on the broker. Replaces by U+FFFD what would break the line, control a terminal, or change the text
 * direction.
 *
 * @param longest in characters; a longer text is cut
 */
export function plainText(text: string, longest = Infinity): string {
  const short = text.length > longest ? `${text.slice(0, longest - 1)}…` : text;
  return short.replaceAll(DISTURBING, '\u{FFFD}');
}
