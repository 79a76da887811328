import { expect, test } from "./fixtures.js";
import type { Person } from "./person.js";

const PHONE = { width: 390, height: 844 };
const DESK = { width: 1280, height: 800 };

/** Long enough to take many lines on a phone and few on a desk. */
const long = (at: number): string => `${at}. ${"What is said at length becomes higher where there is less room for it. ".repeat(2 + (at % 7))}`;

/** Pixels between what is shown and the end. */
const toEnd = (person: Person): Promise<number> => person.log.evaluate((log) => log.scrollHeight - log.clientHeight - log.scrollTop);

/** Seen twice, a frame apart, and the same: nothing moves any more. */
async function expectEnd(person: Person, last: string): Promise<void> {
  await expect(async () => {
    await expect(person.bubble(last)).toBeInViewport({ ratio: 0.99, timeout: 1000 });
    const [first, then] = [await toEnd(person), await toEnd(person)];
    expect(first).toBeLessThan(2);
    expect(then).toBe(first);
  }).toPass({ timeout: 10_000 });
}

test("the log stays at its end when the window changes its size", async ({ server, register }) => {
  const ann = await register("ann", { viewport: PHONE });
  await server.cli("carl", "register", "carl");
  const lines = Array.from({ length: 40 }, (_, at) => JSON.stringify({ to: "ann", text: long(at) }));
  await server.feed("carl", [...lines, JSON.stringify({ to: "ann", text: "the last one" })], "send", "--stdin", "--json");
  await expect(ann.row(/carl/)).toContainText("the last one");
  await ann.openChat(/carl/);
  const jump = ann.page.getByRole("button", { name: /^Jump/ });
  await jump.click();
  await expectEnd(ann, "the last one");

  for (const size of [DESK, PHONE, { width: 1600, height: 1000 }, { width: 700, height: 500 }, DESK]) {
    await ann.page.setViewportSize(size);
    await expectEnd(ann, "the last one");
  }
  await server.cli("carl", "send", "ann", "and one more");
  await expectEnd(ann, "and one more");

  // Who reads back stays there.
  await ann.log.hover();
  await ann.page.mouse.wheel(0, -3000);
  await expect(jump).toBeVisible();
  await ann.page.setViewportSize(PHONE);
  await server.cli("carl", "send", "ann", "while you read");
  await expect(jump).toHaveAccessibleName("Jump to 1 new message");
  expect(await toEnd(ann)).toBeGreaterThan(500);
});

test("a question that is open in a panel stays open when the window becomes narrow and wide again", async ({ server, register }) => {
  const ann = await register("ann");
  await server.cli("carl", "register", "carl");
  await ann.startChat("carl");
  await ann.send("hello");
  const { page } = ann;
  await page.getByRole("button", { name: "Contact info" }).first().click();
  await page.getByRole("button", { name: "They match" }).click();
  const question = page.locator("dialog[open]");
  await expect(question).toBeVisible();
  await page.setViewportSize({ width: 390, height: 844 });
  await expect(page.getByRole("button", { name: "New chat" })).toBeHidden();
  await page.setViewportSize({ width: 1280, height: 800 });
  await expect(page.getByRole("button", { name: "New chat", includeHidden: true })).toBeVisible();
  await expect(question).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(question).toBeHidden();
  await expect(page.getByRole("button", { name: /^Block / })).toBeVisible();
});
