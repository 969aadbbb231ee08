/** A button that opens the file chooser. */
import { useRef } from 'preact/hooks';
import { Button } from './parts';
import { t } from './texts';

interface FileButtonInput {
  readonly id: string;
  readonly onFile: (file: File) => void;
}

export function FileButton({ id, onFile }: FileButtonInput) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <input
        ref={input}
        type="file"
        accept=".bin,.gz"
        hidden
        tabIndex={-1}
        aria-hidden="true"
        onChange={({ currentTarget }) => {
          const file = currentTarget.files?.[0];
          // The same file can be chosen again.
          currentTarget.value = '';
          if (file !== undefined) onFile(file);
        }}
      />
      <Button id={id} onClick={() => input.current?.click()}>
        {t('offer.choose')}
      </Button>
    </>
  );
}
