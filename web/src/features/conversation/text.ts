/** What a text consists of, for drawing it: plain parts, links and mentions. It only ever becomes text nodes. */
import type { Mention } from "@sotto/engine";

export type TextPart =
  | { kind: "text"; text: string }
  | { kind: "link"; text: string; href: string }
  /** `account`: null names everybody. */
  | { kind: "mention"; text: string; account: string | null };

// No quotes, no spaces, and none of the characters that turn the direction of writing: a link must read as it leads.
const LINK = /\bhttps?:\/\/[^\s<>"'`\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+/giu;
const TRAILING = ".,;:!?…)]}»”’*_~";

/** Mentions are ascending and apart from each other; one that `text`, the start of a longer one, cuts through is not drawn as one. */
export function textParts(text: string, mentions: readonly Mention[] = []): TextPart[] {
  const parts: TextPart[] = [];
  let from = 0;
  for (const { start, length, account } of mentions) {
    const end = start + length;
    if (start < from || end > text.length) continue;
    parts.push(...linkParts(text.slice(from, start)), { kind: "mention", text: text.slice(start, end), account });
    from = end;
  }
  parts.push(...linkParts(text.slice(from)));
  return parts;
}

function linkParts(text: string): TextPart[] {
  const parts: TextPart[] = [];
  let from = 0;
  for (const match of text.matchAll(LINK)) {
    const shown = trimEnd(match[0]);
    const href = safeHref(shown);
    if (href === null) continue;
    if (match.index > from) parts.push({ kind: "text", text: text.slice(from, match.index) });
    parts.push({ kind: "link", text: shown, href });
    from = match.index + shown.length;
  }
  if (from < text.length) parts.push({ kind: "text", text: text.slice(from) });
  return parts;
}

/** Punctuation after a link belongs to the sentence, but a bracket that was opened in it stays. */
function trimEnd(link: string): string {
  const opened = count(link, "(");
  let closed = count(link, ")");
  let end = link.length;
  // One look at each character: a message may hold 32 KiB of brackets.
  for (; end > 0 && TRAILING.includes(link.charAt(end - 1)); end--) {
    if (link.charAt(end - 1) !== ")") continue;
    if (opened >= closed) break;
    closed--;
  }
  return link.slice(0, end);
}

function count(text: string, char: string): number {
  return text.split(char).length - 1;
}

export function safeHref(link: string): string | null {
  try {
    const url = new URL(link);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
  } catch {
    return null;
  }
}

const MARKS = /[*_~`]|^[ \t]*(?:>|-[ \t]|\d{1,3}\.[ \t])/mu;

/** Whether there may be something to format; `format` decides. */
export const hasMarks = (text: string): boolean => MARKS.test(text);

const PICTURE = "\\p{Extended_Pictographic}(?:\\uFE0F|\\p{Emoji_Modifier})?[\\u{E0020}-\\u{E007F}]*";
/** Flags, keycaps, and pictures that may be joined to families. */
const EMOJI = new RegExp(`^(?:(?:\\p{Regional_Indicator}{2}|[#*0-9]\\uFE0F?\\u20E3|${PICTURE}(?:\\u200D${PICTURE})*)\\s*)+$`, "u");
const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** One to three emoji and nothing else are drawn large: how many, or 0. */
export function jumboEmoji(text: string): number {
  if (text.length > 64 || !EMOJI.test(text)) return 0;
  const emoji = [...segmenter.segment(text)].filter(({ segment }) => segment.trim() !== "");
  return emoji.length <= 3 ? emoji.length : 0;
}

const LONG_CHARS = 1200;
const LONG_LINES = 12;

/** The start of a long text, cut at a word; null when it is short enough to be shown whole. */
export function startOfLong(text: string): string | null {
  let end = text.length;
  let line = -1;
  for (let lines = 0; lines < LONG_LINES; lines++) {
    line = text.indexOf("\n", line + 1);
    if (line < 0) break;
  }
  if (line >= 0) end = line;
  end = Math.min(end, LONG_CHARS);
  // Nobody wants to unfold two more words.
  if (text.length - end < 200 && line < 0) return null;
  const start = text.slice(0, end);
  if (line === end) return start;
  const space = start.search(/\s\S*$/u);
  const cut = space > end - 80 ? start.slice(0, space) : start;
  // Never half of a pair of surrogates.
  return /[\uD800-\uDBFF]$/u.test(cut) ? cut.slice(0, -1) : cut;
}
