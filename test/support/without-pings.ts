/** Returns the bytes that a client sends without PINGREQs at their start (MQTT 5, section 3.12). */
export function withoutPings(bytes: Buffer): Buffer {
  return bytes[0] === 0xc0 ? withoutPings(bytes.subarray(2)) : bytes;
}
