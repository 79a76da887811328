import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { expect, test } from "./fixtures.js";
import { aboutMember, lakePicture, line, makeGroup, makeInvite, openDialog, openInfo, pickPeople } from "./scenes/groups.js";

test("three people make a group, talk in it, and see who has read what", async ({ register }) => {
  const ann = await register("ann");
  const bob = await register("bob");
  const cem = await register("cem");
  await makeGroup(ann, {
    title: "Lake house",
    description: "Saturday to Monday",
    people: ["bob", "cem"],
    picture: await lakePicture(ann.page),
  });
  await expect(line(ann, "You made this group with bob and cem")).toBeVisible();

  for (const person of [bob, cem]) {
    const row = person.row(/Lake house/);
    await expect(row).toBeVisible();
    // The picture came along, small enough for everybody.
    await expect(row.locator(".avatar img")).toHaveJSProperty("complete", true);
    const bytes = await row.locator(".avatar img").evaluate((image: HTMLImageElement) => fetch(image.src).then((file) => file.blob()).then(({ size }) => size)).catch(() => null);
    if (bytes !== null) expect(bytes).toBeLessThanOrEqual(48 * 1024);
  }
  await bob.openChat(/Lake house/);
  await cem.openChat(/Lake house/);
  await expect(line(bob, "ann made this group with you and cem")).toBeVisible();

  await ann.send("Who brings the stove?");
  for (const person of [bob, cem]) {
    await expect(person.bubble("Who brings the stove?").getByRole("link", { name: "ann" })).toBeVisible();
  }
  await expect(ann.tick("Who brings the stove?", "Read")).toBeVisible();
  await bob.send("I do");
  for (const person of [ann, cem]) await expect(person.bubble("I do").getByRole("link", { name: "bob" })).toBeVisible();
  await expect(cem.row(/Lake house/)).toContainText("bob: I do");
  await expect(bob.row(/Lake house/)).toContainText("You: I do");

  await ann.bubble("Who brings the stove?").click({ button: "right" });
  await ann.page.getByRole("menuitem", { name: "Who has it" }).click();
  const read = ann.page.getByRole("region", { name: "Read by" });
  await expect(read).toContainText("bob");
  await expect(read).toContainText("cem");
  await expect(read).toContainText("2 of 2");
});

test("somebody who is named is told, and the name stays right while the text changes", async ({ server, register }) => {
  const ann = await register("ann");
  const bob = await register("bob");
  const cem = await register("cem");
  await makeGroup(ann, { title: "Choir", people: ["bob", "cem"] });
  await expect(bob.row(/Choir/)).toBeVisible();
  await cem.openChat(/Choir/);

  const { composer, page } = ann;
  const suggestions = page.getByRole("listbox", { name: "Mention somebody" });
  await composer.pressSequentially("Hello @");
  await expect(suggestions.getByRole("option")).toHaveCount(3);
  await page.keyboard.press("Escape");
  await expect(suggestions).toBeHidden();
  // Escape closed no more than the list, and it stays closed behind this "@".
  await composer.pressSequentially("b");
  await expect(suggestions).toBeHidden();
  await page.keyboard.press("Backspace");
  await page.keyboard.press("Backspace");
  await composer.pressSequentially("@bo");
  await expect(suggestions.getByRole("option")).toHaveCount(1);
  await page.keyboard.press("Enter");
  await expect(composer).toHaveValue("Hello @bob ");
  await composer.pressSequentially("and @");
  await expect(suggestions).toBeVisible();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Tab");
  await expect(composer).toHaveValue("Hello @bob and @cem ");
  await composer.pressSequentially("look");
  await page.keyboard.press("Home");
  await composer.pressSequentially("Well. ");
  await page.keyboard.press("End");
  await page.keyboard.press("Enter");

  await expect(ann.bubble("Well. Hello @bob and @cem look").getByRole("link", { name: "@bob" })).toBeVisible();
  await expect(bob.row(/Choir/).getByRole("img", { name: "Mentions you" })).toBeVisible();
  await expect(cem.bubble("Well.").locator("mark")).toHaveText("@cem");
  await expect(cem.bubble("Well.").getByRole("link", { name: "@bob" })).toBeVisible();
  await bob.openChat(/Choir/);
  await expect(bob.bubble("Well.").locator("mark")).toHaveText("@bob");
  await expect(bob.row(/Choir/).getByRole("img", { name: "Mentions you" })).toBeHidden();

  // Words that were changed name nobody any more. What bob has open counts as read at once, in his profile a moment later.
  await expect(ann.tick("Well.", "Read")).toBeVisible();
  await bob.page.goto(server.url);
  await composer.pressSequentially("@bob");
  await expect(suggestions.getByRole("option")).toHaveCount(1);
  await page.keyboard.press("Enter");
  await page.keyboard.press("Backspace");
  await page.keyboard.press("Backspace");
  await page.keyboard.press("Backspace");
  await composer.pressSequentially("at");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Enter");
  await expect(bob.row(/Choir/)).toContainText("ann: @bat");
  await expect(bob.row(/Choir/).getByRole("img", { name: "Mentions you" })).toBeHidden();

  await composer.pressSequentially("@al");
  await expect(suggestions.getByRole("option", { name: /@all/ })).toBeVisible();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  await expect(bob.row(/Choir/).getByRole("img", { name: "Mentions you" })).toBeVisible();
  await expect(cem.bubble("@all").locator("mark")).toBeVisible();
});

