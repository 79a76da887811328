/** Message requests: what somebody new writes waits, and what can be done about them. */
import AxeBuilder from "@axe-core/playwright";
import type { Locator, Page } from "@playwright/test";
import { expect, test as base } from "./fixtures.js";
import type { Person } from "./person.js";
import { Server } from "./server.js";

const test = base.extend({
  // eslint-disable-next-line no-empty-pattern
  server: async ({}, use) => {
    const server = await Server.start({ requests: true });
    await use(server);
    await server.remove();
  },
});

const dialog = (person: Person): Locator => person.page.locator("dialog[open]");
const entry = (person: Person): Locator => person.page.getByRole("button", { name: /^Message requests/ });
const bar = (person: Person): Locator => person.page.getByRole("group", { name: "Message request" });

async function check(page: Page, where: string): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map(({ id, help, nodes }) => `${where}: ${id}: ${help}: ${nodes.map((node) => node.target.join(" ")).join(" | ")}`)).toEqual([]);
}

/** Bob writes to Ann, who does not know him; she looks at it. */
async function strangers(register: (name: string) => Promise<Person>, ...texts: string[]): Promise<{ ann: Person; bob: Person }> {
  const ann = await register("ann");
  const bob = await register("bob");
  await bob.startChat("ann");
  for (const text of texts) await bob.send(text);
  await expect(entry(ann)).toBeVisible();
  await expect(ann.row(/bob/)).toBeHidden();
  await entry(ann).click();
  await ann.openChatRow(/bob/);
  await expect(bar(ann)).toBeVisible();
  return { ann, bob };
}

test("who is new waits behind an entry of their own until they are accepted", async ({ register }) => {
  const { ann, bob } = await strangers(register, "Hello Ann");
  await expect(ann.bubble("Hello Ann")).toBeVisible();
  await expect(ann.composer).toBeHidden();
  await expect(bar(ann)).toContainText("bob is new to you");
  await expect(bar(ann)).toContainText("They do not see that you read this");
  await expect(bob.tick("Hello Ann", "Sent")).toBeVisible();
  await expect(bob.page.getByText("online", { exact: true })).toBeHidden();
  await check(ann.page, "request");

  await ann.page.getByRole("button", { name: "Accept" }).click();
  await expect(ann.composer).toBeFocused();
  await expect(entry(ann)).toBeHidden();
  await expect(ann.row(/bob/)).toBeVisible();
  await ann.send("Hello Bob");
  await expect(bob.bubble("Hello Bob")).toBeVisible();
  // From now on they learn what contacts learn.
  await expect(bob.tick("Hello Ann", "Read")).toBeVisible();
});

test("a request is deleted, and the next one is new again", async ({ register }) => {
  const { ann, bob } = await strangers(register, "Buy this");
  await bar(ann).getByRole("button", { name: "Delete" }).click();
  await expect(dialog(ann)).toContainText("It goes from all your devices.");
  await check(ann.page, "delete a chat");
  await dialog(ann).getByRole("button", { name: "Cancel" }).click();
  await expect(ann.bubble("Buy this")).toBeVisible();
  await bar(ann).getByRole("button", { name: "Delete" }).click();
  await dialog(ann).getByRole("button", { name: "Delete chat" }).click();
  await expect(ann.page).toHaveURL(/\/$/);
  await expect(entry(ann)).toBeHidden();
  await bob.send("Buy that");
  await expect(entry(ann)).toBeVisible();
  await entry(ann).click();
  await ann.openChatRow(/bob/);
  await expect(ann.bubble("Buy that")).toBeVisible();
  await expect(ann.bubble("Buy this")).toBeHidden();
});

test("somebody is reported with their messages, and blocked", async ({ register }) => {
  const texts = Array.from({ length: 7 }, (_, at) => `offer ${at + 1}`);
  const { ann, bob } = await strangers(register, ...texts);
  await expect(ann.bubble("offer 7")).toBeVisible();
  await bar(ann).getByRole("button", { name: "Report" }).click();
  const messages = dialog(ann).getByRole("group", { name: "Their messages to include" }).getByRole("checkbox");
  await expect(messages).toHaveCount(7);
  await expect(dialog(ann)).toContainText("nothing proves it");
  await expect(dialog(ann).getByText("5 messages chosen")).toBeVisible();
  await expect(messages.first()).not.toBeChecked();
  await expect(messages.last()).toBeChecked();
  await messages.first().check();
  await expect(dialog(ann).getByText("6 messages chosen")).toBeVisible();
  await dialog(ann).getByRole("radio", { name: "Abuse" }).check();
  await dialog(ann).getByLabel("What happened").fill("Again and again.");
  await expect(dialog(ann).getByRole("checkbox", { name: "Also block bob" })).toBeChecked();
  await check(ann.page, "report");
  await dialog(ann).getByRole("button", { name: "Send the report" }).click();
  await expect(dialog(ann)).toContainText("Your report was sent");
  await dialog(ann).getByRole("button", { name: "Done" }).click();
  await expect(entry(ann)).toBeHidden();
  await bob.send("offer 8");
  await ann.settings("privacy");
  await expect(ann.page.getByRole("button", { name: "Unblock" })).toBeVisible();
});

test("a chat is deleted from the list's menu; a group has to be left before", async ({ register }) => {
  const ann = await register("ann");
  await register("bob");
  await ann.startChat("bob");
  await ann.send("Hello");
  await ann.row(/bob/).click({ button: "right" });
  await ann.page.getByRole("menuitem", { name: "Delete chat" }).click();
  await dialog(ann).getByRole("button", { name: "Delete chat" }).click();
  await expect(ann.row(/bob/)).toBeHidden();
  await expect(ann.page).toHaveURL(/\/$/);
});
