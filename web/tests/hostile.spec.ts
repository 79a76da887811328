import { expect, test } from "./fixtures.js";

const HOSTILE = {
  html: `<img src=x onerror="document.title='pwned'"><script>document.title='pwned'</script><b>bold</b>`,
  script: "javascript:document.title='pwned' data:text/html,<script>document.title='pwned'</script>",
  bidi: "user \u202Egnp.exe\u202C \u2067abc\u2066 \u200F\u200Eend",
  zalgo: "Z" + "\u0300\u0301\u0302\u0303\u0304\u0305\u0306".repeat(60) + "algo",
  long: "w".repeat(32 * 1024),
  emoji: "🛶".repeat(8_000),
  lines: "line\n".repeat(5_000).trim(),
  control: "bell\u0007 null-like\u0001 escape\u001b[31mred end",
};

test("hostile content is shown as text, and the layout holds", async ({ server, register }) => {
  const ann = await register("ann");
  const { page } = ann;
  const failures: string[] = [];
  page.on("pageerror", (error) => failures.push(error.message));
  page.on("dialog", (dialog) => {
    failures.push("a dialog");
    void dialog.dismiss();
  });
  await server.cli("carl", "register", "carl");
  const lines = Object.values(HOSTILE).map((text) => JSON.stringify({ to: "ann", text }));
  await server.feed("carl", [...lines, JSON.stringify({ to: "ann", text: "the last one" })], "send", "--stdin", "--json");
  await expect(ann.row(/carl/)).toContainText("the last one");
  await ann.openChat(/carl/);
  await expect(ann.bubble("the last one")).toBeVisible();

  // Look at every message: scroll from the end to the beginning.
  const scroller = ann.log;
  await expect(async () => {
    await scroller.hover();
    await page.mouse.wheel(0, -4000);
    await expect(ann.bubble("<b>bold</b>")).toBeVisible({ timeout: 500 });
  }).toPass();
  await expect(ann.log.locator("img[src=x], script, b")).toHaveCount(0);
  for (const link of await ann.log.getByRole("link").all()) {
    expect(await link.getAttribute("href")).toMatch(/^https?:/);
  }
  expect(await page.title()).not.toContain("pwned");

  // Nothing is wider than the window, no bubble taller than a screen or two, and no text leaves its bubble.
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  expect(overflow).toBeLessThanOrEqual(0);
  for (const article of await ann.log.getByRole("article").all()) {
    const box = await article.boundingBox();
    if (box === null) continue;
    expect(box.width).toBeLessThanOrEqual(1280);
    expect(box.height).toBeLessThanOrEqual(1600);
  }
  expect(failures).toEqual([]);
});

test("a name in a row cannot change the direction of what is beside it", async ({ server, register }) => {
  const ann = await register("ann");
  await server.cli("carl", "register", "carl");
  await server.cli("carl", "send", "ann", "\u202Eright to left override");
  await expect(ann.row(/carl/)).toBeVisible();
  // The time stays at the end of the row.
  const row = await ann.row(/carl/).boundingBox();
  const time = await ann.row(/carl/).locator("time").boundingBox();
  expect(time?.x ?? 0).toBeGreaterThan((row?.x ?? 0) + (row?.width ?? 0) / 2);
});
