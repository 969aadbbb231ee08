import type { Segment } from './image-layout';

/** Offsets of fields in the headers of a 32-bit ELF file (System V ABI, chapter 4), in bytes. */
const FILE = { entry: 24, sections: 32, sectionSize: 46, sectionCount: 48, sectionNames: 50 } as const;
const SECTION = { name: 0, address: 12, offset: 16, size: 20 } as const;

/**
 * Reads sections of a 32-bit little-endian ELF file, in the order of `wanted`.
 * @throws {Error} for any other file, or a missing section
 */
export function readElf(elf: Buffer, wanted: readonly string[]): { entry: number; segments: Segment[] } {
  if (elf.toString('latin1', 0, 6) !== '\x7fELF\x01\x01') throw new Error('This is not a 32-bit ELF file.');
  const headerAt = (index: number): number =>
    elf.readUInt32LE(FILE.sections) + index * elf.readUInt16LE(FILE.sectionSize);
  const dataAt = (header: number): Buffer => {
    const offset = elf.readUInt32LE(header + SECTION.offset);
    return elf.subarray(offset, offset + elf.readUInt32LE(header + SECTION.size));
  };
  const names = dataAt(headerAt(elf.readUInt16LE(FILE.sectionNames)));
  const sections = new Map<string, Segment>();
  for (let index = 0; index < elf.readUInt16LE(FILE.sectionCount); index += 1) {
    const header = headerAt(index);
    const start = elf.readUInt32LE(header + SECTION.name);
    const name = names.toString('latin1', start, names.indexOf(0, start));
    sections.set(name, { address: elf.readUInt32LE(header + SECTION.address), data: dataAt(header) });
  }
  const segments = wanted.map((name) => {
    const section = sections.get(name);
    if (section === undefined) throw new Error(`The ELF file has no section ${name}.`);
    return section;
  });
  return { entry: elf.readUInt32LE(FILE.entry), segments };
}
