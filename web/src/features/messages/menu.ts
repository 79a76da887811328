import type { MessageView } from "@sotto/engine";
import { CheckCheck, CircleCheck, Copy, Forward, MessageCircle, Pencil, Pin, PinOff, Plus, Reply, Smile, Star, StarOff, Trash2, Waypoints } from "lucide-react";
import { createElement } from "react";
import { isGroup } from "../../engine/recipient";
import { useApp } from "../../engine/store";
import { cancelMessage } from "../../engine/window";
import { t } from "../../strings/messages";
import { Icon } from "../../ui/Icon";
import type { MenuEntry } from "../../ui/Menu";
import { chooseMany, openDialog, startEdit, startReply } from "../conversation/acting";
import { isLine } from "../conversation/items";
import { copyText, hasReceipts, isAnswerable, openDetails } from "../conversation/MessageTools";
import { usePreferences } from "../settings/preferences";
import { chatPath, navigate } from "../shell/route";
import { ownReaction, pin, react, star } from "./actions";

const QUICK = ["👍", "❤️", "😂", "😮", "😢", "🙏"];
const DAY_S = 86_400;

/** Six emoji, and the way to all others. */
export function reactionMenu(message: MessageView): MenuEntry[] {
  const own = ownReaction(message);
  const known = own === null || QUICK.includes(own) ? QUICK : [own, ...QUICK.slice(0, -1)];
  return [
    {
      label: t("menu.quick"),
      row: [
        ...known.map((emoji) => ({
          label: t(emoji === own ? "menu.react_take_back" : "menu.react_with", { emoji }),
          sign: emoji,
          pressed: emoji === own,
          onSelect: () => react(message, emoji),
        })),
        {
          label: t("menu.react_other"),
          sign: createElement(Icon, { icon: Plus, small: true }),
          onSelect: () => openDialog({ kind: "react", message }),
        },
      ],
    },
  ];
}

/** Everything that can be done with a message, as one menu. */
export function messageMenu(message: MessageView): MenuEntry[] {
  const { body, extras, conversation } = message;
  const said = isAnswerable(message) && useApp.getState().signedOut === null;
  const sent = message.message_id !== null && message.status !== "failed";
  const isText = body.kind === "text";
  const entries: (MenuEntry | false)[] = [
    ...(said ? [...reactionMenu(message), "line" as const] : []),
    said && { label: t("msg.reply"), icon: Reply, onSelect: () => startReply(message) },
    said && isText && extras.editable_until_ms > Date.now() && { label: t("menu.edit"), icon: Pencil, onSelect: () => startEdit(message) },
    said && body.kind !== "unsupported" && { label: t("menu.forward"), icon: Forward, onSelect: () => openDialog({ kind: "forward", messages: [message] }) },
    isText && { label: t("menu.copy"), icon: Copy, onSelect: () => void copyText(message) },
    said &&
      (extras.starred
        ? { label: t("menu.unstar"), icon: StarOff, onSelect: () => star([message], false) }
        : { label: t("menu.star"), icon: Star, onSelect: () => star([message], true) }),
    said && sent && (extras.pinned_until_ms === null ? pinMenu(message) : { label: t("menu.unpin"), icon: PinOff, onSelect: () => pin(message, null) }),
    said && { label: t("menu.select"), icon: CircleCheck, onSelect: () => chooseMany(message) },
    "line",
    extras.reactions.length > 0 && { label: t("menu.reactions"), icon: Smile, onSelect: () => openDialog({ kind: "reactions", message }) },
    hasReceipts(message)
      ? { label: t("msg.info"), icon: CheckCheck, onSelect: () => openDetails(message) }
      : usePreferences.getState().underTheHood &&
        !isLine(message) && { label: t("msg.details"), icon: Waypoints, onSelect: () => openDetails(message) },
    isGroup(conversation) &&
      !message.from_me && { label: t("msg.write_to", { name: message.from_name }), icon: MessageCircle, onSelect: () => navigate(chatPath(message.from)) },
    "line",
    message.from_me && !sent && !isLine(message)
      ? { label: t("msg.cancel"), icon: Trash2, danger: true, onSelect: () => void cancelMessage(message) }
      : !isLine(message) && { label: t("menu.delete"), icon: Trash2, danger: true, onSelect: () => openDialog({ kind: "delete", messages: [message] }) },
  ];
  return withoutLooseLines(entries.filter((entry) => entry !== false));
}

function pinMenu(message: MessageView): MenuEntry {
  return {
    label: t("menu.pin"),
    icon: Pin,
    items: [
      { label: t("menu.pin_day"), onSelect: () => pin(message, DAY_S) },
      { label: t("menu.pin_week"), onSelect: () => pin(message, 7 * DAY_S) },
      { label: t("menu.pin_month"), onSelect: () => pin(message, 30 * DAY_S) },
    ],
  };
}

/** A line parts two groups: none at an end, never two. */
function withoutLooseLines(entries: readonly MenuEntry[]): MenuEntry[] {
  return entries.filter((entry, at) => entry !== "line" || (at > 0 && at < entries.length - 1 && entries[at - 1] !== "line"));
}
