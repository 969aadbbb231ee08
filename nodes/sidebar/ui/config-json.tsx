/** The configuration as JSON. */
import type { JsonObject } from '../../../src/config/json';
import { t } from './texts';
import { useSidebar } from './views';

interface ConfigJsonInput {
  /** The configuration as published, secrets masked. */
  readonly content: JsonObject;
  /** The patch. */
  readonly text: string;
  readonly onText: (text: string) => void;
}

/** Shows the patch to edit, and the published configuration. */
export function ConfigJson({ content, text, onText }: ConfigJsonInput) {
  const { mayWrite } = useSidebar();
  return (
    <>
      {mayWrite && (
        <label class="homie-patch">
          {t('config.patch')}
          <textarea
            data-key="patch"
            rows={text.split('\n').length + 1}
            spellcheck={false}
            value={text}
            onInput={({ currentTarget }) => onText(currentTarget.value)}
          />
        </label>
      )}
      <h4>{t('config.published')}</h4>
      <pre class="homie-json">{JSON.stringify(content, null, 2)}</pre>
    </>
  );
}
