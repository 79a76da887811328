/** Why a message failed, and whether sending it again can help. */
import type { MessageView } from "@sotto/engine";
import { t, type MessageKey } from "../../strings";
import { sentence } from "../../strings/reason";

interface Known {
  key: MessageKey;
  /** It would fail the same way again. */
  final: boolean;
}

/** What the engine notes, in its own words (`outbox.rs`, `receipts.rs`). Others are shown as they come. */
export const NOTES: Readonly<Record<string, Known>> = {
  "this person's account no longer exists": { key: "msg.failed.account_gone", final: true },
  "the message is too long": { key: "msg.failed.too_long", final: true },
  "the stored message is damaged": { key: "msg.failed.damaged", final: true },
  "not delivered: nobody was there to take it for 30 days": { key: "msg.failed.undelivered", final: false },
};

export function failureOf({ note, message_id }: Pick<MessageView, "note" | "message_id">): { what: string; why: string; final: boolean } {
  const known = note !== null && Object.hasOwn(NOTES, note) ? NOTES[note] : undefined;
  return {
    what: t(message_id === null ? "msg.failed" : "msg.undelivered"),
    why: known ? t(known.key) : sentence(note ?? ""),
    final: known?.final ?? false,
  };
}
