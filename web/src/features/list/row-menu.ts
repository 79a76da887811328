import type { ConversationView } from "@sotto/engine";
import { Archive, ArchiveRestore, Bell, BellOff, Info, MailCheck, MailWarning, Pin, PinOff, Trash2 } from "lucide-react";
import { engine } from "../../engine/engine";
import { isMuted, isUnread, notice, setConversation } from "../../engine/store";
import { t } from "../../strings";
import type { MenuEntry } from "../../ui/Menu";
import { ask } from "../requests/asking";
import { infoPath, navigate } from "../shell/route";

const HOUR_MS = 3600_000;
/** As far as a date goes; what people call always. */
export const MUTED_ALWAYS_MS = 8_640_000_000_000_000;

/** What can be done with a conversation, from the list and from its own menu. */
export function rowMenu(view: ConversationView): MenuEntry[] {
  const account = view.conversation;
  // A group is left before.
  const canDelete = view.group === null || view.group.my_role === null || view.group.deleted;
  const remove: MenuEntry = { label: t("row.delete"), icon: Trash2, danger: true, onSelect: () => ask("delete", account) };
  const info: MenuEntry = { label: t(view.contact === null ? "row.group_info" : "row.info"), icon: Info, onSelect: () => navigate(infoPath(account)) };
  if (view.is_request) return [info, "line", remove];
  const set = (changes: Parameters<typeof setConversation>[1]) => () => void setConversation(account, changes);
  const muteFor = (ms: number) => () => void setConversation(account, { muted_until_ms: Date.now() + ms });
  return [
    view.pinned
      ? { label: t("row.unpin"), icon: PinOff, onSelect: set({ pinned: false }) }
      : { label: t("row.pin"), icon: Pin, onSelect: set({ pinned: true }) },
    isUnread(view)
      ? { label: t("row.mark_read"), icon: MailCheck, onSelect: () => void markAllRead(account) }
      : { label: t("row.mark_unread"), icon: MailWarning, onSelect: set({ marked_unread: true }) },
    isMuted(view)
      ? { label: t("row.unmute"), icon: Bell, onSelect: set({ muted_until_ms: 0 }) }
      : {
          label: t("row.mute"),
          icon: BellOff,
          items: [
            { label: t("row.mute_8h"), onSelect: muteFor(8 * HOUR_MS) },
            { label: t("row.mute_week"), onSelect: muteFor(7 * 24 * HOUR_MS) },
            { label: t("row.mute_always"), onSelect: set({ muted_until_ms: MUTED_ALWAYS_MS }) },
          ],
        },
    view.archived
      ? { label: t("row.unarchive"), icon: ArchiveRestore, onSelect: set({ archived: false }) }
      : { label: t("row.archive"), icon: Archive, onSelect: set({ archived: true }) },
    "line",
    info,
    ...(canDelete ? [remove] : []),
  ];
}

async function markAllRead(account: string): Promise<void> {
  try {
    await engine.command({ command: "mark_read", conversation: account, up_to: null });
    await setConversation(account, { marked_unread: false });
  } catch (error) {
    notice(error);
  }
}
