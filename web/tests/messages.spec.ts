/** Everything that can be done with a message, between people with browsers and a server of their own. */
import AxeBuilder from "@axe-core/playwright";
import type { Locator, Page } from "@playwright/test";
import { expect, test } from "./fixtures.js";
import type { Person } from "./person.js";

/** Two people who have a chat open, with one message each. */
async function pair(register: (name: string) => Promise<Person>): Promise<{ ann: Person; bob: Person }> {
  const ann = await register("ann");
  const bob = await register("bob");
  await ann.startChat("bob");
  await ann.send("Hello Bob");
  await bob.openChat(/ann/);
  await expect(bob.bubble("Hello Bob")).toBeVisible();
  await bob.send("Hello Ann");
  await expect(ann.bubble("Hello Ann")).toBeVisible();
  return { ann, bob };
}

/** Chooses from the menu of a message. */
async function act(person: Person, text: string, ...path: string[]): Promise<void> {
  await person.bubble(text).first().locator(".bubble").click({ button: "right", position: { x: 6, y: 6 } });
  for (const [at, name] of path.entries()) {
    const item = person.page.getByRole("menuitem", { name, exact: true });
    // Into a submenu by the keyboard: a pointer that jumps there is one that goes elsewhere.
    if (at < path.length - 1) await item.press("ArrowRight");
    else if (at > 0) await item.press("Enter");
    else await item.click();
  }
}

/** As `send`, of what is not shown as it is typed. */
async function say(person: Person, text: string, shown: string): Promise<void> {
  await person.composer.fill(text);
  await person.composer.press("Enter");
  await expect(person.bubble(shown)).toBeVisible();
}

const dialog = (person: Person): Locator => person.page.locator("dialog[open]");

/** `floating`: a menu lies above the page, in none of its landmarks. */
async function check(page: Page, where: string, floating = false): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).disableRules(floating ? ["region"] : []).analyze();
  expect(violations.map(({ id, help, nodes }) => `${where}: ${id}: ${help}: ${nodes.map((node) => node.target.join(" ")).join(" | ")}`)).toEqual([]);
}

test("an answer shows what it answers, and leads there", async ({ register }) => {
  const { ann, bob } = await pair(register);
  for (let at = 0; at < 25; at++) await ann.send(`line ${at} of many`);
  await bob.send("something to answer");
  await expect(ann.bubble("something to answer")).toBeVisible();

  await act(ann, "something to answer", "Reply");
  await expect(ann.page.getByRole("group", { name: "Reply to bob" })).toContainText("something to answer");
  await expect(ann.composer).toBeFocused();
  await ann.composer.press("Escape");
  await expect(ann.page.getByRole("group", { name: "Reply to bob" })).toBeHidden();
  await expect(ann.composer).toBeVisible();

  await act(ann, "something to answer", "Reply");
  await ann.send("the answer");
  await expect(ann.page.getByRole("group", { name: "Reply to bob" })).toBeHidden();
  for (let at = 30; at < 60; at++) await ann.send(`line ${at} of many`);
  await expect(bob.bubble("line 59 of many")).toBeVisible();

  // Bob looks at the answer, and from there at what it answers.
  await bob.page.getByRole("button", { name: "Search in chat" }).first().click();
  await bob.page.getByRole("searchbox", { name: /Search in the chat/ }).fill("answer");
  await bob.page.getByRole("option", { name: /the answer/ }).click();
  const quote = bob.bubble("the answer").getByRole("button", { name: /something to answer/ });
  await expect(quote).toContainText("You");
  await quote.click();
  await expect(bob.page.locator(".is-flash")).toContainText("something to answer");

  // What is gone is not available any more, and leads nowhere.
  await act(bob, "something to answer", "Delete");
  await dialog(bob).getByRole("button", { name: "Delete for everyone" }).click();
  await expect(bob.bubble("the answer")).toContainText("Message not available");
  await expect(ann.bubble("the answer")).toContainText("Message not available");
});

