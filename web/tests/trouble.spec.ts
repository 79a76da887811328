import type { Browser } from "@playwright/test";
import { expect, test } from "./fixtures.js";
import { Person } from "./person.js";
import { asAnotherMachine } from "./scenes/failures.js";
import { Server } from "./server.js";

/** A server whose app's worker begins with this code, and Ann at it. */
async function changed(browser: Browser, code: string): Promise<{ server: Server; ann: Person; end: () => Promise<void> }> {
  const server = await Server.start({ worker: code });
  const ann = await Person.register(browser, server, "ann");
  const end = async (): Promise<void> => {
    await ann.close();
    await server.remove();
  };
  return { server, ann, end };
}

/** Says a word to the code in the worker. */
async function say(person: Person, channel: string, word: unknown): Promise<void> {
  await person.page.evaluate(([channel, word]) => new BroadcastChannel(channel as string).postMessage(word), [channel, word]);
}

/** The worker's clock is moved by milliseconds on the channel "test-clock". */
const CLOCK = `{ const now = Date.now.bind(Date); let off = 0; Date.now = () => now() + off;
  new BroadcastChannel("test-clock").onmessage = ({ data }) => { off = data; }; }`;

/** Writes fail as on a full disk while the last word on the channel "test-full" was true. */
const FULL = `{ let full = false; new BroadcastChannel("test-full").onmessage = ({ data }) => { full = data; };
  const write = FileSystemSyncAccessHandle.prototype.write;
  FileSystemSyncAccessHandle.prototype.write = function (...all) {
    if (full) throw new DOMException("full", "QuotaExceededError");
    return write.apply(this, all);
  }; }`;

/** The engine traps at so many of the next steps as the channel "test-trap" says; a worker that starts asks there. */
const TRAP = `{ let traps = 0; const channel = new BroadcastChannel("test-trap");
  channel.onmessage = ({ data }) => { if (typeof data === "number") traps = data; };
  channel.postMessage("started");
  const real = WebAssembly.instantiateStreaming;
  WebAssembly.instantiateStreaming = async (...all) => {
    const { module, instance } = await real(...all);
    const exports = {};
    for (const [name, is] of Object.entries(instance.exports)) {
      exports[name] = name !== "wasmengine_step" ? is : (...args) => {
        if (traps > 0) { traps -= 1; throw new WebAssembly.RuntimeError("unreachable"); }
        return is(...args);
      };
    }
    return { module, instance: { exports } };
  }; }`;

test("a page without a secure context says why and what to do", async ({ browser, server }) => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(await asAnotherMachine(context, server.url));
  await expect(page.getByRole("heading", { name: "This address is not secure" })).toBeVisible();
  await expect(page.getByText("If you run this server, choose one:")).toBeVisible();
  await context.close();
});

test("a browser that refuses storage is told to be one", async ({ browser }) => {
  const server = await Server.start({
    worker: `StorageManager.prototype.getDirectory = () => Promise.reject(new DOMException("no", "SecurityError"))`,
  });
  const ann = await Person.arrive(browser, server, "ann");
  await expect(ann.page.getByRole("heading", { name: "This browser refuses storage" })).toBeVisible();
  await ann.close();
  await server.remove();
});

test("storage that the browser may clear is told of on the second visit, until it is put away", async ({ server, register }) => {
  const ann = await register("ann");
  await server.cli("carl", "register", "carl");
  await server.cli("carl", "send", "ann", "hello");
  await ann.openChat(/carl/);
  await expect(ann.bubble("hello")).toBeVisible();
  const hint = ann.page.getByRole("status").filter({ hasText: "The browser may clear your messages" });
  await expect(hint).toBeHidden();

  await ann.page.reload();
  await expect(hint).toBeVisible();
  await ann.page.setViewportSize({ width: 390, height: 844 });
  // One line of a phone.
  expect((await hint.boundingBox())?.height).toBeLessThan(50);
  await hint.getByRole("link").click();
  await expect(ann.page.getByRole("button", { name: "Keep it" })).toBeVisible();
  await ann.page.goBack();
  await hint.getByRole("button", { name: "Dismiss" }).click();
  await expect(hint).toBeHidden();

  await ann.page.reload();
  await expect(ann.bubble("hello")).toBeVisible();
  await expect(hint).toBeHidden();
});

