import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { format, parse } from "../../src/strings/icu";
import { t } from "../../src/strings/later";
import { chat } from "../../src/strings/chat";
import { gate } from "../../src/strings/gate";
import { sentence } from "../../src/strings/reason";

const say = (source: string, values: Record<string, string | number> = {}, locale = "en"): string =>
  format(parse(source), values, locale);

describe("ICU messages", () => {
  const cases: [source: string, values: Record<string, string | number>, said: string][] = [
    ["", {}, ""],
    ["Said quietly", {}, "Said quietly"],
    ["Hi {name}", { name: "Ann" }, "Hi Ann"],
    ["{ name }", { name: "Ann" }, "Ann"],
    ["{a}{b}{a}", { a: 1, b: 2 }, "121"],
    ["{n, plural, one {# chat} other {# chats}}", { n: 1 }, "1 chat"],
    ["{n, plural, one {# chat} other {# chats}}", { n: 1234 }, "1,234 chats"],
    ["{n, plural, =0 {none} one {one} other {many}}", { n: 0 }, "none"],
    ["{n, plural, other {{name} has #}}", { n: 2, name: "Ann" }, "Ann has 2"],
    ["{n, plural, other {{m, plural, other {# of}} #}}", { n: 5, m: 3 }, "3 of 5"],
    ["{k, select, a {A} other {?}}", { k: "a" }, "A"],
    ["{k, select, a {A} other {?}}", { k: "b" }, "?"],
    ["{k, select, other {#}}", { k: "b" }, "#"],
    ["# outside a plural", {}, "# outside a plural"],
    ["Ann's", {}, "Ann's"],
    ["Ann''s", {}, "Ann's"],
    ["'{'name'}'", {}, "{name}"],
    ["{n, plural, other {'#' #}}", { n: 2 }, "# 2"],
    ["ends with '", {}, "ends with '"],
    ["'{ never closed", {}, "{ never closed"],
  ];
  for (const [source, values, said] of cases) {
    test(JSON.stringify(source), () => assert.equal(say(source, values), said));
  }

  test("plurals follow the locale", () => {
    const source = "{n, plural, one {one} few {few} many {many} other {other}}";
    assert.deepEqual([1, 3, 5, 1.5].map((n) => say(source, { n }, "ru")), ["one", "few", "many", "other"]);
  });

  test("what a person wrote is never read as a message", () => {
    for (const name of ["{name}", "#", "'{'", "}", "{n, plural, other {x}}"]) {
      assert.equal(say("{n, plural, other {{name} wrote #}}", { n: 1, name }), `${name} wrote 1`);
    }
  });

  test("a case that is named like something every object has", () => {
    assert.equal(say("{k, select, a {A} other {?}}", { k: "constructor" }), "?");
  });

  for (const broken of ["{", "}", "a } b", "{name", "{}", "{a b}", "{n, plural}", "{n, plural, one {x}}", "{n, plural, other {x}", "{n, number}", "{n plural}"]) {
    test(`${JSON.stringify(broken)} is refused`, () => assert.throws(() => parse(broken), SyntaxError));
  }

  test("a missing value is told", () => assert.throws(() => say("{name}"), /needs a value for \{name\}/u));
});

describe("the catalogue", () => {
  const all: Record<string, string> = { ...chat, ...gate };
  for (const [key, source] of Object.entries(all)) {
    test(key, () => {
      parse(source);
      assert.doesNotMatch(source, /!|\boops\b|\bplease\b/iu);
      assert.doesNotMatch(source, /\p{Extended_Pictographic}/u);
      // An apostrophe is a letter here: ’
      assert.doesNotMatch(source, /\w'\w/u);
    });
  }
  test("a message with values", () => assert.equal(t("list.unread_count", { count: 1 }), "1 unread message"));
});

test("a clause becomes a sentence", () => {
  const cases = { "": "", "  ": "", "it failed": "It failed.", "It failed.": "It failed.", "why?": "Why?", "é": "É.", "𝒳 is": "𝒳 is." };
  for (const [clause, said] of Object.entries(cases)) assert.equal(sentence(clause), said);
});
