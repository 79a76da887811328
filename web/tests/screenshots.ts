/** Every screen into docs/screenshots: `make screenshots`. Real people at a real server; only what is broken is made up. */
import { messageScenes } from "./scenes/messages.js";
import { expect, test, type Browser } from "@playwright/test";
import { Person } from "./person.js";
import { afternoon, take } from "./scenes/album.js";
import { asAnotherMachine, failProfile } from "./scenes/failures.js";
import { aboutMember, lakePicture, line, makeGroup, openDialog, openInfo, pickPeople } from "./scenes/groups.js";
import { presenceScenes, requestScenes } from "./scenes/people.js";
import { Server } from "./server.js";

test.use({ timezoneId: afternoon(), deviceScaleFactor: 2, trace: "off", viewport: { width: 1440, height: 900 } });
const PASSPHRASE = "correct horse battery staple";

let server: Server;
test.beforeEach(async () => {
  server = await Server.start();
});
test.afterEach(async () => server.remove());

test("ways in", async ({ browser }) => {
  const ann = await Person.arrive(browser, server, "noor.haddad");
  const { page } = ann;
  await expect(page.getByRole("button", { name: "Create an account" })).toBeVisible();
  await take(page, "welcome");

  await page.getByRole("button", { name: "I have a recovery code" }).click();
  await page.getByLabel("Username").fill("noor.haddad");
  await page.getByLabel("Recovery code").fill("K7QM-2XRD-9WTC-H4VN-6PBE");
  await take(page, "recover");
  await page.goto(server.url);

  await page.getByRole("button", { name: "I have Sotto on another device" }).click();
  await expect(page.getByText("Waiting for your other device")).toBeVisible();
  await take(page, "link-this-device");
  await page.getByRole("button", { name: "Use a text code" }).click();
  await ann.linkText();
  await take(page, "link-this-device-text");
  await page.goto(server.url);

  await page.getByRole("button", { name: "Create an account" }).click();
  await page.getByLabel("Username").fill("Noor Haddad");
  await page.getByRole("button", { name: "Create account" }).click();
  await expect(page.getByText("A username has no spaces.")).toBeVisible();
  await take(page, "create-account-refused");
  await page.getByLabel("Username").fill("noor.haddad");
  await take(page, "create-account");
  await page.getByRole("button", { name: "Create account" }).click();
  await expect(page.getByRole("heading", { name: "Keep this code" })).toBeVisible();
  ann.recoveryCode = await ann.shownCode();
  await page.getByRole("checkbox").click();
  await take(page, "recovery-code");
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByLabel(/^Group \d/).first().fill("K7QM");
  await take(page, "recovery-code-back");
  await ann.typeCodeBack();
  await ann.ready();
  await expect(page.getByText("It is quiet here")).toBeVisible();
  await take(page, "empty");

  await page.getByRole("button", { name: "New chat" }).first().click();
  await page.getByLabel("Username or link").fill("mira.lindquist");
  await take(page, "new-chat");
  await page.getByRole("button", { name: "Start chat" }).click();
  await expect(page.getByText(/Nobody here is called/)).toBeVisible();
  await take(page, "new-chat-nobody");
  await ann.close();
});

/** Writes as somebody at a terminal. */
const says = async (name: string, ...texts: string[]): Promise<void> => {
  await server.feed(name, texts.map((text) => JSON.stringify({ to: "noor", text })), "send", "--stdin");
};

const PEOPLE = ["mira.lindqvist", "tomas.berg", "papa", "elif.demir", "aiko.mori", "jonas.weil", "otto.brandt", "leyla.bakery", "parcel.station", "yusuf.amin"];

