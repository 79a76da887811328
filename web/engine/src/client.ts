/**
 * The page's side: commands out, replies and happenings in.
 * Always true:
 * - a command is answered once, by its reply or a `CommandFailure`;
 * - commands given while the profile is starting, or while another tab takes over, wait and are carried out then;
 * - after `missed` the store may know more than was told: read again what is shown.
 */
import type { Command, CommandError, ErrorKind, Event, Reply } from "./api.js";
import type { Answer, Ask, FromWorker, ToWorker } from "./protocol.js";
import { canRepeat } from "./repeat.js";

/** Why the profile cannot be used now. */
export type OpenFailure =
  /** Not a secure context (plain http from another machine): no worker storage, no Web Locks. */
  | "insecure_context"
  /** The browser refuses the origin-private file system (private window, policy). */
  | "no_storage"
  /** The disk or the quota is full. */
  | "storage_full"
  /** Written by a newer version of Sotto: reload to get it. */
  | "newer"
  /** The database does not open. */
  | "damaged"
  /** The engine failed several times in a row. */
  | "crashed"
  /** The engine's files could not be loaded. */
  | "not_loaded";

export type ProfileState =
  | { phase: "starting" }
  /** Locked with a passphrase; `wrong`: the last one was not it. */
  | { phase: "locked"; wrong: boolean }
  | { phase: "ready" }
  | { phase: "failed"; why: OpenFailure; text: string }
  /** Everything on this device was erased: reload the page. */
  | { phase: "wiped" };

export type Happening =
  | Event
  /** Something may have happened untold (another tab led, the worker was restarted): read again what is shown. */
  | { event: "missed" };

/** Which reply a command brings. */
export interface ReplyTo {
  register: "registered";
  start_link: "link_text" | "me";
  approve_link: "done";
  recover: "recovered";
  set_online: "done";
  who_am_i: "me";
  find_person: "contact";
  send_text: "queued";
  send: "queued";
  react: "queued";
  edit: "queued";
  delete: "done";
  forward: "messages";
  star: "done";
  starred: "messages";
  pin: "queued";
  pinned: "messages";
  vote: "queued";
  set_timer: "conversation";
  preferences: "preferences";
  set_preferences: "preferences";
  create_group: "group";
  change_group: "group";
  group: "group";
  look_at_invite: "group_invitation";
  join_group: "group_invitation";
  retry_message: "queued";
  cancel_message: "done";
  mark_read: "done";
  conversations: "conversations";
  conversation: "conversation";
  set_conversation: "conversation";
  history: "messages";
  message: "message";
  search: "found";
  contact: "contact";
  contacts: "contacts";
  safety_number: "safety_number";
  set_verified: "contact";
  accept_key: "contact";
  set_blocked: "contact";
  accept_request: "contact";
  report: "done";
  delete_conversation: "done";
  privacy: "privacy";
  set_privacy: "privacy";
  profile: "profile";
  set_profile: "profile";
  picture: "picture";
  watch_people: "done";
  set_typing: "done";
  devices: "devices";
  remove_device: "done";
  request_history: "done";
  new_recovery_code: "recovery_code";
  delete_account: "done";
  status: "status";
  export: "export_page";
}

type ReplyOf<C extends Command> = Extract<Reply, { reply: ReplyTo[C["command"]] }>;

/** Why a command failed; `kind` says what to do, `message` is for people. */
export class CommandFailure extends Error {
  readonly kind: ErrorKind;
  constructor(error: CommandError) {
    super(error.text);
    this.name = "CommandFailure";
    this.kind = error.kind;
  }
}

export interface EngineOptions {
  /** Starts the worker: `() => new Worker(new URL("@sotto/engine/worker", import.meta.url), { type: "module" })`. */
  worker: () => Worker;
  /** Which profile of this origin; each has its own database. Default: "default". */
  profile?: string;
  /** What uses the engine, for the server's statistics: "sotto-web/0.1.0". */
  client?: string;
}

/** Restarts after a trap within this time count as one trouble; after `TRAPS_MAX` the profile has failed. */
const TRAPS_WITHIN_MS = 60_000;
const TRAPS_MAX = 3;

interface Asked {
  ask: Ask;
  resolve: (reply: Reply | boolean) => void;
  reject: (error: CommandFailure) => void;
  /** Workers that ended before they answered it. */
  survived: number;
}

/** One profile of this browser. Make one per page. */
export class SottoEngine {
  private state: ProfileState = { phase: "starting" };
  private worker: Worker | null = null;
  private lastId = 0;
  private looking = false;
  private readonly asked = new Map<number, Asked>();
  private readonly profileListeners = new Set<(state: ProfileState) => void>();
  private readonly listeners = new Set<(happening: Happening) => void>();
  private traps: number[] = [];

  constructor(private readonly options: EngineOptions) {
    this.start();
  }

  /** What the profile is doing; changes are told to `onProfile`. */
  get profile(): ProfileState {
    return this.state;
  }

  /** Returns what ends it. */
  onProfile(listener: (state: ProfileState) => void): () => void {
    this.profileListeners.add(listener);
    return () => this.profileListeners.delete(listener);
  }

