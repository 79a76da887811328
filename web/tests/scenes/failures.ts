/** Screens that only broken things show. The screen is the app's own; what broke is made up in the browser. */
import type { BrowserContext } from "@playwright/test";
import type { OpenFailure } from "@sotto/engine";

/** The worker says that the profile does not open. */
export async function failProfile(context: BrowserContext, why: OpenFailure, text: string): Promise<void> {
  await context.addInitScript(
    ({ why, text }) => {
      window.Worker = class extends Worker {
        override postMessage(): void {
          this.onmessage?.(new MessageEvent("message", { data: { from: "profile", state: { phase: "failed", why, text } } }));
        }
      };
    },
    { why, text },
  );
}

/** The same server by plain HTTP from "another machine". Returns its address. */
export async function asAnotherMachine(context: BrowserContext, url: string): Promise<string> {
  const other = "http://sotto.example";
  await context.route(`${other}/**`, async (route) => {
    const response = await route.fetch({ url: route.request().url().replace(other, url) });
    await route.fulfill({ response });
  });
  return other;
}
