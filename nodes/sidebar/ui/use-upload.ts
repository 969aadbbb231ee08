/** The upload of a firmware file. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { browserInfo, type BrowserInfo } from '../../../src/firmware/browser-info';
import { MAX_IMAGE } from '../../../src/firmware/format';
import type { OfferAnswer } from '../answers';
import { ask, Failure, tried, upload } from './api';
import type { Feed } from './feed';
import { t } from './texts';

/** A file on its way to what is on offer. */
export interface Uploading {
  readonly file: File;
  /** What the file says about itself; undefined until it is read. */
  readonly seen?: BrowserInfo;
  /** 0 to 100. */
  readonly percent: number;
  readonly answer?: OfferAnswer;
  readonly failure?: Failure;
}

/** The current upload, and what can be done with it. */
export interface Uploads {
  readonly current: Uploading | undefined;
  /** Uploads a file instead of the current one. */
  readonly take: (file: File, options?: { readonly replace: boolean }) => void;
  readonly discard: () => void;
}

/** Uploads one file at a time. Aborts the upload when the view is left. */
export function useUpload(feed: Feed): Uploads {
  const [current, setCurrent] = useState<Uploading>();
  const work = useRef(new AbortController());
  const discard = (): void => {
    work.current.abort();
    setCurrent(undefined);
  };
  const take = (file: File, { replace } = { replace: false }): void => {
    work.current.abort();
    const own = new AbortController();
    work.current = own;
    setCurrent({ file, percent: 0 });
    const add = (news: Partial<Uploading>): void => {
      if (!own.signal.aborted) setCurrent((before) => before && { ...before, ...news });
    };
    const run = async (): Promise<void> => {
      const failure = await tried(bring(file, { broker: feed.broker, replace, add, signal: own.signal }));
      if (failure instanceof Failure) add({ failure });
      feed.look();
    };
    void run();
  };
  useEffect(() => () => work.current.abort(), []);
  return { current, take, discard };
}

interface Bringing {
  readonly broker: string;
  /** Whether the image replaces a higher version. */
  readonly replace: boolean;
  readonly add: (news: Partial<Uploading>) => void;
  readonly signal: AbortSignal;
}

/** @throws {Failure} */
async function bring(file: File, { broker, replace, add, signal }: Bringing): Promise<void> {
  if (file.size > MAX_IMAGE) throw new Failure(t('upload.tooLarge'));
  const bytes = await read(file);
  const seen = browserInfo(bytes);
  add({ seen });
  if (signal.aborted) return;
  const progress = (percent: number): void => add({ percent });
  const path = [replace ? 'offers?replace=true' : 'offers'];
  const answer = await upload<OfferAnswer>(broker, path, bytes, { progress, signal });
  // For a packed file, Node-RED has the MD5 of the unpacked content.
  if (seen.chip !== undefined && answer.offer.checksum !== seen.md5) {
    if (answer.offered) await ask('DELETE', broker, ['offers', answer.offer.checksum]);
    throw new Failure(t('upload.damaged'));
  }
  add({ answer });
}

async function read(file: File): Promise<ArrayBuffer> {
  try {
    return await file.arrayBuffer();
  } catch {
    // A folder, or a file that was changed or deleted in the meantime.
    throw new Failure(t('upload.unreadable'));
  }
}
