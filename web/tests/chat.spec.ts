import type { Locator } from "@playwright/test";
import { expect, test } from "./fixtures.js";

test("two browsers and a terminal chat, and the ticks go to read", async ({ server, register }) => {
  await server.cli("carl", "register", "carl");
  const ann = await register("ann");
  const bob = await register("bob");

  await ann.startChat("bob");
  await ann.send("Hello Bob");
  await expect(ann.tick("Hello Bob", "Delivered")).toBeVisible();

  await bob.openChat(/ann/);
  await expect(bob.bubble("Hello Bob")).toBeVisible();
  await expect(ann.tick("Hello Bob", "Read")).toBeVisible();
  await bob.send("Hello Ann");
  await expect(ann.bubble("Hello Ann")).toBeVisible();
  await expect(bob.tick("Hello Ann", "Read")).toBeVisible();

  await ann.startChat("carl");
  await ann.send("Hello terminal");
  await expect(ann.tick("Hello terminal", "Sent")).toBeVisible();
  await server.cli("carl", "listen", "--once", "1", "--mark-read");
  await expect(ann.tick("Hello terminal", "Read")).toBeVisible();
  await server.cli("carl", "send", "ann", "Hello browser");
  await expect(ann.bubble("Hello browser")).toBeVisible();
});

test("what is sent without a server leaves when it is back", async ({ server, register }) => {
  const ann = await register("ann");
  const bob = await register("bob");
  await ann.startChat("bob");
  await ann.send("before");
  await expect(ann.tick("before", "Delivered")).toBeVisible();

  await server.kill();
  await ann.send("while it was away");
  await expect(ann.tick("while it was away", "Waiting to send")).toBeVisible();
  await expect(ann.page.getByText("Reconnecting. What you send waits here.")).toBeVisible();

  await server.run();
  await expect(ann.tick("while it was away", "Delivered")).toBeVisible({ timeout: 60_000 });
  await bob.openChat(/ann/);
  await expect(bob.bubble("while it was away")).toHaveCount(1);
});

test("what is written without a network leaves when it is back", async ({ register }) => {
  const ann = await register("ann");
  const bob = await register("bob");
  await ann.startChat("bob");
  await ann.send("before");
  await expect(ann.tick("before", "Delivered")).toBeVisible();
  await bob.openChat(/ann/);
  await bob.send("now I know you");
  await expect(ann.bubble("now I know you")).toBeVisible();

  await ann.context.setOffline(true);
  await ann.page.reload({ waitUntil: "commit" }).catch(() => undefined);
  await ann.context.setOffline(false);
  await ann.page.goto(ann.server.url);
  await ann.openChat(/bob/);
  await ann.send("after");
  await expect(bob.bubble("after")).toBeVisible();
});

test("a reload keeps history, drafts and the open chat", async ({ register }) => {
  const ann = await register("ann");
  const bob = await register("bob");
  await ann.startChat("bob");
  for (const text of ["one", "two", "three"]) await ann.send(text);
  await expect(ann.tick("three", "Delivered")).toBeVisible();
  await ann.composer.fill("not sent yet");
  await ann.composer.blur();

  await ann.page.reload();
  await expect(ann.composer).toHaveValue("not sent yet");
  for (const text of ["one", "two", "three"]) await expect(ann.bubble(text)).toHaveCount(1);

  await bob.page.reload();
  await expect(bob.row(/ann/)).toContainText("three");
  await bob.openChat(/ann/);
  for (const text of ["one", "two", "three"]) await expect(bob.bubble(text)).toHaveCount(1);
});

test("safety numbers are equal in both browsers and in the terminal", async ({ server, register }) => {
  await server.cli("carl", "register", "carl");
  const ann = await register("ann");
  await ann.startChat("carl");
  await ann.send("hi");
  await server.cli("carl", "listen", "--once", "1");
  const theirs = await server.json("carl", "safety-number", "ann");
  await ann.page.getByRole("button", { name: "Contact info" }).first().click();
  const digits = ann.page.getByLabel(/^Safety number/);
  await expect(digits).toBeVisible();
  const shown = (await digits.innerText()).replace(/\D/g, "");
  expect(shown).toHaveLength(60);
  expect(shown).toBe(String(theirs["digits"]).replace(/\D/g, ""));

  const bob = await register("bob");
  await bob.startChat("ann");
  await bob.send("hello");
  await ann.page.goto(server.url);
  await ann.openChat(/bob/);
  const both = await Promise.all(
    [ann, bob].map(async (person) => {
      await person.page.getByRole("button", { name: "Contact info" }).first().click();
      return (await person.page.getByLabel(/^Safety number/).innerText()).replace(/\D/g, "");
    }),
  );
  expect(both[0]).toBe(both[1]);
});