test("members come, get rights and go, and everybody sees it", async ({ server, register }) => {
  await server.cli("dora", "register", "dora");
  const ann = await register("ann");
  const bob = await register("bob");
  const cem = await register("cem");
  await makeGroup(ann, { title: "Garden", people: ["bob", "cem"] });
  await bob.openChat(/Garden/);
  await cem.openChat(/Garden/);

  const panel = await openInfo(ann);
  await panel.getByRole("button", { name: "Add", exact: true }).click();
  await pickPeople(ann.page, ["dora"]);
  await openDialog(ann.page).getByRole("button", { name: "Add 1 person" }).click();
  await expect(line(ann, "You added dora")).toBeVisible();
  for (const person of [bob, cem]) await expect(line(person, "ann added dora")).toBeVisible();
  await bob.send("Welcome");
  await expect(panel.getByText("4 of 1,024")).toBeVisible();

  await aboutMember(ann, "bob", "Make admin");
  await expect(line(bob, "ann made you an admin")).toBeVisible();
  await expect(line(cem, "ann made bob an admin")).toBeVisible();
  await expect(panel.getByRole("button", { name: /^bob/ })).toContainText("Admin");

  await aboutMember(bob, "cem", "Remove from the group");
  await openDialog(bob.page).getByRole("button", { name: "Remove" }).click();
  await expect(line(ann, "bob removed cem")).toBeVisible();
  await expect(cem.page.getByText("You are not a member of this group any more.")).toBeVisible();
  await expect(cem.composer).toBeHidden();

  await ann.send("Now without cem");
  await expect(bob.bubble("Now without cem")).toBeVisible();
  // What was written to cem alone comes later, and is here: the other is not.
  await bob.startChat("cem");
  await bob.send("Sorry");
  await expect(cem.row(/^bob/)).toContainText("Sorry");
  await expect(cem.bubble("Now without cem")).toHaveCount(0);

  // Only admins write: the others are told why they cannot.
  await (await openInfo(ann)).getByRole("button", { name: /^Who may do what/ }).click();
  const dialog = openDialog(ann.page);
  await dialog.getByRole("group", { name: "Write messages" }).getByRole("button", { name: "Admins" }).click();
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(line(ann, "You changed who may do what here")).toBeVisible();
  await aboutMember(ann, "bob", "Take admin rights away");
  await openDialog(ann.page).getByRole("button", { name: "Take away" }).click();
  await bob.openChatRow(/Garden/);
  await expect(bob.page.getByText("Only admins write in this group.")).toBeVisible();
});

