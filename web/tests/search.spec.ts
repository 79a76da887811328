import { expect, test } from "./fixtures.js";

test("search finds words in all chats, marks them and leads to the message", async ({ server, register }) => {
  const ann = await register("ann");
  await server.cli("carl", "register", "carl");
  const lines = Array.from({ length: 120 }, (_, i) => JSON.stringify({ to: "ann", text: i === 10 ? "the Zürich train at noon" : `filler number ${i}.` }));
  await server.feed("carl", lines, "send", "--stdin", "--json");
  await expect(ann.row(/carl/)).toContainText("filler number 119.");

  await ann.page.keyboard.press("Control+k");
  await ann.page.keyboard.type("zurich tra");
  const hit = ann.page.getByRole("option", { name: /Zürich train/ });
  await expect(hit).toBeVisible();
  await expect(hit.locator("mark").first()).toHaveText("Zürich");
  await ann.page.keyboard.press("ArrowDown");
  await ann.page.keyboard.press("Enter");
  await expect(ann.bubble("the Zürich train at noon")).toBeInViewport();
  await expect(ann.bubble("filler number 9.")).toBeVisible();

  // From there on to the newest: nothing is missing between.
  await ann.page.getByRole("button", { name: /^Jump to/ }).click();
  await expect(ann.bubble("filler number 119.")).toBeInViewport();
});

test("chats are pinned, muted, archived and marked unread by keyboard", async ({ server, register }) => {
  const ann = await register("ann");
  for (const name of ["carl", "dora"]) {
    await server.cli(name, "register", name);
    await server.cli(name, "send", "ann", `hello from ${name}`);
  }
  await expect(ann.row(/dora/)).toBeVisible();
  await expect(ann.page.getByRole("option").first()).toContainText("dora");
  const act = async (name: RegExp, ...items: (string | RegExp)[]): Promise<void> => {
    await ann.row(name).click({ button: "right" });
    for (const item of items) await ann.page.getByRole("menuitem", { name: item }).click();
  };
  await act(/carl/, "Pin to the top");
  await expect(ann.page.getByRole("option").first()).toContainText("carl");
  await act(/dora/, "Archive");
  await expect(ann.row(/dora/)).toHaveCount(0);
  await server.cli("dora", "send", "ann", "and again");
  await expect(ann.row(/dora/)).toContainText("and again");
  await ann.page.reload();
  await expect(ann.page.getByRole("option").first()).toContainText("carl");
});

test("Ctrl K takes the very next key, from wherever it is pressed", async ({ server, register }) => {
  const ann = await register("ann");
  const { page } = ann;
  const field = page.getByRole("searchbox", { name: "Search messages and people" });
  /** Where a key would go that follows at once, before anything could be drawn. */
  const nextKeyGoesTo = () =>
    page.evaluate(() => {
      dispatchEvent(new KeyboardEvent("keydown", { key: "k", ctrlKey: true, cancelable: true }));
      return document.activeElement?.getAttribute("aria-label");
    });
  await page.getByRole("button", { name: "New chat" }).first().focus();
  expect(await nextKeyGoesTo()).toBe("Search messages and people");
  await ann.settings("about");
  await expect(page.getByRole("heading", { name: "About" })).toBeVisible();
  expect(await nextKeyGoesTo()).toBe("Search messages and people");

  // Where only the conversation is on the screen, the list comes in its place.
  await server.cli("carl", "register", "carl");
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto(server.url);
  await ann.startChat("carl");
  await page.keyboard.press("Control+k");
  await page.keyboard.type("carl");
  await expect(field).toHaveValue("carl");
  await expect(ann.row(/carl/)).toBeVisible();
});