test("reactions are counted, changed and taken back", async ({ register }) => {
  const { ann, bob } = await pair(register);
  await act(ann, "Hello Ann", "React with 👍");
  const chip = (person: Person) => person.bubble("Hello Ann").getByRole("button", { name: /👍/ });
  await expect(chip(ann)).toHaveAttribute("aria-pressed", "true");
  await expect(chip(bob)).toHaveAttribute("aria-pressed", "false");
  await chip(bob).click();
  await expect(chip(ann)).toContainText("2");
  await expect(chip(bob)).toHaveAttribute("aria-pressed", "true");

  await chip(ann).click({ button: "right" });
  await expect(dialog(ann).getByRole("listitem")).toHaveCount(2);
  await dialog(ann).getByRole("button", { name: "Close" }).click();

  await act(bob, "Hello Ann", "React with 😂");
  await expect(ann.bubble("Hello Ann").getByRole("button", { name: /😂/ })).toContainText("1");
  await chip(ann).click();
  await expect(chip(bob)).toBeHidden();

  // Any other one, by the picker at the bubble.
  await ann.bubble("Hello Ann").hover();
  await ann.bubble("Hello Ann").getByRole("button", { name: "React" }).click();
  await ann.page.getByRole("menuitem", { name: "Another emoji" }).click();
  await ann.page.getByRole("searchbox", { name: "Search emoji" }).fill("sailboat");
  await ann.page.getByRole("gridcell", { name: /sailboat/i }).first().click();
  await expect(bob.bubble("Hello Ann").getByRole("button", { name: /⛵/ })).toBeVisible();
});

test("one's own text is changed, and both see that it was", async ({ register }) => {
  const { ann, bob } = await pair(register);
  await ann.composer.fill("a draft");
  await act(ann, "Hello Bob", "Edit");
  await expect(ann.composer).toHaveValue("Hello Bob");
  await ann.composer.press("Escape");
  await expect(ann.composer).toHaveValue("a draft");
  await ann.composer.fill("");

  await ann.composer.press("ArrowUp");
  await expect(ann.composer).toHaveValue("Hello Bob");
  await ann.composer.fill("Hello dear Bob");
  await ann.composer.press("Enter");
  for (const person of [ann, bob]) {
    await expect(person.bubble("Hello dear Bob")).toContainText("Edited");
    await expect(person.log.getByRole("article")).toHaveCount(2);
  }
  await act(bob, "Hello dear Bob", "Under the hood");
  await expect(bob.page.getByRole("region", { name: "Earlier texts" })).toContainText("Hello Bob");
});

test("deleted for everyone, a message leaves a line; for oneself, nothing", async ({ register }) => {
  const { ann, bob } = await pair(register);
  await act(ann, "Hello Bob", "Delete");
  await dialog(ann).getByRole("button", { name: "Delete for everyone" }).click();
  await expect(ann.log).toContainText("You deleted this message");
  await expect(bob.log).toContainText("This message was deleted");
  await expect(bob.bubble("Hello Bob")).toBeHidden();

  await act(ann, "Hello Ann", "Delete");
  await expect(dialog(ann).getByRole("button", { name: "Delete for everyone" })).toBeHidden();
  await dialog(ann).getByRole("button", { name: "Delete for me" }).click();
  await expect(ann.bubble("Hello Ann")).toBeHidden();
  await expect(bob.bubble("Hello Ann")).toBeVisible();
});

test("a message is forwarded, and says so", async ({ server, register }) => {
  await server.cli("carl", "register", "carl");
  const { ann, bob } = await pair(register);
  await ann.startChat("carl");
  await ann.send("Hello Carl");
  await ann.openChat(/bob/);
  await act(ann, "Hello Ann", "Forward");
  await expect(dialog(ann).getByRole("button", { name: "Forward", exact: true })).toBeDisabled();
  await dialog(ann).getByRole("searchbox").fill("carl");
  await dialog(ann).getByRole("button", { name: /carl/ }).click();
  await dialog(ann).getByRole("searchbox").fill("");
  await dialog(ann).getByRole("button", { name: /bob/ }).click();
  await dialog(ann).getByRole("button", { name: "Forward to 2 chats" }).click();
  await expect(dialog(ann)).toBeHidden();
  await expect(ann.bubble("Hello Ann")).toHaveCount(2);
  await expect(bob.bubble("Forwarded")).toContainText("Hello Ann");
  await ann.openChat(/carl/);
  await expect(ann.bubble("Forwarded")).toContainText("Hello Ann");
});

