/** What a device has published about itself. */
import type { ComponentChildren } from 'preact';
import type { TableRow } from '../../../src/devices/table';
import { versionOrChecksum } from '../../../src/update/firmware-name';
import type { DeviceFacts } from '../answers';
import { actionsFor } from './actions';
import { Button, useTick } from './parts';
import { ago, duration, exact, localNumber, t } from './texts';
import { useSidebar } from './views';

interface FactsInput {
  readonly facts: DeviceFacts;
  readonly row: TableRow | undefined;
}

/** Shows each fact that is known. */
export function Facts(input: FactsInput) {
  useTick(15_000);
  return (
    <div class="homie-scroller" tabIndex={0} role="group" aria-label={t('view.facts')}>
      <dl class="homie-facts-list">
        <FirmwareFacts {...input} />
        <LinkFacts {...input} />
      </dl>
    </div>
  );
}

function FirmwareFacts({ facts, row }: FactsInput) {
  const { firmware, version, checksum, ota, previous } = facts;
  const implementation = [facts.implementation, facts.implementationVersion].filter(Boolean).join(' ');
  return (
    <>
      <Fact name="firmware">{firmware}</Fact>
      <Fact name="version">{version}</Fact>
      <Fact name="checksum">{checksum !== undefined && <Checksum checksum={checksum} />}</Fact>
      <Fact name="previous">{previous && versionOrChecksum(previous)}</Fact>
      <Fact name="ota">{ota !== undefined && <Ota isOn={ota} row={row} />}</Fact>
      <Fact name="updates">{t(facts.excluded === true ? 'device.excluded' : 'device.included')}</Fact>
      <Fact name="implementation">{implementation}</Fact>
      <Fact name="homie">{facts.homie}</Fact>
    </>
  );
}

function LinkFacts({ facts, row }: FactsInput) {
  const { feed } = useSidebar();
  const { uptime, signal, interval } = facts;
  const seen = row?.seen ?? facts.seen;
  const bootedAt = uptime === undefined || facts.seen === undefined ? undefined : facts.seen - uptime * 1000;
  return (
    <>
      <Fact name="id">{facts.id}</Fact>
      <Fact name="baseTopic">{facts.baseTopic}</Fact>
      <Fact name="mac">{facts.mac}</Fact>
      <Fact name="ip">{facts.ip}</Fact>
      <Fact name="signal">
        {signal !== undefined && `${localNumber(signal)} % (${t(`device.signal.${strengthOf(signal)}`)})`}
      </Fact>
      <Fact name="seen" title={seen === undefined ? undefined : exact(seen)}>
        {seen === undefined ? t('device.unseen') : ago(seen, feed.now)}
      </Fact>
      <Fact name="uptime" title={bootedAt === undefined ? undefined : t('device.booted', { at: exact(bootedAt) })}>
        {uptime !== undefined && duration(uptime * 1000)}
      </Fact>
      <Fact name="interval">{interval !== undefined && duration(interval * 1000)}</Fact>
    </>
  );
}

interface FactInput {
  readonly name: string;
  readonly title?: string | undefined;
  readonly children: ComponentChildren;
}

function Fact({ name, title, children }: FactInput) {
  if (children === undefined || children === '' || children === false) return null;
  return (
    <div data-fact={name}>
      <dt>{t(`device.fact.${name}`)}</dt>
      <dd title={title}>{children}</dd>
    </div>
  );
}

function Checksum({ checksum }: { readonly checksum: string }) {
  const { tell } = useSidebar();
  const copy = (): void => tell(t(RED.clipboard.copyText(checksum) ? 'device.copied' : 'device.notCopied'));
  return (
    <>
      <code>{checksum}</code> <Button id="copy" kind="plain" icon="clipboard" label={t('device.copy')} onClick={copy} />
    </>
  );
}

function Ota({ isOn, row }: { readonly isOn: boolean } & Pick<FactsInput, 'row'>) {
  const { mayWrite, show } = useSidebar();
  const enable = mayWrite && !isOn && row ? actionsFor([row]).find(({ name }) => name === 'enableOta') : undefined;
  return (
    <>
      {t(isOn ? 'device.otaOn' : 'device.otaOff')}{' '}
      {enable !== undefined && (
        <Button id="enable-ota" onClick={() => show(enable.view)}>
          {t('action.enableOta')}
        </Button>
      )}
    </>
  );
}

/** Returns how strong a Wi-Fi signal is. Homie publishes 0 % for -100 dBm and 100 % for -50 dBm. */
function strengthOf(percent: number): 'good' | 'fair' | 'weak' {
  return percent >= 60 ? 'good' : percent >= 30 ? 'fair' : 'weak';
}
