import type { RecordedMessage } from './recording';

/** What an exchange looks like from outside, each kind in its own order. */
export interface Sequences {
  /** Of `$state`. */
  readonly states: readonly string[];
  /** Of `$implementation/ota/status`: one `206` for each row of them. */
  readonly statuses: readonly string[];
  /** Of `$fw/checksum`: what runs. */
  readonly checksums: readonly string[];
  /** Of `$implementation/config`. */
  readonly configs: readonly string[];
}

export type Kind = keyof Sequences;

const KINDS: Readonly<Record<string, Kind>> = {
  $state: 'states',
  '$implementation/ota/status': 'statuses',
  '$fw/checksum': 'checksums',
  '$implementation/config': 'configs',
};

/** @returns which sequence the topic belongs to, whatever the device and the base topic are */
export function kindOf(topic: string): Kind | undefined {
  const [, suffix] =
    /(?:^|\/)(\$state|\$implementation\/ota\/status|\$implementation\/config|\$fw\/checksum)$/.exec(topic) ?? [];
  return suffix === undefined ? undefined : KINDS[suffix];
}

/** Adds a message to the sequences it is part of. Progress is told as often as segments happen to fall. */
export function extend(sequences: Sequences, topic: string, payload: string): Sequences {
  const kind = kindOf(topic);
  if (!kind) return sequences;
  const value = kind === 'statuses' && payload.startsWith('206 ') ? '206' : payload;
  if (kind === 'statuses' && value === '206' && sequences.statuses.at(-1) === '206') return sequences;
  return { ...sequences, [kind]: [...sequences[kind], value] };
}

export const NOTHING: Sequences = { states: [], statuses: [], checksums: [], configs: [] };

/** The sequences of a recording up to a moment. @param until which messages count */
export function sequencesOf(
  messages: readonly RecordedMessage[],
  until: (message: RecordedMessage) => boolean = () => true,
): Sequences {
  return messages
    .filter(until)
    .reduce((sequences, { topic, payload }) => extend(sequences, topic, String(payload)), NOTHING);
}
