/** Checks which network addresses the device can read, and which it can use. */

/** Returns whether a text is the name or IPv4 address of a host, without a scheme, port, path, user or blank. */
export function isHost(text: string): boolean {
  const labels = text.split('.');
  // lwIP reads a name that ends in a number as an address (ipaddr_aton), and resolves no empty label, not even the
  // last.
  if (/^(?:\d+|0x[\da-f]*)$/i.test(labels.at(-1) ?? '')) return isHostAddress(text);
  return labels.every((label) => /^[\w-]+$/.test(label));
}

/** Returns whether a text is an IPv4 address that a host can have: its first number is 1 to 223. */
export function isHostAddress(text: string): boolean {
  const [first = 0] = ipv4(text) ?? [];
  return first > 0 && first < 224;
}

/** Returns whether a text is four numbers up to 255, without leading zeros, which some would read as octal. */
export function isIpv4(text: string): boolean {
  return ipv4(text) !== undefined;
}

/** Returns whether a text is a netmask that leaves room for hosts: ones, then at least two zeros. */
export function isNetmask(text: string): boolean {
  const bits = bitsOf(text);
  return bits !== undefined && /^1+0{2,}$/.test(bits);
}

/** Returns whether an address that a host could have is the address of the network itself, or its broadcast address. */
export function isWholeNetwork(address: string, mask: string): boolean {
  if (!isHostAddress(address) || !isNetmask(mask)) return false;
  return /^(?:0+|1+)$/.test(bitsOf(address)?.slice(bitsOf(mask)?.indexOf('0')) ?? '');
}

/**
 * Returns whether the device reads a text as an IPv4 address. It also reads an empty number as 0 (Arduino core,
 * IPAddress::fromString4).
 */
export function isReadAsIpv4(text: string): boolean {
  const parts = text.split('.');
  return /^[\d.]{0,16}$/.test(text) && parts.length === 4 && parts.every((part) => Number(part) <= 255);
}

/**
 * Returns whether the device reads a text as a MAC address. It also accepts digits that are grouped differently
 * (Helpers.cpp, validateMacAddress).
 */
export function isReadAsMac(text: string): boolean {
  let digits = 0;
  let separators = 0;
  for (const character of text) {
    if (/[\da-f]/i.test(character)) {
      digits++;
    } else if (character === ':' || character === '-') {
      if (digits === 0 || Math.floor(digits / 2) - 1 !== separators) break;
      separators++;
    } else {
      separators = -1;
    }
  }
  return digits === 12 && separators === 5;
}

function ipv4(text: string): number[] | undefined {
  if (!/^(?:0|[1-9]\d{0,2})(?:\.(?:0|[1-9]\d{0,2})){3}$/.test(text)) return undefined;
  const numbers = text.split('.').map(Number);
  return numbers.every((number) => number <= 255) ? numbers : undefined;
}

function bitsOf(text: string): string | undefined {
  return ipv4(text)
    ?.map((number) => number.toString(2).padStart(8, '0'))
    .join('');
}
