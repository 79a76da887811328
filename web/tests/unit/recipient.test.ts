import assert from "node:assert/strict";
import { test } from "node:test";
import { recipientOf } from "../../src/engine/recipient";

test("messages go to the person or the group of a conversation", () => {
  const account = "018f3c1e-0000-7000-8000-000000000001";
  const group = "a5".repeat(32);
  assert.deepEqual(recipientOf(account), { account });
  assert.deepEqual(recipientOf(group), { group });
});