test("stars are for oneself, and found again", async ({ register }) => {
  const { ann, bob } = await pair(register);
  await act(ann, "Hello Ann", "Star");
  await expect(ann.bubble("Hello Ann").getByRole("img", { name: "Starred" })).toBeVisible();
  await ann.page.getByRole("button", { name: "More", exact: true }).first().click();
  await ann.page.getByRole("menuitem", { name: "Starred messages" }).click();
  await expect(ann.page.getByRole("heading", { name: "Starred messages" })).toBeVisible();
  await check(ann.page, "starred");
  await ann.page.getByRole("button", { name: /Hello Ann/ }).click();
  await expect(ann.page.locator(".is-flash")).toContainText("Hello Ann");
  await expect(bob.bubble("Hello Ann").getByRole("img", { name: "Starred" })).toBeHidden();

  await ann.page.getByRole("button", { name: "Contact info" }).first().click();
  await ann.page.getByRole("group", { name: "This chat" }).getByRole("button", { name: "Starred messages" }).click();
  await ann.page.getByRole("button", { name: "Remove the star" }).click();
  await expect(ann.page.getByText("No starred messages")).toBeVisible();
});

test("what is pinned stands above the log for both", async ({ register }) => {
  const { ann, bob } = await pair(register);
  await act(ann, "Hello Ann", "Pin", "For 7 days");
  const bar = (person: Person) => person.page.getByRole("region", { name: "Pinned messages" });
  for (const person of [ann, bob]) await expect(bar(person)).toContainText("Hello Ann");
  await expect(bob.bubble("Hello Ann").getByRole("img", { name: "Pinned" })).toBeVisible();
  await act(bob, "Hello Bob", "Pin", "For 24 hours");
  await expect(bar(ann)).toContainText("1 of 2");
  await expect(bar(ann)).toContainText("Hello Bob");
  await bar(ann).getByRole("button").click();
  await expect(ann.page.locator(".is-flash")).toContainText("Hello Bob");
  await expect(bar(ann)).toContainText("Hello Ann");
  await act(bob, "Hello Bob", "Unpin");
  await act(ann, "Hello Ann", "Unpin");
  for (const person of [ann, bob]) await expect(bar(person)).toBeHidden();
});

test("a poll is asked, and voted in", async ({ register }) => {
  const { ann, bob } = await pair(register);
  await ann.page.getByRole("button", { name: "Add to the chat" }).click();
  await ann.page.getByRole("menuitem", { name: "Poll" }).click();
  await check(ann.page, "poll dialog");
  await dialog(ann).getByRole("button", { name: "Send the poll" }).click();
  await expect(dialog(ann).getByRole("alert").filter({ hasText: "Ask something" })).toBeVisible();
  await dialog(ann).getByLabel("Question").fill("Which ferry?");
  await dialog(ann).getByLabel("Option 1").fill("9:40");
  await dialog(ann).getByLabel("Option 2").fill("11:10");
  await dialog(ann).getByRole("button", { name: "Add an option" }).click();
  await dialog(ann).getByRole("textbox", { name: "Option 3" }).fill("none");
  await dialog(ann).getByRole("button", { name: "Send the poll" }).click();
  const option = (person: Person, name: RegExp) => person.bubble("Which ferry?").getByRole("button", { name });
  await option(bob, /9:40/).click();
  await expect(option(ann, /9:40, 1 vote/)).toBeVisible();
  await option(ann, /11:10/).click();
  await option(bob, /11:10/).click();
  for (const person of [ann, bob]) {
    await expect(option(person, /9:40, no votes/)).toBeVisible();
    await expect(option(person, /11:10, 2 votes/)).toHaveAttribute("aria-pressed", "true");
  }
  await ann.bubble("Which ferry?").getByRole("button", { name: "2 votes", exact: true }).click();
  await expect(dialog(ann).getByRole("region", { name: "11:10" }).getByRole("listitem")).toHaveCount(2);
  await dialog(ann).getByRole("button", { name: "Close" }).click();
  await option(ann, /11:10/).click();
  await expect(option(bob, /11:10, 1 vote/)).toBeVisible();
  await expect(bob.row(/ann/)).toContainText("Poll: Which ferry?");
});

