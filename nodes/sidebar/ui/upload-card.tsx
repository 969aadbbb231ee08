/** A file that is uploaded and inspected. */
import type { BrowserInfo } from '../../../src/firmware/browser-info';
import { firmwareOf } from './job-texts';
import { FirmwareFacts } from './offer-card';
import { Button, Icon, ProgressBar, useReveal } from './parts';
import { t } from './texts';
import type { Uploading, Uploads } from './use-upload';

interface UploadCardInput {
  readonly upload: Uploads;
  readonly uploading: Uploading;
}

/** Shows a file with its facts and progress, what is wrong with it, or that a higher version stays on offer. */
export function UploadCard({ upload, uploading }: UploadCardInput) {
  const { file, answer, failure, percent } = uploading;
  const { name, version, chip, size, md5 } = factsOf(uploading);
  const title = name === undefined ? file.name : firmwareOf({ name, version });
  const card = useReveal(answer ?? failure);
  const isComing = answer === undefined && failure === undefined;
  return (
    <div ref={card} class="homie-card homie-upload" role="group" aria-label={title}>
      <div class="homie-title">
        <strong title={title}>{title}</strong>
        <Button id="discard" kind="plain" icon="times" label={t('upload.discard')} onClick={upload.discard} />
      </div>
      <FirmwareFacts chip={chip} size={size} md5={md5} file={file.name} />
      {isComing && <ProgressBar percent={percent} label={t('upload.uploading')} />}
      <UploadVerdict uploading={uploading} />
      {answer?.offered === false && <ReplaceButtons upload={upload} file={file} version={version ?? title} />}
    </div>
  );
}

/** Returns what is known of a file: by the inspection in Node-RED, or else by its header. */
function factsOf({ file, seen, answer }: Uploading): Partial<BrowserInfo> & Pick<BrowserInfo, 'size'> {
  return answer === undefined ? (seen ?? { size: file.size }) : { ...answer.offer, md5: answer.offer.checksum };
}

interface ReplaceButtonsInput {
  readonly upload: Uploads;
  readonly file: File;
  readonly version: string;
}

function ReplaceButtons({ upload, file, version }: ReplaceButtonsInput) {
  return (
    <div class="homie-buttons">
      <Button id="discard-lower" onClick={upload.discard}>
        {t('upload.discard')}
      </Button>
      <Button id="replace" kind="primary" onClick={() => upload.take(file, { replace: true })}>
        {t('upload.replace', { version })}
      </Button>
    </div>
  );
}

function UploadVerdict({ uploading: { failure, answer } }: { readonly uploading: Uploading }) {
  if (failure !== undefined) {
    return (
      <p class="homie-verdict" role="alert" data-verdict="bad">
        <Icon name="exclamation-circle" /> {failure.message}
      </p>
    );
  }
  const isLower = answer?.offered === false;
  const symbol = answer === undefined ? 'spinner' : isLower ? 'info-circle' : 'check-circle';
  return (
    <p class="homie-verdict" role="status" data-verdict={answer?.offered === true ? 'good' : 'open'}>
      <Icon name={symbol} />{' '}
      {answer === undefined
        ? t('upload.uploading')
        : isLower
          ? t('upload.lower', { version: answer.instead ?? '' })
          : t('offer.valid')}
    </p>
  );
}
