import type { MessageView } from "@sotto/engine";
import { Ellipsis, Reply, SmilePlus } from "lucide-react";
import { isGroup } from "../../engine/recipient";
import { notice, useApp } from "../../engine/store";
import { t } from "../../strings";
import { IconButton } from "../../ui/IconButton";
import { MenuButton, type MenuEntry } from "../../ui/Menu";
import { messagePath, navigate } from "../shell/route";
import { startReply } from "./acting";
import { isLine } from "./items";
import { loadParts } from "./rich";

/** Beside the bubble, on hover and while the focus is in the message (see conversation.css). */
export function MessageTools({ message, reachable }: { message: MessageView; /** By Tab: only those of one message. */ reachable: boolean }) {
  const tabIndex = reachable ? 0 : -1;
  const answerable = isAnswerable(message);
  return (
    <span className="tools" role="toolbar" aria-label={t("msg.tools")}>
      {answerable && (
        <>
          <MenuButton label={t("msg.react")} icon={SmilePlus} small tabIndex={tabIndex} items={async () => (await loadParts()).reactionMenu(message)} />
          <IconButton label={t("msg.reply")} icon={Reply} small directional tabIndex={tabIndex} onClick={() => startReply(message)} />
        </>
      )}
      <MenuButton label={t("msg.more")} icon={Ellipsis} small tabIndex={tabIndex} items={() => messageMenu(message)} />
    </span>
  );
}

/** All that can be done with it: also for the right mouse button, a long press, and the keyboard. */
export async function messageMenu(message: MessageView): Promise<readonly MenuEntry[]> {
  return (await loadParts()).messageMenu(message);
}

/** Somebody said it, it is still there, and they may hear of it: who is not accepted yet may not. */
export function isAnswerable(message: MessageView): boolean {
  const { kind } = message.body;
  if (useApp.getState().conversations[message.conversation]?.is_request === true) return false;
  return !isLine(message) && kind !== "deleted" && kind !== "undecryptable" && message.status !== "failed";
}

/** An own message to several people: who of them has it, is worth a look without any technical interest. */
export function hasReceipts(message: MessageView): boolean {
  return message.from_me && isGroup(message.conversation) && !isLine(message) && message.message_id !== null;
}

export function openDetails(message: MessageView): void {
  navigate(messagePath(message.conversation, message.name));
}

export async function copyText(message: MessageView): Promise<boolean> {
  if (message.body.kind !== "text") return false;
  try {
    await navigator.clipboard.writeText(message.body.body);
    return true;
  } catch (error) {
    notice(error);
    return false;
  }
}
