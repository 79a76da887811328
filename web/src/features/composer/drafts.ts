/**
 * Keeps what was typed and not sent: in the profile, so that it is there after a reload.
 * Always true: what was typed is on its way to the profile at once, one save at a time, so that fast typing on a slow machine makes
 * fewer of them; what waits for its turn goes when the conversation or the page is left.
 */
import { setConversation } from "../../engine/store";

/** A page that goes takes its worker along. This long, at most, it stays for what the worker has not written yet. */
const STAY_MS = 100;

export class Draft {
  private pending: string | null = null;
  private saving = 0;

  /** `saved`: what the profile has. */
  constructor(
    private readonly account: string,
    private saved: string,
  ) {}

  change(text: string): void {
    this.pending = text;
    if (this.saving === 0) this.flush();
  }

  flush(): void {
    const { pending } = this;
    this.pending = null;
    if (pending === null) return;
    const draft = pending.trim() === "" ? "" : pending;
    if (draft === this.saved) return;
    this.saved = draft;
    this.saving++;
    void setConversation(this.account, { draft }).then(() => {
      this.saving--;
      if (this.saving === 0) this.flush();
    });
  }

  /** The page goes. The worker has a thread of its own: it hears and writes while this one only waits. */
  leave(): void {
    this.flush();
    const until = performance.now() + STAY_MS;
    while (this.saving > 0 && performance.now() < until);
  }
}