test("a link lets people ask, an admin lets them in, and a group ends", async ({ server, register, arrive }) => {
  const ann = await register("ann");
  const dora = await register("dora");
  const bob = await register("bob");
  await makeGroup(ann, { title: "Neighbours" });
  const asking = await makeInvite(ann, { approval: true });
  await ann.page.getByRole("button", { name: "Back to the group" }).click();

  await dora.page.goto(asking);
  await expect(dora.page.getByRole("heading", { name: "Neighbours" })).toBeVisible();
  await expect(dora.page.getByText("1 member")).toBeVisible();
  // The code that lets people in is not left in the address.
  expect(dora.page.url()).toBe(`${server.url}/join`);
  await dora.page.getByRole("button", { name: "Ask to join" }).click();
  await expect(dora.page.getByText("You asked to join")).toBeVisible();

  await expect(ann.page.getByRole("button", { name: "Group info, 1 person asks to join" })).toBeVisible();
  await ann.page.getByRole("button", { name: /^Let .* in$/ }).click();
  await expect(line(ann, "You added dora")).toBeVisible();
  // The dialog that waited leads on by itself.
  await expect(dora.composer).toBeVisible();
  await dora.send("Hello, I am from number 12");
  await expect(ann.bubble("Hello, I am from number 12")).toBeVisible();

  // A second link, without questions, pasted where people look for people.
  const open = await makeInvite(ann);
  await bob.page.getByRole("button", { name: "New chat" }).first().click();
  await bob.page.getByLabel("Username or link").fill(open);
  await bob.page.getByRole("button", { name: "Start chat" }).click();
  await bob.page.getByRole("button", { name: "Join", exact: true }).click();
  await expect(bob.composer).toBeVisible();
  await expect(line(ann, "bob came by an invite link")).toBeVisible();
  await bob.send("Me too");
  await expect(dora.bubble("Me too")).toBeVisible();
  // Once more leads to the group.
  await bob.page.goto(open);
  await expect(bob.composer).toBeVisible();

  // Somebody who has no account yet comes back to it after the gate.
  const eva = await arrive("eva");
  await eva.page.goto(open);
  await expect(eva.page.getByText("After that, you can join the group")).toBeVisible();
  await eva.createAccount();
  await eva.page.getByRole("button", { name: "Join", exact: true }).click();
  await expect(eva.composer).toBeVisible();

  // A closed link leads nowhere, and says so.
  await ann.page.getByRole("button", { name: "Close this link" }).last().click();
  await openDialog(ann.page).getByRole("button", { name: "Close the link" }).click();
  await expect(line(ann, "You closed an invite link")).toBeVisible();
  await ann.page.getByRole("button", { name: "Back to the group" }).click();

  const panel = await openInfo(dora);
  await panel.getByRole("button", { name: "Leave the group" }).click();
  await openDialog(dora.page).getByRole("button", { name: "Leave", exact: true }).click();
  await expect(dora.page.getByText("You are not a member of this group any more.")).toBeVisible();
  await expect(line(ann, "dora left")).toBeVisible();

  await (await openInfo(ann)).getByRole("button", { name: "Delete for everybody" }).click();
  await openDialog(ann.page).getByRole("button", { name: "Delete for everybody" }).click();
  for (const person of [ann, bob, eva]) {
    await expect(person.page.getByText("This group was deleted.")).toBeVisible();
    await expect(person.composer).toBeHidden();
  }
});

async function check(page: Page, where: string): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const found = violations.map(({ id, help, nodes }) => `${where}: ${id}: ${help}: ${nodes.map((node) => node.target.join(" ")).join(" | ")}`);
  expect.soft(found).toEqual([]);
}

for (const [look, options] of Object.entries({
  "light, wide": { colorScheme: "light", viewport: { width: 1440, height: 900 } },
  "dark, phone": { colorScheme: "dark", viewport: { width: 390, height: 844 } },
} as const)) {
  test(`axe finds nothing in groups, ${look}`, async ({ server, register }) => {
    await server.cli("carl", "register", "carl");
    await server.cli("dora", "register", "dora");
    const ann = await register("ann", options);
    const { page } = ann;
    await page.keyboard.press("Alt+g");
    await expect(openDialog(page).getByLabel("Name or exact @username")).toBeFocused();
    await pickPeople(page, ["carl", "dora"]);
    await check(page, "new group, people");
    await openDialog(page).getByRole("button", { name: "Go on with 2 people" }).click();
    await openDialog(page).getByText("Who may do what").click();
    await openDialog(page).getByRole("button", { name: "Make the group" }).click();
    await expect(page.getByText("A group needs a title.")).toBeVisible();
    await check(page, "new group, details");
    await openDialog(page).getByLabel("Title", { exact: true }).fill("Lake house");
    await openDialog(page).getByRole("button", { name: "Make the group" }).click();
    await expect(ann.composer).toBeVisible();
    await ann.composer.pressSequentially("Hi @");
    await expect(page.getByRole("listbox", { name: "Mention somebody" })).toBeVisible();
    await check(page, "suggestions");
    await page.keyboard.press("Enter");
    await ann.composer.pressSequentially("there");
    await page.keyboard.press("Enter");
    await expect(ann.bubble("there")).toBeVisible();
    await check(page, "chat");
    const chat = page.url();
    await page.goto(`${chat}/info`);
    await expect(page.getByText("3 of 1,024")).toBeVisible();
    await check(page, "info");
    await page.getByRole("button", { name: /^Invite links/ }).click();
    await page.getByRole("button", { name: "New invite link" }).click();
    await check(page, "new invite");
    await openDialog(page).getByRole("button", { name: "Make the link" }).click();
    await expect(page.getByRole("img", { name: /^QR code with the invite link/ })).toBeVisible();
    await check(page, "invite");
    await openDialog(page).getByRole("button", { name: "Close" }).click();
    await check(page, "invites");
    await page.goto(`${server.url}/join`);
    await expect(page.getByLabel("Invite link")).toBeVisible();
    await check(page, "join");
  });
}
