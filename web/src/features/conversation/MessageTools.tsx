import type { MessageView } from "@sotto/engine";
import { CheckCheck, Check, Copy, MessageCircle, Trash2, Waypoints } from "lucide-react";
import { useEffect, useState } from "react";
import { isGroup } from "../../engine/recipient";
import { notice } from "../../engine/store";
import { cancelMessage } from "../../engine/window";
import { t } from "../../strings";
import { IconButton } from "../../ui/IconButton";
import type { MenuEntry } from "../../ui/Menu";
import { usePreferences } from "../settings/preferences";
import { chatPath, messagePath, navigate } from "../shell/route";
import { isLine } from "./items";

/** Beside the bubble, on hover and while the focus is in the message (see conversation.css). */
export function MessageTools({ message, reachable }: { message: MessageView; /** By Tab: only those of one message. */ reachable: boolean }) {
  const tabIndex = reachable ? 0 : -1;
  const hood = usePreferences((state) => state.underTheHood);
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 1500);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <span className="tools" role="toolbar" aria-label={t("msg.tools")}>
      {message.body.kind === "text" && (
        <IconButton
          label={t(copied ? "msg.copied" : "msg.copy")}
          icon={copied ? Check : Copy}
          small
          tabIndex={tabIndex}
          onClick={() => void copyText(message).then(setCopied)}
        />
      )}
      {hasReceipts(message) ? (
        <IconButton label={t("msg.info")} icon={CheckCheck} small tabIndex={tabIndex} onClick={() => openDetails(message)} />
      ) : (
        hood && <IconButton label={t("msg.details")} icon={Waypoints} small tabIndex={tabIndex} onClick={() => openDetails(message)} />
      )}
      {isCancellable(message) && (
        <IconButton label={t("msg.cancel")} icon={Trash2} small tabIndex={tabIndex} onClick={() => void cancelMessage(message)} />
      )}
    </span>
  );
}

/** The same as a menu: for the right mouse button, a long press, and the keyboard. */
export function messageMenu(message: MessageView): MenuEntry[] {
  const items: MenuEntry[] = [];
  if (message.body.kind === "text") {
    items.push({ label: t("msg.copy"), icon: Copy, onSelect: () => void copyText(message) });
  }
  if (hasReceipts(message)) {
    items.push({ label: t("msg.info"), icon: CheckCheck, onSelect: () => openDetails(message) });
  } else if (usePreferences.getState().underTheHood && !isLine(message)) {
    items.push({ label: t("msg.details"), icon: Waypoints, onSelect: () => openDetails(message) });
  }
  if (isGroup(message.conversation) && !message.from_me) {
    const { from, from_name: name } = message;
    items.push({ label: t("msg.write_to", { name }), icon: MessageCircle, onSelect: () => navigate(chatPath(from)) });
  }
  if (isCancellable(message)) {
    items.push({ label: t("msg.cancel"), icon: Trash2, danger: true, onSelect: () => void cancelMessage(message) });
  }
  return items;
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

function isCancellable(message: MessageView): boolean {
  return message.from_me && (message.message_id === null || message.status === "failed");
}
