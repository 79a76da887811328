import { useMemo, useState, type ReactNode } from "react";
import { t } from "../../strings";
import { jumboEmoji, startOfLong, textParts } from "./text";

/** The words of a message and, at the end of its last line, when it was said. */
export function MessageText({ text, meta }: { text: string; meta: ReactNode }) {
  const [whole, setWhole] = useState(false);
  const start = useMemo(() => startOfLong(text), [text]);
  const shown = start !== null && !whole ? start : text;
  const parts = useMemo(() => textParts(shown), [shown]);
  const jumbo = useMemo(() => jumboEmoji(text), [text]);
  if (jumbo > 0) {
    return (
      <div className="txt large" dir="auto">
        <span className={`jumbo e jumbo-${jumbo}`}>{text.trim()}</span>
        {meta}
      </div>
    );
  }
  return (
    <div className="txt" dir="auto">
      {parts.map((part, at) =>
        part.kind === "text" ? (
          part.text
        ) : (
          // `title` shows the address as the browser understands it, with foreign letters of the host spelled out.
          <a key={at} href={part.href} title={part.href} target="_blank" rel="noopener noreferrer" dir="ltr">
            {part.text}
          </a>
        ),
      )}
      {start !== null && (
        <>
          {!whole && "… "}
          <button type="button" className="read-more" onClick={() => setWhole(!whole)}>
            {t(whole ? "msg.read_less" : "msg.read_more")}
          </button>
        </>
      )}
      {meta}
    </div>
  );
}
