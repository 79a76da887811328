/** What is done with messages, one by one or several; a failure is told as a notice. */
import type { MessageRef, MessageView } from "@sotto/engine";
import { engine } from "../../engine/engine";
import { keyOf } from "../../engine/order";
import { notice, useApp } from "../../engine/store";
import { jumpTo, take, useWindow } from "../../engine/window";
import { isAnswerable } from "../conversation/MessageTools";
import { chatPath, navigate } from "../shell/route";
import { t } from "../../strings/messages";

export const refOf = ({ from, name }: MessageRef): MessageRef => ({ from, name });

/** At once shown as it is then. */
async function change(changing: Promise<{ message: MessageView }>): Promise<void> {
  try {
    take([(await changing).message]);
  } catch (error) {
    notice(error);
  }
}

/** The own reaction; null: none. */
export function ownReaction({ extras }: MessageView): string | null {
  return extras.reactions.find(({ people }) => people.some((person) => person.is_me))?.emoji ?? null;
}

/** The same emoji again takes it back. */
export function react(message: MessageView, emoji: string): void {
  void change(engine.command({ command: "react", message: refOf(message), emoji: ownReaction(message) === emoji ? "" : emoji }));
}

export function vote(message: MessageView, options: number[]): void {
  void change(engine.command({ command: "vote", message: refOf(message), options }));
}

export function pin(message: MessageView, seconds: number | null): void {
  void change(engine.command({ command: "pin", message: refOf(message), seconds }));
}

export function star(messages: readonly MessageView[], starred: boolean): void {
  engine.command({ command: "star", messages: messages.map(refOf), starred }).then(
    () => take(messages.map((message) => ({ ...message, extras: { ...message.extras, starred } }))),
    notice,
  );
}

/** Own ones for two days; those of others as an admin of the group. */
export function mayDeleteForAll(message: MessageView): boolean {
  if (!isAnswerable(message) || message.message_id === null) return false;
  const role = useApp.getState().conversations[message.conversation]?.group?.my_role;
  return message.extras.deletable_until_ms > Date.now() || role === "owner" || role === "admin";
}

/** To where a message stands, whichever conversation is open. */
export async function goTo(reference: MessageRef, conversation: string): Promise<void> {
  const here = useWindow.getState().messages.find((message) => keyOf(message) === keyOf(reference));
  try {
    const position = here?.position ?? (await find(reference)).position;
    await jumpTo(conversation, position);
    navigate(chatPath(conversation));
  } catch (error) {
    notice(error);
  }
}

async function find(reference: MessageRef): Promise<MessageView> {
  const { message } = await engine.command({ command: "message", name: reference.name });
  if (message.from !== reference.from) throw new Error(t("quote.failed"));
  return message;
}

/** The words of several, each on lines of its own. */
export async function copyAll(messages: readonly MessageView[]): Promise<void> {
  const texts = messages.flatMap(({ body }) => (body.kind === "text" ? body.body : []));
  try {
    await navigator.clipboard.writeText(texts.join("\n"));
  } catch (error) {
    notice(error);
  }
}
