/** From messages to what the log shows: days, runs, and the line above what is new. */
import type { MessageView } from "@sotto/engine";
import { compareDigits, keyOf, readId } from "../../engine/order";
import { dayOf } from "../../ui/time";

const RUN_MS = 5 * 60_000;

export interface LogItem {
  key: string;
  message: MessageView;
  /** The first of its day: a time of that day. */
  dayMs: number | null;
  /** The first message that was not read when the conversation was opened. */
  isUnreadLine: boolean;
  /** First and last of a run: one sender within 5 minutes on one day. */
  first: boolean;
  last: boolean;
}

export const timeOf = (message: MessageView): number => message.server_time_ms ?? message.written_ms;

const LINES: ReadonlySet<string> = new Set<MessageView["body"]["kind"]>(["key_changed", "profile_restored", "group_change", "timer"]);

/** A line about the conversation, not something that somebody said. */
export const isLine = (message: MessageView): boolean =>
  LINES.has(message.body.kind);

export function logItems(messages: readonly MessageView[], unreadAfter: string | null): LogItem[] {
  const items: LogItem[] = [];
  let lineDrawn = unreadAfter === null;
  let before: LogItem | null = null;
  for (const message of messages) {
    const isNewDay = before === null || dayOf(timeOf(message)) !== dayOf(timeOf(before.message));
    const isUnreadLine = !lineDrawn && unreadAfter !== null && isUnreadAfter(message, unreadAfter);
    if (isUnreadLine) lineDrawn = true;
    const goesOn = before !== null && !isNewDay && !isUnreadLine && isSameRun(before.message, message);
    if (goesOn && before) before.last = false;
    const item: LogItem = {
      key: keyOf(message),
      message,
      dayMs: isNewDay ? timeOf(message) : null,
      isUnreadLine,
      first: !goesOn,
      last: true,
    };
    items.push(item);
    before = item;
  }
  return items;
}

function isUnreadAfter(message: MessageView, unreadAfter: string): boolean {
  if (message.from_me || isLine(message)) return false;
  const id = readId(message);
  return id !== null && compareDigits(id, unreadAfter) > 0;
}

function isSameRun(a: MessageView, b: MessageView): boolean {
  return a.from === b.from && !isLine(a) && !isLine(b) && Math.abs(timeOf(b) - timeOf(a)) <= RUN_MS;
}
