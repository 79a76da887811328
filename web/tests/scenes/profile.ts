/** A profile with a past, made as people make one: real accounts, real messages, and a browser that is linked to it. */
import { expect, type Browser } from "@playwright/test";
import { Person } from "../person.js";
import type { Server } from "../server.js";
import { sentence } from "./words.js";

/** Two at a time: more would only wait for each other. */
export async function twoAtATime<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const rest = [...items];
  const worker = async (): Promise<void> => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await work(item);
  };
  await Promise.all([worker(), worker()]);
}

export class Hub {
  private written = 0;

  private constructor(
    private readonly server: Server,
    readonly name: string,
    private readonly others: readonly string[],
  ) {}

  /** An account at a terminal, and `count` others that it will talk to. */
  static async register(server: Server, count: number): Promise<Hub> {
    const others = Array.from({ length: count }, (_, at) => `person${String(at + 1).padStart(3, "0")}`);
    await twoAtATime(["hub", ...others], (name) => server.cli(name, "register", name, "--yes"));
    return new Hub(server, "hub", others);
  }

  /** Every other account writes as often, then the hub reads and answers as often. Returns how many messages the hub has. */
  async talk(each: number): Promise<number> {
    const lines = (to: string): string[] => Array.from({ length: each }, () => JSON.stringify({ to, text: sentence(++this.written) }));
    await twoAtATime(this.others, (name) => this.server.feed(name, lines(this.name), "send", "--stdin"));
    await this.server.cli(this.name, "listen", "--until-drained", "--mark-read", "--timeout", "300");
    // One to each, and again, as a person goes round: not a block for each.
    const answers = Array.from({ length: each }, () => this.others.map((to) => JSON.stringify({ to, text: sentence(++this.written) })));
    await this.server.feed(this.name, answers.flat(), "send", "--stdin");
    return this.written;
  }

  /** A browser that is linked to the hub and has its history. */
  async link(browser: Browser): Promise<Person> {
    const person = await Person.arrive(browser, this.server, this.name, { serviceWorkers: "allow" });
    const { page } = person;
    await page.getByRole("button", { name: "I have Sotto on another device" }).click();
    await page.getByRole("button", { name: "Use a text code" }).click();
    await this.server.cli(this.name, "link", await person.linkText());
    await expect(page.getByText("Your messages of the last 30 days are here.")).toBeVisible({ timeout: 600_000 });
    await page.getByRole("button", { name: "Open Sotto" }).click();
    await person.ready();
    return person;
  }

  async unlink(person: Person): Promise<void> {
    const me = await person.page.evaluate(() => window.probe.command({ command: "who_am_i" }));
    const { device } = (me.answer as { reply: { me: { device: number } } }).reply.me;
    await person.close();
    await this.server.cli(this.name, "devices", "remove", String(device));
  }
}
