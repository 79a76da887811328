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
