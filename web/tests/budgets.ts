/**
 * What the web app costs: bytes until the first message, and times and memory on a full profile. `make budgets` prints tables and
 * JSON, and fails when a budget is missed. The figures of a quiet machine are in docs/benchmarks.md.
 */
import { expect, test, type Browser, type Request } from "@playwright/test";
import { Person } from "./person.js";
import { prepared } from "./scenes/contexts.js";
import { measureMemory } from "./scenes/memory.js";
import { installProbe } from "./scenes/probe.js";
import { Hub } from "./scenes/profile.js";
import { CountingProxy } from "./scenes/proxy.js";
import { KIB, MIB, missed, print, quantile, type Figure } from "./scenes/report.js";
import { queries } from "./scenes/words.js";
import { Server } from "./server.js";

// Tracing and pictures would be measured too.
test.use({ trace: "off", screenshot: "off", video: "off" });

const CONVERSATIONS = 200;
/** Of one side, in one conversation: 10,000 messages in all, then 100,000. */
const EACH = 25;
const EACH_MORE = 225;
const RELOADS = 5;
const OPENED = 50;
const QUERIES = 200;

/** One account looks up 200 others at once, which no person does. */
const LIMITS = `[limits]
look_ups = { burst = 1000, per_minute = 1000 }
registrations = { burst = 1000, per_minute = 1000 }
`;

function settle(title: string, figures: readonly Figure[]): void {
  print(title, figures);
  for (const figure of figures) if (missed(figure)) expect.soft(figure.value, figure.what).toBeLessThanOrEqual(figure.budget ?? Infinity);
}

interface Visit {
  down: number;
  up: number;
  files: { path: string; bytes: number }[];
}

/** From the address to a composer that takes text, as somebody new in a fresh browser. */
async function firstVisit(browser: Browser, server: Server, name: string, serviceWorkers: "allow" | "block"): Promise<Visit> {
  const proxy = await CountingProxy.to(server.port);
  const behind: Server = Object.create(server, { url: { value: proxy.url } }) as Server;
  const done: Request[] = [];
  const listening = prepared(browser, (context) => context.on("requestfinished", (request) => done.push(request)));
  const person = await Person.arrive(listening, behind, name, { serviceWorkers });
  await person.createAccount();
  await person.startChat("carl");
  await person.composer.fill("ready");
  if (serviceWorkers === "allow") {
    // It is ready when everything it keeps was downloaded.
    await person.page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  }
  const visit: Visit = { down: proxy.down, up: proxy.up, files: [] };
  for (const request of done) {
    const { responseBodySize, responseHeadersSize } = await request.sizes();
    visit.files.push({ path: new URL(request.url()).pathname, bytes: responseBodySize + responseHeadersSize });
  }
  await person.close();
  await proxy.close();
  return visit;
}

