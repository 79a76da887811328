/** Lines about the conversation, and what stands where a message was, in words. */
import type { MessageView, PersonView } from "@sotto/engine";
import { t } from "../../strings";
import { durationText } from "../../ui/time";
import { authorOf } from "./groupLine";

export function timerText(message: MessageView, seconds: number): string {
  const name = authorOf(message);
  return seconds === 0 ? t("timer.line_off", { name }) : t("timer.line", { name, time: durationText(seconds) });
}

export function deletedText(message: MessageView, by: PersonView): string {
  if (by.is_me) return t("msg.deleted_by_me");
  return by.account === message.from ? t("msg.deleted") : t("msg.deleted_by", { name: by.name });
}
