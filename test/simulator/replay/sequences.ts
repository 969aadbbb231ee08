import type { RecordedMessage } from './recording';

/** What an exchange looks like from outside: the messages of each kind, in order. */
export interface Sequences {
  /** Values of `$state`. */
  readonly states: readonly string[];
  /** Values of `$implementation/ota/status`, with one `206` for several in a row. */
  readonly statuses: readonly string[];
  /** Values of `$fw/checksum`: the MD5 of the running image. */
  readonly checksums: readonly string[];
  /** Values of `$implementation/config`. */
  readonly configs: readonly string[];
}

export type Kind = keyof Sequences;

const KINDS: Readonly<Record<string, Kind>> = {
  $state: 'states',
  '$implementation/ota/status': 'statuses',
  '$fw/checksum': 'checksums',
  '$implementation/config': 'configs',
};

/** Returns the sequence that a topic belongs to, for any device and base topic. */
export function kindOf(topic: string): Kind | undefined {
  const [, suffix] =
    /(?:^|\/)(\$state|\$implementation\/ota\/status|\$implementation\/config|\$fw\/checksum)$/.exec(topic) ?? [];
  return suffix === undefined ? undefined : KINDS[suffix];
}

/** Adds a message to its sequence. The number of 206 messages depends on how the TCP segments fall. */
export function extend(sequences: Sequences, topic: string, payload: string): Sequences {
  const kind = kindOf(topic);
  if (!kind) return sequences;
  const value = kind === 'statuses' && payload.startsWith('206 ') ? '206' : payload;
  if (kind === 'statuses' && value === '206' && sequences.statuses.at(-1) === '206') return sequences;
  return { ...sequences, [kind]: [...sequences[kind], value] };
}

export const NOTHING: Sequences = { states: [], statuses: [], checksums: [], configs: [] };

/** Returns the sequences of a recording. @param until selects the messages that count */
export function sequencesOf(
  messages: readonly RecordedMessage[],
  until: (message: RecordedMessage) => boolean = () => true,
): Sequences {
  return messages
    .filter(until)
    .reduce((sequences, { topic, payload }) => extend(sequences, topic, String(payload)), NOTHING);
}
