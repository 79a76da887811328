/** Which messages go with a report. */
import type { MessageView } from "@sotto/engine";

export const REPORTED_MAX = 20;
/** Chosen at first: the newest ones. */
const FIRST_CHOSEN = 5;

/** Texts of theirs, as the operator could read them; oldest first. */
export function reportable(messages: readonly MessageView[]): MessageView[] {
  return messages.filter((message) => !message.from_me && message.body.kind === "text" && message.message_id !== null);
}

export const firstChosen = (messages: readonly MessageView[]): ReadonlySet<string> => new Set(messages.slice(-FIRST_CHOSEN).map(({ name }) => name));

/** With it, or without; the same when there is no more room. */
export function toggled(chosen: ReadonlySet<string>, name: string): ReadonlySet<string> {
  const next = new Set(chosen);
  if (!next.delete(name) && next.size < REPORTED_MAX) next.add(name);
  return next;
}