  /** Returns what ends it. */
  onHappening(listener: (happening: Happening) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Rejects with a `CommandFailure`. */
  async command<C extends Command>(command: C): Promise<ReplyOf<C>> {
    return (await this.ask({ ask: "command", command })) as ReplyOf<C>;
  }

  /** Opens a locked profile; the outcome is the next `ProfileState`. */
  unlock(passphrase: string): void {
    this.tell({ to: "unlock", passphrase });
  }

  /** Locks this profile with a passphrase from now on, or (null) no longer. */
  async setPassphrase(passphrase: string | null): Promise<void> {
    await this.ask({ ask: "passphrase", passphrase });
  }

  async hasPassphrase(): Promise<boolean> {
    return (await this.ask({ ask: "has_passphrase" })) === true;
  }

  /** The person is (not) looking at this page. */
  setForeground(looking: boolean): void {
    this.looking = looking;
    this.tell({ to: "foreground", looking });
  }

  /** The network came back: connect now. */
  networkUp(): void {
    this.tell({ to: "network_up" });
  }

  /** Erases everything of this profile on this device, in all tabs: phase "wiped". */
  async wipe(): Promise<void> {
    await this.ask({ ask: "wipe" });
  }

  /** After "failed": tries again. */
  retry(): void {
    this.traps = [];
    if (this.worker === null) this.start();
    else this.tell({ to: "restart" });
  }

  /** Ends this tab's part; another tab goes on. */
  close(): void {
    this.worker?.terminate();
    this.worker = null;
    for (const { reject } of this.asked.values()) reject(new CommandFailure(CLOSED));
    this.asked.clear();
  }

  private start(): void {
    const missing = missingFeature();
    if (missing !== null) {
      this.show(missing);
      return;
    }
    this.show({ phase: "starting" });
    const worker = this.options.worker();
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (this.worker === worker) this.hear(data);
    };
    worker.onerror = (event) => {
      if (this.worker !== worker) return;
      // Its script did not load, or it threw where nothing should.
      if (this.state.phase === "starting") {
        this.stopWorker();
        this.show({ phase: "failed", why: "not_loaded", text: event.message });
      } else {
        this.restart(event.message);
      }
    };
    this.worker = worker;
    const profile = this.options.profile ?? "default";
    this.tell({ to: "start", profile, client: this.options.client ?? "sotto-engine-js" });
    if (this.looking) this.tell({ to: "foreground", looking: true });
    for (const [id, { ask }] of this.asked) this.tell({ to: "ask", id, ask });
  }

  private hear(message: FromWorker): void {
    switch (message.from) {
      case "profile":
        this.show(message.state);
        return;
      case "out":
        for (const out of message.out) {
          if ("happening" in out) this.happen(out.happening);
          else this.answer(out.id, out.answer);
        }
        return;
      case "restart":
        this.restart(message.text);
        return;
    }
  }

  /** `text`: it failed; none: it was asked to. */
  private restart(text: string | null): void {
    this.stopWorker();
    const now = Date.now();
    if (text !== null) {
      this.traps = [...this.traps.filter((at) => at > now - TRAPS_WITHIN_MS), now];
      if (this.traps.length >= TRAPS_MAX) {
        this.show({ phase: "failed", why: "crashed", text });
        return;
      }
      for (const [id, asked] of this.asked) {
        asked.survived += 1;
        // What was under way twice when it trapped may be the cause.
        if (asked.survived > 1 || !canRepeat(asked.ask)) {
          this.answer(id, { ok: false, error: { kind: "internal", text: `The engine stopped: ${text}` } });
        }
      }
    }
    this.start();
    this.happen({ event: "missed" });
  }

  private stopWorker(): void {
    this.worker?.terminate();
    this.worker = null;
  }

  private ask(ask: Ask): Promise<Reply | boolean> {
    return new Promise((resolve, reject) => {
      const id = ++this.lastId;
      this.asked.set(id, { ask, resolve, reject, survived: 0 });
      this.tell({ to: "ask", id, ask });
    });
  }

  private answer(id: number, answer: Answer): void {
    const asked = this.asked.get(id);
    if (asked === undefined) return;
    this.asked.delete(id);
    if (answer.ok) asked.resolve(answer.reply);
    else asked.reject(new CommandFailure(answer.error));
  }

  private tell(message: ToWorker): void {
    this.worker?.postMessage(message);
  }

  private show(state: ProfileState): void {
    this.state = state;
    for (const listener of [...this.profileListeners]) listener(state);
  }

  private happen(happening: Happening): void {
    for (const listener of [...this.listeners]) listener(happening);
  }
}

const CLOSED: CommandError = { kind: "internal", text: "This page is closing; the command was not carried out." };

/** What this browser or page lacks. */
function missingFeature(): ProfileState | null {
  if (!isSecureContext) {
    return { phase: "failed", why: "insecure_context", text: "This page did not come over HTTPS." };
  }
  const storage = navigator.storage as StorageManager | undefined;
  if (typeof storage?.getDirectory !== "function" || !("locks" in navigator) || typeof WebAssembly !== "object") {
    return { phase: "failed", why: "no_storage", text: "This browser lacks private file storage, Web Locks or WebAssembly." };
  }
  return null;
}
