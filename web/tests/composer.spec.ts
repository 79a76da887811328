import { expect, test } from "./fixtures.js";

test("what was typed is there again, however the page was left", async ({ server, register }) => {
  const ann = await register("ann");
  await server.cli("carl", "register", "carl");
  await ann.startChat("carl");
  const address = ann.page.url();

  await ann.composer.pressSequentially("key by key");
  await ann.page.reload();
  await expect(ann.composer).toHaveValue("key by key");

  await ann.composer.fill("left for another page");
  await ann.page.goto("about:blank");
  await ann.page.goto(address);
  await expect(ann.composer).toHaveValue("left for another page");

  const other = await ann.context.newPage();
  await ann.composer.fill("closed");
  await ann.page.close();
  ann.page = other;
  await ann.page.goto(address);
  await expect(ann.composer).toHaveValue("closed");
});

test("what was typed is there again, although the worker heard nothing of it", async ({ server, register }) => {
  const ann = await register("ann");
  await server.cli("carl", "register", "carl");
  await ann.startChat("carl");
  const address = ann.page.url();
  await ann.page.evaluate(() => {
    Worker.prototype.postMessage = () => undefined;
  });
  await ann.composer.fill("not heard");
  await ann.page.reload();
  await expect(ann.composer).toHaveValue("not heard");
  // Now the profile has it, and nothing is left beside it.
  await expect.poll(() => ann.page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith("sotto.draft.")))).toEqual([]);
  await ann.page.goto("about:blank");
  await ann.page.goto(address);
  await expect(ann.composer).toHaveValue("not heard");
});

test("a message that cannot be sent says why, and can be deleted", async ({ server, register }) => {
  const ann = await register("ann");
  await server.cli("carl", "register", "carl");
  await ann.startChat("carl");
  await server.cli("carl", "delete-account", "--yes");
  await ann.send("to nobody");
  const message = ann.bubble("to nobody");
  await expect(message.getByRole("alert")).toContainText("This person’s account no longer exists.");
  // It would fail the same way.
  await expect(message.getByRole("button", { name: "Try again" })).toBeHidden();
  await message.getByRole("button", { name: "Delete", exact: true }).click();
  await expect(message).toBeHidden();
});

test("a message that nobody took can be deleted too", async ({ server, register }) => {
  const ann = await register("ann");
  await server.cli("carl", "register", "carl");
  await ann.startChat("carl");
  await ann.send("too late");
  await expect(ann.tick("too late", "Sent")).toBeVisible();
  await server.cli("carl", "delete-account", "--yes");
  const message = ann.bubble("too late");
  await expect(message.getByRole("alert")).toContainText("Not delivered. Nobody was there to take it.");
  await expect(message.getByRole("button", { name: "Try again" })).toBeVisible();
  await message.getByRole("button", { name: "Delete", exact: true }).click();
  await expect(message).toBeHidden();
});

test("the emoji picker says when it cannot load, tries again, and shows only what can be drawn", async ({ server, register }) => {
  const ann = await register("ann");
  await server.cli("carl", "register", "carl");
  await ann.startChat("carl");
  await ann.page.route("**/emoji/en/data.json", (route) => route.abort());
  await ann.page.getByRole("button", { name: "Emoji" }).click();
  await expect(ann.page.getByRole("alert").filter({ hasText: "The emoji list could not be loaded." })).toBeVisible();

  await ann.page.unroute("**/emoji/en/data.json");
  // No font has a picture for what no Unicode names.
  const emoji = [
    { emoji: "\u{1F600}", label: "grinning face", group: 0, subgroup: 0, version: 1 },
    { emoji: "\u{1F0FF}", label: "not in any font", group: 0, subgroup: 0, version: 17 },
  ];
  await ann.page.route("**/emoji/en/data.json", (route) => route.fulfill({ json: emoji }));
  await ann.page.getByRole("button", { name: "Try again" }).click();
  await expect(ann.page.getByRole("gridcell")).toHaveCount(1);
  await ann.page.getByRole("gridcell", { name: "Grinning face" }).click();
  await expect(ann.composer).toHaveValue("\u{1F600}");
});