/** Everybody has written, and everything that can be arranged about a chat is arranged. */
async function settleIn(browser: Browser): Promise<{ noor: Person; aikosCode: string }> {
  const codes = new Map<string, string>();
  for (const name of PEOPLE) {
    const { recovery_code: code } = await server.json(name, "register", name, "--yes", "--device-name", "Phone");
    codes.set(name, String(code));
  }
  const noor = await Person.register(browser, server, "noor");
  const { page } = noor;
  const back = (): Promise<void> => page.getByRole("link", { name: "Chats" }).first().click();
  const row = async (name: RegExp, ...items: string[]): Promise<void> => {
    await noor.row(name).click({ button: "right" });
    for (const item of items) await page.getByRole("menuitem", { name: item }).click();
  };

  await says("parcel.station", "Your parcel is in box 14 until Thursday.");
  await says("otto.brandt", "Half past six, at the bridge?");
  await noor.openChat(/otto/);
  await noor.send("See you at the bridge, half past six");
  await back();

  await says("jonas.weil", "I moved. New number, new name, I will write from there.");
  await noor.openChat(/jonas/);
  await expect(noor.bubble("I moved.")).toBeVisible();
  await server.cli("jonas.weil", "delete-account", "--yes");
  await noor.send("Does anyone have a spare rope?");
  await expect(noor.tick("spare rope", "Not sent")).toBeVisible({ timeout: 60_000 });
  await back();

  await says("aiko.mori", "Landed. The light here is unreal.");
  await noor.openChat(/aiko/);
  await noor.send("Send pictures. And sleep.");
  await server.cli("aiko.mori", "listen", "--until-drained");
  await expect(noor.tick("Send pictures", "Delivered")).toBeVisible();
  await back();

  await says("elif.demir", "Did you get the key for the rehearsal room?", "Bar 32 again on Thursday, altos softer please.");
  await noor.openChat(/elif/);
  await noor.composer.fill("About the rehearsal room, could we");
  await back();
  await expect(noor.row(/elif/)).toContainText("Draft:");

  await says("leyla.bakery", ...Array.from({ length: 13 }, (_, at) => `Order ${at + 1}: two rye`), "Two rye, one seeded. Noted.");
  await says("yusuf.amin", "السلام عليكم! هل وصلت الحقيبة؟", "نعم، شكراً. אני מגיע מחר, see you at 10", "🛶🌲", "https://archipelago-lines.example/timetables/summer/north-shore?from=pier-3&to=lake-house&via=the-long-way-round", "A long letter has many words, and each of them wants to be read in its turn. ".repeat(40));
  await noor.openChat(/yusuf/);
  await noor.send("Perfect 👌🏽");
  await back();
  await says("papa", "The tomatoes are red.", "Call me when you are on the train.");

  await says("tomas.berg", "Sleeping bags: I have four. Who still needs one?");
  await noor.openChat(/tomas/);
  await noor.send("Yes please. The grey one.");
  await server.cli("tomas.berg", "listen", "--once", "1", "--mark-read");
  await expect(noor.tick("The grey one", "Read")).toBeVisible();
  await back();

  await says("mira.lindqvist", "Ferry at 9:40 or 11:10? No running with the canoe.");
  await noor.openChat(/mira/);
  await noor.send("11:10. We have learned something since last year.");
  await server.cli("mira.lindqvist", "listen", "--once", "1", "--mark-read");
  await expect(noor.tick("11:10.", "Read")).toBeVisible();
  await says("mira.lindqvist", "Thank you for having me! 11:10 it is.", "The summer timetable: https://archipelago-lines.example/summer");
  await expect(noor.bubble("summer timetable")).toBeVisible();
  await noor.send("The jetty was so still this morning that the gulls looked down at themselves.");
  await noor.send("Who brings the stove?");
  await server.cli("mira.lindqvist", "listen", "--once", "2", "--mark-read");
  await expect(noor.tick("Who brings the stove?", "Read")).toBeVisible();
  await page.getByRole("button", { name: "Contact info" }).first().click();
  await page.getByRole("button", { name: "They match" }).click();
  await page.getByRole("button", { name: "Mark as verified" }).click();
  await expect(page.getByText("You compared this with mira.lindqvist")).toBeVisible();
  await back();

  await says("mira.lindqvist", "I’ll bring the big pot, then", "and the grey blanket if you want it. It’s the warm one, and the zip works again");
  await row(/mira/, "Pin to the top");
  await row(/leyla/, "Mute", "Always");
  await row(/parcel/, "Archive");
  await row(/tomas/, "Mark as unread");
  await expect(noor.row(/mira/)).toContainText("the warm one");
  return { noor, aikosCode: codes.get("aiko.mori") ?? "" };
}

