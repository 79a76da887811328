/** What conversations are called. */
import type { ContactView, ConversationView, GroupSummary } from "@sotto/engine";
import { displayName } from "../../engine/store";
import { t } from "../../strings";

interface Titled {
  contact: ContactView | null;
  /** Left out where the engine's own word for it will do. */
  group?: GroupSummary | null;
  title: string;
}

/** The name of the person, or of the group; also of the own account, whose conversation has a name of its own: `nameOf`. */
export function titleOf({ contact, group, title }: Titled): string {
  if (contact !== null) return displayName(contact) ?? t("name.unknown");
  // Nobody has told this device the title yet.
  return group?.title === null ? t("name.group") : title;
}

export function nameOf(view: ConversationView): string {
  return view.is_me ? t("name.me") : titleOf(view);
}
