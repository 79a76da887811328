/** Who is new, who is there, and what people show of themselves, as pictures. */
import { expect } from "@playwright/test";
import type { Person } from "../person.js";
import { take } from "./album.js";
import { lakePicture } from "./groups.js";

/** Somebody new has written to Noor. */
export async function requestScenes(noor: Person): Promise<void> {
  const { page } = noor;
  const entry = page.getByRole("button", { name: /^Message requests/ });
  await expect(entry).toBeVisible();
  await take(page, "requests-entry");
  await entry.click();
  await noor.openChatRow(/otto/);
  await expect(page.getByRole("button", { name: "Accept" })).toBeVisible();
  await take(page, "request");
  await page.getByRole("button", { name: "Report" }).click();
  await page.getByLabel("What happened").fill("Sells watches to everybody here.");
  await take(page, "report");
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("button", { name: "Delete" }).click();
  await take(page, "request-delete");
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("button", { name: "Back to all chats" }).click();
}

/** Mira and Noor have their chat open. */
export async function presenceScenes(noor: Person, mira: Person): Promise<void> {
  const { page } = noor;
  const under = page.locator("header.bar .who p");
  await mira.settings("profile");
  await mira.page.getByLabel("Display name").fill("Mira Lindqvist");
  await mira.page.getByLabel("About", { exact: true }).fill("On the water until Monday");
  await mira.page.getByRole("button", { name: "Save" }).click();
  const choosing = mira.page.waitForEvent("filechooser");
  await mira.page.getByRole("button", { name: "Add a picture" }).click();
  await (await choosing).setFiles({ name: "lake.png", mimeType: "image/png", buffer: await lakePicture(mira.page) });
  await mira.page.getByRole("button", { name: "Use it" }).click();
  await expect(mira.page.getByRole("button", { name: "Remove the picture" })).toBeVisible();
  await take(mira.page, "settings-profile");
  await mira.settings("privacy");
  await expect(mira.page.getByRole("combobox", { name: "Last seen" })).toHaveValue("contacts");
  await take(mira.page, "settings-privacy");
  await mira.page.getByRole("button", { name: "Last seen: Except…" }).click();
  await take(mira.page, "settings-privacy-except");
  await mira.page.getByRole("button", { name: "Cancel" }).click();
  await mira.settings("developer");
  await expect(mira.page.getByText("Two billion people")).toBeVisible();
  await take(mira.page, "settings-developer");

  await mira.page.goto(mira.server.url);
  await mira.openChat(/noor/);
  await expect(under).toHaveText("online");
  await take(page, "online");
  // It goes on for as long as the pictures take.
  const typing = setInterval(() => void mira.composer.press("x").catch(() => undefined), 1000);
  await expect(under).toHaveText("typing…");
  await take(page, "typing");
  clearInterval(typing);
  await page.getByRole("button", { name: "Contact info" }).first().click();
  await expect(page.getByText("On the water until Monday")).toBeVisible();
  await take(page, "contact-about");
  await page.getByRole("button", { name: /^Show the picture/ }).click();
  await take(page, "contact-picture");
  await page.getByRole("button", { name: "Close" }).last().click();
}