test("contacts are sent, and places where the browser allows it", async ({ server, register }) => {
  await server.cli("carl", "register", "carl");
  const { ann, bob } = await pair(register);
  await ann.startChat("carl");
  await ann.openChat(/bob/);
  await ann.page.getByRole("button", { name: "Add to the chat" }).click();
  await ann.page.getByRole("menuitem", { name: "Contact" }).click();
  await dialog(ann).getByRole("button", { name: /carl/ }).click();
  await dialog(ann).getByRole("button", { name: "Send the contact" }).click();
  await bob.bubble("@carl").getByRole("button", { name: "Message" }).click();
  await expect(bob.page.getByRole("textbox", { name: "Message to carl" })).toBeVisible();

  await ann.context.grantPermissions(["geolocation"]);
  await ann.context.setGeolocation({ latitude: 59.3251, longitude: 18.0711 });
  await ann.page.getByRole("button", { name: "Add to the chat" }).click();
  await ann.page.getByRole("menuitem", { name: "Location" }).click();
  await dialog(ann).getByLabel("What is there").fill("The jetty");
  await dialog(ann).getByRole("button", { name: "Send the location" }).click();
  await expect(ann.bubble("The jetty")).toBeVisible();
  await bob.openChat(/ann/);
  const place = bob.bubble("The jetty").getByRole("link");
  await expect(place).toHaveAttribute("href", "https://www.openstreetmap.org/?mlat=59.32510&mlon=18.07110#map=16/59.32510/18.07110");
  await expect(place).toHaveAttribute("rel", "noopener noreferrer");

  // Nobody has allowed it: said plainly.
  await ann.context.clearPermissions();
  await ann.page.getByRole("button", { name: "Add to the chat" }).click();
  await ann.page.getByRole("menuitem", { name: "Location" }).click();
  await expect(dialog(ann).getByRole("alert").filter({ hasText: "it was refused" })).toBeVisible();
});

test("disappearing messages are turned on, said, and gone when their time is over", async ({ register }) => {
  const { ann, bob } = await pair(register);
  await ann.page.getByRole("button", { name: "Contact info" }).first().click();
  await ann.page.getByRole("button", { name: /^Disappearing messages/ }).click();
  await dialog(ann).getByRole("button", { name: "24 hours" }).click();
  await expect(ann.log).toContainText("You turned on disappearing messages: 24 hours");
  await expect(bob.log).toContainText("ann turned on disappearing messages: 24 hours");
  await ann.send("gone tomorrow");
  await expect(bob.bubble("gone tomorrow").getByRole("img", { name: /^Disappears/ })).toBeVisible();

  await ann.page.getByRole("button", { name: /^Disappearing messages/ }).click();
  await dialog(ann).getByRole("button", { name: "Another time" }).click();
  await dialog(ann).getByLabel("How many").fill("29");
  await dialog(ann).getByLabel("Unit").selectOption("Seconds");
  await dialog(ann).getByRole("button", { name: "Set" }).click();
  await expect(dialog(ann).getByRole("alert").filter({ hasText: "Between 30 seconds and a year" })).toBeVisible();
  await dialog(ann).getByLabel("How many").fill("30");
  await dialog(ann).getByRole("button", { name: "Set" }).click();
  await expect(bob.log).toContainText("ann turned on disappearing messages: 30 seconds");
  await ann.send("gone soon");
  await expect(bob.bubble("gone soon")).toBeVisible();
  for (const person of [ann, bob]) await expect(person.bubble("gone soon")).toBeHidden({ timeout: 60_000 });
});

test("several are chosen, copied and deleted; Escape leaves", async ({ register }) => {
  const { ann } = await pair(register);
  await ann.send("one more");
  await act(ann, "Hello Bob", "Select");
  const bar = ann.page.getByRole("toolbar", { name: "Chosen messages" });
  await expect(bar).toContainText("1 chosen");
  await ann.bubble("Hello Ann").click();
  await expect(bar).toContainText("2 chosen");
  await ann.page.keyboard.press("Escape");
  await expect(bar).toBeHidden();
  await expect(ann.composer).toBeVisible();

  await act(ann, "Hello Bob", "Select");
  await ann.bubble("one more").getByRole("checkbox").check();
  await bar.getByRole("button", { name: "Copy" }).click();
  expect(await ann.page.evaluate(() => navigator.clipboard.readText())).toBe("Hello Bob\none more");

  await act(ann, "Hello Bob", "Select");
  await ann.bubble("one more").click();
  await check(ann.page, "choosing");
  await bar.getByRole("button", { name: "Delete" }).click();
  await dialog(ann).getByRole("button", { name: "Delete for me" }).click();
  await expect(bar).toBeHidden();
  await expect(ann.log.getByRole("article")).toHaveCount(1);
});

