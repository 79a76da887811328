/** The rules of usernames, as the server has them: 3 to 32 of a-z, digits, "_" and ".", folded to lower case. */

import { t } from "../../strings";

const USERNAME_MIN = 3;
const USERNAME_MAX = 32;

export interface CheckedUsername {
  /** As it will be stored. */
  name: string;
  length: boolean;
  /** The first one that is not allowed. */
  badCharacter: string | null;
}

export function checkUsername(typed: string): CheckedUsername {
  // Only ASCII is folded: other alphabets have no place in a username, whatever their case.
  const name = typed
    .trim()
    .replace(/^@/, "")
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  const badCharacter = Array.from(name).find((character) => !/[a-z0-9_.]/.test(character)) ?? null;
  return { name, length: name.length >= USERNAME_MIN && name.length <= USERNAME_MAX, badCharacter };
}

/** What is wrong with it, for the person who types it. */
export function usernameError({ name, length, badCharacter }: CheckedUsername): string | undefined {
  if (badCharacter === " ") return t("gate.create.error.space");
  if (badCharacter !== null) return t("gate.create.error.character", { character: badCharacter });
  if (!length) return t(name.length < USERNAME_MIN ? "gate.create.error.short" : "gate.create.error.long");
  return undefined;
}
