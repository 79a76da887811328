import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { jumboEmoji, startOfLong, textParts } from "../../src/features/conversation/text";
import { oneLine } from "../../src/features/list/preview";

/** Links in angle brackets, as "shown" or "shown=where it leads". */
const draw = (text: string): string =>
  textParts(text)
    .map((part) => (part.kind !== "link" ? part.text : part.href === part.text ? `<${part.text}>` : `<${part.text}=${part.href}>`))
    .join("");

describe("links in a text", () => {
  const cases: [text: string, drawn: string][] = [
    ["", ""],
    ["no link here", "no link here"],
    ["https://a.example/b", "<https://a.example/b>"],
    ["https://a.example", "<https://a.example=https://a.example/>"],
    ["see https://a.example/b.", "see <https://a.example/b>."],
    ["(https://a.example/b)", "(<https://a.example/b>)"],
    ["https://a.example/b_(c)", "<https://a.example/b_(c)>"],
    ["(https://a.example/b_(c))", "(<https://a.example/b_(c)>)"],
    ["https://a.example/?q=1&r=2#x, then", "<https://a.example/?q=1&r=2#x>, then"],
    ["https://a.example/b!?…", "<https://a.example/b>!?…"],
    ["two https://a.example/1 https://b.example/2", "two <https://a.example/1> <https://b.example/2>"],
    ["HTTPS://A.example/b", "<HTTPS://A.example/b=https://a.example/b>"],
    // What is no link, whatever it looks like.
    ["javascript:alert(1)", "javascript:alert(1)"],
    ["data:text/html,<b>", "data:text/html,<b>"],
    ["file:///etc/passwd", "file:///etc/passwd"],
    ["https://", "https://"],
    ["https://[", "https://["],
    ["https://a b", "<https://a=https://a/> b"],
    ["xhttps://a.example/", "xhttps://a.example/"],
    ["www.example.org", "www.example.org"],
    // A link ends where a reader would be misled.
    ['https://a.example/"onclick="x', '<https://a.example/>"onclick="x'],
    ["https://a.example/<script>", "<https://a.example/><script>"],
    ["https://a.example/\u202egpj.exe", "<https://a.example/>\u202egpj.exe"],
    ["https://a.example/\u200bb", "<https://a.example/>\u200bb"],
    ["https://a.example/\u2066b", "<https://a.example/>\u2066b"],
    // The title shows foreign letters of the host spelled out.
    ["https://аpple.example/", "<https://аpple.example/=https://xn--pple-43d.example/>"],
    ["https://user:word@a.example/", "<https://user:word@a.example/>"],
  ];
  for (const [text, drawn] of cases) test(JSON.stringify(text), () => assert.equal(draw(text), drawn));

  test("nothing is lost, whatever is written", () => {
    const bits = ["https://a.example/", "(", ")", ".", " ", "\n", "<b>", "\u202e", "é", "😀", "http://", "x"];
    let seed = 7;
    const next = (below: number) => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % below;
    for (let round = 0; round < 500; round++) {
      const text = Array.from({ length: next(12) }, () => bits[next(bits.length)]).join("");
      assert.equal(textParts(text).map((part) => part.text).join(""), text);
    }
  });

  test("a text made to be slow is not", () => {
    for (const text of ["https://a.example/" + ")".repeat(32_000), "https://" + ".".repeat(32_000), "http://a".repeat(4000), "(".repeat(32_768)]) {
      const began = performance.now();
      textParts(text);
      assert.ok(performance.now() - began < 1000, text.slice(0, 20));
    }
  });
});

describe("emoji alone are large", () => {
  const family = "\u{1F468}\u200D\u{1F469}\u200D\u{1F467}";
  const cases: [text: string, count: number][] = [
    ["😀", 1],
    ["😀😀", 2],
    ["😀 😀\n😀 ", 3],
    ["😀😀😀😀", 0],
    ["👍🏽", 1],
    [family, 1],
    ["🇸🇪", 1],
    ["🏴\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}", 1],
    ["1️⃣", 1],
    ["❤️", 1],
    ["", 0],
    [" ", 0],
    ["1", 0],
    ["#", 0],
    ["©", 1],
    ["a😀", 0],
    ["😀a", 0],
    [`${"😀 ".repeat(20)}a`, 0],
    ["😀".repeat(10_000), 0],
  ];
  for (const [text, count] of cases) test(`${JSON.stringify(text.slice(0, 20))}: ${count}`, () => assert.equal(jumboEmoji(text), count));
});

describe("the start of a long text", () => {
  test("a short one is whole", () => {
    assert.equal(startOfLong(""), null);
    assert.equal(startOfLong("a".repeat(1300)), null);
    assert.equal(startOfLong("a\n".repeat(11)), null);
  });
  test("is cut at a word", () => {
    const start = startOfLong("words ".repeat(1000)) ?? "";
    assert.ok(start.length <= 1200 && start.endsWith("words"));
  });
  test("is cut after 12 lines", () => assert.equal(startOfLong("a\n".repeat(100)), "a\n".repeat(12).slice(0, -1)));
  test("never ends in half a letter", () => {
    for (const before of ["", "a"]) {
      const start = startOfLong(before + "😀".repeat(2000)) ?? "";
      assert.doesNotMatch(start, /[\uD800-\uDBFF]$/u);
    }
  });
});

test("a preview is one short line", () => {
  assert.equal(oneLine("  a\n\tb\r\n c "), "a b c");
  assert.equal(oneLine(""), "");
  assert.equal(oneLine("a".repeat(32_768)).length, 161);
  assert.equal(oneLine("\n".repeat(1000)), "");
});
