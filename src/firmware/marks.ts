/** Reads the marks that Homie leaves in an image. Also runs in the browser, for the sidebar, so it uses no Buffer. */
import { MARKS, MAX_TEXT } from './format';

/** The segments of an application. */
export interface Loaded {
  /** The bytes of each segment, as views into the image. */
  readonly data: readonly Uint8Array[];
  /** The address of each segment in the memory of the chip. */
  readonly addresses: readonly number[];
}

/** Returns the offset of a mark in the bytes, from `from` on, or -1. */
export type Find = (bytes: Uint8Array, mark: Uint8Array, from: number) => number;

/** What an image says about itself. */
export interface Marks {
  /** Whether the image carries the signature of Homie for ESP8266. */
  readonly homie: boolean;
  readonly name?: string;
  readonly version?: string;
  readonly brand?: string;
  /** Whether the firmware checks its base topic, id and name when it boots, and does not start if one does not fit. */
  readonly checksNames?: true;
  /** Whether the firmware does not start with a configuration that has TLS. */
  readonly refusesTls?: true;
  /** Whether the firmware publishes by convention 5, so that its topics have one more level. */
  readonly convention5?: true;
}

const NAME = bytesOf(MARKS.name);
const VERSION = bytesOf(MARKS.version);
const BRAND = bytesOf(MARKS.brand);

/**
 * What labodj/homie-esp8266 prints before it refuses to start, and what follows in the versions that only warn (read in
 * its sources).
 */
const NAMES_REFUSED = new TextEncoder().encode('is not Homie ID-compliant');
const NAMES_KEPT = new TextEncoder().encode('keeping it for backward compatibility');

/** What version 4 of the fork says of `mqtt.ssl` (read in its sources). */
const TLS_REFUSED = new TextEncoder().encode('is not supported by espMqttClientAsync');

/** The extension that the fork describes with convention 5. */
const RUNTIME_EXTENSION = new TextEncoder().encode('io.github.labodj.esp-runtime');

/** homie-esp8266 Homie.cpp, __HOMIE_SIGNATURE. */
const SIGNATURE = new TextEncoder().encode('%HOMIE_ESP8266_FW%');

/**
 * Returns what the marks of the Homie library in an image say.
 *
 * @param image the image up to its structural end: what follows does not run
 * @param find a search in linear time
 * @param segments those of the application, which distinguish the marks that the code uses from others
 */
export function readMarks(image: Uint8Array, find: Find, segments?: Loaded): Marks {
  const [name, version, brand] = [NAME, VERSION, BRAND].map((mark) =>
    reported(textsBetween(image, mark, find), segments),
  );
  return {
    ...forkMarks(image, find),
    homie: find(image, SIGNATURE, 0) >= 0,
    ...(name !== undefined && { name }),
    ...(version !== undefined && { version }),
    ...(brand !== undefined && { brand }),
  };
}

/** Returns what only images of the fork say. All of those that check anything when they boot check names. */
function forkMarks(image: Uint8Array, find: Find): Pick<Marks, 'checksNames' | 'refusesTls' | 'convention5'> {
  if (find(image, NAMES_REFUSED, 0) < 0) return {};
  return {
    ...(find(image, NAMES_KEPT, 0) < 0 && { checksNames: true }),
    ...(find(image, TLS_REFUSED, 0) >= 0 && { refusesTls: true }),
    ...(find(image, RUNTIME_EXTENSION, 0) >= 0 && { convention5: true }),
  };
}

/** How many marks of an image count, from the last one back: no program has more. */
const MAX_MARKS = 16;

/** A text between two marks. */
interface Marked {
  readonly text: string;
  /** The bytes of the image from the first mark on, as a view. */
  readonly bytes: Uint8Array;
}

/** Returns the last readable texts between the two marks, in order. Passes each byte only a few times, in any image. */
function textsBetween(image: Uint8Array, [before, after]: readonly [Uint8Array, Uint8Array], find: Find): Marked[] {
  const found: Marked[] = [];
  let start = find(image, before, 0);
  while (start >= 0) {
    start += before.length;
    const end = find(image, after, start);
    if (end < 0) break;
    const text = end - start <= MAX_TEXT ? utf8.decode(image.subarray(start, end)) : '';
    if (text !== '' && !/\p{Cc}/u.test(text)) found.push({ text, bytes: image.subarray(start - before.length) });
    if (found.length > MAX_MARKS) found.shift();
    start = find(image, before, Math.max(start, end - MAX_TEXT - before.length));
  }
  return found;
}

/**
 * Returns the text that a device running the image reports. `__setFirmware` keeps the text of its last call
 * (homie-esp8266 Homie.cpp). Of several marks, those count whose address is among the literals of the code, and of
 * these the last one: a compiler for Xtensa stores literals in the order of their use. A mark that no code uses, such
 * as a `__FLAGGED_FW_NAME` of Homie 1 that a sketch has kept, is linked all the same, after the others (seen with
 * xtensa-lx106-elf-gcc). If no mark is among the literals, as on RISC-V, the last one counts.
 */
function reported(found: readonly Marked[], segments: Loaded | undefined): string | undefined {
  const isSeveral = found.some(({ text }) => text !== found[0]?.text);
  const used = isSeveral && segments !== undefined ? inOrderOfUse(found, segments) : [];
  return (used.at(-1) ?? found.at(-1))?.text;
}

/** Returns the marks whose address is a literal of the code, in the order of their last literal. */
function inOrderOfUse(found: readonly Marked[], segments: Loaded): Marked[] {
  const byAddress = new Map(found.map((marked) => [addressOf(marked, segments), marked]));
  const used = new Set<Marked>();
  for (const [index, segment] of segments.data.entries()) {
    const address = segments.addresses[index] ?? 0;
    if (address < CODE) continue;
    // Literals are aligned (l32r), and one pass finds them all, whatever the image holds.
    const view = new DataView(segment.buffer, segment.byteOffset, segment.length);
    for (let at = (4 - (address % 4)) % 4; at + 4 <= segment.length; at += 4) {
      const marked = byAddress.get(view.getUint32(at, true));
      if (marked === undefined) continue;
      // Adding a mark again moves it to the end.
      used.delete(marked);
      used.add(marked);
    }
  }
  return [...used];
}

/** Where the code of the ESP8266 and of the Xtensa chips of the ESP32 family starts. Their data lies below. */
const CODE = 0x4000_0000;

function addressOf({ bytes }: Marked, { data, addresses }: Loaded): number | undefined {
  const index = data.findIndex(
    ({ byteOffset, length }) => bytes.byteOffset >= byteOffset && bytes.byteOffset < byteOffset + length,
  );
  const [segment, address] = [data[index], addresses[index]];
  return segment === undefined || address === undefined ? undefined : address + bytes.byteOffset - segment.byteOffset;
}

/** As in a `Buffer`, a byte order mark is part of the text. */
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

function bytesOf([before, after]: readonly [string, string]): readonly [Uint8Array, Uint8Array] {
  return [parse(before), parse(after)];
}

function parse(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}
