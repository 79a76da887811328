/** Who is there and who is writing, between people with browsers of their own; and who may not see it. */
import { expect, test } from "./fixtures.js";
import type { Person } from "./person.js";
import { makeGroup } from "./scenes/groups.js";

/** Two who know each other, and have their chat open. */
async function pair(register: (name: string) => Promise<Person>): Promise<{ ann: Person; bob: Person }> {
  const ann = await register("ann");
  const bob = await register("bob");
  await ann.startChat("bob");
  await ann.send("Hello Bob");
  await bob.openChat(/ann/);
  await bob.send("Hello Ann");
  await expect(ann.bubble("Hello Ann")).toBeVisible();
  return { ann, bob };
}

/** For longer than the few seconds in which typing that goes on is not told again. */
const type = (person: Person): Promise<void> =>
  person.composer.pressSequentially("Well, let me think about this for a moment before I say", { delay: 90 });

/** The line below the name. */
const under = (person: Person) => person.page.locator("header.bar .who p");

test("somebody is online while they look, and was last seen when they left", async ({ register }) => {
  const { ann, bob } = await pair(register);
  await expect(under(ann)).toHaveText("online");
  await expect(ann.row(/bob/).locator(".avatar .dot")).toBeVisible();
  await expect(ann.row(/bob/)).toContainText("Online");
  await bob.page.close();
  await expect(under(ann)).toHaveText(/^last seen today at \d/, { timeout: 90_000 });
  await expect(ann.row(/bob/).locator(".avatar .dot")).toBeHidden();
});

test("that somebody types is shown, and ends", async ({ register }) => {
  const { ann, bob } = await pair(register);
  await type(bob);
  await expect(under(ann)).toHaveText("typing…");
  await expect(ann.row(/bob/)).toContainText("typing…");
  await expect(ann.page.getByRole("status").filter({ hasText: "bob is typing…" })).toHaveCount(1);

  // Taken back.
  await bob.composer.fill("");
  await expect(under(ann)).toHaveText("online");
  await expect(ann.row(/bob/)).toContainText("Hello Ann");

  // Sent.
  await type(bob);
  await expect(under(ann)).toHaveText("typing…");
  await bob.composer.press("Enter");
  await expect(ann.bubble("Well, let me think")).toBeVisible();
  await expect(under(ann)).toHaveText("online");

  // Nothing more is typed: it ends by itself.
  await type(bob);
  await expect(under(ann)).toHaveText("typing…");
  await expect(under(ann)).toHaveText("online");
});

test("who hides that they are online does not see it of others", async ({ register }) => {
  const { ann, bob } = await pair(register);
  await expect(under(ann)).toHaveText("online");
  await expect(under(bob)).toHaveText("online");
  const chat = bob.page.url();
  await bob.settings("privacy");
  await bob.page.getByRole("combobox", { name: "Online" }).selectOption("Nobody");
  await bob.page.getByRole("combobox", { name: "Last seen" }).selectOption("Nobody");
  await expect(bob.page.getByRole("combobox", { name: "Last seen" })).toHaveValue("nobody");
  await expect(under(ann)).toHaveText("@bob");
  await bob.page.goto(chat);
  await expect(bob.bubble("Hello Bob")).toBeVisible();
  await expect(under(bob)).toHaveText("@ann");
  await expect(under(ann)).toHaveText("@bob");
});

test("in a group it is said who types", async ({ register }) => {
  const ann = await register("ann");
  const bob = await register("bob");
  const cem = await register("cem");
  await makeGroup(ann, { title: "Lake house", people: ["bob", "cem"] });
  for (const person of [bob, cem]) {
    await person.openChat(/Lake house/);
    await expect(under(person)).toHaveText("3 members");
  }
  const typing = [type(bob), type(cem)];
  await expect(under(ann)).toHaveText(/^(bob and cem|cem and bob) are typing…$/);
  await expect(ann.row(/Lake house/)).toContainText("are typing…");
  await Promise.all(typing);
  await bob.composer.press("Enter");
  await expect(under(ann)).toHaveText("cem is typing…");
  await cem.composer.fill("");
  await expect(under(ann)).toHaveText("3 members");
});
