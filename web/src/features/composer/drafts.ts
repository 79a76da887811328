/**
 * Keeps what was typed and not sent: in the profile, so that it is there after a reload.
 * Always true: what was typed is saved half a second after the last key, and at once when the conversation or the page is left.
 */
import { setConversation, useApp } from "../../engine/store";

const SAVE_AFTER_MS = 500;

export class Draft {
  private pending: string | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly account: string) {}

  change(text: string): void {
    this.pending = text;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), SAVE_AFTER_MS);
  }

  flush(): void {
    clearTimeout(this.timer);
    const { pending } = this;
    this.pending = null;
    if (pending === null) return;
    const draft = pending.trim() === "" ? "" : pending;
    const known = useApp.getState().conversations[this.account]?.draft ?? "";
    if (draft !== known) void setConversation(this.account, { draft });
  }
}
