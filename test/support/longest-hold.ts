/**
 * Returns the longest time for which `work` let nothing else run, in ms of CPU time of this process, because on a busy
 * machine wall time also counts the turns of other processes.
 */
export async function longestHold(work: () => Promise<void>): Promise<number> {
  let [longest, last] = [0, process.cpuUsage()];
  const note = (): void => {
    const { user, system } = process.cpuUsage(last);
    longest = Math.max(longest, (user + system) / 1000);
    last = process.cpuUsage();
  };
  const timer = setInterval(note, 5);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  note();
  return longest;
}
