/** The jobs of the broker. */
import { ViewHead } from './parts';
import { t } from './texts';
import { useSidebar } from './views';

/** Shows the open jobs above the table. */
export function JobStrip() {
  return null;
}

/** Shows all jobs, open and lately ended. */
export function Jobs() {
  const { back } = useSidebar();
  return (
    <section class="homie-view" aria-label={t('jobs')}>
      <ViewHead title={t('jobs')} back={t('back')} onBack={back} />
    </section>
  );
}
