/**
 * The worker of one tab. The tab whose worker holds the profile's Web Lock leads: it has the engine and the database. The others
 * pass on what is asked and hear what happens, over a BroadcastChannel. When the leader goes, the next in line leads.
 * Always true:
 * - what was asked and not answered is asked again of the next leader, if carrying it out twice is the same as once; the rest
 *   fails with a text that says so;
 * - after a change of leader every page is told `missed`.
 */
import type { CommandError } from "./api.js";
import type { Happening, ProfileState } from "./client.js";
import { Leader } from "./leader.js";
import type { Answer, Ask, Between, FromWorker, Out, ToWorker } from "./protocol.js";
import { canRepeat } from "./repeat.js";

declare const self: DedicatedWorkerGlobalScope;

/** How often a tab in the foreground says so again, and how long its word counts. */
const FOREGROUND_STEP_MS = 20_000;
const FOREGROUND_MAX_MS = 45_000;

const CUT_OFF: CommandError = {
  kind: "internal",
  text: "Another tab took over while this was being done. Look whether it was, then try again.",
};

class TabWorker {
  private readonly tab = crypto.randomUUID();
  private readonly channel: BroadcastChannel;
  private leader: Leader | null = null;
  private state: ProfileState = { phase: "starting" };
  private readonly asked = new Map<number, Ask>();
  private out: Out[] = [];
  /** For the other tabs, told with `out`. */
  private happenings: Happening[] = [];
  private looking = false;
  private lookingTimer: ReturnType<typeof setInterval> | undefined;
  /** Tabs in the foreground, and until when that counts. */
  private readonly watching = new Map<string, number>();

  constructor(
    private readonly profile: string,
    private readonly client: string,
  ) {
    this.channel = new BroadcastChannel(`sotto:${profile}`);
    this.channel.onmessage = ({ data }: MessageEvent<Between>) => this.hear(data);
    this.say({ say: "hello" });
    void navigator.locks.request(`sotto:${profile}`, async () => {
      await this.lead();
      // Held until this worker ends.
      await new Promise(() => undefined);
    });
  }

  take(message: ToWorker): void {
    switch (message.to) {
      case "ask":
        this.asked.set(message.id, message.ask);
        this.pass(message.id, message.ask);
        return;
      case "unlock":
        if (this.leader !== null) this.leader.unlock(message.passphrase);
        else this.say({ say: "unlock", passphrase: message.passphrase });
        return;
      case "foreground":
        this.look(message.looking);
        return;
      case "network_up":
        if (this.leader !== null) this.leader.networkUp();
        else this.say({ say: "network_up" });
        return;
      case "restart":
        if (this.leader !== null) post({ from: "restart", text: null });
        else this.say({ say: "restart" });
        return;
      case "start":
        return;
    }
  }

  private async lead(): Promise<void> {
    const takesOver = this.state.phase !== "starting" || this.asked.size > 0;
    const leader = new Leader(this.profile, this.client, {
      profile: (state) => {
        this.show(state);
        this.say({ say: "profile", state });
      },
      happening: (event) => this.happen(event),
      settled: () => this.flush(),
      trapped: (text) => {
        this.flush();
        post({ from: "restart", text });
      },
    });
    this.leader = leader;
    this.say({ say: "leading" });
    if (this.looking) this.watch(this.tab, true);
    if (takesOver) {
      this.happen({ event: "missed" });
      this.askAgain();
      this.flush();
    }
    await leader.start();
  }

  private hear(message: Between): void {
    const leader = this.leader;
    switch (message.say) {
      case "hello":
        if (leader !== null) this.say({ say: "profile", state: this.state });
        return;
      case "leading":
        this.happenings = [];
        this.out.push({ happening: { event: "missed" } });
        this.askAgain();
        this.flush();
        if (this.looking) this.say({ say: "foreground", tab: this.tab, looking: true });
        return;
      case "profile":
        if (leader === null) this.show(message.state);
        return;
      case "happenings":
        if (leader !== null) return;
        for (const happening of message.happenings) this.out.push({ happening });
        this.flush();
        return;
      case "ask":
        leader?.ask(message.ask, (answer) => this.say({ say: "answer", tab: message.tab, id: message.id, answer }));
        return;
      case "answer":
        if (message.tab !== this.tab) return;
        this.answer(message.id, message.answer);
        this.flush();
        return;
      case "unlock":
        leader?.unlock(message.passphrase);
        return;
      case "foreground":
        if (leader !== null) this.watch(message.tab, message.looking);
        return;
      case "network_up":
        leader?.networkUp();
        return;
      case "restart":
        if (leader !== null) post({ from: "restart", text: null });
        return;
    }
  }

  private pass(id: number, ask: Ask): void {
    if (this.leader !== null) {
      this.leader.ask(ask, (answer) => {
        this.answer(id, answer);
        // Answers outside a step (a refusal, an erased profile) must not wait for the next one.
        queueMicrotask(() => this.flush());
      });
    } else {
      this.say({ say: "ask", tab: this.tab, id, ask });
    }
  }

  private askAgain(): void {
    for (const [id, ask] of [...this.asked]) {
      if (canRepeat(ask)) this.pass(id, ask);
      else this.answer(id, { ok: false, error: CUT_OFF });
    }
  }

  private answer(id: number, answer: Answer): void {
    // A second answer: it was asked of two leaders.
    if (this.asked.delete(id)) this.out.push({ id, answer });
  }

  private happen(happening: Happening): void {
    this.out.push({ happening });
    this.happenings.push(happening);
  }

  private flush(): void {
    if (this.happenings.length > 0) this.say({ say: "happenings", happenings: this.happenings });
    if (this.out.length > 0) post({ from: "out", out: this.out });
    this.happenings = [];
    this.out = [];
  }

  private show(state: ProfileState): void {
    this.state = state;
    post({ from: "profile", state });
  }

  private look(looking: boolean): void {
    this.looking = looking;
    clearInterval(this.lookingTimer);
    const tell = (): void => {
      if (this.leader !== null) this.watch(this.tab, looking);
      else this.say({ say: "foreground", tab: this.tab, looking });
    };
    // Told again and again: a tab that was killed cannot say that it is gone.
    if (looking) this.lookingTimer = setInterval(tell, FOREGROUND_STEP_MS);
    tell();
  }

  private watch(tab: string, looking: boolean): void {
    const before = this.watching.size > 0;
    if (looking) this.watching.set(tab, Date.now() + FOREGROUND_MAX_MS);
    else this.watching.delete(tab);
    if (looking) setTimeout(() => this.forgetSilent(), FOREGROUND_MAX_MS + 1000);
    this.tellForeground(before);
  }

  private forgetSilent(): void {
    const before = this.watching.size > 0;
    for (const [tab, until] of this.watching) if (until < Date.now()) this.watching.delete(tab);
    this.tellForeground(before);
  }

  private tellForeground(before: boolean): void {
    const now = this.watching.size > 0;
    if (now !== before) this.leader?.foreground(now);
  }

  private say(message: Between): void {
    this.channel.postMessage(message);
  }
}

function post(message: FromWorker): void {
  self.postMessage(message);
}

let worker: TabWorker | null = null;
self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if (data.to === "start") worker ??= new TabWorker(data.profile, data.client);
  else worker?.take(data);
};