test("chats", async ({ browser }) => {
  const { noor, aikosCode } = await settleIn(browser);
  const { page } = noor;
  const home = async (): Promise<void> => {
    await page.goto(server.url);
    await noor.ready();
  };
  /** Escape, where nothing is open, leaves the chat. */
  const shut = async (): Promise<void> => {
    if ((await page.locator(".menu, .floating").count()) > 0) await page.keyboard.press("Escape");
    await expect(page.locator(".menu, .floating")).toHaveCount(0);
  };
  const go = async (path: string): Promise<void> => {
    await page.goto(`${server.url}${path}`);
  };
  // It comes with the second visit. On a phone it stands over a chat.
  await home();
  const banner = page.getByText("The browser may clear your messages");
  await expect(banner).toBeVisible();
  await noor.openChat(/aiko/);
  await take(page, "banner-storage");
  await page.getByRole("button", { name: "Dismiss" }).click();
  await expect(banner).toBeHidden();
  await home();
  await take(page, "list");
  await page.getByRole("button", { name: "Archived" }).click();
  await take(page, "archive");
  await home();
  await page.getByRole("button", { name: "Unread", exact: true }).click();
  await take(page, "list-unread");
  await home();
  await take(page, "list-menu", {
    before: async () => {
      await shut();
      await noor.row(/tomas/).click({ button: "right" });
      await expect(page.getByRole("menuitem", { name: "Mute" })).toBeVisible();
    },
  });
  await home();

  // With an unread line; then answers of every state but waiting.
  await noor.openChat(/mira/);
  await expect(noor.bubble("the warm one")).toBeVisible();
  const mira = new URL(page.url()).pathname;
  await noor.send("Yes please. The grey one.");
  await server.cli("mira.lindqvist", "listen", "--once", "1", "--mark-read");
  await expect(noor.tick("The grey one.", "Read")).toBeVisible();
  await noor.send("Bringing coffee and the small stove");
  await server.cli("mira.lindqvist", "listen", "--until-drained");
  await expect(noor.tick("the small stove", "Delivered")).toBeVisible();
  await noor.send("And the map");
  await expect(noor.tick("And the map", "Sent")).toBeVisible();
  await noor.composer.fill("I can take the early shift on Saturday, if");
  await take(page, "chat");

  await take(page, "message-menu", {
    before: async () => {
      await shut();
      await noor.bubble("The grey one.").click({ button: "right" });
      await expect(page.getByRole("menuitem", { name: "Under the hood" })).toBeVisible();
    },
  });
  await page.getByRole("menuitem", { name: "Under the hood" }).click();
  await expect(page.getByText("What the server sees")).toBeVisible();
  await take(page, "hood");
  const hood = page.getByRole("complementary", { name: "Under the hood" });
  await hood.getByText("Connection", { exact: true }).first().scrollIntoViewIfNeeded();
  await take(page, "hood-end");
  await go(mira);
  await noor.bubble("Thank you for having me").click({ button: "right" });
  await page.getByRole("menuitem", { name: "Under the hood" }).click();
  await expect(page.getByText("What the server sees")).toBeVisible();
  await take(page, "hood-received");

  await go(`${mira}/info`);
  await expect(page.getByText("You compared this with")).toBeVisible();
  await take(page, "contact-verified");
  await page.getByRole("button", { name: "Show the code larger" }).click();
  await take(page, "safety-number-large");
  await go(`${mira}/search`);
  await page.getByLabel(/^Search in the chat with/).fill("stove");
  await expect(page.getByRole("option", { name: /small stove/ })).toBeVisible();
  await take(page, "search-in-chat");

  await go(mira);
  await take(page, "emoji", {
    before: async () => {
      await shut();
      await page.getByRole("button", { name: "Emoji" }).click();
      await expect(page.getByRole("gridcell").first()).toBeVisible();
    },
  });
  await home();
  await page.keyboard.press("Control+k");
  await expect(page.getByRole("searchbox", { name: "Search messages and people" })).toBeFocused();
  await page.keyboard.type("the");
  await expect(page.getByRole("option", { name: /canoe/ })).toBeVisible();
  await take(page, "search");
  await page.getByRole("searchbox", { name: "Search messages and people" }).fill("submarine");
  await expect(page.getByText("Nothing found for")).toBeVisible();
  await take(page, "search-nothing");
  await home();
  await page.keyboard.press("?");
  await expect(page.locator("dialog[open]")).toBeVisible();
  await take(page, "shortcuts");
  await home();

  for (const [name, screen] of [[/jonas/, "chat-not-sent"], [/yusuf/, "chat-scripts"], [/papa/, "chat-unread"], [/elif/, "chat-draft"]] as const) {
    await noor.openChat(name);
    await take(page, screen);
    await home();
  }
  await noor.openChat(/otto/);
  await page.getByRole("button", { name: "Contact info" }).first().click();
  await expect(page.getByRole("button", { name: "They match" })).toBeVisible();
  await take(page, "contact");
  await page.getByRole("button", { name: "They match" }).click();
  await take(page, "contact-compare");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: /^Block / }).click();
  await take(page, "contact-block");
  await page.locator("dialog[open]").getByRole("button", { name: "Block" }).click();
  await page.getByRole("button", { name: "Close" }).first().click();
  await expect(page.getByText("You blocked otto.brandt")).toBeVisible();
  await take(page, "chat-blocked");
  await home();
  await noor.startChat("noor");
  await noor.send("Rope, matches, the good knife");
  await take(page, "note-to-self");

  // Aiko was verified, lost her phone, and came back with her code: a new key.
  await home();
  await noor.openChat(/aiko/);
  const aiko = new URL(page.url()).pathname;
  await page.getByRole("button", { name: "Contact info" }).first().click();
  await page.getByRole("button", { name: "They match" }).click();
  await page.getByRole("button", { name: "Mark as verified" }).click();
  await expect(page.getByText("You compared this with")).toBeVisible();
  await server.feed("aiko.tablet", [aikosCode], "recover", "aiko.mori", "--device-name", "Tablet");
  await server.feed("aiko.tablet", [aikosCode], "devices", "remove", "1", "--stolen");
  await server.cli("aiko.tablet", "send", "noor", "My phone is gone. This is me, on the tablet.");
  await go(aiko);
  await expect(page.getByText("’s safety number changed").first()).toBeVisible();
  await noor.send("Which café was it, the first time?");
  await expect(noor.tick("Which café", "Held: the safety number changed")).toBeVisible();
  await take(page, "key-change");
  await page.getByRole("button", { name: "Compare" }).first().click();
  await expect(page.getByRole("button", { name: "Go on without comparing" })).toBeVisible();
  await take(page, "key-change-contact");

  await server.feed("noor", [noor.recoveryCode], "recover", "noor", "--device-name", "Office desktop");
  for (const name of ["profile", "privacy", "devices", "notifications", "appearance", "storage", "server", "about", "leave"]) {
    await noor.settings(name);
    await expect(page.getByRole("main").getByRole("heading").first()).toBeVisible();
    if (name === "devices") await expect(page.getByText("Office desktop")).toBeVisible();
    await take(page, `settings-${name}`);
  }
  await go("/settings");
  await expect(page.getByRole("heading", { name: "Settings" })).toBeVisible();
  await take(page, "settings", { only: "phone" });
  await noor.settings("leave");
  await page.getByRole("button", { name: "Sign out" }).first().click();
  await take(page, "sign-out");
  await noor.settings("leave");
  await page.getByRole("button", { name: "Delete" }).first().click();
  await take(page, "delete-account");
  await noor.settings("devices");
  await page.getByRole("button", { name: "Unlink: Office desktop" }).click();
  await take(page, "device-unlink");
  await page.getByRole("button", { name: "It was stolen" }).click();
  await take(page, "device-stolen");

  // Link a second browser: what it shows, and what this one asks.
  const second = await Person.arrive(browser, server, "noor");
  await second.page.getByRole("button", { name: "I have Sotto on another device" }).click();
  await second.page.getByRole("button", { name: "Use a text code" }).click();
  const text = await second.linkText();
  await go("/link");
  await page.getByRole("button", { name: "Paste the text code" }).click();
  await page.getByLabel("Text code from the new device").fill(text);
  await take(page, "link-device");
  await page.getByRole("button", { name: "Continue" }).click();
  await take(page, "link-device-confirm");
  await page.getByRole("button", { name: "Link it" }).click();
  await expect(page.getByRole("heading", { name: "Linked" })).toBeVisible();
  await take(page, "link-device-done");
  await expect(second.page.getByText("Your messages of the last 30 days are here.")).toBeVisible();
  await take(second.page, "linked");
  await second.close();

  // Without a server.
  await go(mira);
  await expect(noor.composer).toBeVisible();
  await server.kill();
  await noor.composer.fill("");
  await noor.send("And a second map, for the dog");
  await expect(page.getByText("Reconnecting. What you send waits here.")).toBeVisible();
  await take(page, "offline");
  await server.run();
  await expect(noor.tick("for the dog", "Sent")).toBeVisible({ timeout: 60_000 });

  // Locked with a passphrase.
  await noor.settings("privacy");
  await page.getByRole("button", { name: /^Set/ }).first().click();
  const dialog = page.locator("dialog[open]");
  for (const field of await dialog.locator("input[type=password]").all()) await field.fill(PASSPHRASE);
  await take(page, "passphrase");
  await dialog.getByRole("button", { name: /^(Set|Lock|Save)/ }).click();
  await expect(dialog).toBeHidden({ timeout: 60_000 });
  await go("/");
  await page.getByLabel("Passphrase").fill("wrong");
  await page.getByRole("button", { name: "Unlock" }).click();
  await expect(page.getByText("That is not it. Try again.")).toBeVisible();
  await take(page, "locked");
  await page.getByLabel("Passphrase").fill(PASSPHRASE);
  await page.getByRole("button", { name: "Unlock" }).click();
  await noor.ready();

  // Another device of hers took this one off.
  await server.cli("noor", "devices", "remove", "1");
  // It may know that before the chat opens, and then there is no field.
  await noor.row(/mira/).first().click();
  await expect(page.getByText("This device was unlinked")).toBeVisible();
  await take(page, "unlinked");
  // By links: a reload would ask for the passphrase.
  await page.getByRole("link", { name: "Settings" }).first().click();
  await page.getByRole("link", { name: "Devices" }).click();
  await expect(page.getByRole("button", { name: "Erase and link again" })).toBeVisible();
  await take(page, "unlinked-again");
  await page.getByRole("link", { name: "Sign out or delete" }).click();
  await page.getByRole("button", { name: "Sign out" }).first().click();
  await page.locator("dialog[open]").getByRole("button", { name: "Sign out and erase" }).click();
  await expect(page.getByText("This device was erased")).toBeVisible();
  await take(page, "erased");
  await noor.close();
});

