/** What a member changed about a group, in words. The list of operations is signed: the author did it. */
import type { GroupChangeView, MessageView } from "@sotto/engine";
import { displayName, useApp } from "../../engine/store";
import { t } from "../../strings";

/** How many names a line shows before it counts. */
const NAMES = 3;

/** A member as this profile calls them. */
export function memberName(group: string, account: string): string {
  const { me, conversations } = useApp.getState();
  if (me?.account === account) return t("group.you");
  const member = conversations[group]?.group?.members.find((known) => known.account === account);
  const contact = conversations[account]?.contact;
  return (contact && displayName(contact)) ?? member?.display_name ?? member?.username ?? t("name.unknown");
}

function people(group: string, accounts: readonly string[]): string {
  const names = accounts.slice(0, NAMES).map((account) => memberName(group, account));
  const rest = accounts.length - names.length;
  return rest > 0 ? t("group.names_and", { names: names.join(", "), count: rest }) : names.join(", ");
}

export function changeText(message: MessageView, change: GroupChangeView): string {
  const group = message.conversation;
  const name = message.from_me ? t("group.you") : memberName(group, message.from);
  switch (change.what) {
    case "created":
      return t("group.line.created", { name });
    case "added":
      return t("group.line.added", { name, members: people(group, change.members) });
    case "removed":
      return t("group.line.removed", { name, members: people(group, change.members) });
    case "declined":
      return t("group.line.declined", { name, members: people(group, change.members) });
    case "role_set":
      return t(`group.line.role_${change.role}`, { name, member: memberName(group, change.member) });
    default:
      return t(`group.line.${change.what}`, { name });
  }
}
