import assert from 'node:assert/strict';
import { runInNewContext } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { MAX_IMAGE } from '../../src/firmware/format';
import { readPayload } from '../../src/firmware/payload';
import { buildEsp8266Image } from '../support/images';
import { refused } from './refused';

const image = buildEsp8266Image();
const base64 = image.toString('base64');

function transferred(): ArrayBuffer {
  const buffer = new ArrayBuffer(8);
  structuredClone(buffer, { transfer: [buffer] });
  return buffer;
}

describe('readPayload', () => {
  const wrapped = base64.replaceAll(/.{76}/g, '$&\r\n');
  const forms: [title: string, payload: unknown][] = [
    ['a Buffer', image],
    ['a Uint8Array', new Uint8Array(image)],
    [
      'a Uint8Array that is a part of a larger one',
      new Uint8Array(Buffer.concat([image, image]).buffer, image.length, image.length),
    ],
    ['an ArrayBuffer', new Uint8Array(image).buffer],
    ['a Uint8Array made in a function node', runInNewContext('Uint8Array.from(bytes)', { bytes: [...image] })],
    ['an ArrayBuffer made in a function node', runInNewContext('Uint8Array.from(bytes).buffer', { bytes: [...image] })],
    ['the JSON form of a Buffer', JSON.parse(JSON.stringify(image))],
    ['base64', base64],
    ['wrapped base64', wrapped],
    ['base64 with a byte order mark and a trailing newline', `\uFEFF${base64}\n`],
    ['base64 in a Buffer', Buffer.from(wrapped)],
    ['base64 with a byte order mark in a Buffer', Buffer.from(`\uFEFF${base64}`)],
    ['gzip', gzipSync(image)],
    ['base64 of gzip', gzipSync(image).toString('base64')],
    ['the JSON form of gzip', JSON.parse(JSON.stringify(gzipSync(image)))],
  ];
  for (const [title, payload] of forms) {
    it(`takes ${title}`, async () => assert.deepEqual(await readPayload(payload), image));
  }

  it('takes an image of exactly 16 MiB, compressed and plain', async () => {
    const largest = Buffer.alloc(MAX_IMAGE);
    largest[0] = 0xe9;
    assert.equal((await readPayload(largest)).length, MAX_IMAGE);
    assert.ok((await readPayload(gzipSync(largest))).equals(largest));
  });

  it('gives back a copy, so that neither side sees what the other writes', async () => {
    const inputs = [Buffer.from(image), Buffer.from('6QIDBA==', 'base64'), new Uint8Array(image)];
    for (const input of inputs) {
      const before = Buffer.from(input);
      const output = await readPayload(input);
      output.fill(0);
      assert.ok(before.equals(input));
    }
    const buffer = new Uint8Array(image).buffer;
    (await readPayload(buffer)).fill(0);
    assert.ok(image.equals(new Uint8Array(buffer)));
  });

  it('leaves it to the inspection to refuse other binary data', async () => {
    const elf = Buffer.concat([Buffer.from('\x7fELF\x01\x01\x01\0'), Buffer.alloc(100)]);
    assert.deepEqual(await readPayload(elf), elf);
  });

  describe('refuses', () => {
    const others: [title: string, payload: unknown, message: RegExp][] = [
      ['nothing', undefined, /not set/],
      ['null', null, /not set/],
      ['a number', 233, /a number/],
      ['a boolean', true, /a boolean/],
      ['an object', { file: 'firmware.bin' }, /an object/],
      ['an array of numbers', [0xe9, 1], /an array/],
      ['a wider typed array', new Uint16Array(8), /an object/],
      ['the JSON form of a Buffer with a number that is no byte', { type: 'Buffer', data: [0xe9, 256] }, /data\[1\]/],
      ['the JSON form of a Buffer with a fraction', { type: 'Buffer', data: [0xe9, 1.5] }, /data\[1\]/],
      ['the JSON form of a Buffer with text', { type: 'Buffer', data: ['233'] }, /data\[0\]/],
    ];
    for (const [title, payload, message] of others) {
      it(title, () => refused(readPayload(payload), 'PAYLOAD_TYPE', message));
    }

    const empty: [title: string, payload: unknown][] = [
      ['an empty Buffer', Buffer.alloc(0)],
      ['an empty text', ''],
      ['an empty ArrayBuffer', new ArrayBuffer(0)],
      ['an ArrayBuffer that was transferred elsewhere', transferred()],
      ['the JSON form of an empty Buffer', { type: 'Buffer', data: [] }],
      ['gzip of nothing', gzipSync('')],
    ];
    for (const [title, payload] of empty) {
      it(title, () => refused(readPayload(payload), 'FIRMWARE_EMPTY'));
    }

    const page = '<!DOCTYPE html>\n<html lang="de"><title>Anmelden für Gäste</title></html>';
    const pages: [title: string, payload: unknown][] = [
      ['an HTML page as text', page],
      ['an HTML page as a Buffer', Buffer.from(page)],
      ['an HTML page in Latin-1', Buffer.from(page, 'latin1')],
      ['an HTML page in UTF-16', Buffer.from(`\uFEFF${page}`, 'utf16le')],
      ['an HTML page in big-endian UTF-16', Buffer.from(`\uFEFF${page}`, 'utf16le').swap16()],
      ['an HTML page with a byte order mark', Buffer.from(`\uFEFF${page}`)],
      ['an HTML page behind many empty lines', Buffer.from('\r\n'.repeat(10_000) + page)],
      ['an HTML page behind many empty lines as text', '\r\n'.repeat(10_000) + page],
      ['an HTML page compressed by gzip', gzipSync(page)],
      ['an HTML page as base64', Buffer.from(page).toString('base64')],
      ['an XML answer', Buffer.from('<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>')],
    ];
    for (const [title, payload] of pages) {
      it(title, () => refused(readPayload(payload), 'FIRMWARE_IS_HTML'));
    }

    const texts: [title: string, payload: unknown][] = [
      ['a word', 'firmware'],
      ['a path', '/home/user/firmware/light-1.1.0.bin'],
      ['a sentence', 'Not found: there is no such firmware on this server, sorry about that, please try again later.'],
      ['white space', ' \n'],
      ['text in a Buffer', Buffer.from('{"error":"not found"}')],
      ['text with accents in a Buffer', Buffer.from(`x${'ü'.repeat(1000)}`)],
      ['text in UTF-16', Buffer.from('\uFEFFNot found', 'utf16le')],
      ['text compressed by gzip', gzipSync('Not found')],
      ['the Intel HEX form of an image', Buffer.from(':10000000E901024000F0104008000000\n:00000001FF\n')],
    ];
    for (const [title, payload] of texts) {
      it(title, () => refused(readPayload(payload), 'FIRMWARE_IS_TEXT'));
    }

    it('an image that was read as text, and says what to do', () =>
      refused(readPayload(image.toString('utf8')), 'FIRMWARE_IS_TEXT', /read as text/));

    const damaged: [title: string, payload: string][] = [
      ['base64 that is cut off', base64.slice(0, -3)],
      ['base64 with a foreign character', `${base64.slice(0, 1000)}*${base64.slice(1001)}`],
      ['base64 with padding in the middle', `${base64.slice(0, 1000)}AA==${base64.slice(1000)}`],
      ['base64 with padding where a run of reading ends', `6Q${'A'.repeat(256 * 1024 - 4)}==AAAA`],
      ['base64 of gzip that is cut off', gzipSync(image).toString('base64').slice(0, 1001)],
    ];
    for (const [title, payload] of damaged) {
      it(title, () => refused(readPayload(payload), 'FIRMWARE_BASE64'));
      it(`${title}, in a Buffer`, () => refused(readPayload(Buffer.from(payload)), 'FIRMWARE_BASE64'));
    }

    it('gzip that is cut off', () => refused(readPayload(gzipSync(image).subarray(0, -100)), 'FIRMWARE_GZIP'));

    it('gzip with a changed byte', () => {
      const changed = gzipSync(image);
      changed.writeUInt8(changed.readUInt8(changed.length - 8) ^ 1, changed.length - 8);
      return refused(readPayload(changed), 'FIRMWARE_GZIP');
    });

    it('more than 16 MiB', () => refused(readPayload(Buffer.alloc(MAX_IMAGE + 1, 0xe9)), 'FIRMWARE_TOO_LARGE'));

    it('much more than 16 MiB', () => refused(readPayload(new ArrayBuffer(2 * MAX_IMAGE)), 'FIRMWARE_TOO_LARGE'));

    it('more than 16 MiB in the JSON form of a Buffer', () =>
      refused(readPayload({ type: 'Buffer', data: Array(MAX_IMAGE + 1) }), 'FIRMWARE_TOO_LARGE'));

    it('more than 16 MiB of base64', () => refused(readPayload('6QAA'.repeat(6_000_000)), 'FIRMWARE_TOO_LARGE'));

    it('what becomes more than 16 MiB by decompression', () =>
      refused(readPayload(gzipSync(Buffer.alloc(MAX_IMAGE + 1))), 'FIRMWARE_TOO_LARGE'));
  });
});
