/** What a member changed about a group, in words. The list of operations is signed: the author did it. */
import type { GroupChangeView, MessageView, PersonView } from "@sotto/engine";
import { t } from "../../strings";

/** How many names a line shows before it counts. */
const NAMES = 3;

/** Who wrote or did it, at the beginning of a sentence. */
export function authorOf(message: Pick<MessageView, "from_me" | "from_name">): string {
  return message.from_me ? t("group.you") : message.from_name;
}

const nameOf = (person: PersonView): string => (person.is_me ? t("group.you_too") : person.name);

/** "you, Ann and Bob"; "you, Ann, Bob and 12 others". The own name comes first: it is what one looks for. */
export function peopleText(people: readonly PersonView[], more: number): string {
  const sorted = [...people.filter((person) => person.is_me), ...people.filter((person) => !person.is_me)];
  const total = sorted.length + more;
  // "and 1 other" is as long as a name.
  const shown = sorted.slice(0, total === NAMES + 1 ? total : NAMES).map(nameOf);
  const rest = total - shown.length;
  if (rest > 0) return t("group.names_and", { names: shown.join(", "), count: rest });
  const last = shown.pop() ?? "";
  return shown.length === 0 ? last : t("group.names_last", { names: shown.join(", "), last });
}

export function changeText(message: Pick<MessageView, "from_me" | "from_name">, change: GroupChangeView): string {
  const name = authorOf(message);
  switch (change.what) {
    case "created":
      return change.members.length === 0
        ? t("group.line.created", { name })
        : t("group.line.created_with", { name, members: peopleText(change.members, change.more) });
    case "added":
    case "removed":
    case "declined":
      return t(`group.line.${change.what}`, { name, members: peopleText(change.members, change.more) });
    case "role_set":
      return t(`group.line.role_${change.role}`, { name, member: nameOf(change.member) });
    case "joined":
      return t(change.asked ? "group.line.asked" : "group.line.joined", { name });
    default:
      return t(`group.line.${change.what}`, { name });
  }
}
