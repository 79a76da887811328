/** What conversations are called. */
import type { ContactView, ConversationView } from "@sotto/engine";
import { displayName } from "../../engine/store";
import { t } from "../../strings";

interface Titled {
  contact: ContactView | null;
  title: string;
}

/** The name of the person, or of the group; also of the own account, whose conversation has a name of its own: `nameOf`. */
export function titleOf({ contact, title }: Titled): string {
  return contact === null ? title : (displayName(contact) ?? t("name.unknown"));
}

export function nameOf(view: ConversationView): string {
  return view.is_me ? t("name.me") : titleOf(view);
}
