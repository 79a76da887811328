import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { GroupChangeView, GroupView, Mention, MessageView, PersonView } from "@sotto/engine";
import { moveMentions, putMention, queryAt, trimMentions } from "../../src/features/composer/mentions";
import { changeText, peopleText } from "../../src/features/conversation/groupLine";
import { textParts } from "../../src/features/conversation/text";
import { checkDetails, detailsFields } from "../../src/features/groups/details";
import { attempts, base64, firstFitting, middle, PICTURE_BYTES_MAX, squareOf, within, ZOOM_MAX } from "../../src/features/groups/picture";
import { mayReadd, rightsIn } from "../../src/features/groups/rights";
import { previewText, rowText } from "../../src/features/list/preview";

const GROUP = "a5".repeat(32);

/** "Hi [@ann]!" as a text and its mentions, each of whom it says. */
function marked(source: string): { text: string; mentions: Mention[] } {
  let text = "";
  const mentions: Mention[] = [];
  for (const part of source.split(/(\[[^\]]*\])/u)) {
    const named = /^\[(.*)\]$/u.exec(part)?.[1];
    if (named !== undefined) mentions.push({ start: text.length, length: named.length, account: named });
    text += named ?? part;
  }
  return { text, mentions };
}

function unmarked(text: string, mentions: readonly Mention[]): string {
  let drawn = "";
  let from = 0;
  for (const { start, length } of mentions) {
    drawn += `${text.slice(from, start)}[${text.slice(start, start + length)}]`;
    from = start + length;
  }
  return drawn + text.slice(from);
}

describe("mentions while the text is edited", () => {
  /** "|" is the cursor afterwards; without one, a program made the change. */
  const cases: [before: string, after: string, expected: string][] = [
    ["[@ann] hi", "@ann hi there|", "[@ann] hi there"],
    ["[@ann] hi", "Oh |@ann hi", "Oh [@ann] hi"],
    ["hi [@ann] and [@bob]", "hi @ann| and @bob", "hi [@ann] and [@bob]"],
    ["hi [@ann] and [@bob]", "hi @an| and @bob", "hi @an and [@bob]"],
    ["hi [@ann] and [@bob]", "hi @an,|n and @bob", "hi @an,n and [@bob]"],
    ["hi [@ann] and [@bob]", "hi @ann,| and @bob", "hi [@ann], and [@bob]"],
    ["hi [@ann] and [@bob]", "hi | and @bob", "hi  and [@bob]"],
    ["hi [@ann] and [@bob]", "hi @bob|", "hi @bob"],
    ["[@ann]", "@|@ann", "@[@ann]"],
    ["[@ann]", "@ann@|", "[@ann]@"],
    ["[@ann][@ann]", "@ann|@ann", "[@ann][@ann]"],
    ["[@ann] [@ann]", "@ann|", "[@ann]"],
    ["a [@ann]", "|@ann", "[@ann]"],
    ["a [@ann]", "", ""],
    ["a [@ann] b", "aa @ann b", "aa [@ann] b"],
    ["a [@ann] b", "a @ann bb", "a [@ann] bb"],
    ["a [@ann] b", "a @anna b", "a [@ann]a b"],
    ["😀 [@ann]", "😀😀| @ann", "😀😀 [@ann]"],
  ];
  for (const [before, typed, expected] of cases) {
    test(`${before} -> ${typed}`, () => {
      const { text, mentions } = marked(before);
      const caret = typed.indexOf("|");
      const after = typed.replace("|", "");
      const moved = moveMentions(text, after, caret < 0 ? null : caret, mentions);
      assert.equal(unmarked(after, moved), expected);
      // Whatever happened to the text: what stays a mention reads as it did.
      for (const { start, length, account } of moved) assert.equal(after.slice(start, start + length), account);
    });
  }

  test("a change that names nobody costs nothing", () => {
    const none: Mention[] = [];
    assert.equal(moveMentions("a", "ab", 2, none), none);
  });

  test("what is sent begins and ends with a letter", () => {
    const { text, mentions } = marked("  [@ann] and [@bob] \n");
    assert.equal(unmarked(text.trim(), trimMentions(text, mentions)), "[@ann] and [@bob]");
    assert.deepEqual(trimMentions("", []), []);
  });
});

