/** Addresses of a configuration that no device could use. */

/** Whether it is the name or the IPv4 address of a host, and nothing else: no scheme, port, path, user or blank. */
export function isHost(text: string): boolean {
  const labels = text.split('.');
  // A name that ends in a number is read as an address (lwIP, ipaddr_aton); it resolves no empty label, not even the last.
  if (/^(?:\d+|0x[\da-f]*)$/i.test(labels.at(-1) ?? '')) return isHostAddress(text);
  return labels.every((label) => /^[\w-]+$/.test(label));
}

/** Whether it is an IPv4 address that a host can have: neither of no network, nor for many hosts. */
export function isHostAddress(text: string): boolean {
  const [first = 0] = ipv4(text) ?? [];
  return first > 0 && first < 224;
}

/** Whether it is four numbers up to 255, written without leading zeros, which some would read as octal. */
export function isIpv4(text: string): boolean {
  return ipv4(text) !== undefined;
}

/** Whether it is a netmask that leaves room for hosts: ones, then at least two zeros. */
export function isNetmask(text: string): boolean {
  const bits = bitsOf(text);
  return bits !== undefined && /^1+0{2,}$/.test(bits);
}

/** Whether an address is that of the network itself, or of all its hosts. */
export function isWholeNetwork(address: string, mask: string): boolean {
  const [bits, ones] = [bitsOf(address), bitsOf(mask)];
  if (bits === undefined || ones === undefined || !isNetmask(mask)) return false;
  return /^(?:0+|1+)$/.test(bits.slice(ones.indexOf('0')));
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
