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