describe("names that are being typed", () => {
  const cases: [typed: string, query: string | null][] = [
    ["@|", ""],
    ["@an|", "an"],
    ["hi @an|", "an"],
    ["(@an|", "an"],
    ["hi\n@an|", "an"],
    ["@an|n", "an"],
    ["@Élo|", "Élo"],
    ["@张|", "张"],
    ["a@b|", null],
    ["mail ann@example|", null],
    ["@@|", null],
    ["@ann |", null],
    ["ann|", null],
    ["|@ann", null],
    [`@${"a".repeat(33)}|`, null],
  ];
  for (const [typed, query] of cases) {
    test(typed, () => assert.equal(queryAt(typed.replace("|", ""), typed.indexOf("|"), [])?.query ?? null, query));
  }
  test("not within a name that was chosen", () => {
    const { text, mentions } = marked("[@ann] x");
    assert.equal(queryAt(text, 3, mentions), null);
    assert.equal(queryAt(text, 4, mentions), null);
  });

  test("a name takes the place of what was typed", () => {
    const { text, mentions } = marked("[@bob], and @an too");
    const query = queryAt(text, text.indexOf("@an") + 3, mentions);
    assert.ok(query);
    const put = putMention(text, query, "Ann Lee", "x", mentions);
    assert.equal(unmarked(put.text, put.mentions), "[@bob], and [@Ann Lee] too");
    assert.equal(put.text.slice(0, put.caret), "@bob, and @Ann Lee ");
    const first = putMention("@", { at: 0, query: "" }, "all", null, []);
    assert.deepEqual(first, { text: "@all ", caret: 5, mentions: [{ start: 0, length: 4, account: null }] });
  });
});

describe("mentions in a message", () => {
  const draw = (text: string, mentions: readonly Mention[]): string =>
    textParts(text, mentions)
      .map((part) => (part.kind === "text" ? part.text : part.kind === "link" ? `<${part.text}>` : `[${part.text}]`))
      .join("");
  test("are drawn among text and links", () => {
    const { text, mentions } = marked("[@ann] see https://a.example/b, [@bob]!");
    assert.equal(draw(text, mentions), "[@ann] see <https://a.example/b>, [@bob]!");
  });
  test("what a hostile sender names is drawn as it can be", () => {
    const at = (start: number, length: number): Mention => ({ start, length, account: null });
    assert.equal(draw("abcdef", [at(0, 2), at(1, 2), at(4, 9)]), "[ab]cdef");
    assert.equal(draw("abc", [at(3, 1)]), "abc");
    assert.equal(draw("😀", [at(0, 2)]), "[😀]");
  });
});

const person = (name: string, is_me = false): PersonView => ({ account: name, name, is_me });
const people = (...names: string[]): PersonView[] => names.map((name) => person(name, name === "me"));

describe("lines about a group", () => {
  test("name people, oneself first, and count the rest", () => {
    const cases: [names: string[], more: number, text: string][] = [
      [["Ann"], 0, "Ann"],
      [["me"], 0, "you"],
      [["Ann", "me"], 0, "you and Ann"],
      [["Ann", "Bob", "Cem"], 0, "Ann, Bob and Cem"],
      [["Ann", "Bob", "Cem", "Dora"], 0, "Ann, Bob, Cem and Dora"],
      [["Ann", "Bob", "Cem"], 1, "Ann, Bob, Cem and 1 other"],
      [["Ann", "Bob", "Cem", "Dora", "Eva"], 0, "Ann, Bob, Cem and 2 others"],
      [["Ann", "Bob", "Cem", "Dora", "me"], 10, "you, Ann, Bob and 12 others"],
      [[], 0, ""],
    ];
    for (const [names, more, text] of cases) assert.equal(peopleText(people(...names), more), text);
  });

  const ann = { from_me: false, from_name: "Ann" };
  const me = { from_me: true, from_name: "me" };
  const cases: [by: typeof ann, change: GroupChangeView, text: string][] = [
    [ann, { what: "created", members: [], more: 0 }, "Ann made this group"],
    [ann, { what: "created", members: people("Bob", "me"), more: 0 }, "Ann made this group with you and Bob"],
    [me, { what: "added", members: people("Bob"), more: 0 }, "You added Bob"],
    [ann, { what: "removed", members: people("me"), more: 0 }, "Ann removed you"],
    [me, { what: "left" }, "You left"],
    [ann, { what: "role_set", member: person("me", true), role: "admin" }, "Ann made you an admin"],
    [me, { what: "role_set", member: person("Bob"), role: "member" }, "You took admin rights from Bob"],
    [ann, { what: "role_set", member: person("Bob"), role: "owner" }, "Ann handed the group over to Bob"],
    [ann, { what: "joined", asked: true }, "Ann asks to join, by an invite link"],
    [ann, { what: "joined", asked: false }, "Ann came by an invite link"],
    [ann, { what: "declined", members: people("Bob"), more: 0 }, "Ann did not let Bob in"],
    [ann, { what: "details_set" }, "Ann changed the group’s title, picture or description"],
    [ann, { what: "permissions_set" }, "Ann changed who may do what here"],
    [ann, { what: "invite_opened" }, "Ann opened an invite link"],
    [ann, { what: "invite_closed" }, "Ann closed an invite link"],
    [ann, { what: "succeeded" }, "Ann took the group over from an owner whose account is gone"],
    [me, { what: "deleted" }, "You deleted the group"],
  ];
  for (const [by, change, text] of cases) test(text, () => assert.equal(changeText(by, change), text));

  test("the list says who speaks in a group, and only there", () => {
    const message = (changes: Partial<MessageView>) =>
      ({ conversation: GROUP, ...ann, body: { kind: "text", body: "hi\nall" }, ...changes }) as MessageView;
    assert.equal(rowText(message({})), "Ann: hi all");
    assert.equal(rowText(message(me)), "You: hi all");
    assert.equal(rowText(message({ conversation: "018f3c1e-0000-7000-8000-000000000001" })), "hi all");
    const left = message({ body: { kind: "group_change", change: { what: "left" } } });
    assert.equal(rowText(left), "Ann left");
    assert.equal(previewText(left), "Ann left");
  });
});

