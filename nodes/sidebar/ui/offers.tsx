/** The firmware on offer. */
import { useEffect, useRef } from 'preact/hooks';
import { brokerNodes } from './editor';
import { FirstSteps } from './first-steps';
import { OfferedCard } from './offer-card';
import { Button, Icon, ViewHead } from './parts';
import { FileButton } from './file-button';
import { firmwareOf } from './job-texts';
import { t } from './texts';
import { UploadCard } from './upload-card';
import { useUpload, type Uploads } from './use-upload';
import { useSidebar, type View } from './views';

/** Shows in one line what is on offer, and opens that and the jobs. */
export function OfferLine() {
  const { feed, mayWrite, show } = useSidebar();
  const { offers, jobs, state } = feed;
  if (!isDeployed(state)) return null;
  const all = offers.length === 0 ? t('offer.none') : t('offer.list', { images: offers.map(firmwareOf).join(', ') });
  return (
    <div class="homie-offerline">
      {offers.length === 0 ? (
        <span class="homie-ellipsis" title={all}>
          {all}
        </span>
      ) : (
        <button
          type="button"
          class="homie-link homie-ellipsis"
          data-key="offers"
          title={all}
          onClick={() => show({ kind: 'offers' })}
        >
          {all}
        </button>
      )}
      {mayWrite && <AddFirmware />}
      {jobs.length > 0 && (
        <Button id="jobs" kind="plain" icon="tasks" label={t('jobs')} onClick={() => show({ kind: 'jobs' })} />
      )}
    </div>
  );
}

/** Opens the view in which a file can be dropped, or at once the file chooser if nothing is on offer. */
function AddFirmware() {
  const { feed, show } = useSidebar();
  if (feed.offers.length > 0) {
    return (
      <Button
        id="add-firmware"
        kind="plain"
        icon="plus"
        label={t('offer.add')}
        onClick={() => show({ kind: 'offers' })}
      >
        <span>{t('offer.add')}</span>
      </Button>
    );
  }
  return (
    <>
      <span class="homie-droptext">{t('offer.drop')}</span>
      <FileButton id="add-firmware" onFile={(file) => show({ kind: 'offers', file })} />
    </>
  );
}

/** Files that were dropped on the sidebar and uploaded: the way back to this view does not upload them again. */
const taken = new WeakSet<File>();

/** Shows the images on offer, and takes another one. */
export function Offers({ file }: Extract<View, { kind: 'offers' }>) {
  const { feed, back } = useSidebar();
  const upload = useUpload(feed);
  const { state } = feed;
  const isReady = isDeployed(state);
  const isMissing = state === 'none' || state === 'undeployed';
  useEffect(() => {
    if (file === undefined || !isReady || taken.has(file)) return;
    taken.add(file);
    upload.take(file);
  }, [file, isReady]);
  return (
    <section class="homie-view" aria-label={t('offers')}>
      <ViewHead title={t('offers')} back={t('back')} onBack={back} />
      {isMissing ? <FirstSteps brokers={brokerNodes()} /> : <Cards upload={upload} />}
    </section>
  );
}

/** Shows where to drop a file, what happens to it, and what is on offer. */
function Cards({ upload }: { readonly upload: Uploads }) {
  const { feed, mayWrite } = useSidebar();
  const { current } = upload;
  const fresh = current?.answer?.offered === true ? current.answer.offer.checksum : undefined;
  // The card of the upload gives way to that of the image on offer. It does not come back when that is withdrawn.
  const listed = useRef<string | undefined>(undefined);
  if (feed.offers.some(({ checksum }) => checksum === fresh)) listed.current = fresh;
  const uploading = fresh !== undefined && listed.current === fresh ? undefined : current;
  return (
    <div class="homie-cards">
      {mayWrite && (
        <div class="homie-drop">
          <Icon name="upload" />
          <span>{t('offer.drop')}</span>
          <FileButton id="choose" onFile={(chosen) => upload.take(chosen)} />
        </div>
      )}
      {uploading !== undefined && <UploadCard upload={upload} uploading={uploading} />}
      {feed.offers.map((offer) => (
        <OfferedCard
          key={offer.checksum}
          offer={offer}
          fileName={offer.checksum === fresh ? current?.file.name : undefined}
        />
      ))}
      {feed.offers.length === 0 && uploading === undefined && <p class="homie-note">{t('offer.none')}</p>}
    </div>
  );
}

/** Returns whether Node-RED has the broker, connected or not. */
function isDeployed(state: string): boolean {
  return ['connected', 'connecting', 'disconnected'].includes(state);
}
