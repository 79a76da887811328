/**
 * Keeps what was typed and not sent: in the profile, so that it is there after a reload.
 * Always true:
 * - what was typed is on its way to the profile at once, one save at a time, so that fast typing on a slow machine makes fewer of
 *   them; what waits for its turn goes when the conversation or the page is left;
 * - a page that goes takes its worker along, whatever that has not written yet: such a text alone waits in local storage, until the
 *   conversation is opened again. Not if the profile has a passphrase: nothing of it lies about readable.
 */
import { keepDraft, keptDraft } from "../../engine/drafts";
import { engine } from "../../engine/engine";
import { setConversation } from "../../engine/store";

/** A page of a profile with a passphrase stays this long, at most, for what the worker has not written yet. */
const STAY_MS = 100;

export class Draft {
  /** What the composer begins with. */
  readonly begin: string;
  private text: string;
  private saving = 0;
  private readable = false;

  /** `saved`: what the profile has. */
  constructor(
    private readonly account: string,
    private saved: string,
  ) {
    this.begin = this.text = keptDraft(account) ?? saved;
    engine.hasPassphrase().then(
      (has) => (this.readable = !has),
      () => undefined,
    );
  }

  change(text: string): void {
    this.text = text;
    if (this.saving === 0) this.flush();
  }

  flush(): void {
    const draft = this.text.trim() === "" ? "" : this.text;
    if (draft === this.saved) {
      if (this.saving === 0) keepDraft(this.account, null);
      return;
    }
    this.saved = draft;
    this.saving++;
    void setConversation(this.account, { draft }).then(() => {
      this.saving--;
      if (this.saving === 0) this.flush();
    });
  }

  /** The page goes. */
  leave(): void {
    this.flush();
    if (this.saving === 0 || (this.readable && keepDraft(this.account, this.saved))) return;
    // The worker has a thread of its own: it hears and writes while this one only waits.
    const until = performance.now() + STAY_MS;
    while (performance.now() < until);
  }
}