test("a full disk is told, and nothing is lost", async ({ browser }) => {
  const { server, ann, end } = await changed(browser, FULL);
  await server.cli("carl", "register", "carl");
  await server.cli("carl", "send", "ann", "before");
  await ann.openChat(/carl/);
  await expect(ann.bubble("before")).toBeVisible();

  await say(ann, "test-full", true);
  await server.cli("carl", "send", "ann", "while it was full");
  await expect(ann.page.getByText(/full/).first()).toBeVisible({ timeout: 60_000 });
  await expect(ann.bubble("before")).toBeVisible();

  await say(ann, "test-full", false);
  await expect(ann.bubble("while it was full")).toBeVisible({ timeout: 60_000 });
  await ann.send("and on it goes");
  await expect(ann.tick("and on it goes", "Sent")).toBeVisible();
  await end();
});

test("an expired token is renewed without a word", async ({ browser }) => {
  const { server, ann, end } = await changed(browser, CLOCK);
  await server.cli("carl", "register", "carl");
  await say(ann, "test-clock", 20 * 60_000);
  await server.stop();
  await server.run();
  await ann.startChat("carl");
  await ann.send("with a new token");
  await expect(ann.tick("with a new token", "Sent")).toBeVisible({ timeout: 60_000 });
  await end();
});

test("a clock that is off by a day is told, and messages go through", async ({ browser }) => {
  const { server, ann, end } = await changed(browser, CLOCK.replace("let off = 0", "let off = 24 * 3600_000"));
  await server.cli("carl", "register", "carl");
  await ann.startChat("carl");
  await ann.send("from tomorrow");
  await expect(ann.tick("from tomorrow", "Sent")).toBeVisible({ timeout: 60_000 });
  await expect(ann.page.getByText(/clock/i).first()).toBeVisible();
  await end();
});

test("an engine that traps goes on by itself; one that always traps says what to do", async ({ browser }) => {
  const { server, ann, end } = await changed(browser, TRAP);
  await server.cli("carl", "register", "carl");
  await ann.startChat("carl");
  await say(ann, "test-trap", 1);
  await ann.send("through the trap");
  await expect(ann.tick("through the trap", "Sent")).toBeVisible({ timeout: 60_000 });
  await expect(ann.bubble("through the trap")).toHaveCount(1);

  // From now on every worker is told to trap at once.
  await ann.page.evaluate(() => {
    const channel = new BroadcastChannel("test-trap");
    channel.onmessage = () => channel.postMessage(1_000_000);
    channel.postMessage(1_000_000);
  });
  await ann.composer.fill("and once more");
  await ann.composer.press("Enter");
  await expect(ann.page.getByRole("heading", { name: "Sotto stopped" })).toBeVisible();
  await ann.page.reload();
  await expect(ann.bubble("through the trap")).toBeVisible();
  await end();
});

/** Changes bytes of the database while no engine has it: the pool's files begin with 4,096 bytes of their own. */
async function corrupt(person: Person, at: number, bytes: number[]): Promise<void> {
  await person.page.goto(`${person.server.url}/docs`);
  await person.page.evaluate(
    async ({ at, bytes }) => {
      const files: FileSystemFileHandle[] = [];
      const walk = async (folder: FileSystemDirectoryHandle): Promise<void> => {
        for await (const entry of (folder as unknown as { values(): AsyncIterable<FileSystemHandle> }).values()) {
          if (entry.kind === "directory") await walk(entry as FileSystemDirectoryHandle);
          else files.push(entry as FileSystemFileHandle);
        }
      };
      await walk(await navigator.storage.getDirectory());
      for (const handle of files) {
        const magic = await (await handle.getFile()).slice(4096, 4096 + 15).text();
        if (magic !== "SQLite format 3") continue;
        const writable = await handle.createWritable({ keepExistingData: true });
        await writable.write({ type: "write", position: 4096 + at, data: new Uint8Array(bytes) });
        await writable.close();
      }
    },
    { at, bytes },
  );
}

