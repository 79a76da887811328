/** A person at a browser: what people see and press, found by role and name as assistive technology finds it. */
import { expect, type Browser, type BrowserContext, type Locator, type Page } from "@playwright/test";
import type { Server } from "./server.js";

export interface ContextOptions {
  viewport?: { width: number; height: number };
  colorScheme?: "light" | "dark";
  serviceWorkers?: "allow" | "block";
}

export class Person {
  recoveryCode = "";

  private constructor(
    public page: Page,
    readonly context: BrowserContext,
    readonly server: Server,
    readonly name: string,
  ) {}

  /** A browser with nothing in it, at the welcome screen. */
  static async arrive(browser: Browser, server: Server, name: string, options: ContextOptions = {}): Promise<Person> {
    const context = await browser.newContext({ ...options, permissions: ["clipboard-read", "clipboard-write", "camera"] });
    const page = await context.newPage();
    await page.goto(server.url);
    return new Person(page, context, server, name);
  }

  static async register(browser: Browser, server: Server, name: string, options: ContextOptions = {}): Promise<Person> {
    const person = await Person.arrive(browser, server, name, options);
    await person.createAccount();
    return person;
  }

  /** The same person on another page of the same browser. */
  async tab(): Promise<Person> {
    const page = await this.context.newPage();
    await page.goto(this.server.url);
    const tab = new Person(page, this.context, this.server, this.name);
    tab.recoveryCode = this.recoveryCode;
    return tab;
  }

  async createAccount(): Promise<void> {
    const { page } = this;
    await page.getByRole("button", { name: "Create an account" }).click();
    await page.getByLabel("Username").fill(this.name);
    await page.getByRole("button", { name: "Create account" }).click();
    await expect(page.getByRole("heading", { name: "Keep this code" })).toBeVisible();
    this.recoveryCode = await this.shownCode();
    await page.getByRole("checkbox").click();
    await page.getByRole("button", { name: "Continue" }).click();
    await this.typeCodeBack();
    await this.ready();
  }

  /** The groups that the recovery screen shows, as "ABCD-EFGH-…". */
  async shownCode(): Promise<string> {
    const groups = await this.page.getByLabel(/^Recovery code, in/).locator("> *").allInnerTexts();
    return groups.map((group) => group.trim().slice(-4)).join("-");
  }

  async typeCodeBack(): Promise<void> {
    const groups = this.recoveryCode.split("-");
    const fields = this.page.getByLabel(/^Group \d/);
    await expect(fields).toHaveCount(3);
    for (const field of await fields.all()) {
      const label = (await field.getAttribute("aria-label")) ?? (await field.evaluate((input: HTMLInputElement) => input.labels?.[0]?.innerText ?? ""));
      await field.fill(groups[Number(/\d+/.exec(label)?.[0]) - 1] ?? "");
    }
    await this.page.getByRole("button", { name: "Finish" }).click();
  }

  /** The chats are on screen and everything that waited has arrived. */
  async ready(): Promise<void> {
    await expect(this.page.getByRole("button", { name: "New chat" }).first()).toBeVisible();
  }

  async connected(): Promise<void> {
    await expect(this.page.getByText("Connected", { exact: true }).first()).toBeVisible();
  }

  async startChat(username: string): Promise<void> {
    const { page } = this;
    await page.getByRole("button", { name: "New chat" }).first().click();
    await page.getByLabel("Username or link").fill(username);
    await page.getByRole("button", { name: "Start chat" }).click();
    await expect(this.composer).toBeVisible();
  }

  row(name: string | RegExp): Locator {
    return this.page.getByRole("option", { name });
  }

  async openChat(name: string | RegExp): Promise<void> {
    await this.row(name).first().click();
    await expect(this.composer).toBeVisible();
  }

  /** Of which nothing is known but its row: one may not be allowed to write. */
  async openChatRow(name: string | RegExp): Promise<void> {
    await this.row(name).first().click();
    await expect(this.log).toBeVisible();
  }

  get composer(): Locator {
    return this.page.getByRole("textbox", { name: /^Message/ });
  }

  async send(text: string): Promise<void> {
    await this.composer.fill(text);
    await this.composer.press("Enter");
    await expect(this.bubble(text)).toBeVisible();
  }

  get log(): Locator {
    return this.page.getByRole("log", { name: /^Messages with|Note to self/ });
  }

  /** The messages with this text in them. The time stands right behind it: "line 1" at 19:12 has "line 11", too. */
  bubble(text: string): Locator {
    return this.log.getByRole("article").filter({ hasText: text });
  }

  /** The tick of an own message: "Sent", "Delivered", "Read", "Waiting to send", "Not sent". */
  tick(text: string, tick: string): Locator {
    return this.bubble(text).getByRole("img", { name: tick });
  }

  /** The text below the QR code that links this device. */
  async linkText(): Promise<string> {
    const text = this.page.getByText(/^sotto:\/\/link\?/).or(this.page.locator("textarea, input").filter({ hasText: /sotto:/ }));
    await expect(text.first()).toBeVisible();
    return (await text.first().innerText()).trim();
  }

  async approveLink(text: string): Promise<void> {
    const { page } = this;
    await page.getByRole("link", { name: "Link a device" }).or(page.getByRole("button", { name: "Link a device" })).click();
    await page.getByRole("button", { name: "Paste the text code" }).click();
    await page.getByLabel("Text code from the new device").fill(text);
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByRole("button", { name: "Link it" }).click();
    await expect(page.getByRole("heading", { name: "Linked" })).toBeVisible({ timeout: 60_000 });
  }

  /** Ends the page's process without a word, as the system does when memory is short, and opens the page again. */
  async crash(): Promise<void> {
    const crashed = this.page.waitForEvent("crash");
    void this.page.goto("chrome://crash").catch(() => undefined);
    await crashed;
    const page = await this.context.newPage();
    await this.page.close();
    this.page = page;
    await page.goto(this.server.url);
    await this.ready();
  }

  /** All texts of this device, oldest first, by the export in the settings. */
  async exportedTexts(): Promise<string[]> {
    await this.settings("storage");
    const download = this.page.waitForEvent("download");
    await this.page.getByRole("button", { name: /^Export/ }).click();
    const stream = await (await download).createReadStream();
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    const lines = Buffer.concat(chunks).toString("utf8").trim().split("\n");
    const messages = lines.map((line) => JSON.parse(line) as { body?: { body?: string }; message?: { body?: { body?: string } } });
    return messages.flatMap((line) => line.body?.body ?? line.message?.body?.body ?? []);
  }

  async settings(page: string): Promise<void> {
    await this.page.goto(`${this.server.url}/settings/${page}`);
  }

  async close(): Promise<void> {
    await this.context.close();
  }
}
