/** A file that is uploaded and inspected. */
import type { BrowserInfo } from '../../../src/firmware/browser-info';
import { firmwareOf } from './job-texts';
import { FirmwareFacts } from './offer-card';
import { Button, ProgressBar, useReveal, Verdict } from './parts';
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
    return <Verdict verdict="bad" role="alert" text={failure.message} />;
  }
  const lower = answer?.offered === false ? t('upload.lower', { version: answer.instead ?? '' }) : undefined;
  return (
    <Verdict
      verdict={answer?.offered === true ? 'good' : 'open'}
      icon={answer === undefined ? 'spinner' : undefined}
      role="status"
      text={answer === undefined ? t('upload.uploading') : (lower ?? t('offer.valid'))}
    />
  );
}
