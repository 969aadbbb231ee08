/** The firmware on offer. */
import { ViewHead } from './parts';
import { t } from './texts';
import { useSidebar, type View } from './views';

/** Shows in one line what is on offer. */
export function OfferLine() {
  return null;
}

/** Shows the images on offer, and takes another one. */
export function Offers(_view: Extract<View, { kind: 'offers' }>) {
  const { back } = useSidebar();
  return (
    <section class="homie-view" aria-label={t('offers')}>
      <ViewHead title={t('offers')} back={t('back')} onBack={back} />
    </section>
  );
}