test("messages", async ({ browser }) => {
  const noor = await Person.register(browser, server, "noor");
  const mira = await Person.register(browser, server, "mira.lindqvist");
  await mira.startChat("noor");
  await mira.send("Lake house on Saturday");
  await noor.openChat(/mira/);
  await messageScenes(noor, mira);
  for (const person of [noor, mira]) await person.close();
});

test("people", async ({ browser }) => {
  const strict = await Server.start({ requests: true, web: "developer_stats = true" });
  const noor = await Person.register(browser, strict, "noor");
  const mira = await Person.register(browser, strict, "mira");
  const otto = await Person.register(browser, strict, "otto.brandt");
  await otto.startChat("noor");
  for (const text of ["Hello! Do you need a watch?", "Swiss, all of them. https://watches.example", "Answer until tomorrow and one is free"]) await otto.send(text);
  await otto.close();
  await requestScenes(noor);
  await noor.startChat("mira");
  await noor.send("The ferry at 9:40?");
  await mira.page.getByRole("button", { name: /^Message requests/ }).click();
  await mira.openChatRow(/noor/);
  await mira.page.getByRole("button", { name: "Accept" }).click();
  await mira.send("The one at 11:10, please");
  await expect(noor.bubble("11:10")).toBeVisible();
  await presenceScenes(noor, mira);
  for (const person of [noor, mira]) await person.close();
  await strict.remove();
});

