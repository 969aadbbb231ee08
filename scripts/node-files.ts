/** Where the files of the nodes and of the sidebar are, from the root of the package. Node-RED expects them elsewhere, in dist. */

/** The languages of the editor that there are texts for. */
export const languages = ['en-US', 'de'] as const;

/** Returns the folder of a node, or of the sidebar. */
export function folderOf(type: string): string {
  return `nodes/${type === 'homie-sidebar' ? 'sidebar' : type}`;
}

/** Returns the html that the editor loads. */
export function editorFile(type: string): string {
  return `${folderOf(type)}/editor.html`;
}

/** Returns the texts (json) or the help (html) in a language. */
export function localeFile(type: string, language: string, ending: 'json' | 'html'): string {
  return `${folderOf(type)}/locales/${language}.${ending}`;
}
