/** The same test functions that `cargo test` runs, in a browser: no other engine and no other store run there. */
import { expect, test } from "@playwright/test";
import puppeteer from "puppeteer-core";
import { runAll, serve, written, type Outcome } from "./wasm/suite.js";

/** Code made small is slow: minutes on a busy machine. */
const LONG = 900_000;
test.setTimeout(LONG);

function settle(outcomes: readonly Outcome[]): void {
  expect(outcomes.filter(({ failure }) => failure !== undefined)).toEqual([]);
  expect(outcomes.map(({ name }) => name).sort()).toEqual(written().sort());
}

test("the tests of engine, store and cryptography pass in Chromium", async ({ page }) => {
  const { url, server } = await serve();
  await page.goto(url);
  settle(await page.evaluate(runAll));
  server.close();
});

test("and in Firefox", async () => {
  const { url, server } = await serve();
  const executablePath = process.env["FIREFOX"] ?? "/usr/bin/firefox-esr";
  // The default protocol for Firefox is WebDriver BiDi.
  const firefox = await puppeteer.launch({ browser: "firefox", executablePath, headless: true, protocolTimeout: LONG });
  try {
    const page = await firefox.newPage();
    await page.goto(url);
    settle(await page.evaluate(runAll));
  } finally {
    await firefox.close();
    server.close();
  }
});
