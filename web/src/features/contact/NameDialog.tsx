import type { ReactNode } from "react";
import { t } from "../../strings/later";
import { Button } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";

interface Props {
  title: string;
  label: string;
  hint: string;
  value: string;
  /** How many characters. */
  max: number;
  /** What takes the name away; null: there is none. */
  clear: string | null;
  onChange: (value: string) => void;
  /** An empty one takes it away. */
  onSet: (value: string) => void;
  onClose: () => void;
  children?: ReactNode;
}

/** Asks for a name that only oneself sees. */
export function NameDialog({ title, label, hint, value, max, clear, onChange, onSet, onClose, children }: Props) {
  const set = () => onSet(value.trim());
  return (
    <Dialog
      title={title}
      onClose={onClose}
      actions={
        <>
          {clear !== null && (
            <Button variant="danger" onClick={() => onSet("")}>
              {clear}
            </Button>
          )}
          <Button variant="primary" onClick={set}>
            {t("contact.name.set")}
          </Button>
        </>
      }
    >
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          set();
        }}
      >
        <Field label={label} hint={hint} value={value} maxLength={max} dir="auto" autoComplete="off" onChange={onChange} />
        {/* Enter in the field sets it, as the button does. */}
        <button type="submit" hidden />
      </form>
      {children}
    </Dialog>
  );
}
