/**
 * The engine of a profile, in the one worker that leads.
 * Flow: inputs (asks, frames, answers, the timer) -> one step for all that came since the last -> effects, in their order.
 * Always true:
 * - an answer or happening leaves only after the step that caused it is in the store (the engine sees to that);
 * - a trap (`WebAssembly.RuntimeError`) ends this engine: it is told once, and nothing is asked of the instance again.
 */
import type { CommandError, Event, Reply } from "./api.js";
import type { OpenFailure, ProfileState } from "./client.js";
import { Network } from "./network.js";
import type { Answer, Ask, Effect, Refusal } from "./protocol.js";
import init, { WasmEngine, install, release } from "./wasm/sotto_engine.js";

/** Another worker that is just ending may still hold the files. */
const BUSY_STEP_MS = 25;
const BUSY_MAX_MS = 15_000;

export interface LeaderReports {
  profile(state: ProfileState): void;
  happening(event: Event): void;
  /** The outputs of one step are complete. */
  settled(): void;
  trapped(text: string): void;
}

/** Answers in the worker's own words; only the engine's are JSON. */
export type Done = (answer: Answer) => void;

interface Waiting {
  ask: Ask;
  done: Done;
}

export class Leader {
  private engine: WasmEngine | null = null;
  private ended = false;
  private looking = false;
  /** Asked before the profile was open. */
  private waiting: Waiting[] = [];
  private readonly commands = new Map<number, Done>();
  private lastCommand = 0;
  private scheduled = false;
  private readonly soon = new MessageChannel();
  private readonly network = new Network({
    opened: () => this.input((engine) => engine.opened()),
    closed: (reason) => this.input((engine) => engine.closed(reason)),
    frame: (bytes) => this.input((engine) => engine.frame(bytes)),
    answer: (request, status, body) => this.input((engine) => engine.answer(request, status, body)),
    noAnswer: (request, timeout, text) => this.input((engine) => engine.no_answer(request, timeout, text)),
    wake: () => this.input((engine) => engine.wake()),
  });

  constructor(
    private readonly folder: string,
    private readonly client: string,
    private readonly reports: LeaderReports,
  ) {
    this.soon.port1.onmessage = () => {
      this.scheduled = false;
      this.step();
    };
  }

  /** Loads the engine and opens the profile. */
  async start(): Promise<void> {
    try {
      // Written out, so that bundlers see the file.
      await init({ module_or_path: new URL("./wasm/sotto_engine_bg.wasm", import.meta.url) });
    } catch (error) {
      this.fail("not_loaded", error instanceof Error ? error.message : String(error));
      return;
    }
    try {
      await this.takeFiles();
    } catch (error) {
      this.refused(error);
      return;
    }
    this.open(undefined);
  }

  unlock(passphrase: string): void {
    if (this.engine === null && !this.ended) this.open(passphrase);
  }

  ask(ask: Ask, done: Done): void {
    // Erasing needs no open profile: it is the way out of one that does not open.
    if (this.engine === null && ask.ask !== "wipe") this.waiting.push({ ask, done });
    else this.carryOut(ask, done);
  }

  foreground(looking: boolean): void {
    this.looking = looking;
    this.input((engine) => engine.foreground(looking));
  }

  networkUp(): void {
    this.input((engine) => engine.network_up());
  }

  private open(passphrase: string | undefined): void {
    try {
      this.engine = WasmEngine.open(passphrase, this.client, Date.now());
    } catch (error) {
      this.refused(error);
      return;
    }
    this.reports.profile({ phase: "ready" });
    if (this.looking) this.input((engine) => engine.foreground(true));
    for (const { ask, done } of this.waiting.splice(0)) this.carryOut(ask, done);
    this.schedule();
  }

