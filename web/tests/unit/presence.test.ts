import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { withTypist, type Typist } from "../../src/engine/typists";
import { presenceText, typingText } from "../../src/features/presence/words";
import { timeOfDay } from "../../src/ui/time";

const today = new Date(2026, 2, 18).getTime();
const at = (day: number, hour = 14, minute = 5, month = 2, year = 2026) => new Date(year, month, day, hour, minute).getTime();
const time = timeOfDay(at(18));

describe("last seen", () => {
  const cases: [string, number | null | undefined, string | null][] = [
    ["today", at(18), `last seen today at ${time}`],
    ["at midnight", today, `last seen today at ${timeOfDay(today)}`],
    ["yesterday", at(17), `last seen yesterday at ${time}`],
    ["hidden", undefined, null],
    ["none", null, null],
    ["zero", 0, null],
  ];
  for (const [name, last_seen_ms, text] of cases) {
    test(name, () => assert.equal(presenceText({ account: "a", online: false, last_seen_ms } as never, today), text));
  }
  test("this week: the weekday", () => assert.match(presenceText({ account: "a", online: false, last_seen_ms: at(14) }, today) ?? "", /^last seen Saturday at /));
  test("earlier: the day, with the year when it is another", () => {
    assert.match(presenceText({ account: "a", online: false, last_seen_ms: at(3) }, today) ?? "", /^last seen on .*3/);
    assert.match(presenceText({ account: "a", online: false, last_seen_ms: at(3, 14, 5, 10, 2025) }, today) ?? "", /2025/);
  });
  test("online goes before all", () => assert.equal(presenceText({ account: "a", online: true, last_seen_ms: at(3) }, today), "online"));
  test("not watched", () => assert.equal(presenceText(undefined, today), null));
});

const person = (name: string) => ({ account: name, name, is_me: false });
const typist = (name: string, state: Typist["state"] = "typing"): Typist => ({ person: person(name), state });

describe("typing", () => {
  const cases: [readonly Typist[] | undefined, boolean, string | null][] = [
    [undefined, true, null],
    [[], false, null],
    [[typist("Ann")], true, "typing…"],
    [[typist("Ann", "recording")], true, "recording a voice message…"],
    [[typist("Ann")], false, "Ann is typing…"],
    [[typist("Ann", "recording")], false, "Ann is recording a voice message…"],
    [[typist("Ann"), typist("Bob")], false, "Ann and Bob are typing…"],
    [[typist("Ann"), typist("Bob"), typist("Cy")], false, "Ann, Bob and 1 other are typing…"],
    [[typist("Ann"), typist("Bob"), typist("Cy"), typist("Di")], false, "Ann, Bob and 2 others are typing…"],
  ];
  for (const [typists, alone, text] of cases) test(text ?? "nobody", () => assert.equal(typingText(typists, alone), text));

  test("who began first stays first; who stops is gone", () => {
    const names = (typing: ReturnType<typeof withTypist>) => (typing["c"] ?? []).map((one) => `${one.person.name} ${one.state}`);
    let typing = withTypist({}, "c", person("Ann"), "typing");
    typing = withTypist(typing, "c", person("Bob"), "typing");
    typing = withTypist(typing, "c", person("Ann"), "recording");
    assert.deepEqual(names(typing), ["Ann recording", "Bob typing"]);
    typing = withTypist(typing, "c", person("Ann"), "stopped");
    assert.deepEqual(names(typing), ["Bob typing"]);
    typing = withTypist(typing, "c", person("Bob"), "stopped");
    assert.deepEqual(typing, {});
    assert.deepEqual(withTypist(typing, "c", person("Bob"), "stopped"), {});
  });
});
