/** What stands in and at a bubble beside its words. */
import type { LinkPreview, Mention, MessageView, PersonView, QuoteView } from "@sotto/engine";
import { Forward, Hourglass, Pin, Star } from "lucide-react";
import { useEffect, useMemo, useState, type ReactNode } from "react";
import { t } from "../../strings/messages";
import { Icon } from "../../ui/Icon";
import { hueOf } from "../../ui/identity";
import { dateTime, durationText } from "../../ui/time";
import { oneLine } from "../list/preview";
import { peopleText } from "../conversation/groupLine";
import { drawPart } from "../conversation/MessageText";
import { safeHref } from "../conversation/text";
import { goTo, react } from "./actions";
import { format, withoutMarks, type Block, type Inline } from "./format";
import { remaining } from "./remaining";

/** On top of the words: where they come from, what they answer, what their writer saw behind their link. */
export function Above({ message }: { message: MessageView }) {
  const { forwarded, quote, preview } = message.extras;
  return (
    <>
      {forwarded && (
        <span className="forwarded">
          <Icon icon={Forward} small directional />
          {t("mark.forwarded")}
        </span>
      )}
      {quote !== null && <Quote quote={quote} conversation={message.conversation} />}
      {preview !== null && <PreviewCard preview={preview} />}
    </>
  );
}

function Quote({ quote, conversation }: { quote: QuoteView; conversation: string }) {
  const name = nameOf(quote.author);
  const inside = (
    <>
      <b className={`hue-${hueOf(quote.author.account)}`}>
        <bdi>{name}</bdi>
      </b>
      <span dir="auto">{quote.text === null ? t("quote.gone") : withoutMarks(quote.text)}</span>
    </>
  );
  if (quote.text === null) return <div className="quote gone">{inside}</div>;
  return (
    <button type="button" className="quote" title={t("quote.jump", { name })} onClick={() => void goTo(quote.message, conversation)}>
      {inside}
    </button>
  );
}

const nameOf = (person: PersonView): string => (person.is_me ? t("name.you") : person.name);

function PreviewCard({ preview }: { preview: LinkPreview }) {
  const href = safeHref(preview.url);
  if (href === null) return null;
  return (
    <a className="link-card" href={href} target="_blank" rel="noopener noreferrer">
      <b dir="auto">{oneLine(preview.title)}</b>
      {preview.description !== "" && <span dir="auto">{oneLine(preview.description)}</span>}
      {/* With foreign letters spelled out, as the browser understands it. */}
      <span className="host" dir="ltr">
        {new URL(href).host}
      </span>
    </a>
  );
}

/** Beside the time. */
export function Marks({ message }: { message: MessageView }) {
  const { edited_ms: edited, starred, pinned_until_ms: pinned, expires_after_s: expires } = message.extras;
  return (
    <>
      {expires > 0 && <Remaining message={message} />}
      {pinned !== null && <Mark icon={Pin} label={t("mark.pinned")} />}
      {starred && <Mark icon={Star} label={t("mark.starred")} />}
      {edited !== null && <span title={t("mark.edited_at", { time: dateTime(edited) })}>{t("mark.edited")}</span>}
    </>
  );
}

function Mark({ icon, label, children }: { icon: typeof Pin; label: string; children?: ReactNode }) {
  return (
    <span className="mark-sign" role="img" aria-label={label} title={label}>
      <Icon icon={icon} small />
      {children}
    </span>
  );
}

/** How long it is still there, once that is known. */
function Remaining({ message }: { message: MessageView }) {
  const { expires_after_s: after, expires_ms: until } = message.extras;
  const now = useNow(until);
  if (until === null) return <Mark icon={Hourglass} label={t("mark.expires_read", { time: durationText(after) })} />;
  const { text, label } = remaining(until - now);
  return (
    <Mark icon={Hourglass} label={t("mark.expires", { time: label })}>
      {text}
    </Mark>
  );
}

/** The time, as often as it matters how long it is until then. */
function useNow(until: number | null): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (until === null) return;
    const left = until - now;
    if (left <= 0) return;
    const timer = setTimeout(() => setNow(Date.now()), left > 120_000 ? 30_000 : 1000);
    return () => clearTimeout(timer);
  }, [until, now]);
  return now;
}

/** Under the bubble: each emoji with how many. A press adds or takes back one's own; the menu key or a long press says who. */
export function Reactions({ message, reachable }: { message: MessageView; /** By Tab: only those of one message. */ reachable: boolean }) {
  return (
    <div className="reacts" role="group" aria-label={t("reactions.label")}>
      {message.extras.reactions.map(({ emoji, people }) => {
        const mine = people.some((person) => person.is_me);
        const names = peopleText(people, 0);
        return (
          <button
            key={emoji}
            type="button"
            className={mine ? "react mine" : "react"}
            aria-pressed={mine}
            aria-label={t("reactions.chip", { emoji, count: people.length, names })}
            title={names}
            tabIndex={reachable ? 0 : -1}
            onClick={() => react(message, emoji)}
          >
            <span className="e">{emoji}</span>
            <span className="num">{people.length}</span>
          </button>
        );
      })}
    </div>
  );
}

/** A text with what its marks mean. Only ever text nodes and elements that are named here. */
export function Formatted({ text, mentions }: { text: string; mentions?: readonly Mention[] | undefined }) {
  const blocks = useMemo(() => format(text, mentions), [text, mentions]);
  return blocks.map(drawBlock);
}

function drawBlock(block: Block, at: number): ReactNode {
  switch (block.kind) {
    case "paragraph":
      return <span key={at}>{block.parts.map(drawInline)}</span>;
    case "quote":
      return <blockquote key={at}>{block.parts.map(drawInline)}</blockquote>;
    case "code":
      return (
        <pre key={at} className="mono" tabIndex={0}>
          <code>{block.text}</code>
        </pre>
      );
    case "list": {
      const items = block.items.map((item, number) => <li key={number}>{item.map(drawInline)}</li>);
      return block.start === null ? <ul key={at}>{items}</ul> : <ol key={at} start={block.start}>{items}</ol>;
    }
  }
}

const TAGS = { bold: "strong", italic: "em", strike: "s" } as const;

function drawInline(part: Inline, at: number): ReactNode {
  if ("parts" in part) {
    const Tag = TAGS[part.kind];
    return <Tag key={at}>{part.parts.map(drawInline)}</Tag>;
  }
  if (part.kind !== "code") return drawPart(part, at);
  return (
    <code key={at} className="mono">
      {part.text}
    </code>
  );
}
