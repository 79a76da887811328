/** What a page and its workers hold, asked of the browser itself: JS heaps, WebAssembly memory, and the process for comparison. */
import { readFileSync } from "node:fs";
import type { Browser, CDPSession, Page } from "@playwright/test";

export interface Memory {
  pageHeap: number;
  workerHeap: number;
  wasm: number;
  /** Resident memory of all of this browser's page processes, code and caches of the browser included. */
  resident: number;
}

type Send = (method: string, parameters?: object) => Promise<Record<string, unknown>>;

/** Commands to a worker go through the page's session, as strings. */
class WorkerSession {
  private lastId = 0;
  private readonly asked = new Map<number, (answer: { result?: Record<string, unknown>; error?: { message: string } }) => void>();

  constructor(
    private readonly session: CDPSession,
    private readonly id: string,
  ) {
    session.on("Target.receivedMessageFromTarget", ({ sessionId, message }) => {
      if (sessionId !== id) return;
      const answer = JSON.parse(message) as { id?: number; result?: Record<string, unknown>; error?: { message: string } };
      if (answer.id !== undefined) this.asked.get(answer.id)?.(answer);
    });
  }

  readonly send: Send = async (method, parameters = {}) => {
    const id = ++this.lastId;
    const answered = new Promise<Record<string, unknown>>((resolve, reject) => {
      this.asked.set(id, ({ result, error }) => {
        if (error === undefined) resolve(result ?? {});
        else reject(new Error(`${method}: ${error.message}`));
      });
    });
    await this.session.send("Target.sendMessageToTarget", { sessionId: this.id, message: JSON.stringify({ id, method, params: parameters }) });
    return answered;
  };
}

/** Bytes of all WebAssembly memories that live in this page or worker. */
async function wasmBytes(send: Send): Promise<number> {
  const prototype = await send("Runtime.evaluate", { expression: "WebAssembly.Memory.prototype" });
  const { objectId } = prototype["result"] as { objectId: string };
  const found = await send("Runtime.queryObjects", { prototypeObjectId: objectId });
  const { objectId: all } = found["objects"] as { objectId: string };
  const sum = await send("Runtime.callFunctionOn", {
    objectId: all,
    functionDeclaration: "function () { return this.reduce((sum, memory) => sum + memory.buffer.byteLength, 0); }",
    returnByValue: true,
  });
  return (sum["result"] as { value: number }).value;
}

/** After a collection of garbage, as the browser's own task manager would find it a little later. */
async function usedHeap(send: Send): Promise<number> {
  await send("HeapProfiler.collectGarbage");
  const { usedSize } = await send("Runtime.getHeapUsage");
  return Number(usedSize);
}

export async function measureMemory(browser: Browser, page: Page): Promise<Memory> {
  const session = await page.context().newCDPSession(page);
  const ofPage: Send = async (method, parameters) => (await session.send(method as "Runtime.enable", parameters));
  const attached = new Promise<string>((resolve) => {
    session.on("Target.attachedToTarget", ({ sessionId, targetInfo }) => {
      if (targetInfo.type === "worker") resolve(sessionId);
    });
  });
  await session.send("Target.setAutoAttach", { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
  const ofWorker = new WorkerSession(session, await attached).send;
  const memory = {
    pageHeap: await usedHeap(ofPage),
    workerHeap: await usedHeap(ofWorker),
    wasm: (await wasmBytes(ofPage)) + (await wasmBytes(ofWorker)),
    resident: await residentOfPages(browser),
  };
  await session.detach();
  return memory;
}

async function residentOfPages(browser: Browser): Promise<number> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  const pages = processInfo.filter(({ type }) => type === "renderer");
  return pages.reduce((sum, { id }) => sum + 1024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${id}/status`, "utf8"))?.[1] ?? 0), 0);
}

