/**
 * Everything the app says, in one catalogue of ICU messages: `t("list.unread_count", { count: 3 })`.
 * A translation is one more object with the same keys; the type checker says which are missing.
 */
import { chat } from "./chat";
import { gate } from "./gate";
import { format, parse, type Message, type Values } from "./icu";

export const messages = { ...chat, ...gate };

export type MessageKey = keyof typeof messages;
export type MessageValues = Values;

/** The language of the catalogue: plural rules and number formats follow it, times follow the browser. */
export const LOCALE = "en";

const parsed = new Map<MessageKey, Message>();

export function t(key: MessageKey, values: MessageValues = {}): string {
  let message = parsed.get(key);
  if (message === undefined) {
    message = parse(messages[key]);
    parsed.set(key, message);
  }
  return format(message, values, LOCALE);
}
