import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hasMarks } from "../../src/features/conversation/text";
import { foldersOf } from "../../src/features/list/folders";
import { customSeconds, inUnit } from "../../src/features/messages/expiry";
import { checkPoll } from "../../src/features/messages/poll";
import { remaining } from "../../src/features/messages/remaining";
import { durationText } from "../../src/ui/time";

describe("a new poll", () => {
  const cases: [question: string, options: string[], result: string][] = [
    ["", ["a", "b"], "poll.error.question"],
    [" ", ["a", "b"], "poll.error.question"],
    ["?".repeat(301), ["a", "b"], "poll.error.question"],
    ["When?", ["a", ""], "poll.error.few"],
    ["When?", ["a", "a "], "poll.error.alike"],
    ["When?", ["a", "b".repeat(101)], "poll.error.long"],
    ["When?", ["a", "😀".repeat(100)], "ok"],
    [" When? ", [" a", "", "b "], "ok"],
  ];
  for (const [question, options, result] of cases) {
    test(`${question.slice(0, 8)} ${options.join().slice(0, 12)}: ${result}`, () => {
      const checked = checkPoll(question, options);
      assert.equal("error" in checked ? checked.error : "ok", result);
    });
  }
  test("is trimmed", () => assert.deepEqual(checkPoll(" When? ", [" a", "", "b "]), { question: "When?", options: ["a", "b"] }));
});

describe("times", () => {
  test("in words", () => {
    const cases: [number, RegExp][] = [
      [30, /^30 sec/],
      [60, /^1 min/],
      [90, /^90 sec/],
      [3600, /^1 hour/],
      [86_400, /^24 hour/],
      [7 * 86_400, /^7 day/],
      [90 * 86_400, /^90 day/],
    ];
    for (const [seconds, text] of cases) assert.match(durationText(seconds), text);
  });
  test("left to live", () => {
    const cases: [number, RegExp][] = [
      [-5000, /^0 sec/],
      [1, /^1 sec/],
      [59_000, /^59 sec/],
      [100_000, /^100 sec/],
      [120_000, /^2 min/],
      [86_400_000, /^24 hour/],
      [7 * 86_400_000, /^7 day/],
    ];
    for (const [ms, label] of cases) assert.match(remaining(ms).label, label);
  });
  test("that are typed", () => {
    assert.equal(customSeconds("30", "seconds"), 30);
    assert.equal(customSeconds("29", "seconds"), null);
    assert.equal(customSeconds(" 2 ", "hours"), 7200);
    assert.equal(customSeconds("366", "days"), 366 * 86_400);
    assert.equal(customSeconds("367", "days"), null);
    for (const wrong of ["", "-1", "1.5", "1e3", "x", "9".repeat(20)]) assert.equal(customSeconds(wrong, "minutes"), null);
  });
  test("go back into the fields", () => {
    for (const [amount, unit] of [["45", "seconds"], ["5", "minutes"], ["3", "hours"], ["2", "days"]] as const) {
      assert.deepEqual(inUnit(customSeconds(amount, unit) ?? 0), { amount, unit });
    }
  });
});

test("only what may be formatted is looked at", () => {
  for (const text of ["*a*", "_a_", "~a~", "`a`", "- a", "a\n1. b", "> a", "a\n- b"]) assert.ok(hasMarks(text), text);
  for (const text of ["", "a", "a - b", "3.5", "a > b", "(a)"]) assert.ok(!hasMarks(text), text);
});

test("folders are those that chats are in, once, by name", () => {
  assert.deepEqual(foldersOf([{ folder: "work" }, { folder: null }, { folder: "family" }, { folder: "work" }]), ["family", "work"]);
});
