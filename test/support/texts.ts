/** The texts of a node or plugin in one language, by their full keys. */
export type Catalog = ReadonlyMap<string, string>;

/** Returns the full keys and the texts of a catalog file. */
export function flatten(value: object, prefix = ''): [string, string][] {
  return Object.entries(value).flatMap(([name, each]: [string, unknown]) =>
    typeof each === 'object' && each !== null ? flatten(each, `${prefix}${name}.`) : [[prefix + name, String(each)]],
  );
}

/** Returns a sentence for each key that only one of the catalogs has, or whose placeholders differ. */
export function differences(one: Catalog, other: Catalog): string[] {
  const placeholders = (text = ''): string => [...new Set(text.match(/__\w+__/g))].sort().join();
  return [
    ...[...one.keys()].filter((key) => !other.has(key)).map((key) => `${key} is missing in the second`),
    ...[...other.keys()].filter((key) => !one.has(key)).map((key) => `${key} is missing in the first`),
    ...[...one]
      .filter(([key, text]) => other.has(key) && placeholders(text) !== placeholders(other.get(key)))
      .map(([key]) => `${key} has other placeholders`),
  ];
}

/** Returns the keys of texts that are empty or marked as unfinished. */
export function blank(catalog: Catalog): string[] {
  return [...catalog].filter(([, text]) => text.trim() === '' || /\b(TODO|FIXME)\b/.test(text)).map(([key]) => key);
}

/** The keys of a catalog that code uses. */
interface Uses {
  readonly keys: ReadonlySet<string>;
  /** Beginnings of keys that code completes. */
  readonly beginnings: ReadonlySet<string>;
}

/** Returns the functions of a file that take the rest of a key, with the beginning that they put before it. */
function textFunctions(source: string): [string, string][] {
  const found: [string, string][] = [];
  for (const [, name = '', of = ''] of source.matchAll(/\b(\w+) = (?:homieDialogs\.)?texts\('([\w-]+)'\)/g)) {
    found.push([name, `${of}.`]);
  }
  const own =
    /\b(?:const|function) (\w+)\b[^;{]*[{=][^;]{0,80}?\bRED\._\(\s*['"`](?:[^'"`:]*:)?([\w.-]+\.)(?:['"`]\s*\+|\$\{)/g;
  for (const [, name = '', beginning = ''] of source.matchAll(own)) found.push([name, beginning]);
  return found;
}

/** Names of files and permissions, which look like keys. */
const others = /\.(svg|js|json|html)$|^homie-ota\.(read|write)$/;

/** Returns the first argument of each call of a function. */
function firstArguments(source: string, name: string): string[] {
  const calls = source.matchAll(new RegExp(`(?<!function )\\b${name}\\(`, 'g'));
  return [...calls].map(({ 0: call, index }) => {
    const start = index + call.length;
    let depth = 0;
    for (let end = start; end < source.length; end += 1) {
      const character = source.charAt(end);
      if (depth === 0 && (character === ',' || character === ')')) return source.slice(start, end).trim();
      if ('([{'.includes(character)) depth += 1;
      if (')]}'.includes(character)) depth -= 1;
    }
    return '';
  });
}

/** Returns the keys that files use, as full keys and as beginnings. */
export function uses(sources: readonly string[]): Uses {
  const keys = new Set<string>();
  const beginnings = new Set<string>();
  const add = (key: string, isWhole: boolean): void => {
    (isWhole ? keys : beginnings).add(key);
  };
  for (const source of sources) {
    for (const [, attribute = ''] of source.matchAll(/data-i18n="([^"]+)"/g)) {
      for (const key of attribute.split(';')) keys.add(key.replace(/^\[[\w-]+\]/, '').replace(/^.*:/, ''));
    }
    for (const [, key = '', after = ''] of source.matchAll(
      /['"`](?:@homie-ota\/node-red-homie-ota\/[\w-]+:)?(homie-[\w-]+\.[\w.-]*)(['"`]\s*\+?|\$\{)/g,
    )) {
      if (!others.test(key)) add(key, /^['"`]$/.test(after.trim()) && !key.endsWith('.'));
    }
    // Nodes with jobs have the same keys for each type.
    for (const [, rest = ''] of source.matchAll(/`\$\{type\}\.([\w.]+)\$\{/g)) {
      for (const type of ['homie-ota', 'homie-config']) beginnings.add(`${type}.${rest}`);
    }
    // So do nodes that use a broker.
    for (const [, rest = ''] of source.matchAll(/`\$\{type\}\.([\w.]+)`/g)) {
      for (const type of ['homie-ota', 'homie-config', 'homie-devices']) keys.add(`${type}.${rest}`);
    }
    for (const [name, before] of textFunctions(source)) {
      for (const argument of firstArguments(source, name)) {
        if (/^\w+$/.test(argument)) beginnings.add(before);
        for (const [, , key = '', after = ''] of argument.matchAll(/(?<!==\s*)(['"`])([\w.-]+)(\1\s*\+?|\$\{)/g)) {
          add(before + key, /^['"`]$/.test(after.trim()));
        }
      }
    }
  }
  return { keys, beginnings };
}

/**
 * Possible completions of the beginning of a key, by the beginning. Without an entry here, each key with that beginning
 * counts as used.
 */
export type Completed = Readonly<Record<string, readonly string[]>>;

function isUsed(key: string, { keys, beginnings }: Uses, completed: Completed): boolean {
  if (keys.has(key)) return true;
  return [...beginnings].some((beginning) => {
    if (!key.startsWith(beginning)) return false;
    const rest = completed[beginning];
    return rest === undefined || rest.includes(key.slice(beginning.length));
  });
}

/** Returns the keys that no file uses. */
export function unused(catalog: Catalog, used: Uses, completed: Completed): string[] {
  return [...catalog.keys()].filter((key) => !isUsed(key, used, completed));
}

/** Returns the keys and beginnings that files use, or that code can make, but that the catalog does not contain. */
export function missing(name: string, catalog: Catalog, { keys, beginnings }: Uses, completed: Completed): string[] {
  const wanted = [...keys].filter((key) => key.startsWith(`${name}.`));
  const made = [...beginnings].flatMap((beginning) =>
    beginning.startsWith(`${name}.`) ? (completed[beginning] ?? []).map((rest) => beginning + rest) : [],
  );
  const empty = [...beginnings].filter(
    (beginning) => beginning.startsWith(`${name}.`) && ![...catalog.keys()].some((key) => key.startsWith(beginning)),
  );
  return [...wanted, ...made].filter((key) => !catalog.has(key)).concat(empty);
}

/**
 * Returns the structure of a help text, sorted: its elements, properties with their types, code and addresses of links.
 */
export function frame(help: string): string[] {
  const parts = help.matchAll(
    /<(h3|ol|ul|li|dl|p)\b|<dt( class="optional")?>([^<]*)<span class="property-type">([^<]*)<|<code>([^<]*)<\/code>|<a\s+href="([^"]*)"/g,
  );
  const found = [...parts].map(
    ([, element, optional, property, type, code, address]) =>
      [element, property && `${property.trim()}: ${type ?? ''}${optional ?? ''}`, code, address].find(Boolean) ?? '',
  );
  // The word order of a sentence differs between languages.
  return found.sort();
}
