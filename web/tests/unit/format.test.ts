import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { format, withoutMarks, type Block, type Inline } from "../../src/features/messages/format";

const MARKS = { bold: "b", italic: "i", strike: "s" };

/** "b(…)", "i(…)", "s(…)", "c(…)" for code, "<…>" for links, "@(…)" for mentions. */
const inline = (parts: readonly Inline[]): string =>
  parts
    .map((part) => {
      if ("parts" in part) return `${MARKS[part.kind]}(${inline(part.parts)})`;
      if (part.kind === "code") return `c(${part.text})`;
      if (part.kind === "link") return `<${part.text}>`;
      return part.kind === "mention" ? `@(${part.text})` : part.text;
    })
    .join("");
const block = (of: Block): string => {
  if (of.kind === "code") return `{${of.text}}`;
  if (of.kind === "list") return of.items.map((item, at) => `${of.start === null ? "-" : `${of.start + at}.`}[${inline(item)}]`).join("");
  return of.kind === "quote" ? `>[${inline(of.parts)}]` : inline(of.parts);
};
const draw = (text: string): string => format(text).map(block).join("|");

/** All words in the tree, in order. */
const words = (parts: readonly Inline[]): string => parts.map((part) => ("parts" in part ? words(part.parts) : part.text)).join("");
const depthOf = (parts: readonly Inline[]): number => Math.max(0, ...parts.map((part) => ("parts" in part ? 1 + depthOf(part.parts) : 0)));

describe("marks", () => {
  const cases: [text: string, drawn: string][] = [
    ["", ""],
    ["plain", "plain"],
    ["*bold*", "b(bold)"],
    ["_italic_", "i(italic)"],
    ["~strike~", "s(strike)"],
    ["`code`", "c(code)"],
    ["**bold**, __it__, ~~st~~", "b(bold), i(it), s(st)"],
    ["a *b* c", "a b(b) c"],
    ["(*b*)", "(b(b))"],
    ["*b*, _i_.", "b(b), i(i)."],
    ["*_both_*", "b(i(both))"],
    ["*a _b ~c~ d_ e*", "b(a i(b s(c) d) e)"],
    ["*åäö* *日本*", "b(åäö) b(日本)"],
    ["*😀*", "b(😀)"],
    // What is no mark.
    ["2*3*4", "2*3*4"],
    ["snake_case_name", "snake_case_name"],
    ["* not bold *", "* not bold *"],
    ["*not *bold", "*not *bold"],
    ["a * b * c", "a * b * c"],
    ["**", "**"],
    ["****", "****"],
    ["***bold***", "***bold***"],
    ["~~~~~~", "~~~~~~"],
    ["``", "``"],
    ["*open", "*open"],
    ["*open _and_", "*open i(and)"],
    ["_*crossed_*", "i(*crossed)*"],
    ["*over\ntwo lines*", "*over\ntwo lines*"],
    ["`no *bold* here`", "c(no *bold* here)"],
    ["`open *bold*", "`open b(bold)"],
    // Links are whole.
    ["*https://a.example/b_c_d*", "b(<https://a.example/b_c_d>)"],
    ["_see https://a.example/_", "i(see <https://a.example/>)"],
    ["https://a.example/*b*", "<https://a.example/*b>*"],
    ["`https://a.example/`", "c(https://a.example/)"],
    ["*javascript:alert(1)*", "b(javascript:alert(1))"],
    // Nothing of a text becomes markup.
    ["*<img src=x onerror=alert(1)>*", "b(<img src=x onerror=alert(1)>)"],
    ["*\u202eabc\u202c*", "b(\u202eabc\u202c)"],
    ["\u200f*אבג*", "\u200fb(אבג)"],
  ];
  for (const [text, drawn] of cases) test(JSON.stringify(text), () => assert.equal(draw(text), drawn));
});

