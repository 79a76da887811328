import type { Browser, BrowserContext } from "@playwright/test";

/** The same browser, except that something is done to each new context before its first page. */
export function prepared(browser: Browser, prepare: (context: BrowserContext) => unknown): Browser {
  const newContext: Browser["newContext"] = async (options) => {
    const context = await browser.newContext(options);
    await prepare(context);
    return context;
  };
  return Object.create(browser, { newContext: { value: newContext } }) as Browser;
}
