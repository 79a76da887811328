import { expect, test } from "./fixtures.js";

test("a second browser is linked, with history, and both stay in step", async ({ register, arrive }) => {
  const ann = await register("ann");
  const bob = await register("bob");
  await ann.startChat("bob");
  await ann.send("from before the link");
  await expect(ann.tick("from before the link", "Delivered")).toBeVisible();

  const laptop = await arrive("ann");
  await laptop.page.getByRole("button", { name: "I have Sotto on another device" }).click();
  await laptop.page.getByRole("button", { name: "Use a text code" }).click();
  const text = await laptop.linkText();

  await ann.settings("devices");
  await ann.approveLink(text);

  await laptop.page.getByRole("button", { name: "Open Sotto" }).click();
  await laptop.openChat(/bob/);
  await expect(laptop.bubble("from before the link")).toBeVisible();

  await laptop.send("from the laptop");
  await expect(laptop.tick("from the laptop", "Delivered")).toBeVisible();
  await ann.page.goto(ann.server.url);
  await ann.openChat(/bob/);
  await expect(ann.bubble("from the laptop")).toBeVisible();
  await bob.openChat(/ann/);
  await bob.send("to both");
  await expect(ann.bubble("to both")).toBeVisible();
  await expect(laptop.bubble("to both")).toBeVisible();
});

test("two tabs are one device; when one closes, the other goes on", async ({ register }) => {
  const ann = await register("ann");
  const bob = await register("bob");
  const second = await ann.tab();
  await second.ready();
  await second.startChat("bob");
  await second.send("from the second tab");
  await ann.openChat(/bob/);
  await expect(ann.bubble("from the second tab")).toBeVisible();
  await expect(second.tick("from the second tab", "Delivered")).toBeVisible();

  await ann.page.close();
  await second.send("after the first was closed");
  await expect(second.tick("after the first was closed", "Delivered")).toBeVisible();
  await bob.openChat(/ann/);
  await expect(bob.bubble("after the first was closed")).toHaveCount(1);
});

test("a tab killed while it receives loses and doubles nothing", async ({ server, register }) => {
  const ann = await register("ann");
  await server.cli("carl", "register", "carl");
  const count = 300;
  const lines = Array.from({ length: count }, (_, i) => JSON.stringify({ to: "ann", text: `number ${i + 1}.` }));
  const sending = server.feed("carl", lines, "send", "--stdin");
  // Kill the page's process in the middle, again and again, until everything was sent.
  for (let kills = 0; kills < 3; kills += 1) {
    await expect(ann.row(/carl/)).toBeVisible();
    await ann.crash();
  }
  await sending;
  await expect(ann.row(/carl/)).toContainText(`number ${count}.`);
  const texts = await ann.exportedTexts();
  expect(texts.filter((text) => text.startsWith("number "))).toEqual(Array.from({ length: count }, (_, i) => `number ${i + 1}.`));
});

test("an account comes back from its code alone", async ({ server, register, arrive }) => {
  const ann = await register("ann");
  await server.cli("carl", "register", "carl");
  await ann.startChat("carl");
  await ann.send("before the loss");
  await expect(ann.tick("before the loss", "Sent")).toBeVisible();
  await ann.close();

  const back = await arrive("ann");
  await back.page.getByRole("button", { name: "I have a recovery code" }).click();
  await back.page.getByLabel("Username").fill("ann");
  await back.page.getByLabel("Recovery code").fill(ann.recoveryCode.toLowerCase().replaceAll("-", " "));
  await back.page.getByRole("button", { name: "Get back in" }).click();
  await back.page.getByRole("button", { name: "Open Sotto" }).click();
  await back.ready();
  await server.cli("carl", "send", "ann", "welcome back");
  await back.openChat(/carl/);
  await expect(back.bubble("welcome back")).toBeVisible();
});

test("a passphrase locks the profile, and only it opens it again", async ({ register }) => {
  const ann = await register("ann");
  await ann.startChat("ann");
  await ann.send("a note to remember");
  await ann.settings("privacy");
  await ann.page.getByRole("button", { name: "Set", exact: true }).click();
  const dialog = ann.page.locator("dialog[open]");
  await dialog.getByLabel("Passphrase", { exact: true }).fill("correct horse battery staple");
  await dialog.getByLabel("Repeat it").fill("correct horse battery staple");
  await dialog.getByRole("button", { name: "Set", exact: true }).click();
  await expect(dialog).toBeHidden({ timeout: 60_000 });

  await ann.page.goto(ann.server.url);
  await ann.page.getByLabel("Passphrase").fill("wrong");
  await ann.page.getByRole("button", { name: "Unlock" }).click();
  await expect(ann.page.getByText("That is not it. Try again.")).toBeVisible();
  await ann.page.getByLabel("Passphrase").fill("correct horse battery staple");
  await ann.page.getByRole("button", { name: "Unlock" }).click();
  await ann.openChat(/Note to self/);
  await expect(ann.bubble("a note to remember")).toBeVisible();
});

test("signing out erases this device in every tab", async ({ register }) => {
  const ann = await register("ann");
  const second = await ann.tab();
  await second.ready();
  await ann.settings("leave");
  await ann.page.getByRole("button", { name: /Sign out/ }).first().click();
  await ann.page.locator("dialog[open]").getByRole("button", { name: /Sign out|Erase/ }).click();
  for (const page of [ann.page, second.page]) {
    await expect(page.getByRole("heading", { name: "This device was erased" }).or(page.getByRole("heading", { name: "Welcome to Sotto" }))).toBeVisible();
  }
  await second.page.goto(second.server.url);
  await expect(second.page.getByRole("heading", { name: "Welcome to Sotto" })).toBeVisible();
});

