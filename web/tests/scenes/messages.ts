/** What people do with messages, as pictures: answers, reactions, polls, and the menus and dialogs that lead to them. */
import { expect, type Locator } from "@playwright/test";
import type { Person } from "../person.js";
import { take } from "./album.js";

/** Opens the menu of a message, and chooses from it. */
async function act(person: Person, text: string, ...path: string[]): Promise<void> {
  await person.bubble(text).first().locator(".bubble").click({ button: "right", position: { x: 6, y: 6 } });
  for (const [at, name] of path.entries()) {
    const item = person.page.getByRole("menuitem", { name, exact: true });
    if (at < path.length - 1) await item.press("ArrowRight");
    else await item.press("Enter");
  }
}

async function say(person: Person, text: string, shown: string): Promise<void> {
  await person.composer.fill(text);
  await person.composer.press("Enter");
  await expect(person.bubble(shown)).toBeVisible();
}

/** Two who have a chat with each other open. */
export async function messageScenes(noor: Person, mira: Person): Promise<void> {
  const { page } = noor;
  const dialog: Locator = page.locator("dialog[open]");
  const attach = async (what: string): Promise<void> => {
    await page.getByRole("button", { name: "Add to the chat" }).click();
    await page.getByRole("menuitem", { name: what }).click();
  };

  await mira.send("Ferry at 9:40 or 11:10? No running with the canoe.");
  await act(noor, "Ferry at", "Reply");
  await take(page, "message-reply");
  await noor.send("11:10. We have learned something since last year.");
  await act(mira, "11:10. We", "React with 😂");
  await say(mira, "*Who brings what*\n- _Mira_: the big pot\n- _Noor_: coffee, the matches\n> Leave the dog’s bed, it takes a whole bag\nThe gate opens with `4711#`", "the big pot");
  await act(noor, "the big pot", "React with 👍");
  await act(mira, "the big pot", "Pin", "For 7 days");
  await act(noor, "the big pot", "Star");
  await noor.send("Bringing coffee and the smal stove");
  // What has not left cannot be changed yet.
  await expect(noor.tick("smal stove", "Read")).toBeVisible();
  await noor.composer.press("ArrowUp");
  await noor.composer.fill("Bringing coffee and the small stove");
  await take(page, "message-edit");
  await noor.composer.press("Enter");
  await expect(noor.bubble("the small stove")).toContainText("Edited");
  await mira.send("Wrong chat, sorry");
  await act(mira, "Wrong chat", "Delete");
  await mira.page.locator("dialog[open]").getByRole("button", { name: "Delete for everyone" }).click();
  await expect(noor.log).toContainText("This message was deleted");
  await expect(page.getByRole("region", { name: "Pinned messages" })).toBeVisible();
  await take(page, "messages");

  await take(page, "message-tools", {
    before: async () => {
      if ((await page.locator(".menu").count()) > 0) await page.keyboard.press("Escape");
      await expect(page.locator(".menu")).toHaveCount(0);
      await act(noor, "the small stove");
      await expect(page.getByRole("menuitem", { name: "Forward" })).toBeVisible();
    },
  });
  await page.getByRole("menuitem", { name: "Forward" }).click();
  await dialog.getByRole("button", { name: /Note to self|mira/ }).first().click();
  await take(page, "message-forward");
  await dialog.getByRole("button", { name: "Close" }).click();
  await act(noor, "the small stove", "Delete");
  await take(page, "message-delete");
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await act(noor, "the small stove", "Select");
  await noor.bubble("the big pot").click();
  await take(page, "messages-select");
  await page.keyboard.press("Escape");

  await attach("Poll");
  await dialog.getByLabel("Question").fill("Who takes the early shift on Saturday?");
  for (const [at, option] of ["Mira", "Noor", "Whoever is up"].entries()) {
    if (at > 1) await dialog.getByRole("button", { name: "Add an option" }).click();
    await dialog.getByRole("textbox", { name: `Option ${at + 1}` }).fill(option);
  }
  await take(page, "poll-new");
  await dialog.getByRole("button", { name: "Send the poll" }).click();
  await noor.bubble("early shift").getByRole("button", { name: /^Whoever/ }).click();
  await mira.bubble("early shift").getByRole("button", { name: /^Whoever/ }).click();
  await expect(noor.bubble("early shift").getByRole("button", { name: /^Whoever is up, 2 votes/ })).toBeVisible();
  await noor.context.grantPermissions(["geolocation"]);
  await noor.context.setGeolocation({ latitude: 59.3251, longitude: 18.0711, accuracy: 12 });
  await attach("Location");
  await expect(dialog.getByLabel("What is there")).toBeVisible();
  await dialog.getByLabel("What is there").fill("The jetty");
  await take(page, "location-new");
  await dialog.getByRole("button", { name: "Send the location" }).click();
  await attach("Contact");
  await dialog.getByRole("button", { name: /mira/ }).first().click();
  await take(page, "contact-send");
  await dialog.getByRole("button", { name: "Send the contact" }).click();
  await expect(noor.log.getByRole("button", { name: "Message" })).toBeVisible();
  await page.getByRole("button", { name: "Contact info" }).first().click();
  await page.getByRole("button", { name: /^Disappearing messages/ }).click();
  await take(page, "timer");
  await dialog.getByRole("button", { name: "24 hours" }).click();
  await expect(noor.log).toContainText("You turned on disappearing messages: 24 hours");
  await page.getByRole("button", { name: "Close" }).first().click();
  await noor.send("This is gone tomorrow");
  await take(page, "messages-cards");

  await page.goto(`${noor.server.url}/starred`);
  await expect(page.getByRole("button", { name: /the big pot/ })).toBeVisible();
  await take(page, "starred");
}
