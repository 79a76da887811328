/** A group's title, description and picture while they are being typed. */
import type { Picture } from "../../ui/Avatar";
import { t } from "../../strings/groups";

export interface Details {
  title: string;
  description: string;
  picture: Picture | null;
}

export const TITLE_MAX = 100;
export const DESCRIPTION_MAX = 2048;

/** As the engine counts: whole characters, not halves of them. */
const length = (text: string): number => text.match(/./gsu)?.length ?? 0;

/** What is wrong, by field. */
export function checkDetails({ title, description }: Details): { title: string | null; description: string | null } {
  const count = length(title.trim());
  const described = length(description);
  return {
    title: count === 0 ? t("groups.title.missing") : count > TITLE_MAX ? t("groups.title.long", { count }) : null,
    description: described > DESCRIPTION_MAX ? t("groups.description.long", { count: described, max: DESCRIPTION_MAX }) : null,
  };
}

/** As a command takes them. */
export function detailsFields({ title, description, picture }: Details) {
  return {
    title: title.trim(),
    description: description.trim(),
    picture: picture?.picture ?? null,
    picture_type: picture?.picture_type ?? null,
  };
}
