import { useEffect, useRef, useState } from "react";

const SHOWN_MS = 2000;

/** Copies a text and says for a moment that it did, or that the browser refused. */
export function useCopy(): { copied: boolean; refused: boolean; copy: (text: string) => void } {
  const [state, setState] = useState<"idle" | "copied" | "refused">("idle");
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = (text: string) => {
    const done = (outcome: "copied" | "refused") => {
      setState(outcome);
      clearTimeout(timer.current);
      timer.current = window.setTimeout(() => setState("idle"), outcome === "copied" ? SHOWN_MS : 3 * SHOWN_MS);
    };
    // Plain http has no clipboard; its type says otherwise.
    const clipboard = navigator.clipboard as Clipboard | undefined;
    if (clipboard === undefined) done("refused");
    else clipboard.writeText(text).then(() => done("copied"), () => done("refused"));
  };
  return { copied: state === "copied", refused: state === "refused", copy };
}
