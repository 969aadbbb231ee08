/** The form of a configuration. */
import { useId, useState } from 'preact/hooks';
import type { ConfigField } from '../form-fields';
import type { JsonObject } from '../../../src/config/json';
import type { Edits } from './config-draft';
import { groupOf, groups, isChanged, isOffered, problemOf, textOf, valueOf, type Edit } from './config-fields';
import { labelOf } from './config-labels';
import { Button, Icon } from './parts';
import { count, sentences, t } from './texts';
import { useSidebar } from './views';

interface FormInput {
  readonly content: JsonObject;
  readonly fields: readonly ConfigField[];
  readonly edits: Edits;
  /** What Node-RED has refused, by path. */
  readonly refused: ReadonlyMap<string, string>;
  /** Called with undefined to keep the published value. */
  readonly onEdit: (path: string, to: Edit | undefined) => void;
}

/** Shows the fields in their groups. */
export function ConfigForm({ content, fields, edits, refused, onEdit }: FormInput) {
  const { mayWrite } = useSidebar();
  const [isWhole, setWhole] = useState(false);
  const isShown = (field: ConfigField): boolean =>
    isWhole || refused.has(field.path) || isOffered(field, edits, content);
  const hidden = fields.filter((field) => !isShown(field)).length;
  return (
    <>
      {groups.map((group) => {
        const shown = fields.filter((field) => groupOf(field) === group && isShown(field));
        if (shown.length === 0) return null;
        return (
          <fieldset key={group} class="homie-group" disabled={!mayWrite}>
            <legend>{t(`config.group.${group}`)}</legend>
            {shown.map((field) => (
              <Field
                key={field.path}
                field={field}
                edit={edits.get(field.path)}
                refused={refused.get(field.path)}
                onEdit={(to) => onEdit(field.path, to)}
              />
            ))}
          </fieldset>
        );
      })}
      {(hidden > 0 || isWhole) && (
        <Button id="all-fields" kind="plain" onClick={() => setWhole(!isWhole)}>
          {isWhole ? t('config.fewer') : count('config.all', hidden)}
        </Button>
      )}
    </>
  );
}

interface FieldInput {
  readonly field: ConfigField;
  readonly edit: Edit | undefined;
  readonly refused: string | undefined;
  readonly onEdit: (to: Edit | undefined) => void;
}

function Field({ field, edit, refused, onEdit }: FieldInput) {
  const id = useId();
  const isEdited = edit !== undefined && isChanged(field, edit);
  const problem = isEdited ? problemOf(field, edit) : undefined;
  const text = problem === undefined ? refused : sentences([problem]);
  const described = {
    id,
    'aria-invalid': text !== undefined,
    'aria-describedby': text === undefined ? undefined : `${id}-problem`,
  };
  return (
    <div class="homie-field" data-path={field.path} data-edited={isEdited}>
      {field.type === 'flag' ? (
        <label class="homie-check" title={field.path}>
          <input
            {...described}
            type="checkbox"
            checked={(edit ?? field.value) === true}
            onClick={({ currentTarget }) => onEdit(currentTarget.checked)}
          />
          {labelOf(field)}
        </label>
      ) : (
        <>
          <label for={id} title={field.path}>
            {labelOf(field)}
          </label>
          <TextInput
            field={field}
            edit={isEdited ? edit : undefined}
            typed={edit}
            attributes={described}
            onEdit={onEdit}
          />
        </>
      )}
      {text !== undefined && (
        <p id={`${id}-problem`} class="homie-problem" role="alert">
          <Icon name="exclamation-circle" /> {text}
        </p>
      )}
    </div>
  );
}

interface TextFieldInput {
  readonly field: ConfigField;
  /** What would be changed. */
  readonly edit: Edit | undefined;
  /** What was typed, changed or not. */
  readonly typed: Edit | undefined;
  readonly attributes: object;
  readonly onEdit: (to: Edit | undefined) => void;
}

function TextInput({ field, edit, typed, attributes, onEdit }: TextFieldInput) {
  const { mayWrite } = useSidebar();
  const [isReadable, setReadable] = useState(false);
  const { type, secret, required } = field;
  const isSecret = secret === true;
  const kind: object = { type: isSecret && !isReadable ? 'password' : 'text' };
  return (
    <div class="homie-entry">
      <input
        {...attributes}
        {...kind}
        inputMode={type === 'whole' ? 'numeric' : type === 'number' ? 'decimal' : undefined}
        // No browser offers a password of its own.
        autocomplete={isSecret ? 'new-password' : 'off'}
        spellcheck={false}
        required={required}
        placeholder={placeholderOf(field, edit)}
        value={typeof typed === 'string' ? typed : typed === null ? '' : textOf(field)}
        onInput={({ currentTarget }) => onEdit(currentTarget.value)}
      />
      {isSecret && typeof edit === 'string' && (
        <Button
          kind="plain"
          icon={isReadable ? 'eye-slash' : 'eye'}
          label={t(isReadable ? 'config.hide' : 'config.reveal', { field: labelOf(field) })}
          onClick={() => setReadable(!isReadable)}
        />
      )}
      {mayWrite && <EditButton field={field} edit={edit} onEdit={onEdit} />}
    </div>
  );
}

/** Removes the value of a field that is not required, or takes an edit back. */
function EditButton({ field, edit, onEdit }: Pick<TextFieldInput, 'field' | 'edit' | 'onEdit'>) {
  const { value, secret, required } = field;
  const name = labelOf(field);
  if (edit !== undefined) {
    return (
      <Button kind="plain" icon="undo" label={t('config.undo', { field: name })} onClick={() => onEdit(undefined)} />
    );
  }
  if (required === true || (secret !== true && (value ?? null) === null)) return null;
  return <Button kind="plain" icon="times" label={t('config.remove', { field: name })} onClick={() => onEdit(null)} />;
}

/** Returns what an empty field says. */
function placeholderOf(field: ConfigField, edit: Edit | undefined): string {
  if (edit !== undefined) return t(valueOf(field, edit) === null ? 'config.removed' : 'config.empty');
  if (field.secret === true) return t('config.unchanged');
  return t(field.value === '' ? 'config.empty' : 'config.unset');
}