test("groups", async ({ browser }) => {
  for (const name of ["elif.demir", "aiko.mori", "otto.brandt", "papa"]) await server.cli(name, "register", name, "--yes");
  const noor = await Person.register(browser, server, "noor");
  const mira = await Person.register(browser, server, "mira.lindqvist");
  const tomas = await Person.register(browser, server, "tomas.berg");
  const { page } = noor;
  for (const name of ["elif.demir", "otto.brandt", "papa"]) await server.cli(name, "send", "noor", "Hello");
  await expect(noor.row(/papa/)).toBeVisible();

  await page.keyboard.press("Alt+g");
  await pickPeople(page, ["mira.lindqvist", "tomas.berg", "elif.demir"]);
  await take(page, "new-group-people");
  await pickPeople(page, ["aiko.mori"]);
  await openDialog(page).getByRole("button", { name: /^Go on with/ }).click();
  await openDialog(page).getByLabel("Title", { exact: true }).fill("Lake house");
  await openDialog(page).getByLabel("Description", { exact: true }).fill("Saturday to Monday. Ferry at 11:10, keys are with Mira.");
  const chooser = page.waitForEvent("filechooser");
  await page.getByRole("button", { name: "Add a picture" }).click();
  await (await chooser).setFiles({ name: "lake.png", mimeType: "image/png", buffer: await lakePicture(page) });
  await expect(page.getByRole("button", { name: "Use it" })).toBeVisible();
  await take(page, "group-picture");
  await page.getByRole("button", { name: "Use it" }).click();
  await expect(page.getByRole("button", { name: "Remove the picture" })).toBeVisible();
  await take(page, "new-group");
  await openDialog(page).getByText("Who may do what").click();
  await take(page, "new-group-advanced");
  await openDialog(page).getByRole("button", { name: "Make the group" }).click();
  await expect(noor.composer).toBeVisible();
  const chat = new URL(page.url()).pathname;

  await mira.openChat(/Lake house/);
  await tomas.openChat(/Lake house/);
  await mira.send("Ferry at 9:40 or 11:10? No running with the canoe.");
  await expect(noor.bubble("Ferry at")).toBeVisible();
  await noor.send("11:10. We have learned something since last year.");
  await tomas.send("Sleeping bags: I have four. Who still needs one?");
  await expect(noor.bubble("Sleeping bags")).toBeVisible();
  await aboutMember(noor, "tomas.berg", "Make admin");
  await expect(line(tomas, "made you an admin")).toBeVisible();
  await tomas.composer.pressSequentially("@noor");
  await expect(tomas.page.getByRole("listbox", { name: "Mention somebody" }).getByRole("option")).toHaveCount(1);
  await tomas.page.keyboard.press("Enter");
  await tomas.composer.pressSequentially("the grey one is yours if you want it. It’s the warm one, and the zip works again");
  await tomas.page.keyboard.press("Enter");
  await expect(noor.bubble("the grey one is yours").locator("mark")).toBeVisible();
  await noor.send("Yes please. The grey one.");
  await expect(mira.bubble("The grey one.")).toBeVisible();
  await noor.send("Bringing coffee and the small stove");
  await expect(tomas.bubble("small stove")).toBeVisible();
  await page.goto(`${server.url}${chat}`);
  await expect(noor.bubble("small stove")).toBeVisible();
  await take(page, "chat-group");

  await noor.composer.pressSequentially("I can take the early shift, @");
  await expect(page.getByRole("listbox", { name: "Mention somebody" })).toBeVisible();
  await take(page, "chat-group-mention", {
    before: async () => {
      await noor.composer.focus();
      if (await page.getByRole("listbox", { name: "Mention somebody" }).isHidden()) {
        await page.keyboard.press("Backspace");
        await noor.composer.pressSequentially("@");
      }
      await expect(page.getByRole("listbox", { name: "Mention somebody" })).toBeVisible();
    },
  });
  await noor.composer.fill("");

  const panel = await openInfo(noor);
  await panel.getByRole("button", { name: /^Invite links/ }).click();
  await page.getByRole("button", { name: "New invite link" }).click();
  await openDialog(page).getByRole("switch").click();
  await take(page, "group-invite-new");
  await openDialog(page).getByRole("button", { name: "Make the link" }).click();
  await expect(page.getByRole("img", { name: /^QR code with the invite link/ })).toBeVisible();
  await take(page, "group-invite");
  const link = await openDialog(page).getByText(/#\/g\//).innerText();
  await openDialog(page).getByRole("button", { name: "Close" }).click();
  await take(page, "group-invites");

  const jonas = await Person.register(browser, server, "jonas.weil");
  await jonas.page.goto(link.trim());
  await expect(jonas.page.getByRole("button", { name: "Ask to join" })).toBeVisible();
  await take(jonas.page, "join-group");
  await jonas.page.getByRole("button", { name: "Ask to join" }).click();
  await expect(jonas.page.getByText("You asked to join")).toBeVisible();
  await take(jonas.page, "join-group-waiting");
  await jonas.close();

  await noor.bubble("The grey one.").click({ button: "right" });
  await page.getByRole("menuitem", { name: "Who has it" }).click();
  await expect(page.getByRole("region", { name: "Read by" })).toContainText("2 of 4");
  await take(page, "message-receipts");

  await page.goto(`${server.url}${chat}/info`);
  await expect(page.getByText("Requests to join")).toBeVisible();
  await take(page, "group-info");
  await take(page, "group-member-menu", {
    before: async () => {
      if ((await page.locator(".menu").count()) > 0) await page.keyboard.press("Escape");
      await expect(page.locator(".menu")).toHaveCount(0);
      await page.getByRole("button", { name: /^mira\.lindqvist/ }).click();
      await expect(page.getByRole("menuitem", { name: "Make admin" })).toBeVisible();
    },
  });
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: /^Who may do what/ }).click();
  await take(page, "group-permissions");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Edit", exact: true }).click();
  await take(page, "group-edit");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Leave the group" }).click();
  await take(page, "group-leave");
  await page.keyboard.press("Escape");

  // Named in two of several chats; and what somebody sees who is out.
  await mira.page.goto(server.url);
  await makeGroup(tomas, { title: "Thursday choir", people: ["mira.lindqvist", "noor"] });
  await tomas.send("Bar 32 again, altos softer please");
  await expect(mira.row(/Thursday choir/)).toContainText("Bar 32");
  await noor.composer.pressSequentially("@all");
  await expect(page.getByRole("option", { name: /@all/ })).toBeVisible();
  await page.keyboard.press("Enter");
  await noor.composer.pressSequentially("who brings the rope?");
  await page.keyboard.press("Enter");
  await expect(mira.row(/Lake house/).getByRole("img", { name: "Mentions you" })).toBeVisible();
  await take(mira.page, "list-groups");
  await mira.openChat(/Lake house/);
  await aboutMember(noor, "mira\\.lindqvist", "Remove from the group");
  await openDialog(page).getByRole("button", { name: "Remove" }).click();
  await expect(mira.page.getByText("You are not a member of this group any more.")).toBeVisible();
  await take(mira.page, "chat-group-left");
  for (const person of [noor, mira, tomas]) await person.close();
});

test("failures", async ({ browser }) => {
  const reasons = {
    no_storage: "NotAllowedError: Storage directory access is denied",
    storage_full: "QuotaExceededError: the quota has been exceeded",
    newer: "the database has version 9, this program knows 7",
    damaged: "database disk image is malformed",
    crashed: "memory access out of bounds",
    not_loaded: "Failed to fetch",
  } as const;
  for (const [why, text] of Object.entries(reasons)) {
    const context = await browser.newContext();
    await failProfile(context, why as keyof typeof reasons, text);
    const page = await context.newPage();
    await page.goto(server.url);
    await expect(page.getByText(text).first()).toBeVisible();
    await take(page, `failure-${why.replace("_", "-")}`);
    await context.close();
  }

  const first = await browser.newContext();
  await first.route("**/v1/**", (route) => route.abort());
  const alone = await first.newPage();
  await alone.goto(server.url);
  await expect(alone.getByText("The server does not answer")).toBeVisible();
  await take(alone, "server-unreachable");
  await first.close();
});

test("not secure", async ({ browser }) => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(await asAnotherMachine(context, server.url));
  await expect(page.getByText("This address is not secure")).toBeVisible();
  await take(page, "failure-insecure");
  await context.close();
});