test("bytes until the first message can be sent", async ({ browser }) => {
  const server = await Server.start();
  await server.cli("carl", "register", "carl", "--yes");
  const plain = await firstVisit(browser, server, "ann", "block");
  const installed = await firstVisit(browser, server, "bob", "allow");
  await server.remove();

  const sum = (wanted: RegExp): number => plain.files.filter(({ path }) => wanted.test(path)).reduce((all, { bytes }) => all + bytes, 0);
  const kinds = { WebAssembly: /\.wasm$/, JavaScript: /\.js$/, CSS: /\.css$/, fonts: /\.woff2$/, "answers of the API": /^\/v1\// };
  const figures: Figure[] = [
    { what: "all bytes until the first message can be sent", value: plain.down, unit: "bytes", budget: 900 * KIB },
    ...Object.entries(kinds).map(([kind, wanted]): Figure => ({ what: `  of these ${kind}`, value: sum(wanted), unit: "bytes" })),
    { what: "  requests", value: plain.files.length, unit: "count" },
    { what: "sent up (keys of a new account)", value: plain.up, unit: "bytes" },
    { what: "the service worker's own downloads, afterwards", value: Math.max(0, installed.down - plain.down), unit: "bytes" },
  ];
  settle("First visit, over HTTP with brotli, counted on the wire", figures);
});

test("a full profile: start, memory, opening, search", async ({ browser }) => {
  test.setTimeout(3_600_000);
  const server = await Server.start({ config: LIMITS });
  const hub = await Hub.register(server, CONVERSATIONS);

  const messages = await hub.talk(EACH);
  const person = await hub.link(prepared(browser, installProbe));
  settle(`${messages} messages in ${CONVERSATIONS} conversations`, await useProfile(browser, person));
  await hub.unlink(person);

  const more = await hub.talk(EACH_MORE);
  const searcher = await hub.link(prepared(browser, installProbe));
  settle(`Search over ${more} messages`, await search(searcher));
  await searcher.close();
  await server.remove();
});

async function useProfile(browser: Browser, person: Person): Promise<Figure[]> {
  const { page } = person;
  const started: { list: number; answered: number }[] = [];
  for (let time = 0; time < RELOADS; time += 1) {
    await page.goto(person.server.url);
    started.push(await page.evaluate(() => window.probe.interactive));
  }
  const fresh = await measureMemory(browser, page);

  const accounts = await page.evaluate(async () => {
    const { answer } = await window.probe.command({ command: "conversations" });
    return (answer as { reply: { conversations: { conversation: string }[] } }).reply.conversations.map(({ conversation }) => conversation);
  });
  const opened: number[] = [];
  const step = Math.floor(accounts.length / OPENED);
  for (let at = 0; at < OPENED * step; at += step) {
    opened.push(await page.evaluate(({ account, at }) => window.probe.open(account, at), { account: accounts[at] ?? "", at }));
  }
  const used = await measureMemory(browser, page);

  const answered = started.map((start) => start.answered);
  const lists = started.map((start) => start.list);
  const total = (memory: typeof used): number => memory.pageHeap + memory.workerHeap + memory.wasm;
  return [
    { what: `interactive after a reload, worst of ${RELOADS}`, value: Math.max(...answered), unit: "ms", budget: 1500 },
    { what: "  median", value: quantile(answered, 0.5), unit: "ms" },
    { what: "  the list is shown, median", value: quantile(lists, 0.5), unit: "ms" },
    { what: `opening a conversation, p95 of ${opened.length}`, value: quantile(opened, 0.95), unit: "ms", budget: 100 },
    { what: "  median", value: quantile(opened, 0.5), unit: "ms" },
    { what: `JS heap and WebAssembly memory after ${opened.length} conversations`, value: total(used), unit: "bytes", budget: 150 * MIB },
    { what: "  page", value: used.pageHeap, unit: "bytes" },
    { what: "  worker", value: used.workerHeap, unit: "bytes" },
    { what: "  WebAssembly", value: used.wasm, unit: "bytes" },
    { what: "  after a reload, together", value: total(fresh), unit: "bytes" },
    { what: "resident memory of the page's process, code included", value: used.resident, unit: "bytes" },
  ];
}

async function search(person: Person): Promise<Figure[]> {
  const { page } = person;
  await page.goto(person.server.url);
  await page.evaluate(() => window.probe.interactive);
  const commands: number[] = [];
  const seen: number[] = [];
  let empty = 0;
  for (const query of queries(QUERIES)) {
    const { ms, results } = await page.evaluate((query) => window.probe.search(query), query);
    seen.push(ms);
    if (results.startsWith("No ")) empty += 1;
    const command = { command: "search", query, conversation: null, limit: 50 };
    commands.push((await page.evaluate((command) => window.probe.command(command), command)).ms);
  }
  return [
    { what: `search, command to answer in the page, p95 of ${QUERIES}`, value: quantile(commands, 0.95), unit: "ms", budget: 50 },
    { what: "  median", value: quantile(commands, 0.5), unit: "ms" },
    { what: "  worst", value: Math.max(...commands), unit: "ms" },
    { what: "key press to painted results, p95", value: quantile(seen, 0.95), unit: "ms" },
    { what: "  median", value: quantile(seen, 0.5), unit: "ms" },
    { what: "  queries without a result", value: empty, unit: "count" },
  ];
}
