/** The recovery code as people handle it: groups of four Crockford base32 characters. The engine checks the check characters. */

export const CODE_LENGTH = 28;
export const GROUP_LENGTH = 4;

export const groupsOf = (code: string): string[] => code.split("-");

/** As people write it: any case, spaces and dashes anywhere, o for 0, i and l for 1. */
export function normalize(typed: string): string {
  return typed
    .replace(/[\s\-–—_]/g, "")
    .toUpperCase()
    .replace(/O/g, "0")
    .replace(/[IL]/g, "1");
}

/** The first character that no code has; of the alphabet only U is missing. */
export const foreignCharacter = (normalized: string): string | null =>
  Array.from(normalized).find((character) => !/[0-9A-HJKMNP-TV-Z]/.test(character)) ?? null;

/** "K7QM 2XRD …" while it is typed. */
export function spaced(typed: string): string {
  const characters = Array.from(normalize(typed)).slice(0, CODE_LENGTH + GROUP_LENGTH);
  return characters.map((character, at) => (at > 0 && at % GROUP_LENGTH === 0 ? ` ${character}` : character)).join("");
}

/** Three different groups to ask back, in their order. */
export function askedGroups(count: number): [number, number, number] {
  const all = Array.from({ length: count }, (_, at) => at);
  const random = crypto.getRandomValues(new Uint32Array(count));
  const picked = all.sort((a, b) => (random[a] ?? 0) - (random[b] ?? 0)).slice(0, 3);
  const [first = 0, second = 1, third = 2] = picked.sort((a, b) => a - b);
  return [first, second, third];
}
