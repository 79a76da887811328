import { test as base } from "@playwright/test";
import { Person, type ContextOptions } from "./person.js";
import { Server } from "./server.js";

interface Fixtures {
  server: Server;
  /** Registers a person in a browser of their own. */
  register: (name: string, options?: ContextOptions) => Promise<Person>;
  /** A browser of somebody who is nobody yet. */
  arrive: (name: string, options?: ContextOptions) => Promise<Person>;
}

export const test = base.extend<Fixtures>({
  // eslint-disable-next-line no-empty-pattern
  server: async ({}, use) => {
    const server = await Server.start();
    await use(server);
    await server.remove();
  },
  register: async ({ browser, server }, use) => {
    const people: Person[] = [];
    await use(async (name, options) => {
      const person = await Person.register(browser, server, name, options);
      people.push(person);
      return person;
    });
    await Promise.all(people.map((person) => person.close()));
  },
  arrive: async ({ browser, server }, use) => {
    const people: Person[] = [];
    await use(async (name, options) => {
      const person = await Person.arrive(browser, server, name, options);
      people.push(person);
      return person;
    });
    await Promise.all(people.map((person) => person.close()));
  },
});

export { expect } from "@playwright/test";