test("a profile of a newer version is left alone; a damaged one can be erased", async ({ server, register }) => {
  const ann = await register("ann");
  // `user_version` is at byte 60 of an SQLite file.
  await corrupt(ann, 60, [0, 0, 3, 231]);
  await ann.page.goto(server.url);
  await expect(ann.page.getByRole("heading", { name: "A newer Sotto was here" })).toBeVisible();
  await corrupt(ann, 100, Array.from({ length: 8000 }, (_, i) => (i * 37) % 251));
  await corrupt(ann, 60, [0, 0, 0, 3]);
  await ann.page.goto(server.url);
  await expect(ann.page.getByRole("heading", { name: "The messages on this device do not open" })).toBeVisible();
  await ann.page.getByRole("button", { name: "Erase this device" }).click();
  await ann.page.getByRole("button", { name: "Erase", exact: true }).click();
  await expect(ann.page.getByRole("heading", { name: /This device was erased|Welcome to Sotto/ })).toBeVisible();
});

test("a server restored from a backup goes on with the same people", async ({ server, register }) => {
  const ann = await register("ann");
  const bob = await register("bob");
  await ann.startChat("bob");
  await ann.send("before the backup");
  await expect(ann.tick("before the backup", "Delivered")).toBeVisible();
  await server.backup();
  await ann.send("after the backup");
  await expect(ann.tick("after the backup", "Delivered")).toBeVisible({ timeout: 60_000 });
  await server.stop();
  await server.restore();
  await server.run();
  await ann.send("after the restore");
  await expect(ann.tick("after the restore", "Delivered")).toBeVisible({ timeout: 60_000 });
  await bob.openChat(/ann/);
  for (const text of ["before the backup", "after the backup", "after the restore"]) {
    await expect(bob.bubble(text)).toHaveCount(1);
  }
});

test("the app inside the program is the one that was built", async ({ browser }) => {
  const server = await Server.start({ embedded: true });
  const ann = await Person.arrive(browser, server, "ann");
  await expect(ann.page.getByRole("heading", { name: "Welcome to Sotto" })).toBeVisible();
  await ann.close();
  await server.remove();
});

test("a server that comes back with a newer app, then with the older one, is followed", async ({ browser }) => {
  const server = await Server.start({ worker: "" });
  const ann = await Person.register(browser, server, "ann", { serviceWorkers: "allow" });
  const { page } = ann;
  await server.cli("carl", "register", "carl");
  await ann.startChat("carl");
  await ann.send("in the first version");
  await expect(ann.tick("in the first version", "Sent")).toBeVisible();
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  // From here on the worker has the page.
  await page.reload();
  const script = page.locator("head script[src]");
  const first = (await script.getAttribute("src")) ?? "";

  for (const version of ["newer", "older"]) {
    await server.stop();
    if (version === "newer") server.changeVersion();
    else server.changeVersionBack();
    await server.run();
    // The page that is open goes on with its own version, parts that it loads only now included.
    const text = `with a server that is ${version}`;
    await ann.send(text);
    await expect(ann.tick(text, "Sent")).toBeVisible({ timeout: 60_000 });
    await server.cli("carl", "send", "ann", `and back, ${version}`);
    await expect(ann.bubble(`and back, ${version}`)).toBeVisible();
    const before = (await script.getAttribute("src")) ?? "";
    const banner = page.getByRole("status").filter({ hasText: "A new version is ready" });
    await expect(banner).toBeVisible({ timeout: 60_000 });
    await expect(script).toHaveAttribute("src", before);

    await banner.getByRole("button", { name: "Reload" }).click();
    await expect(script).not.toHaveAttribute("src", before);
    await expect(ann.bubble(text)).toBeVisible();
    await expect(ann.bubble("in the first version")).toBeVisible();
    await ann.send(`reloaded, ${version}`);
    await expect(ann.tick(`reloaded, ${version}`, "Sent")).toBeVisible();
  }
  await expect(script).toHaveAttribute("src", first);
  await ann.close();
  await server.remove();
});
