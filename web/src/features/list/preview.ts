import type { MessageView } from "@sotto/engine";
import { isGroup } from "../../engine/recipient";
import { t } from "../../strings";
import { authorOf, changeText } from "../conversation/groupLine";
import { deletedText, timerText } from "../conversation/lineText";
import { withoutMarks } from "../messages/format";

const LENGTH = 160;

/** A message as one line of plain text, for the list, notifications and announcements. */
export function previewText(message: MessageView): string {
  switch (message.body.kind) {
    case "text":
      return oneLine(withoutMarks(shown(message.body.body)));
    case "undecryptable":
      return t("list.waiting");
    case "key_changed":
      return t("list.key_changed");
    case "profile_restored":
      return t("list.restored");
    case "group_change":
      return changeText(message, message.body.change);
    case "poll":
      return t("list.poll", { text: oneLine(message.body.question) });
    case "location":
      return t("list.location", { text: oneLine(message.body.label) });
    case "contact_card":
      return t("list.contact", { text: oneLine(message.body.card.name) });
    case "deleted":
      return deletedText(message, message.body.by);
    case "timer":
      return timerText(message, message.body.seconds);
    case "unsupported":
      return t("list.unsupported");
  }
}

/** Says by itself who did what. */
const SELF_EXPLAINING: ReadonlySet<string> = new Set<MessageView["body"]["kind"]>(["key_changed", "profile_restored", "group_change", "timer", "deleted", "unsupported"]);

/** Somebody said it, in whatever form. */
export const isSaid = (message: MessageView): boolean => !SELF_EXPLAINING.has(message.body.kind);

/** With who said it, where that is not plain from the conversation: "Ann: hello". */
export function rowText(message: MessageView): string {
  const text = previewText(message);
  return isSaid(message) && isGroup(message.conversation) ? t("list.says", { name: authorOf(message), text }) : text;
}

/** No more than a list ever shows, so that a 32 KiB text costs nothing. */
const shown = (text: string): string => text.slice(0, LENGTH * 2);

/** Line breaks become spaces. */
export function oneLine(text: string): string {
  const start = shown(text).replace(/\s+/gu, " ").trim();
  return start.length > LENGTH ? `${start.slice(0, LENGTH)}…` : start;
}
