import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { expect, test } from "./fixtures.js";

async function check(page: Page, where: string): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const found = violations.map(({ id, help, nodes }) => `${where}: ${id}: ${help}: ${nodes.map((node) => node.target.join(" ")).join(" | ")}`);
  expect(found).toEqual([]);
}

for (const scheme of ["light", "dark"] as const) {
  for (const [size, viewport] of Object.entries({ wide: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } })) {
    test(`axe finds nothing, ${scheme}, ${size}`, async ({ server, arrive }) => {
      const ann = await arrive("ann", { colorScheme: scheme, viewport });
      const { page } = ann;
      await expect(page.getByRole("heading", { name: "Welcome to Sotto" })).toBeVisible();
      await check(page, "welcome");
      await page.getByRole("button", { name: "I have Sotto on another device" }).click();
      await expect(page.getByRole("heading", { name: "Link this device" })).toBeVisible();
      await check(page, "link this device");
      await page.goto(server.url);
      await ann.createAccount();
      await check(page, "no chats");
      await server.cli("carl", "register", "carl");
      await server.cli("carl", "send", "ann", "hello, with a link: https://example.org/");
      await expect(ann.row(/carl/)).toBeVisible();
      await check(page, "list");
      await ann.openChat(/carl/);
      await ann.send("an answer");
      await check(page, "chat");
      const chat = page.url();
      await page.goto(`${chat}/info`);
      await expect(page.getByRole("heading", { name: "Contact" })).toBeVisible();
      await check(page, "contact");
      await page.goto(`${server.url}/new`);
      await expect(page.getByLabel("Username or link")).toBeVisible();
      await check(page, "new chat");
      for (const name of ["profile", "privacy", "devices", "notifications", "appearance", "storage", "server", "developer", "about", "leave"]) {
        await ann.settings(name);
        await expect(page.getByRole("heading", { level: 1 }).or(page.getByRole("heading", { level: 2 })).first()).toBeVisible();
        await check(page, `settings/${name}`);
      }
    });
  }
}
