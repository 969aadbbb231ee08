/** The texts of a node or plugin in one language, by their whole keys. */
export type Catalog = ReadonlyMap<string, string>;

/** The texts of a catalog by their whole keys. */
export function flatten(value: object, prefix = ''): [string, string][] {
  return Object.entries(value).flatMap(([name, each]: [string, unknown]) =>
    typeof each === 'object' && each !== null ? flatten(each, `${prefix}${name}.`) : [[prefix + name, String(each)]],
  );
}

/** Keys that are in one of two catalogs only, and those whose placeholders are not the same in both. */
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

/** Texts that are empty, or that nobody has written. */
export function blank(catalog: Catalog): string[] {
  return [...catalog].filter(([, text]) => text.trim() === '' || /\b(TODO|FIXME)\b/.test(text)).map(([key]) => key);
}

/** What code uses of a catalog. */
interface Uses {
  readonly keys: ReadonlySet<string>;
  /** Beginnings of keys that code completes. */
  readonly beginnings: ReadonlySet<string>;
}

/** The functions of a file that take the rest of a key, with what they put before it. */
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

/** What looks like a key: names of files, and the permissions. */
const others = /\.(svg|js|json|html)$|^homie-ota\.(read|write)$/;

/** The first argument of each call of a function. */
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

/** The keys that files use, whole or as beginnings. */
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
    // Of a node with jobs, which has the same keys whatever its type is.
    for (const [, rest = ''] of source.matchAll(/`\$\{type\}\.([\w.]+)\$\{/g)) {
      for (const type of ['homie-ota', 'homie-config']) beginnings.add(`${type}.${rest}`);
    }
    // Of any node that uses a broker.
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
 * What may follow a beginning of a key that code completes, by the beginning. Where it is not known, each key with that
 * beginning counts as used.
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

/** Keys that no file uses. */
export function unused(catalog: Catalog, used: Uses, completed: Completed): string[] {
  return [...catalog.keys()].filter((key) => !isUsed(key, used, completed));
}

/** Keys of a catalog that files use, or that code can make, and that are not in it. */
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

/** The frame of a help text: its parts, properties with their types, ports and lists, and what is written as code. */
export function frame(help: string): string[] {
  const parts = help.matchAll(
    /<(h3|ol|ul|li|dl|p)\b|<dt( class="optional")?>([^<]*)<span class="property-type">([^<]*)<|<code>([^<]*)<\/code>|<a\s+href="([^"]*)"/g,
  );
  const found = [...parts].map(
    ([, element, optional, property, type, code, address]) =>
      [element, property && `${property.trim()}: ${type ?? ''}${optional ?? ''}`, code, address].find(Boolean) ?? '',
  );
  // In another language the words of a sentence come in another order.
  return found.sort();
}