test("texts are formatted, and only formatted", async ({ register }) => {
  const { ann, bob } = await pair(register);
  await say(ann, "*bold* _italic_ ~strike~ `code` https://a.example/b_c_d", "https://a.example/b_c_d");
  const marked = bob.bubble("italic");
  await expect(marked.locator("strong")).toHaveText("bold");
  await expect(marked.locator("em")).toHaveText("italic");
  await expect(marked.locator("s")).toHaveText("strike");
  await expect(marked.locator("code")).toHaveText("code");
  await expect(marked.getByRole("link")).toHaveAttribute("href", "https://a.example/b_c_d");

  await say(ann, "Bring:\n- tent\n- *stove*\n> quoted\n```\n<b>no markup</b>\n```", "Bring:");
  const listed = bob.bubble("Bring:");
  await expect(listed.getByRole("listitem")).toHaveText(["tent", "stove"]);
  await expect(listed.locator("blockquote")).toHaveText("quoted");
  await expect(listed.locator("pre")).toHaveText("<b>no markup</b>");

  await say(ann, "*<img src=x onerror=alert(1)>* javascript:alert(1)", "onerror");
  const hostile = bob.bubble("onerror");
  await expect(hostile.locator("strong")).toHaveText("<img src=x onerror=alert(1)>");
  await expect(hostile.locator("img[src]")).toHaveCount(0);
  await expect(hostile.getByRole("link")).toHaveCount(0);

  await say(ann, "word ".repeat(600), "word word");
  await bob.bubble("word word").getByRole("button", { name: "Read more" }).click();
  await expect(bob.bubble("word word").getByRole("button", { name: "Read less" })).toBeVisible();
});

test("folders, nicknames and defaults are arranged, and come back", async ({ register }) => {
  const { ann, bob } = await pair(register);
  const { page } = ann;
  await page.getByRole("button", { name: "Contact info" }).first().click();
  await page.getByRole("button", { name: /^Nickname/ }).click();
  await dialog(ann).getByLabel("What you call them").fill("Bobby");
  await dialog(ann).getByRole("button", { name: "Save" }).click();
  await expect(ann.row(/Bobby/)).toBeVisible();
  await page.getByRole("button", { name: /^Folder/ }).click();
  await dialog(ann).getByLabel("Name of the folder").fill("Friends");
  await dialog(ann).getByRole("button", { name: "Save" }).click();
  await page.getByRole("group", { name: "Which chats to show" }).getByRole("button", { name: "Friends" }).click();
  await expect(ann.row(/Bobby/)).toBeVisible();

  await ann.settings("privacy");
  await page.getByRole("button", { name: "Change" }).click();
  await dialog(ann).getByRole("button", { name: "7 days" }).click();
  await expect(page.getByText("7 days", { exact: true })).toBeVisible();
  await check(page, "settings/privacy");
  await page.reload();
  await expect(page.getByText("7 days", { exact: true })).toBeVisible();
  await expect(bob.row(/ann/)).toBeVisible();
});

for (const scheme of ["light", "dark"] as const) {
  for (const [size, viewport] of Object.entries({ wide: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } })) {
    test(`axe finds nothing at messages, ${scheme}, ${size}`, async ({ register }) => {
      const ann = await register("ann", { colorScheme: scheme, viewport });
      const { page } = ann;
      await ann.startChat("ann");
      await say(ann, "*something* to `look` at\n- one\n> two", "something");
      await act(ann, "something", "React with 👍");
      await act(ann, "something", "Star");
      await act(ann, "something", "Pin", "For 24 hours");
      await act(ann, "something", "Reply");
      await check(page, "reply bar");
      await ann.send("an answer");
      await expect(page.getByRole("region", { name: "Pinned messages" })).toBeVisible();
      await check(page, "bubbles");
      await ann.bubble("an answer").locator(".bubble").click({ button: "right", position: { x: 6, y: 6 } });
      await expect(page.getByRole("menuitem", { name: "Forward" })).toBeVisible();
      await check(page, "menu", true);
      await page.getByRole("menuitem", { name: "Forward" }).click();
      await expect(dialog(ann)).toBeVisible();
      await check(page, "forward dialog");
      await dialog(ann).getByRole("button", { name: "Close" }).click();
      await page.getByRole("button", { name: "Add to the chat" }).click();
      await page.getByRole("menuitem", { name: "Poll" }).click();
      await check(page, "poll dialog");
      await dialog(ann).getByLabel("Question").fill("Which?");
      await dialog(ann).getByLabel("Option 1").fill("this");
      await dialog(ann).getByLabel("Option 2").fill("that");
      await dialog(ann).getByRole("button", { name: "Send the poll" }).click();
      await ann.bubble("Which?").getByRole("button", { name: /this/ }).click();
      await expect(ann.bubble("Which?").getByRole("button", { name: /this, 1 vote/ })).toBeVisible();
      await act(ann, "an answer", "Delete");
      await check(page, "delete dialog");
      await dialog(ann).getByRole("button", { name: "Delete for everyone" }).click();
      await expect(ann.log).toContainText("You deleted this message");
      await check(page, "poll and tombstone");
    });
  }
}
