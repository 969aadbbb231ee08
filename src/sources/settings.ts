import path from 'node:path';
import { HomieError, type ErrorCode } from '../errors';
import { settingsOf, type Values } from '../settings/read';
import { source } from '../settings/table';
import type { Credentials } from './download';
import { FolderSource } from './folder';
import { ReleasesSource } from './releases';
import type { Source } from './source';
import { UrlSource } from './url';

/** Where to search for images, and what to do with them. Times in ms. */
export type SourceSettings = Values<typeof source>;

export const { names: sourceSettingNames, defaults: sourceDefaults, read: readSourceSettings } = settingsOf(source);

/** What a source needs besides its settings. */
export interface SourceContext {
  /** The folder that relative paths start from. */
  readonly workingFolder: string;
  readonly credentials: Credentials | undefined;
  /** Returns how a text setting may be shown. */
  readonly shown: (name: 'folder' | 'url' | 'api' | 'repository', value: string) => string;
}

/** The settings that determine what each source searches. */
const places = {
  folder: ['folder', 'subfolders', 'pattern'],
  url: ['url'],
  releases: ['api', 'repository', 'releases', 'prereleases', 'pattern'],
} as const;

/** Returns a key for the place that the settings search, the same for the same place. */
export function placeOf(settings: SourceSettings): string {
  return JSON.stringify([settings.source, ...places[settings.source].map((name) => settings[name])]);
}

/** Returns the origin of the server (scheme, host and port); undefined for a folder. */
export function originOf({ source: kind, url, api }: SourceSettings): string | undefined {
  const address = kind === 'url' ? url : kind === 'releases' ? api : undefined;
  return address === undefined ? undefined : new URL(address).origin;
}

/**
 * Returns the source for the settings.
 *
 * @throws {HomieError} SOURCE_SETTINGS: the folder, the address or the repository is not set
 */
export function sourceOf(settings: SourceSettings, { workingFolder, credentials, shown }: SourceContext): Source {
  const { pattern: patterns, subfolders, prereleases, releases: count } = settings;
  switch (settings.source) {
    case 'folder': {
      const folder = given(settings.folder, 'SOURCE_SETTINGS.noFolder');
      return new FolderSource({
        folder: path.resolve(workingFolder, folder),
        shown: shown('folder', folder),
        patterns,
        subfolders,
      });
    }
    case 'url': {
      const url = given(settings.url, 'SOURCE_SETTINGS.noUrl');
      return new UrlSource({ url: new URL(url), shown: shown('url', url), credentials });
    }
    case 'releases': {
      const repository = given(settings.repository, 'SOURCE_SETTINGS.noRepository');
      const api = new URL(settings.api);
      const names = { shownApi: shown('api', settings.api), shown: shown('repository', repository) };
      return new ReleasesSource({ api, repository, ...names, patterns, prereleases, count, credentials });
    }
  }
}

type Missing = `${ErrorCode & 'SOURCE_SETTINGS'}.${'noFolder' | 'noUrl' | 'noRepository'}`;

function given(value: string | undefined, missing: Missing): string {
  if (value === undefined) throw new HomieError(missing);
  return value;
}

/**
 * Returns the value of the Authorization header for a token, or for a user name and password; undefined if neither is
 * given.
 *
 * @throws {HomieError} SOURCE_SETTINGS.credentials: both are given; SOURCE_SETTINGS.token: the token has a character
 * that is not allowed
 */
export function authorizationOf(user: string, password: string, token: string): string | undefined {
  if (token !== '') {
    if (user !== '' || password !== '') throw new HomieError('SOURCE_SETTINGS.credentials');
    if (!/^[\x21-\x7e]+$/.test(token)) throw new HomieError('SOURCE_SETTINGS.token');
    return `Bearer ${token}`;
  }
  if (user === '' && password === '') return undefined;
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

/** Returns an address for display: without credentials, and without a query, which may contain a token. */
export function shownAddress(address: string): string {
  return address.replace(/^([^/?#]*:\/\/)[^/?#]*@/, '$1').replace(/[?#].*$/s, '');
}
