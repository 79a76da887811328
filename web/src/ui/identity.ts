/** How a person is drawn: one of eight hues and at most two initials. */

/** FNV-1a over the account id, modulo the eight hues of the tokens: the same person has the same hue on every device. */
export function hueOf(account: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < account.length; at++) {
    hash = Math.imul(hash ^ account.charCodeAt(at), 0x01000193);
  }
  return (hash >>> 0) % 8;
}

const LETTER = /[\p{L}\p{N}]/u;
const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });

export function initials(name: string): string {
  const words = name.split(/[\s._@-]+/u).filter((word) => LETTER.test(word));
  const [first, last] = [words[0], words.length > 1 ? words[words.length - 1] : undefined];
  return (firstLetter(first) + firstLetter(last)).toLocaleUpperCase() || "?";
}

function firstLetter(word: string | undefined): string {
  if (word === undefined) return "";
  for (const { segment } of segmenter.segment(word)) {
    // A letter with dozens of combining marks would spill out of the circle.
    if (LETTER.test(segment)) return segment.slice(0, 3);
  }
  return "";
}
