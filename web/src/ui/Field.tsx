import { useId, type InputHTMLAttributes, type ReactNode, type Ref } from "react";
import "./Field.css";

interface FieldProps extends Omit<InputHTMLAttributes<HTMLInputElement>, "onChange" | "value" | "id" | "prefix"> {
  label: string;
  value: string;
  onChange: (value: string) => void;
  /** What is expected; stays visible while typing. */
  hint?: ReactNode;
  /** What is wrong and what to do; announced. */
  error?: string | null | undefined;
  /** Shown before the text, like "@". */
  prefix?: string;
  /** A button or mark at the end of the box. */
  end?: ReactNode;
  mono?: boolean;
  inputRef?: Ref<HTMLInputElement>;
}

/** A labelled line of text with its hint and its error in place. */
export function Field({ label, value, onChange, hint, error, prefix, end, mono, inputRef, ...input }: FieldProps) {
  const id = useId();
  const wrong = error !== undefined && error !== null && error !== "";
  const described = [wrong ? `${id}-e` : "", hint === undefined ? "" : `${id}-h`].filter(Boolean).join(" ");
  return (
    <div className="field-row">
      <label className="field-label" htmlFor={id}>
        {label}
      </label>
      <div className={wrong ? "field-box wrong" : "field-box"}>
        {prefix !== undefined && (
          <span className="field-prefix" aria-hidden="true">
            {prefix}
          </span>
        )}
        <input
          {...input}
          ref={inputRef}
          id={id}
          className={mono === true ? "field-input mono" : "field-input"}
          value={value}
          aria-invalid={wrong || undefined}
          aria-describedby={described === "" ? undefined : described}
          onChange={(event) => onChange(event.target.value)}
        />
        {end}
      </div>
      {/* The live region is there before its text, or nothing is announced. */}
      <p className="field-error" id={`${id}-e`} role="alert">
        {wrong ? error : null}
      </p>
      {hint !== undefined && (
        <div className="field-hint" id={`${id}-h`}>
          {hint}
        </div>
      )}
    </div>
  );
}
