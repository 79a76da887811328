import type { ConversationView, MessageView } from "@sotto/engine";

/** Compares two strings of decimal digits without leading zeros: positions and message ids do not fit into a double. */
export function compareDigits(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}

export function byPosition(a: MessageView, b: MessageView): number {
  return compareDigits(a.position, b.position);
}

/** A name is unique for its author only: somebody else could reuse it. */
export function keyOf(message: Pick<MessageView, "from" | "name">): string {
  return `${message.from}/${message.name}`;
}

/** Reading reaches a message that was sent again by the id it came with the second time. */
export function readId(message: MessageView): string | null {
  const { message_id, late_id } = message;
  if (message_id === null || late_id === null) return message_id ?? late_id;
  return compareDigits(message_id, late_id) > 0 ? message_id : late_id;
}

/**
 * The order of the list: pinned first, then newest; just started conversations, where nothing was said yet, count as newest.
 * `before` is the order so far: it decides among the pinned (the engine orders them by when they were pinned, which a view does
 * not say) and breaks ties.
 */
export function orderConversations(
  byId: Readonly<Record<string, ConversationView>>,
  before: readonly string[],
): string[] {
  const place = new Map(before.map((conversation, at) => [conversation, at]));
  const placeOf = (view: ConversationView) => place.get(view.conversation) ?? -1;
  return Object.values(byId)
    .sort((a, b) => {
      if (a.pinned !== b.pinned) return a.pinned ? -1 : 1;
      if (a.pinned || (a.last === null && b.last === null)) return placeOf(a) - placeOf(b);
      if (a.last === null || b.last === null) return a.last === null ? -1 : 1;
      return compareDigits(b.last.position, a.last.position) || placeOf(a) - placeOf(b);
    })
    .map((view) => view.conversation);
}
