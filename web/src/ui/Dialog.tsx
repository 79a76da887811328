import { X } from "lucide-react";
import { useEffect, useId, useLayoutEffect, useRef, useState, type ReactNode } from "react";
import { t } from "../strings";
import { reasonOf } from "../strings/reason";
import { Button } from "./Button";
import { IconButton } from "./IconButton";
import "./Dialog.css";

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ReactNode;
  /** The row of buttons at the end. */
  actions?: ReactNode;
  /** Wider than a question: for forms and pictures. */
  wide?: boolean;
  role?: "dialog" | "alertdialog";
}

/**
 * The browser's own modal dialog: it traps the focus, gives it back, and makes the rest inert. Libraries that do the same insert
 * a style element to stop scrolling, which the content security policy forbids.
 */
export function Dialog({ title, onClose, children, actions, wide, role }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const close = useRef(onClose);
  const id = useId();
  useEffect(() => {
    close.current = onClose;
  });
  useLayoutEffect(() => {
    const node = dialog.current;
    if (node === null) return;
    node.showModal();
    // Where typing begins, else the first button of the row: never the one that only closes.
    node.querySelector<HTMLElement>(".dialog-body :is(input, textarea), .dialog-acts .btn:not(:disabled)")?.focus();
    // Closing before it leaves the document is what gives the focus back.
    return () => node.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      className={wide === true ? "dialog wide" : "dialog"}
      role={role}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        close.current();
      }}
      // Keys of the page behind must not see what is typed here.
      onKeyDown={(event) => event.stopPropagation()}
      onMouseDown={(event) => {
        if (event.target === event.currentTarget) close.current();
      }}
    >
      <div className="dialog-in">
        <div className="dialog-head">
          <h2 className="h-lg" id={id}>
            {title}
          </h2>
          <IconButton icon={X} label={t("common.close")} onClick={onClose} />
        </div>
        <div className="dialog-body">{children}</div>
        {actions !== undefined && <div className="dialog-acts">{actions}</div>}
      </div>
    </dialog>
  );
}

interface ConfirmProps {
  title: string;
  /** What happens, and what is lost. */
  children: ReactNode;
  /** The verb of the button that led here. */
  verb: string;
  danger?: boolean;
  /** Something must still be typed or ticked. */
  disabled?: boolean;
  onConfirm: () => Promise<unknown>;
  onClose: () => void;
}

/** Asks before something happens; stays open with the reason when it fails, closes when it is done. */
export function ConfirmDialog({ title, children, verb, danger, disabled, onConfirm, onClose }: ConfirmProps) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const confirm = async () => {
    setBusy(true);
    setError(null);
    try {
      await onConfirm();
      onClose();
    } catch (failure) {
      setError(reasonOf(failure));
      setBusy(false);
    }
  };
  return (
    <Dialog
      title={title}
      role="alertdialog"
      onClose={onClose}
      actions={
        <>
          <Button variant="plain" onClick={onClose}>
            {t("common.cancel")}
          </Button>
          <Button
            variant={danger === true ? "danger" : "primary"}
            disabled={busy || disabled === true}
            onClick={() => void confirm()}
          >
            {busy && <span className="spin" aria-hidden="true" />}
            {verb}
          </Button>
        </>
      }
    >
      {children}
      {error !== null && (
        <p className="field-error" role="alert">
          {error}
        </p>
      )}
    </Dialog>
  );
}
