import type { Conversation, Who } from "@sotto/engine";

const GROUP_DIGITS = 64;

/** A group's id is longer than a person's. */
export function isGroup(conversation: Conversation): boolean {
  return conversation.length === GROUP_DIGITS;
}

/** To whom a message of this conversation goes. */
export function recipientOf(conversation: Conversation): Who {
  return isGroup(conversation) ? { group: conversation } : { account: conversation };
}