test("a changed key is shown, and a verified contact waits for the decision", async ({ register, arrive }) => {
  const ann = await register("ann");
  const bob = await register("bob");
  await ann.startChat("bob");
  await ann.send("first");
  await expect(ann.tick("first", "Delivered")).toBeVisible();
  await ann.page.getByRole("button", { name: "Contact info" }).first().click();
  await ann.page.getByRole("button", { name: "They match" }).click();
  await ann.page.locator("dialog[open]").getByRole("button", { name: "Mark as verified" }).click();
  await expect(ann.page.getByRole("complementary", { name: "Contact" }).getByText("Verified", { exact: true })).toBeVisible();

  await bob.openChat(/ann/);

  // Bob lost his browser, and takes his stolen one off with the code: a new identity key.
  const again = await arrive("bob");
  await again.page.getByRole("button", { name: "I have a recovery code" }).click();
  await again.page.getByLabel("Username").fill("bob");
  await again.page.getByLabel("Recovery code").fill(bob.recoveryCode);
  await again.page.getByRole("button", { name: "Get back in" }).click();
  await again.page.getByRole("button", { name: "Open Sotto" }).click();
  await again.ready();
  await again.settings("devices");
  await again.page.getByRole("button", { name: /^Unlink/ }).click();
  await again.page.locator("dialog[open]").getByRole("button", { name: "It was stolen" }).click();
  await again.page.getByLabel("Recovery code").fill(bob.recoveryCode);
  await again.page.getByRole("button", { name: "Unlink as stolen" }).click();
  await expect(again.page.locator("dialog[open]")).toBeHidden();
  await expect(bob.page.getByText("This device was unlinked").first()).toBeVisible();
  await expect(bob.page.getByText("You cannot write from this device until it is linked again.")).toBeVisible();
  await expect(bob.composer).toBeHidden();

  // Ann hears of it when she writes: it waits for her decision.
  await ann.send("second");
  await expect(ann.tick("second", "Held: the safety number changed")).toBeVisible();
  // The panel that is open says it; the log need not say it too.
  await expect(ann.page.getByRole("alert").filter({ hasText: "bob’s safety number changed" })).toHaveCount(1);
  await ann.page.getByRole("button", { name: "Go on without comparing" }).click();
  await ann.page.locator("dialog[open]").getByRole("button", { name: "Go on", exact: true }).click();
  await expect(ann.tick("second", "Delivered")).toBeVisible();
  await again.page.goto(again.server.url);
  await again.openChat(/ann/);
  await expect(again.bubble("second")).toHaveCount(1);
});

test("a chat is muted by its menu, with the mouse and with the keys", async ({ server, register }) => {
  const ann = await register("ann");
  await server.cli("carl", "register", "carl");
  await ann.startChat("carl");
  await ann.send("hello");
  const { page } = ann;
  const item = (name: string): Locator => page.getByRole("menuitem", { name, exact: true });

  await ann.row(/carl/).click({ button: "right" });
  // As a hand moves: over what lies in between. That takes 300 ms at most, or the submenu closes, and one tries again.
  await expect(async () => {
    await item("Mute").hover();
    const box = await item("Always").boundingBox({ timeout: 2_000 });
    if (box === null) throw new Error("the submenu is open");
    await page.mouse.move(box.x + 20, box.y + box.height / 2, { steps: 5 });
    await item("Always").click({ timeout: 2_000 });
  }).toPass();
  await expect(item("Mute")).toBeHidden();

  await ann.row(/carl/).click({ button: "right" });
  await item("Unmute").click();
  await ann.row(/carl/).focus();
  await page.keyboard.press("Shift+F10");
  await item("Mute").press("ArrowRight");
  await expect(item("For 8 hours")).toBeFocused();
  await page.keyboard.press("ArrowLeft");
  await expect(item("Always")).toBeHidden();
  await expect(item("Mute")).toBeFocused();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  await expect(item("Mute")).toBeHidden();
  await ann.row(/carl/).click({ button: "right" });
  await expect(item("Unmute")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(item("Unmute")).toBeHidden();

  // A press beside it closes it all.
  await ann.row(/carl/).click({ button: "right" });
  await item("Unmute").click();
  await ann.row(/carl/).click({ button: "right" });
  await item("Mute").hover();
  await expect(item("Always")).toBeVisible();
  await page.mouse.click(900, 600);
  await expect(item("Mute")).toBeHidden();
});
