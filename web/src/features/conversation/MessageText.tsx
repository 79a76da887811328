import type { Mention } from "@sotto/engine";
import { useMemo, useState, type ReactNode } from "react";
import { Link } from "wouter";
import { useApp } from "../../engine/store";
import { t } from "../../strings";
import { infoPath } from "../shell/route";
import type { useRich } from "./rich";
import { hasMarks, jumboEmoji, startOfLong, textParts, type TextPart } from "./text";

interface Props {
  text: string;
  mentions?: readonly Mention[] | undefined;
  /** What formats, once it is loaded. */
  rich: ReturnType<typeof useRich>;
  meta: ReactNode;
}

/** The words of a message and, at the end of its last line, when it was said. */
export function MessageText({ text, mentions, rich, meta }: Props) {
  const [whole, setWhole] = useState(false);
  const start = useMemo(() => startOfLong(text), [text]);
  const shown = start !== null && !whole ? start : text;
  const parts = useMemo(() => textParts(shown, mentions), [shown, mentions]);
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
      {rich && hasMarks(shown) ? <rich.Formatted text={shown} mentions={mentions} /> : parts.map(drawPart)}
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

export function drawPart(part: TextPart, at: number): ReactNode {
  if (part.kind === "text") return part.text;
  if (part.kind === "mention") return <Mentioned key={at} text={part.text} account={part.account} />;
  return (
    // `title` shows the address as the browser understands it, with foreign letters of the host spelled out.
    <a key={at} href={part.href} title={part.href} target="_blank" rel="noopener noreferrer" dir="ltr">
      {part.text}
    </a>
  );
}

/** Who is named; oneself, also by a word for everybody, stands out more. */
function Mentioned({ text, account }: { text: string; account: string | null }) {
  const me = useApp((state) => state.me?.account);
  if (account === null || account === me) return <mark className="mention own">{text}</mark>;
  return (
    <Link className="mention" href={infoPath(account)}>
      {text}
    </Link>
  );
}
