/** What people do with groups, as they do it. */
import { expect, type Locator, type Page } from "@playwright/test";
import type { Person } from "../person.js";

export interface GroupWish {
  title: string;
  description?: string;
  people?: readonly string[];
  picture?: Buffer;
}

/** From the shortcut to the conversation. */
export async function makeGroup(person: Person, { title, description, people = [], picture }: GroupWish): Promise<void> {
  const { page } = person;
  await page.keyboard.press("Alt+g");
  const dialog = openDialog(page);
  await pickPeople(page, people);
  await dialog.getByRole("button", { name: /^Go on with/ }).click();
  await dialog.getByLabel("Title", { exact: true }).fill(title);
  if (description !== undefined) await dialog.getByLabel("Description", { exact: true }).fill(description);
  if (picture !== undefined) await choosePicture(page, picture);
  await dialog.getByRole("button", { name: "Make the group" }).click();
  await expect(page.getByRole("heading", { name: title })).toBeVisible();
  await expect(person.composer).toBeVisible();
}

export async function pickPeople(page: Page, people: readonly string[]): Promise<void> {
  const dialog = openDialog(page);
  for (const name of people) {
    const field = dialog.getByLabel("Name or exact @username");
    await field.fill(name);
    await field.press("Enter");
    await expect(dialog.getByRole("button", { name: `Take ${name} out` })).toBeVisible();
  }
}

export async function choosePicture(page: Page, picture: Buffer): Promise<void> {
  const chooser = page.waitForEvent("filechooser");
  await page.getByRole("button", { name: "Add a picture" }).or(page.getByRole("button", { name: "Change", exact: true })).click();
  await (await chooser).setFiles({ name: "picture.png", mimeType: "image/png", buffer: picture });
  await page.getByRole("button", { name: "Use it" }).click();
  await expect(page.getByRole("button", { name: "Remove the picture" })).toBeVisible();
}

/** The dialog on top. */
export const openDialog = (page: Page): Locator => page.locator("dialog[open]").last();

/** A lake in the evening, larger than any group may hold. */
export async function lakePicture(page: Page): Promise<Buffer> {
  const base64 = await page.evaluate(() => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [1600, 1100];
    const context = canvas.getContext("2d");
    if (!context) throw new Error("no canvas");
    const sky = context.createLinearGradient(0, 0, 0, 1100);
    for (const [at, colour] of [[0, "#f7c59f"], [0.45, "#f2a07b"], [0.5, "#7aa6a1"], [1, "#2f5d62"]] as const) sky.addColorStop(at, colour);
    context.fillStyle = sky;
    context.fillRect(0, 0, 1600, 1100);
    context.fillStyle = "#fff3d6";
    context.beginPath();
    context.arc(800, 430, 120, 0, 7);
    context.fill();
    context.fillStyle = "#3b5b5a";
    context.beginPath();
    context.moveTo(0, 550);
    for (let x = 0; x <= 1600; x += 20) context.lineTo(x, 520 - 90 * Math.abs(Math.sin(x / 260)));
    context.lineTo(1600, 550);
    context.fill();
    // Grain, as a photograph has: it does not become small by itself.
    const pixels = context.getImageData(0, 0, 1600, 1100);
    let seed = 7;
    for (let at = 0; at < pixels.data.length; at += 1) {
      if (at % 4 === 3) continue;
      seed = (seed * 1103515245 + 12345) % 2147483648;
      pixels.data[at] = (pixels.data[at] ?? 0) + (seed % 24) - 12;
    }
    context.putImageData(pixels, 0, 0);
    return canvas.toDataURL("image/png").split(",")[1] ?? "";
  });
  return Buffer.from(base64, "base64");
}

/** The panel beside the conversation. */
export async function openInfo(person: Person): Promise<Locator> {
  const panel = person.page.getByLabel("Group info", { exact: true }).and(person.page.locator(".panel"));
  if (!(await panel.isVisible())) await person.page.getByRole("button", { name: /^Group info/ }).click();
  await expect(panel.getByText("Members", { exact: true })).toBeVisible();
  return panel;
}

/** By the menu of a member. */
export async function aboutMember(person: Person, name: string, item: string): Promise<void> {
  const panel = await openInfo(person);
  await panel.getByRole("button", { name: new RegExp(`^${name}\\b`) }).click();
  await person.page.getByRole("menuitem", { name: item }).click();
}

/** Something that happened to the group. */
export const line = (person: Person, text: string): Locator => person.log.getByRole("note").filter({ hasText: text });

/** A link into the group whose conversation is open. */
export async function makeInvite(person: Person, options: { approval?: boolean } = {}): Promise<string> {
  const { page } = person;
  const panel = await openInfo(person);
  await panel.getByRole("button", { name: /^Invite links/ }).click();
  await page.getByRole("button", { name: "New invite link" }).click();
  const dialog = openDialog(page);
  if (options.approval === true) await dialog.getByRole("switch", { name: "An admin lets people in" }).click();
  await dialog.getByRole("button", { name: "Make the link" }).click();
  await expect(page.getByRole("img", { name: /^QR code with the invite link/ })).toBeVisible();
  const link = await openDialog(page).getByText(/#\/g\//).innerText();
  await openDialog(page).getByRole("button", { name: "Close" }).click();
  return link.trim();
}