describe("blocks", () => {
  const cases: [text: string, drawn: string][] = [
    ["- a\n- *b*", "-[a]-[b(b)]"],
    ["1. a\n2. b", "1.[a]2.[b]"],
    ["7. a\n8. b", "7.[a]8.[b]"],
    ["before\n- a\nafter", "before|-[a]|after"],
    ["- a\n\n- b", "-[a]|-[b]"],
    ["- a\n1. b", "-[a]|1.[b]"],
    ["-5 degrees", "-5 degrees"],
    ["3.5 is a number", "3.5 is a number"],
    ["2026. was good", "2026. was good"],
    ["> a\n> _b_\nc", ">[a\ni(b)]|c"],
    [">a", ">[a]"],
    ["a > b", "a > b"],
    ["```block```", "{block}"],
    ["```\nlet x = 1;\n```", "{let x = 1;}"],
    ["```rust\nlet *x* = _1_;\n```\nand", "{let *x* = _1_;}|and"],
    ["before\n```\n- no list\n```", "before|{- no list}"],
    ["```open", "```open"],
    ["```", "```"],
    ["``````", "``````"],
    ["a\n\nb", "a\n\nb"],
    ["- a\n\nb", "-[a]|b"],
  ];
  for (const [text, drawn] of cases) test(JSON.stringify(text), () => assert.equal(draw(text), drawn));
});

test("mentions keep their place inside marks and lists", () => {
  const text = "- *hello @Bob*";
  const [list] = format(text, [{ start: 9, length: 4, account: "b" }]);
  assert.equal(list && block(list), "-[b(hello @(@Bob))]");
  assert.equal(format("`@Bob`", [{ start: 1, length: 4, account: "b" }]).map(block).join(""), "c(@Bob)");
  // Over a mark, or over the end of a line: whatever somebody sends.
  for (const length of [1, 3, 5, 9]) words(format("*a*\n*b* c", [{ start: 1, length, account: null }]).flatMap((of) => ("parts" in of ? of.parts : [])));
});

describe("whatever is written", () => {
  test("no word is lost, and nothing lies deeper than three", () => {
    const bits = ["*", "_", "~", "`", "a", " ", "\n", "- ", "> ", "1. ", "```", "https://a.example/", "\u202e", "😀", "é", "**"];
    let seed = 11;
    const next = (below: number) => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % below;
    for (let round = 0; round < 3000; round++) {
      const text = Array.from({ length: next(16) }, () => bits[next(bits.length)]).join("");
      const blocks = format(text);
      const said = blocks.map((of) => (of.kind === "code" ? of.text : of.kind === "list" ? of.items.map(words).join("") : words(of.parts))).join("");
      const letters = (of: string) => of.replace(/[^a-z0-9é😀]/giu, "").replace(/^1|1/gu, "");
      assert.equal(letters(said), letters(text), JSON.stringify(text));
      for (const of of blocks) if (of.kind === "paragraph" || of.kind === "quote") assert.ok(depthOf(of.parts) <= 3);
    }
  });
  test("a text made to be slow is not", () => {
    const size = 32_768;
    const hostile = ["*", "_*~", "*a ", "*a\n", "`", "`a\n", "`a`", "```\n", "``` ```", "- ", "- *a\n", "> ", "> *_~a\n", "1. a\n", "*_~`", "~*_a_*~ ", "\n", "*a _b ~c ", "https://a.example/*"];
    for (const bit of hostile) {
      const began = performance.now();
      format(bit.repeat(Math.floor(size / bit.length)));
      assert.ok(performance.now() - began < 1000, JSON.stringify(bit));
    }
  });
});

describe("one line of a list has the words alone", () => {
  const cases: [string, string][] = [
    ["hello", "hello"],
    ["*bold* and _it's ~all~_ `code`", "bold and it's all code"],
    ["2 * 3 * 4 and snake_case_name", "2 * 3 * 4 and snake_case_name"],
    ["> quoted\nsaid", "quoted said"],
    ["Bring:\n- tent\n- stove", "Bring: • tent • stove"],
    ["2. second\n3. third", "2. second 3. third"],
    ["```js\nlet a = 1;\n```", "let a = 1;"],
    ["*cut off in the mid", "*cut off in the mid"],
  ];
  for (const [text, line] of cases) test(JSON.stringify(text), () => assert.equal(withoutMarks(text), line));
});
