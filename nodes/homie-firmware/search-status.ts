import type { NodeStatus } from 'node-red';
import type { SearchReport } from '../../src/sources/report';
import { words } from '../../src/texts/en-US.json';
import { nameAndVersion } from '../../src/update/firmware-name';

const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000];

/**
 * Returns the status of a node after a search, such as `my-light 1.3.0 · 2 h ago`.
 *
 * @param age time since the search, in ms
 */
export function searchStatus({ chosen, counts }: SearchReport, age: number): NodeStatus {
  const fill = counts.refused > 0 || chosen.length === 0 ? 'yellow' : 'green';
  const [first] = chosen;
  if (first === undefined) return { fill, shape: 'ring', text: words.none };
  const more = counts.chosen > 1 ? ` +${counts.chosen - 1}` : '';
  return { fill, shape: 'dot', text: `${nameAndVersion(first)}${more} · ${ageText(age)}` };
}

function ageText(age: number): string {
  if (age < MINUTE) return 'now';
  if (age < HOUR) return `${Math.floor(age / MINUTE)} min ago`;
  return age < 2 * DAY ? `${Math.floor(age / HOUR)} h ago` : `${Math.floor(age / DAY)} d ago`;
}