describe("a picture of a group", () => {
  const wide = { width: 1200, height: 800 };
  test("is the largest square in the middle at first", () => {
    assert.deepEqual(squareOf(wide, middle(wide)), { x: 200, y: 0, side: 800 });
    assert.deepEqual(squareOf({ width: 3, height: 900 }, middle({ width: 3, height: 900 })), { x: 0, y: 448.5, side: 3 });
  });
  test("never leaves the photograph, however it is moved", () => {
    for (const [x, y, zoom] of [[-9, -9, 1], [9e9, 9e9, 3], [600, 400, 99], [600, 400, 0], [Infinity, 0, 2]] as const) {
      const { x: left, y: top, side } = squareOf(wide, { x, y, zoom });
      assert.ok(left >= 0 && top >= 0 && left + side <= wide.width && top + side <= wide.height, `${x} ${y} ${zoom}`);
    }
    assert.equal(within(wide, { x: 0, y: 0, zoom: 99 }).zoom, ZOOM_MAX);
  });
  test("is tried from the best to the smallest, and never made larger", () => {
    const all = attempts(3000);
    assert.equal(all[0]?.side, 512);
    assert.equal(all.at(-1)?.side, 64);
    assert.ok(all.every((attempt, at) => at === 0 || attempt.side <= (all[at - 1]?.side ?? 0)));
    assert.deepEqual([...new Set(attempts(100.7).map(({ side }) => side))], [100, 96, 64]);
    assert.deepEqual([...new Set(attempts(5).map(({ side }) => side))], [5]);
  });
  test("is the first that is small enough", async () => {
    const sizes: number[] = [];
    const made = await firstFitting(1000, ({ side, quality }) => {
      const size = Math.round(side * side * quality);
      sizes.push(size);
      return Promise.resolve({ size });
    });
    assert.ok(made !== null && made.size <= PICTURE_BYTES_MAX);
    assert.ok(sizes.slice(0, -1).every((size) => size > PICTURE_BYTES_MAX));
    assert.equal(await firstFitting(1000, () => Promise.resolve({ size: PICTURE_BYTES_MAX + 1 })), null);
    assert.equal(await firstFitting(1000, () => Promise.resolve(null)), null);
  });
  test("becomes text whatever its length", () => {
    const bytes = Uint8Array.from({ length: PICTURE_BYTES_MAX }, (_, at) => at % 256);
    assert.deepEqual(Uint8Array.from(atob(base64(bytes)), (char) => char.charCodeAt(0)), bytes);
    assert.equal(base64(new Uint8Array()), "");
  });
});

describe("title and description", () => {
  const details = { title: " Lake house ", description: "", picture: null };
  test("are checked as the engine counts", () => {
    assert.deepEqual(checkDetails(details), { title: null, description: null });
    assert.equal(checkDetails({ ...details, title: "😀".repeat(100) }).title, null);
    assert.match(checkDetails({ ...details, title: "😀".repeat(101) }).title ?? "", /101/u);
    assert.notEqual(checkDetails({ ...details, title: "  " }).title, null);
    assert.equal(checkDetails({ ...details, description: "\n".repeat(2048) }).description, null);
    assert.notEqual(checkDetails({ ...details, description: "a".repeat(2049) }).description, null);
  });
  test("are sent without the spaces around", () => {
    assert.deepEqual(detailsFields(details), { title: "Lake house", description: "", picture: null, picture_type: null });
  });
});

describe("what one may do in a group", () => {
  const group = (changes: Partial<GroupView>) =>
    ({ my_role: "member", add: "members", change_details: "admins", deleted: false, ...changes }) as GroupView;
  test("follows role and permissions", () => {
    assert.deepEqual(rightsIn(group({})), { add: true, details: false, admin: false, owner: false });
    assert.deepEqual(rightsIn(group({ my_role: "admin", add: "admins" })), { add: true, details: true, admin: true, owner: false });
    assert.deepEqual(rightsIn(group({ my_role: "owner" })), { add: true, details: true, admin: true, owner: true });
    for (const outside of [group({ my_role: null }), group({ my_role: "owner", deleted: true })]) {
      assert.deepEqual(rightsIn(outside), { add: false, details: false, admin: false, owner: false });
    }
  });
  test("a new key of an admin is for admins to take", () => {
    const member = (role: "member" | "admin", key_changed = true) => ({ account: "b", username: null, display_name: null, role, key_changed });
    const rights = rightsIn(group({}));
    assert.equal(mayReadd(member("member"), rights), true);
    assert.equal(mayReadd(member("member", false), rights), false);
    assert.equal(mayReadd(member("admin"), rights), false);
    assert.equal(mayReadd(member("admin"), rightsIn(group({ my_role: "admin" }))), true);
  });
});
