/** Numbers for people. */

export function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ms`;
}

/** @param bytes in bytes */
export function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

/** @param rate in bytes a second */
export function speed(rate: number): string {
  return `${(rate / 1e6).toFixed(1)} MB/s`;
}
