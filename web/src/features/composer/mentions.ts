/**
 * Mentions while a text is being written: ranges of it that name somebody, in UTF-16 units, ascending and apart from each other.
 * Always true: a range stays with its words when the text around them changes, and goes when the words themselves do.
 */
import type { Mention } from "@sotto/engine";

/** After `before` became `after`. The cursor, which stands behind what was typed, says where the change was if letters repeat. */
export function moveMentions(before: string, after: string, caret: number | null, mentions: readonly Mention[]): readonly Mention[] {
  if (mentions.length === 0 || before === after) return mentions;
  const { from, to } = changed(before, after, caret);
  const shift = after.length - before.length;
  return mentions.flatMap((mention) => {
    if (mention.start + mention.length <= from) return mention;
    return mention.start >= to ? { ...mention, start: mention.start + shift } : [];
  });
}

/** Which part of `before` was replaced. */
function changed(before: string, after: string, caret: number | null): { from: number; to: number } {
  const shorter = Math.min(before.length, after.length);
  let tail = caret === null ? 0 : after.length - caret;
  if (caret === null || tail > before.length || !before.endsWith(after.slice(caret))) {
    // No cursor, or one that a program set: what is the same at both ends was not changed.
    let head = 0;
    while (head < shorter && before[head] === after[head]) head++;
    tail = 0;
    while (tail < shorter - head && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++;
    return { from: head, to: before.length - tail };
  }
  const room = Math.min(before.length, after.length) - tail;
  let head = 0;
  while (head < room && before[head] === after[head]) head++;
  return { from: head, to: before.length - tail };
}

/** Of the text that is sent, which begins and ends with a letter. */
export function trimMentions(text: string, mentions: readonly Mention[]): Mention[] {
  const before = text.length - text.trimStart().length;
  const length = text.trim().length;
  return mentions
    .map((mention) => ({ ...mention, start: mention.start - before }))
    .filter(({ start, length: own }) => start >= 0 && start + own <= length);
}

/** What is being typed behind an "@", and where that stands; null: no name is being typed. */
export interface MentionQuery {
  at: number;
  query: string;
}

/** Letters before "@" make it an address of mail, not a name. */
const BEHIND_AT = /(?<![\p{L}\p{N}_.@])@([\p{L}\p{M}\p{N}_.\-’']{0,32})$/u;

export function queryAt(text: string, caret: number, mentions: readonly Mention[]): MentionQuery | null {
  const found = BEHIND_AT.exec(text.slice(Math.max(0, caret - 64), caret));
  if (!found) return null;
  const query = found[1] ?? "";
  const at = caret - query.length - 1;
  // What is chosen already is not asked about again.
  return mentions.some(({ start, length }) => at >= start && at < start + length) ? null : { at, query };
}

/** Puts a name in the place of what was typed, with a space behind it. */
export function putMention(
  text: string,
  { at, query }: MentionQuery,
  name: string,
  account: string | null,
  mentions: readonly Mention[],
): { text: string; caret: number; mentions: readonly Mention[] } {
  const end = at + 1 + query.length;
  const shown = `@${name}`;
  const space = text[end] === " " ? "" : " ";
  const next = text.slice(0, at) + shown + space + text.slice(end);
  const caret = at + shown.length + 1;
  const moved = moveMentions(text, next, at + shown.length + space.length, mentions);
  const all = [...moved, { start: at, length: shown.length, account }].sort((a, b) => a.start - b.start);
  return { text: next, caret, mentions: all };
}

/** The mentions of drafts, while the page lives: the profile keeps the text alone. */
const kept = new Map<string, { text: string; mentions: readonly Mention[] }>();

export function keepMentions(conversation: string, text: string, mentions: readonly Mention[]): void {
  if (mentions.length === 0) kept.delete(conversation);
  else kept.set(conversation, { text, mentions });
}

export function keptMentions(conversation: string, text: string): readonly Mention[] {
  const found = kept.get(conversation);
  return found?.text === text ? found.mentions : [];
}
