/** All that is known of a device: facts, configuration, history. */
import { ViewHead } from './parts';
import { t } from './texts';
import { useSidebar, type View } from './views';

export function Details({ id }: Extract<View, { kind: 'device' }>) {
  const { back } = useSidebar();
  return (
    <section class="homie-view" aria-label={id}>
      <ViewHead title={id} back={t('back')} onBack={back} />
    </section>
  );
}
