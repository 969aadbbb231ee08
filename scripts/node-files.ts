/** Paths of the source files of the nodes and the sidebar, relative to the package. The build copies them to dist. */

/** The languages of the editor that have texts. */
export const languages = ['en-US', 'de'] as const;

/** Returns the folder of a node, or of the sidebar. */
export function folderOf(type: string): string {
  return `nodes/${type === 'homie-sidebar' ? 'sidebar' : type}`;
}

/** Returns the path of the HTML that the editor loads. */
export function editorFile(type: string): string {
  return `${folderOf(type)}/editor.html`;
}

/** Returns the path of the texts (json) or the help (html) in a language. */
export function localeFile(type: string, language: string, ending: 'json' | 'html'): string {
  return `${folderOf(type)}/locales/${language}.${ending}`;
}

/** The texts of statuses: words, and those of errors by their codes. */
interface StatusTexts {
  readonly words: Readonly<Record<string, string>>;
  readonly errors: Readonly<Record<string, { readonly status: string }>>;
}

/**
 * Returns the texts of statuses in another language by the English ones, which the nodes show: the editor looks up
 * each status in the catalog of its node, and shows it as it is if the catalog does not have it.
 */
export function translations(english: StatusTexts, other: StatusTexts): Record<string, string> {
  const texts = ({ words, errors }: StatusTexts): string[] => [
    ...Object.keys(english.words).map((key) => words[key] ?? ''),
    ...Object.keys(english.errors).map((code) => errors[code]?.status ?? ''),
  ];
  const translated = texts(other);
  const pairs = texts(english).map((text, index) => [text, translated[index] ?? ''] as const);
  return Object.fromEntries(pairs.filter(([text, translation]) => text !== translation));
}
