import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ConversationView, MessageExtras, MessageView } from "@sotto/engine";
import { byPosition, compareDigits, keyOf, orderConversations, readId } from "../../src/engine/order";
import { logItems } from "../../src/features/conversation/items";

const MINUTE = 60_000;
const NOON = new Date(2026, 4, 4, 12).getTime();

const EXTRAS: MessageExtras = {
  quote: null,
  forwarded: false,
  preview: null,
  edited_ms: null,
  reactions: [],
  starred: false,
  pinned_until_ms: null,
  expires_after_s: 0,
  expires_ms: null,
  editable_until_ms: 0,
  deletable_until_ms: 0,
};

function message(at: number, changes: Partial<MessageView> = {}): MessageView {
  const name = `00000000-0000-4000-8000-${String(at).padStart(12, "0")}`;
  return {
    position: String(at),
    name,
    message_id: String(at),
    late_id: null,
    conversation: "b",
    from: "b",
    from_name: "b",
    from_me: false,
    mentions_me: false,
    from_device: 1,
    body: { kind: "text", body: `${at}` },
    status: "received",
    written_ms: NOON + at * MINUTE,
    server_time_ms: NOON + at * MINUTE,
    delivered_ms: null,
    read_ms: null,
    note: null,
    extras: EXTRAS,
    ...changes,
  };
}
const mine = (at: number, changes: Partial<MessageView> = {}) => message(at, { from: "a", from_me: true, status: "sent", ...changes });

/** "[" first and "]" last of a run, "|" a new day, "!" the line above what is new. */
const drawn = (messages: readonly MessageView[], unreadAfter: string | null = null): string =>
  logItems(messages, unreadAfter)
    .map(({ dayMs, isUnreadLine, first, last, message }) =>
      [dayMs === null ? "" : "|", isUnreadLine ? "!" : "", first ? "[" : "", message.from, last ? "]" : ""].join(""),
    )
    .join("");

describe("what the log shows", () => {
  test("nothing", () => assert.equal(drawn([]), ""));
  test("one", () => assert.equal(drawn([message(1)]), "|[b]"));
  test("a run ends with its sender", () => assert.equal(drawn([message(1), message(2), mine(3)]), "|[bb][a]"));
  test("a run ends after five minutes", () => assert.equal(drawn([message(1), message(6), message(12)]), "|[bb][b]"));
  test("a clock that went back does not break it", () => assert.equal(drawn([message(3), message(4, { server_time_ms: NOON })]), "|[bb]"));
  test("a run ends at midnight", () => {
    const late = new Date(2026, 4, 4, 23, 59).getTime();
    const early = new Date(2026, 4, 5, 0, 1).getTime();
    assert.equal(drawn([message(1, { server_time_ms: late }), message(2, { server_time_ms: early })]), "|[b]|[b]");
  });
  test("a line about the conversation stands alone", () => {
    const line = message(2, { body: { kind: "key_changed", identity_key: "05" } });
    assert.equal(drawn([message(1), line, message(3)]), "|[b][b][b]");
  });
  test("the line above what is new is drawn once, above a received message", () => {
    assert.equal(drawn([message(1), mine(2), message(3), message(4)], "1"), "|[b][a]![bb]");
    assert.equal(drawn([message(1), message(2)], "1"), "|[b]![b]");
    assert.equal(drawn([message(1)], "1"), "|[b]");
    assert.equal(drawn([message(9), message(10)], "9"), "|[b]![b]");
  });
  test("one that became readable late is new by its later id", () => {
    assert.equal(drawn([message(1, { late_id: "8" }), message(2)], "5"), "|![bb]");
  });
  test("before the server has it, the writer's clock counts", () => {
    const waiting = mine(2, { message_id: null, server_time_ms: null, written_ms: NOON + 2 * MINUTE, status: "pending" });
    assert.equal(drawn([mine(1), waiting], "0"), "|[aa]");
  });
});

test("digits are compared as numbers of any size", () => {
  const rising = ["0", "9", "10", "99", "9007199254740992", "9007199254740993", "18446744073709551615"];
  for (const [at, a] of rising.entries()) {
    for (const [bt, b] of rising.entries()) assert.equal(Math.sign(compareDigits(a, b)), Math.sign(at - bt), `${a} ${b}`);
  }
  assert.ok(byPosition(message(10), message(9)) > 0);
});

test("a message is read by the later of its ids", () => {
  const ids: [string | null, string | null, string | null][] = [
    [null, null, null],
    ["5", null, "5"],
    [null, "5", "5"],
    ["9", "10", "10"],
    ["10", "9", "10"],
  ];
  for (const [message_id, late_id, read] of ids) assert.equal(readId(message(1, { message_id, late_id })), read);
});

test("a name that two people use is two messages", () => {
  assert.notEqual(keyOf(message(1)), keyOf(message(1, { from: "c" })));
});

describe("the order of the list", () => {
  const view = (account: string, position: string | null, pinned = false): [string, ConversationView] => [
    account,
    { conversation: account, last: position === null ? null : message(1, { position }), pinned } as ConversationView,
  ];
  const order = (views: [string, ConversationView][], before: string[] = []) => orderConversations(Object.fromEntries(views), before).join("");

  test("newest first, whatever the length of the number", () => assert.equal(order([view("a", "9"), view("b", "10"), view("c", "8")]), "bac"));
  test("pinned above all, in the order they have", () => {
    assert.equal(order([view("a", "9"), view("b", "1", true), view("c", "2", true)], ["c", "b", "a"]), "cba");
  });
  test("just started above those with messages", () => assert.equal(order([view("a", "9"), view("b", null)], ["a"]), "ba"));
  test("none", () => assert.equal(order([]), ""));
});
