/** How hard a passphrase is to guess for a program that has the disk: a rough count of bits, on the low side. */

export type Grade = "weak" | "fair" | "good";

const CLASSES: readonly (readonly [RegExp, number])[] = [
  [/[a-z]/, 26],
  [/[A-Z]/, 26],
  [/[0-9]/, 10],
  [/[^a-zA-Z0-9]/, 33],
];

/** A random word of everyday language, whatever its length. */
const WORD_BITS = 11;
const FAIR_BITS = 33;
const GOOD_BITS = 44;

export function bits(passphrase: string): number {
  const characters = Array.from(passphrase);
  const pool = CLASSES.reduce((sum, [pattern, size]) => (pattern.test(passphrase) ? sum + size : sum), 0);
  // "aaaa" and "1234" add little: a character counts when it neither repeats nor follows the one before it.
  const counted = characters.filter((character, at) => {
    const step = (character.codePointAt(0) ?? 0) - (characters[at - 1]?.codePointAt(0) ?? -99);
    return Math.abs(step) > 1;
  });
  const distinct = new Set(counted).size;
  const byCharacter = Math.min(counted.length, distinct * 2) * Math.log2(Math.max(pool, 2));
  const words = passphrase.split(/[\s\-_.,]+/).filter((word) => word.length >= 3);
  // Letters of words are guessed as words, not one by one.
  const byWord = new Set(words.map((word) => word.toLowerCase())).size * WORD_BITS + (/[0-9]/.test(passphrase) ? 4 : 0);
  return /^[\p{L}\s\-_.,]+[0-9]*[!?]?$/u.test(passphrase) ? Math.min(byCharacter, byWord + 4) : byCharacter;
}

export function grade(passphrase: string): Grade {
  const strength = bits(passphrase);
  return strength < FAIR_BITS ? "weak" : strength < GOOD_BITS ? "fair" : "good";
}
