import assert from "node:assert/strict";
import { test } from "node:test";
import type { MessageView } from "@sotto/engine";
import { firstChosen, reportable, REPORTED_MAX, toggled } from "../../src/features/requests/report";

const message = (name: string, change: object = {}): MessageView =>
  ({ name, from_me: false, message_id: "1", body: { kind: "text", body: name }, ...change }) as unknown as MessageView;

test("only texts of theirs that arrived can be reported", () => {
  const all = [message("a"), message("b", { from_me: true }), message("c", { body: { kind: "deleted" } }), message("d", { message_id: null }), message("e")];
  assert.deepEqual(reportable(all).map(({ name }) => name), ["a", "e"]);
});

test("the newest five are chosen at first", () => {
  assert.deepEqual([...firstChosen(["a", "b", "c", "d", "e", "f"].map((name) => message(name)))], ["b", "c", "d", "e", "f"]);
  assert.equal(firstChosen([]).size, 0);
});

test("no more than the server takes", () => {
  let chosen: ReadonlySet<string> = new Set();
  for (let at = 0; at < REPORTED_MAX + 5; at++) chosen = toggled(chosen, `m${at}`);
  assert.equal(chosen.size, REPORTED_MAX);
  assert.ok(!toggled(chosen, "m3").has("m3"));
});
