/** An image on offer. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { OfferCard } from '../answers';
import { ask, Failure, tried } from './api';
import { firmwareOf } from './job-texts';
import { Button, useReveal, Verdict } from './parts';
import { ago, count, exact, size, t } from './texts';
import { useSidebar } from './views';

interface OfferedCardInput {
  readonly offer: OfferCard;
  /** The name of the file if it was uploaded just now. */
  readonly fileName?: string | undefined;
}

/** Shows an image on offer: what it is, for whom, and what can be done with it. */
export function OfferedCard({ offer, fileName }: OfferedCardInput) {
  const { feed, mayWrite } = useSidebar();
  const card = useReveal(fileName);
  const name = firmwareOf(offer);
  const { at, chip, size: bytes, checksum } = offer;
  return (
    <div ref={card} class="homie-card homie-offer-card" role="group" aria-label={name} data-offer={checksum}>
      <div class="homie-title">
        <strong title={name}>{name}</strong>
        <span class="homie-muted" title={exact(at)}>
          {t('offer.since', { ago: ago(at, feed.now) })}
        </span>
      </div>
      {fileName !== undefined && <Verdict verdict="good" role="status" text={t('offer.valid')} />}
      <FirmwareFacts chip={chip} size={bytes} md5={checksum} file={fileName} />
      <p class="homie-muted">{audienceOf(offer)}</p>
      {mayWrite && <OfferButtons offer={offer} name={name} />}
    </div>
  );
}

/** Returns for how many devices an image is on offer, and how many of them can be updated. */
function audienceOf({ devices, available }: OfferCard): string {
  if (devices === 0) return t('offer.nobody');
  const can = available === 0 ? t('offer.nothing') : count('offer.can', available);
  return `${count('offer.for', devices)}: ${can}`;
}

interface Facts {
  readonly chip?: string | undefined;
  /** Bytes. */
  readonly size: number;
  readonly md5?: string | undefined;
  readonly file?: string | undefined;
}

/** Shows what is known of an image. */
export function FirmwareFacts({ chip, size: bytes, md5, file }: Facts) {
  const facts = Object.entries({ chip, size: size(bytes), md5, file });
  return (
    <dl>
      {facts.map(
        ([name, text]) =>
          text !== undefined && (
            <div key={name} class={`homie-${name}`}>
              <dt>{t(`fact.${name}`)}</dt>
              <dd title={text}>{text}</dd>
            </div>
          ),
      )}
    </dl>
  );
}

function OfferButtons({ offer, name }: { readonly offer: OfferCard; readonly name: string }) {
  const { show } = useSidebar();
  const [isAsking, setAsking] = useState(false);
  const { checksum, available } = offer;
  const update = (): void => {
    show({ kind: 'plan', title: t('offer.title', { image: name }), request: { action: 'update', checksum } });
  };
  if (isAsking) return <Withdrawal offer={offer} name={name} onKeep={() => setAsking(false)} />;
  return (
    <div class="homie-buttons">
      <Button id={`withdraw-${checksum}`} label={`${t('offer.withdraw')}: ${name}`} onClick={() => setAsking(true)}>
        {t('offer.withdraw')}
      </Button>
      {available > 0 && (
        <Button id={`update-${checksum}`} kind="primary" onClick={update}>
          {count('offer.update', available)}
        </Button>
      )}
    </div>
  );
}

interface WithdrawalInput {
  readonly offer: OfferCard;
  readonly name: string;
  readonly onKeep: () => void;
}

/** Asks once before an image is withdrawn. */
function Withdrawal({ offer: { checksum }, name, onKeep }: WithdrawalInput) {
  const { feed, tell } = useSidebar();
  const question = useRef<HTMLDivElement>(null);
  const [isBusy, setBusy] = useState(false);
  // A repeated press of Enter must not confirm.
  useEffect(() => question.current?.focus(), []);
  const withdraw = async (): Promise<void> => {
    setBusy(true);
    const answer = await tried(ask('DELETE', feed.broker, ['offers', checksum]));
    const isFailed = answer instanceof Failure;
    tell(isFailed ? answer.message : t('offer.withdrawn', { image: name }));
    if (isFailed) onKeep();
    feed.look();
  };
  return (
    <div
      ref={question}
      class="homie-question"
      role="group"
      tabIndex={-1}
      aria-label={t('offer.sure', { image: name })}
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return;
        event.stopPropagation();
        onKeep();
      }}
    >
      <p>{t('offer.sure', { image: name })}</p>
      <div class="homie-buttons">
        <Button id={`keep-${checksum}`} onClick={onKeep}>
          {t('offer.keep')}
        </Button>
        <Button id={`withdraw-${checksum}-sure`} kind="primary" disabled={isBusy} onClick={() => void withdraw()}>
          {t('offer.withdraw')}
        </Button>
      </div>
    </div>
  );
}
