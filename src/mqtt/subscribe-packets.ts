/** The most filters without a wildcard in one SUBSCRIBE: far fewer than the messages that mosquitto queues. */
const TOGETHER = 300;

/** Divides filters among SUBSCRIBE packets in their order. A filter with a wildcard gets a packet of its own. */
export function subscribePackets(filters: readonly string[]): string[][] {
  const packets: string[][] = [];
  let exact: string[] | undefined;
  for (const filter of filters) {
    if (/[+#]/.test(filter)) {
      packets.push([filter]);
      exact = undefined;
      continue;
    }
    if (exact === undefined || exact.length >= TOGETHER) packets.push((exact = []));
    exact.push(filter);
  }
  return packets;
}
