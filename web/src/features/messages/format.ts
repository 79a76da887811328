/**
 * Formatting that people type: *bold*, _italic_, ~strike~, `code`, ``` blocks ```, lists and quotations.
 * Flow: text -> lines -> blocks -> inline parts, with the links and mentions that `text` finds.
 * Always true:
 * - it only ever makes a tree of words; nothing of a text becomes markup;
 * - one look at each character, and marks lie in each other three deep at most, whatever is written;
 * - a mark that is not closed on its line is the character it is.
 */
import type { Mention } from "@sotto/engine";
import { textParts, type TextPart } from "../conversation/text";

export type Inline = TextPart | { kind: "code"; text: string } | { kind: Style; parts: Inline[] };
export type Style = "bold" | "italic" | "strike";

export type Block =
  | { kind: "paragraph" | "quote"; parts: Inline[] }
  | { kind: "code"; text: string }
  /** `start`: the number of the first; null: of no order. */
  | { kind: "list"; start: number | null; items: Inline[][] };

interface Span {
  start: number;
  end: number;
  part: TextPart;
}

const STYLES: Readonly<Record<string, Style>> = { "*": "bold", _: "italic", "~": "strike" };
const FENCE = "```";
const ITEM = /^[ \t]*(?:-|(\d{1,3})\.)[ \t]+/u;
const QUOTE = /^[ \t]*>[ \t]?/u;

export function format(text: string, mentions: readonly Mention[] = []): Block[] {
  const reader = new Inlines(text, mentions);
  const blocks: Block[] = [];
  let paragraph = -1;
  /** Where the line of a list or quotation ended: the next one may go on with it. */
  let lastEnd = -1;
  // Once none closes, none does later.
  let mayClose = true;
  let at = 0;
  const endParagraph = (end: number) => {
    if (paragraph >= 0 && end > paragraph) blocks.push({ kind: "paragraph", parts: reader.read(paragraph, end) });
    paragraph = -1;
  };
  while (at < text.length) {
    const newline = text.indexOf("\n", at);
    const end = newline < 0 ? text.length : newline;
    const line = text.slice(at, end);
    const opened = mayClose && line.trimStart().startsWith(FENCE) ? text.indexOf(FENCE, at) + FENCE.length : -1;
    const closed = opened < 0 ? -1 : text.indexOf(FENCE, opened);
    if (opened >= 0 && closed < 0) mayClose = false;
    if (closed > opened && text.slice(opened, closed).trim() !== "") {
      endParagraph(Math.max(0, at - 1));
      blocks.push({ kind: "code", text: codeOf(text.slice(opened, closed)) });
      at = closed + FENCE.length;
      if (text[at] === "\n") at++;
      continue;
    }
    const item = ITEM.exec(line);
    const quote = item ? null : QUOTE.exec(line);
    if (item) {
      endParagraph(Math.max(0, at - 1));
      const start = item[1] === undefined ? null : Number(item[1]);
      const parts = reader.read(at + item[0].length, end);
      const before = blocks[blocks.length - 1];
      if (before?.kind === "list" && lastEnd === at - 1 && (before.start === null) === (start === null)) before.items.push(parts);
      else blocks.push({ kind: "list", start, items: [parts] });
      lastEnd = end;
    } else if (quote) {
      endParagraph(Math.max(0, at - 1));
      const parts = reader.read(at + quote[0].length, end);
      const before = blocks[blocks.length - 1];
      if (before?.kind === "quote" && lastEnd === at - 1) before.parts.push({ kind: "text", text: "\n" }, ...parts);
      else blocks.push({ kind: "quote", parts });
      lastEnd = end;
    } else if (paragraph < 0 && (blocks.length === 0 || line.trim() !== "")) paragraph = at;
    at = end + 1;
  }
  endParagraph(text.length);
  return blocks;
}

