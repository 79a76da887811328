/**
 * Measures inside the page, where a step of the test would cost more than what is measured.
 * `install` runs before the app's first script: it hears what page and worker say to each other, and can ask the worker itself.
 * "Painted" means: seen to be there in an animation frame, and that frame is done. So a time has the grain of a frame (17 ms).
 */
import type { BrowserContext } from "@playwright/test";

interface Probe {
  /** Milliseconds since the navigation began: the list is painted, and a key press in the search field is answered. */
  interactive: Promise<{ list: number; answered: number }>;
  /** Asks the worker as the app does; the time from the question to the answer in the page. */
  command: (command: object) => Promise<{ ms: number; answer: unknown }>;
  /** From the key press to the painted results. */
  search: (query: string) => Promise<{ ms: number; results: string }>;
  /** From the click on the list's row to the last message painted at the end of the log. */
  open: (account: string, at: number) => Promise<number>;
}

declare global {
  interface Window {
    probe: Probe;
  }
}

function install(): void {
  const ROW = 70;
  let worker: Worker | undefined;
  let lastId = 1_000_000_000;
  const asked = new Map<number, (answer: unknown) => void>();
  window.Worker = class extends Worker {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options);
      // eslint-disable-next-line @typescript-eslint/no-this-alias
      worker = this;
      this.addEventListener("message", ({ data }: MessageEvent<{ from: string; out?: { id?: number; answer?: unknown }[] }>) => {
        for (const { id, answer } of data.out ?? []) {
          if (id === undefined) continue;
          asked.get(id)?.(answer);
          asked.delete(id);
        }
      });
    }
  };

  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  /** The frame in which it was seen is done. */
  const painted = async (seen: () => boolean): Promise<number> => {
    for (;;) {
      await frame();
      if (seen()) break;
    }
    const { port1, port2 } = new MessageChannel();
    await new Promise((resolve) => {
      port1.onmessage = resolve;
      port2.postMessage(null);
    });
    return performance.now();
  };

  const type = (text: string): void => {
    const field = document.querySelector<HTMLInputElement>(".list input[type=search]");
    if (field === null) throw new Error("there is no search field");
    // React listens for the event, and looks whether the value differs from the one it set.
    Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value")?.set?.call(field, text);
    field.dispatchEvent(new InputEvent("input", { bubbles: true }));
  };
  const results = (): string => document.querySelector(".found [role=status]")?.textContent ?? "";

  const probe: Probe = {
    interactive: (async () => {
      const list = await painted(() => document.querySelector("[data-account]") !== null);
      type("t");
      const answered = await painted(() => results() !== "");
      type("");
      return { list, answered };
    })(),
    command: (command) =>
      new Promise((resolve) => {
        const start = performance.now();
        const id = ++lastId;
        asked.set(id, (answer) => resolve({ ms: performance.now() - start, answer }));
        worker?.postMessage({ to: "ask", id, ask: { ask: "command", command } });
      }),
    search: async (query) => {
      const start = performance.now();
      type(query);
      const end = await painted(() => results() !== "");
      const said = results();
      type("");
      await painted(() => document.querySelector(".found") === null);
      return { ms: end - start, results: said };
    },
    open: async (account, at) => {
      const rows = document.querySelector(".rows");
      const row = () => document.querySelector<HTMLElement>(`[data-account="${account}"]`);
      if (rows) rows.scrollTop = Math.max(0, at * ROW - rows.clientHeight / 2);
      await painted(() => row() !== null);
      const name = row()?.querySelector(".name")?.textContent ?? "";
      const last = row()?.querySelector(".prev")?.textContent.trim() ?? "";
      const start = performance.now();
      row()?.click();
      const end = await painted(() => {
        const log = document.querySelector(`[role=log][aria-label="Messages with ${name}"]`);
        const bubble = [...(log?.querySelectorAll("[role=article]") ?? [])].at(-1);
        if (!log || !bubble?.textContent.includes(last) || getComputedStyle(bubble).visibility === "hidden") return false;
        const { top, bottom } = bubble.getBoundingClientRect();
        const frame = log.getBoundingClientRect();
        return top >= frame.top - 1 && bottom <= frame.bottom + 1;
      });
      return end - start;
    },
  };
  window.probe = probe;
}

export async function installProbe(context: BrowserContext): Promise<void> {
  await context.addInitScript(install);
}
