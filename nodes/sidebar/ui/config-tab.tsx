/** The configuration of a device, and a change of it: enter, check, confirm. */
import { useRef, useState } from 'preact/hooks';
import type { ConfigField } from '../form-fields';
import type { JsonObject } from '../../../src/config/json';
import type { DeviceDetails } from '../answers';
import { noRefusal, refusal, useChange, type Refusal } from './config-change';
import { draftPatch, invalidFields, isDirty, noDraft, switched, withEdit, type Draft } from './config-draft';
import type { Edit } from './config-fields';
import { ConfigForm } from './config-form';
import { ConfigJson } from './config-json';
import { ConfigPlan } from './config-plan';
import { Button, Verdict } from './parts';
import { sentences, t } from './texts';
import { useSidebar } from './views';

interface ConfigInput {
  readonly id: string;
  readonly draft: Draft;
  readonly onDraft: (draft: Draft) => void;
  /** Called when a change has started. */
  readonly onStarted: () => void;
}

/** Shows the configuration, or why it is unknown. */
export function ConfigTab({ config, ...input }: ConfigInput & { readonly config: DeviceDetails['config'] }) {
  if ('says' in config) return <p class="homie-note">{sentences(config.says)}</p>;
  return <ConfigEditor {...input} {...config} />;
}

interface EditorInput extends ConfigInput {
  readonly content: JsonObject;
  readonly fields: readonly ConfigField[];
}

function ConfigEditor({ id, content, fields, draft, onDraft, onStarted }: EditorInput) {
  const { plan, isBusy, check, start, drop } = useChange(id, fields, onStarted);
  const { view, refused, refuse, forget } = useRefusal();
  const { edits, json } = draft;
  if (plan !== undefined) {
    const confirm = async (): Promise<void> => refuse(await start(plan));
    return (
      <ConfigPlan plan={plan} fields={fields} isStarting={isBusy} onConfirm={() => void confirm()} onBack={drop} />
    );
  }
  const submit = async (): Promise<void> => {
    const patch = draftPatch(fields, draft);
    if (json === undefined && invalidFields(fields, edits).length > 0) return refuse(noRefusal);
    if (patch === undefined) return refuse(refusal(t('config.notJson')));
    refuse(noRefusal);
    refuse(await check(patch, json === undefined));
  };
  const toggle = (): void => {
    const next = switched(fields, draft);
    refuse(next === undefined && json !== undefined ? refusal(t('config.notInForm')) : noRefusal);
    if (next !== undefined) onDraft(next);
  };
  const edit = (path: string, to: Edit | undefined): void => {
    forget(path);
    onDraft({ edits: withEdit(edits, path, to) });
  };
  const type = (text: string): void => {
    forget('');
    onDraft({ edits, json: text });
  };
  return (
    <form ref={view} class="homie-config" noValidate autocomplete="off" onSubmit={(event) => event.preventDefault()}>
      <div class="homie-scroller">
        <label class="homie-check homie-json-switch">
          <input type="checkbox" role="switch" data-key="json" checked={json !== undefined} onClick={toggle} />
          {t('config.json')}
        </label>
        {json === undefined ? (
          <ConfigForm content={content} fields={fields} edits={edits} refused={refused.byField} onEdit={edit} />
        ) : (
          <ConfigJson content={content} text={json} onText={type} />
        )}
      </div>
      <Problems texts={refused.others} />
      <FormButtons
        isDirty={isDirty(fields, draft)}
        isBusy={isBusy}
        onDiscard={() => onDraft(noDraft)}
        onCheck={() => void submit()}
      />
    </form>
  );
}

/** Keeps why the draft is refused, and moves the focus to the first field that is. */
function useRefusal() {
  const view = useRef<HTMLFormElement>(null);
  const [refused, setRefused] = useState(noRefusal);
  const refuse = (next: Refusal): void => {
    setRefused(next);
    // The fields show it only after the next rendering.
    requestAnimationFrame(() => view.current?.querySelector<HTMLElement>('[aria-invalid=true]')?.focus());
  };
  /** @param path of what has changed since */
  const forget = (path: string): void => {
    setRefused({ byField: new Map([...refused.byField].filter(([other]) => other !== path)), others: [] });
  };
  return { view, refused, refuse, forget };
}

interface ButtonsInput {
  readonly isDirty: boolean;
  readonly isBusy: boolean;
  readonly onDiscard: () => void;
  readonly onCheck: () => void;
}

function FormButtons({ isDirty: isChanged, isBusy, onDiscard, onCheck }: ButtonsInput) {
  const { mayWrite } = useSidebar();
  if (!mayWrite) return null;
  return (
    <div class="homie-buttons homie-foot">
      <Button id="discard" disabled={!isChanged} onClick={onDiscard}>
        {t('config.discard')}
      </Button>
      <Button id="check" kind="primary" disabled={isBusy || !isChanged} onClick={onCheck}>
        {t(isBusy ? 'config.checking' : 'config.check')}
      </Button>
    </div>
  );
}

function Problems({ texts }: { readonly texts: readonly string[] }) {
  if (texts.length === 0) return null;
  return (
    <div class="homie-problems" role="alert">
      {texts.map((text) => (
        <Verdict key={text} verdict="bad" text={text} />
      ))}
    </div>
  );
}