/** A text's words without marks, for one line of a list. */
export function withoutMarks(text: string): string {
  if (!/[*_~`>-]|\d\./u.test(text)) return text;
  const words = (parts: readonly Inline[]): string => parts.map((part) => ("parts" in part ? words(part.parts) : part.text)).join("");
  return format(text)
    .map((block) => {
      if (block.kind === "code") return block.text;
      if (block.kind !== "list") return words(block.parts);
      return block.items.map((item, at) => `${block.start === null ? "•" : `${block.start + at}.`} ${words(item)}`).join(" ");
    })
    .join(" ");
}

/** A word right behind the opening names the language: nobody colours it. */
function codeOf(inside: string): string {
  return inside.replace(/^[\w+-]{0,20}[ \t]*\n/u, "").replace(/\n$/u, "");
}

class Inlines {
  private readonly spans: Span[] = [];
  private next = 0;

  constructor(
    private readonly text: string,
    mentions: readonly Mention[],
  ) {
    let at = 0;
    for (const part of textParts(text, mentions)) {
      if (part.kind !== "text") this.spans.push({ start: at, end: at + part.text.length, part });
      at += part.text.length;
    }
  }

  /** Ranges are asked for in rising order. */
  read(from: number, to: number): Inline[] {
    const parts: Inline[] = [];
    for (let at = from; at <= to; ) {
      const newline = this.text.indexOf("\n", at);
      const end = newline < 0 ? to : Math.min(newline, to);
      this.line(at, end, parts);
      if (end < to) parts.push({ kind: "text", text: "\n" });
      at = end + 1;
    }
    return joined(parts);
  }

  private line(from: number, to: number, into: Inline[]): void {
    const { text } = this;
    const open: { char: string; length: number; parts: Inline[] }[] = [];
    let parts: Inline[] = [];
    let plain = from;
    let at = from;
    const flush = (end: number) => {
      if (end > plain) parts.push({ kind: "text", text: text.slice(plain, end) });
      plain = end;
    };
    /** What is still open down to here was not a mark. */
    const giveUp = (depth: number) => {
      while (open.length > depth) {
        const mark = open.pop();
        if (mark) parts = [...mark.parts, { kind: "text", text: mark.char.repeat(mark.length) }, ...parts];
      }
    };
    while (at < to) {
      while ((this.spans[this.next]?.start ?? Infinity) < at) this.next++;
      const span = this.spans[this.next];
      const char = text.charAt(at);
      const codeEnd = char === "`" ? this.codeEnd(at, to) : 0;
      const style = STYLES[char];
      if (span?.start === at && span.end <= to) {
        flush(at);
        parts.push(span.part);
        plain = at = span.end;
      } else if (codeEnd > 0) {
        flush(at);
        parts.push({ kind: "code", text: text.slice(at + 1, codeEnd) });
        plain = at = codeEnd + 1;
      } else if (style === undefined) {
        at++;
      } else {
        let end = at;
        while (end < to && text.charAt(end) === char) end++;
        const length = end - at;
        const depth = open.findIndex((mark) => mark.char === char);
        const mark = open[depth];
        // Two are as good as one; more are a line that somebody drew.
        if (mark?.length === length && !isSpace(text, at - 1) && !isWord(text, end, to) && (parts.length > 0 || at > plain)) {
          flush(at);
          giveUp(depth + 1);
          open.pop();
          parts = [...mark.parts, { kind: style, parts }];
          plain = end;
        } else if (length <= 2 && mark === undefined && end < to && !isSpace(text, end) && !wordBefore(text, at, from)) {
          flush(at);
          open.push({ char, length, parts });
          parts = [];
          plain = end;
        }
        at = end;
      }
    }
    flush(to);
    giveUp(0);
    for (const part of parts) into.push(part);
  }

  /** Where inline code that begins here ends; 0: it does not, on this line. */
  private codeEnd(at: number, to: number): number {
    const end = this.text.indexOf("`", at + 1);
    return end > at + 1 && end < to ? end : 0;
  }
}

const WORD = /[\p{L}\p{N}]/u;

function isSpace(text: string, at: number): boolean {
  return /\s/u.test(text.charAt(at));
}

function isWord(text: string, at: number, to: number): boolean {
  return at < to && WORD.test(String.fromCodePoint(text.codePointAt(at) ?? 0));
}

function wordBefore(text: string, at: number, from: number): boolean {
  if (at <= from) return false;
  // Of a pair of surrogates, both.
  const char = /[\uDC00-\uDFFF]/u.test(text.charAt(at - 1)) ? text.slice(at - 2, at) : text.charAt(at - 1);
  return WORD.test(char);
}

/** Neighbouring words as one. */
function joined(parts: readonly Inline[]): Inline[] {
  const all: Inline[] = [];
  for (const part of parts) {
    const before = all[all.length - 1];
    if (part.kind === "text" && before?.kind === "text") all[all.length - 1] = { kind: "text", text: before.text + part.text };
    else all.push("parts" in part ? { ...part, parts: joined(part.parts) } : part);
  }
  return all;
}
