/** What people show of themselves: name, a line, a picture; who may see it; and the developer's page. */
import AxeBuilder from "@axe-core/playwright";
import { deflateSync } from "node:zlib";
import type { Page } from "@playwright/test";
import { expect, test } from "./fixtures.js";
import { Person } from "./person.js";
import { Server } from "./server.js";

async function check(page: Page, where: string): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map(({ id, help, nodes }) => `${where}: ${id}: ${help}: ${nodes.map((node) => node.target.join(" ")).join(" | ")}`)).toEqual([]);
}

/** A picture of this size, as a camera might make it. */
function png(width: number, height: number): Buffer {
  const crc = (bytes: Buffer): number => {
    let value = ~0;
    for (const byte of bytes) {
      value ^= byte;
      for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0);
    }
    return ~value >>> 0;
  };
  const chunk = (name: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(name, "latin1"), data]);
    const ends = Buffer.alloc(8);
    ends.writeUInt32BE(data.length, 0);
    ends.writeUInt32BE(crc(body), 4);
    return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const rows = Buffer.alloc(height * (1 + width * 3));
  for (let at = 0; at < rows.length; at++) rows[at] = at % (1 + width * 3) === 0 ? 0 : (at * 7) % 251;
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk("IHDR", head), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}

test("a name, a line and a picture are seen by who was accepted", async ({ register }) => {
  const ann = await register("ann");
  const bob = await register("bob");
  await ann.startChat("bob");
  await ann.send("Hello Bob");
  await bob.openChat(/ann/);
  await bob.send("Hello Ann");
  await expect(ann.bubble("Hello Ann")).toBeVisible();

  await bob.settings("profile");
  const { page } = bob;
  await page.getByLabel("Display name").fill("Bob Barker");
  await page.getByLabel("About", { exact: true }).fill("On the water until Monday");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Saved")).toBeVisible();
  const choosing = page.waitForEvent("filechooser");
  await page.getByRole("button", { name: "Add a picture" }).click();
  await (await choosing).setFiles({ name: "me.png", mimeType: "image/png", buffer: png(700, 500) });
  await expect(page.getByRole("dialog")).toBeVisible();
  await check(page, "crop");
  await page.getByRole("button", { name: "Use it" }).click();
  await expect(page.getByRole("button", { name: "Remove the picture" })).toBeVisible();
  await check(page, "profile");

  await expect(ann.row(/Bob Barker/)).toBeVisible();
  await expect(ann.row(/Bob Barker/).locator(".avatar img")).toBeVisible();
  await ann.page.getByRole("button", { name: "Contact info" }).first().click();
  await expect(ann.page.getByText("On the water until Monday")).toBeVisible();
  await ann.page.getByRole("button", { name: "Show the picture of Bob Barker" }).click();
  const large = ann.page.getByRole("img", { name: "Picture of Bob Barker" });
  await expect(large).toBeVisible();
  expect(await large.evaluate((image: HTMLImageElement) => [image.naturalWidth, image.naturalHeight])).toEqual([320, 320]);
  await check(ann.page, "picture");
  await ann.page.keyboard.press("Escape");

  await page.getByRole("button", { name: "Remove the picture" }).click();
  await expect(ann.row(/Bob Barker/).locator(".avatar img")).toHaveCount(0);
});

test("who may see what is chosen, with people left out", async ({ register }) => {
  const ann = await register("ann");
  const bob = await register("bob");
  await ann.startChat("bob");
  await ann.send("Hello Bob");
  await ann.settings("privacy");
  const { page } = ann;
  await expect(page.getByRole("combobox", { name: "Last seen" })).toHaveValue("contacts");
  await page.getByRole("combobox", { name: "Read receipts" }).selectOption("Nobody");
  await page.getByRole("combobox", { name: "Who may add you to groups" }).selectOption("People you accepted");
  await page.getByRole("button", { name: "Last seen: Except…" }).click();
  const dialog = page.locator("dialog[open]");
  await dialog.getByRole("button", { name: /bob/ }).click();
  await check(page, "except");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("button", { name: "Last seen: Except 1 person" })).toBeVisible();
  await check(page, "privacy");
  await page.reload();
  await expect(page.getByRole("combobox", { name: "Read receipts" })).toHaveValue("nobody");
  await expect(page.getByRole("combobox", { name: "Who may add you to groups" })).toHaveValue("contacts");
  await expect(page.getByRole("button", { name: "Last seen: Except 1 person" })).toBeVisible();

  // The server keeps them: without it nothing changes, and the page says so.
  await bob.close();
  await ann.server.stop();
  await page.getByRole("combobox", { name: "Online" }).selectOption("Nobody");
  await expect(page.getByRole("alert").filter({ hasText: "The server cannot be reached." })).toBeVisible();
  await expect(page.getByRole("combobox", { name: "Online" })).toHaveValue("contacts");
});

test("the developer's page shows what presence costs, where the operator lets it", async ({ browser, register }) => {
  const ann = await register("ann");
  await ann.settings("developer");
  await expect(ann.page.getByText("developer_stats = true")).toBeVisible();
  await check(ann.page, "developer, off");

  const stats = { accounts: 10, online: 4, connections: 6, subscriptions: 12, heartbeats: 100, cpu_ms: 500, uptime_ms: 60_000 };
  await ann.page.route("**/v1/developer/stats", async (route) => {
    stats.heartbeats += 10;
    stats.cpu_ms += 1;
    stats.uptime_ms += 1000;
    await route.fulfill({ json: stats });
  });
  await expect(ann.page.getByText("100 µs")).toBeVisible();
  // 2e9 people / 30 s x 100 µs.
  await expect(ann.page.getByText("6,667", { exact: true })).toBeVisible();
  await expect(ann.page.getByText("400 GB")).toBeVisible();
  await check(ann.page, "developer");

  const server = await Server.start({ web: "developer_stats = true" });
  try {
    const bob = await Person.register(browser, server, "bob");
    await bob.settings("developer");
    await expect(bob.page.locator(".set-row", { hasText: "Connections" }).locator(".v")).toHaveText("1");
    await bob.close();
  } finally {
    await server.remove();
  }
});
