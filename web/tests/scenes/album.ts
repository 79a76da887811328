/** Takes a screen in every look: light and dark, on a desk and on a phone. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "@playwright/test";

const FOLDER = process.env["SCREENSHOTS"] ?? join(import.meta.dirname, "../../../docs/screenshots");
const SIZES = { wide: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } } as const;
const LOOKS = ["light", "dark"] as const;
/** Lossy, and nobody sees it: text at twice the pixels. */
const QUALITY = 82;

export type Size = keyof typeof SIZES;

/** `only`: what exists in one size alone. `before`: what a change of the size closes, such as a menu, is opened again here. */
export async function take(page: Page, screen: string, options: { only?: Size; before?: () => Promise<void> } = {}): Promise<void> {
  mkdirSync(FOLDER, { recursive: true });
  const session = await page.context().newCDPSession(page);
  // The look outside: a change of both at once left text of the other look on the picture.
  for (const look of LOOKS) {
    await page.emulateMedia({ colorScheme: look, reducedMotion: "reduce" });
    for (const size of Object.keys(SIZES) as Size[]) {
      if (options.only !== undefined && options.only !== size) continue;
      await page.setViewportSize(SIZES[size]);
      await options.before?.();
      await still(page);
      const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: QUALITY });
      writeFileSync(join(FOLDER, `${screen}-${look}-${size}.webp`), Buffer.from(data, "base64"));
    }
  }
  await session.detach();
  await page.setViewportSize(SIZES.wide);
}

/** Fonts are there, and what moves when look or size change has come to rest. */
async function still(page: Page): Promise<void> {
  await page.mouse.move(0, 0);
  await page.evaluate(async () => {
    // A caret that blinks is in every second picture.
    document.documentElement.style.caretColor = "transparent";
    await document.fonts.ready;
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    let before = "";
    for (let same = 0; same < 5; ) {
      await frame();
      const log = document.querySelector("[role=log].log");
      const now = `${document.body.innerHTML.length} ${log?.scrollTop ?? 0} ${log?.scrollHeight ?? 0}`;
      // A colour that goes over may go down the tree, one element after the other.
      same = now === before && document.getAnimations().length === 0 ? same + 1 : 0;
      before = now;
    }
  });
}

/** Where it is between two and three in the afternoon now: pictures look alike at every hour, and no day begins in them. */
export function afternoon(): string {
  const offset = 14 - new Date().getUTCHours();
  return offset === 0 ? "Etc/GMT" : `Etc/GMT${offset > 0 ? "-" : "+"}${Math.abs(offset)}`;
}
