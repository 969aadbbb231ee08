/** What was done to a device, newest first. */
import { nameAndVersion, versionOrChecksum } from '../../../src/update/firmware-name';
import type { FirmwareName } from '../../../src/update/update';
import type { HistoryRow } from '../answers';
import { SHORT } from './job-texts';
import { Icon, useTick } from './parts';
import { endedStatus } from './row-status';
import { ago, duration, exact, sentences, t } from './texts';
import { useSidebar } from './views';

export function History({ rows }: { readonly rows: readonly HistoryRow[] }) {
  useTick(15_000);
  if (rows.length === 0) return <p class="homie-note">{t('device.noHistory')}</p>;
  return (
    <div class="homie-scroller" tabIndex={0} role="group" aria-label={t('view.history')}>
      <ol class="homie-history">
        {rows.map((row) => (
          <Entry key={`${row.job} ${row.at}`} row={row} />
        ))}
      </ol>
    </div>
  );
}

function Entry({ row }: { readonly row: HistoryRow }) {
  const { feed } = useSidebar();
  const { at, change, error, from, to, by } = row;
  const { label, symbol, tone } = endedStatus(row);
  const more = [
    row.duration >= 1000 && t('device.took', { time: duration(row.duration) }),
    by !== undefined && t('device.by', { node: by }),
  ].filter(Boolean);
  return (
    <li>
      <p>
        <strong>{change === 'configuration' ? t('view.config') : fromTo(from, to)}</strong>
        <time title={exact(at)} dateTime={new Date(at).toISOString()}>
          {ago(at, feed.now)}
        </time>
      </p>
      <p data-tone={tone}>
        {symbol !== undefined && <Icon name={symbol} />} <span>{label}</span>
      </p>
      {error !== undefined && <p class="homie-said">{sentences(error)}</p>}
      <p class="homie-by">{more.join(' · ')}</p>
    </li>
  );
}

function fromTo(from: FirmwareName, to: FirmwareName = {}): string {
  const isSameName = from.name === to.name || to.name === undefined;
  const names = isSameName ? [versionOf(from), versionOf(to)] : [nameOf(from), nameOf(to)];
  return [isSameName && from.name, names.filter(Boolean).join(' → ')].filter(Boolean).join(' ');
}

function nameOf(firmware: FirmwareName): string {
  return nameAndVersion({ name: firmware.name, version: versionOf(firmware) });
}

function versionOf({ version, checksum }: FirmwareName): string {
  return versionOrChecksum({ version, checksum: checksum?.slice(0, SHORT) });
}
