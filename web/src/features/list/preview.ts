import type { MessageView } from "@sotto/engine";
import { isGroup } from "../../engine/recipient";
import { t } from "../../strings";
import { authorOf, changeText } from "../conversation/groupLine";

const LENGTH = 160;

/** A message as one line of plain text, for the list, notifications and announcements. */
export function previewText(message: MessageView): string {
  switch (message.body.kind) {
    case "text":
      return oneLine(message.body.body);
    case "undecryptable":
      return t("list.waiting");
    case "key_changed":
      return t("list.key_changed");
    case "profile_restored":
      return t("list.restored");
    case "group_change":
      return changeText(message, message.body.change);
    case "unsupported":
      return t("list.unsupported");
  }
}

/** With who said it, where that is not plain from the conversation: "Ann: hello". */
export function rowText(message: MessageView): string {
  const text = previewText(message);
  const said = message.body.kind === "text" || message.body.kind === "undecryptable";
  return said && isGroup(message.conversation) ? t("list.says", { name: authorOf(message), text }) : text;
}

/** Line breaks become spaces; no more than a list ever shows, so that a 32 KiB text costs nothing. */
export function oneLine(text: string): string {
  const start = text.slice(0, LENGTH * 2).replace(/\s+/gu, " ").trim();
  return start.length > LENGTH ? `${start.slice(0, LENGTH)}…` : start;
}