  private async takeFiles(): Promise<void> {
    const giveUp = Date.now() + BUSY_MAX_MS;
    for (;;) {
      try {
        await install(this.folder);
        return;
      } catch (error) {
        if (refusal(error)?.why !== "busy" || Date.now() > giveUp) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, BUSY_STEP_MS));
    }
  }

  private carryOut(ask: Ask, done: Done): void {
    switch (ask.ask) {
      case "command": {
        const id = ++this.lastCommand;
        const error = this.guard((engine) => engine.command(id, JSON.stringify(ask.command)));
        if (typeof error === "string") {
          done({ ok: false, error: JSON.parse(error) as CommandError });
          return;
        }
        this.commands.set(id, done);
        this.schedule();
        return;
      }
      case "passphrase":
        this.setPassphrase(ask.passphrase, done);
        return;
      case "has_passphrase":
        done({ ok: true, reply: this.guard((engine) => engine.has_passphrase()) ?? false });
        return;
      case "wipe":
        void this.wipe(done);
        return;
    }
  }

  private setPassphrase(passphrase: string | null, done: Done): void {
    try {
      this.engine?.set_passphrase(passphrase);
      done({ ok: true, reply: { reply: "done" } });
    } catch (error) {
      const why = refusal(error);
      if (why === null) this.trap(error);
      else done({ ok: false, error: { kind: "storage", text: why.text } });
    }
  }

  /** Ends the engine and erases its folder; only a new worker can begin again. */
  private async wipe(done: Done): Promise<void> {
    this.end();
    try {
      release();
      const root = await navigator.storage.getDirectory();
      await root.removeEntry(this.folder, { recursive: true });
    } catch (error) {
      if (!(error instanceof DOMException && error.name === "NotFoundError")) {
        const text = error instanceof Error ? error.message : String(error);
        done({ ok: false, error: { kind: "storage", text } });
        return;
      }
    }
    this.reports.profile({ phase: "wiped" });
    done({ ok: true, reply: { reply: "done" } });
  }

  private input(put: (engine: WasmEngine) => void): void {
    if (this.engine === null) return;
    this.guard(put);
    this.schedule();
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    // A task of its own: what arrives in one burst becomes one step, one transaction, one flush to the disk.
    this.soon.port2.postMessage(null);
  }

  private step(): void {
    const effects = this.guard((engine) => engine.step(Date.now()) as Effect[]);
    for (const effect of effects ?? []) this.perform(effect);
    this.reports.settled();
  }

  private perform(effect: Effect): void {
    switch (effect[0]) {
      case "connect":
        this.network.connect(effect[1]);
        return;
      case "disconnect":
        this.network.disconnect();
        return;
      case "frame":
        this.network.send(effect[1]);
        return;
      case "http": {
        const [, request, method, url, bearer, body, timeoutMs] = effect;
        void this.network.request(request, method, url, bearer, body, timeoutMs);
        return;
      }
      case "wake":
        this.network.wakeAt(effect[1]);
        return;
      case "event":
        this.reports.happening(JSON.parse(effect[1]) as Event);
        return;
      case "reply": {
        const [, command, ok, json] = effect;
        const done = this.commands.get(command);
        this.commands.delete(command);
        done?.(ok ? { ok, reply: JSON.parse(json) as Reply } : { ok, error: JSON.parse(json) as CommandError });
        return;
      }
    }
  }

  /** Calls into the engine; a trap ends it. */
  private guard<T>(call: (engine: WasmEngine) => T): T | undefined {
    if (this.engine === null) return undefined;
    try {
      return call(this.engine);
    } catch (error) {
      this.trap(error);
      return undefined;
    }
  }

  private trap(error: unknown): void {
    const panic = (globalThis as { sottoPanic?: string }).sottoPanic;
    // A trapped instance is undefined: not even its destructor may run.
    this.engine = null;
    this.ended = true;
    this.network.close();
    this.reports.trapped(panic ?? (error instanceof Error ? error.message : String(error)));
  }

  private end(): void {
    this.network.close();
    this.engine?.free();
    this.engine = null;
    this.ended = true;
  }

  private refused(error: unknown): void {
    const refused = refusal(error);
    if (refused === null) {
      this.trap(error);
      return;
    }
    const { why, text } = refused;
    if (why === "locked" || why === "wrong_passphrase") {
      this.reports.profile({ phase: "locked", wrong: why === "wrong_passphrase" });
    } else {
      this.fail(why === "busy" ? "no_storage" : why, text);
    }
  }

  private fail(why: OpenFailure, text: string): void {
    this.reports.profile({ phase: "failed", why, text });
  }
}

function refusal(error: unknown): Refusal | null {
  const is = typeof error === "object" && error !== null && "why" in error && "text" in error;
  return is ? (error as Refusal) : null;
}
