/** Texts as people write them, as far as a search index can tell: some words everywhere, most of them rare. Always the same. */

const STARTS = ["b", "br", "d", "f", "fl", "g", "gr", "h", "k", "kl", "l", "m", "n", "p", "r", "s", "st", "t", "tr", "v"];
const VOWELS = ["a", "e", "i", "o", "u", "ai", "ea", "ou"];
const ENDS = ["", "l", "m", "n", "nd", "r", "rt", "s", "st", "t"];
const COMMON =
  "the to and a of in is it you that was for on with at be this have from or had by not but what all were when we there can an your which their said if do will each about how up out them then she many some so these would other into has more her two like him see time could no make than first been its who now people my made over did down only way find use may water long little very after words called just where most know".split(
    " ",
  );
const VOCABULARY = 20_000;

/** Mulberry32: small, and the same everywhere. */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

function pick<T>(from: readonly T[], chance: () => number): T {
  const picked = from[Math.floor(chance() * from.length)];
  if (picked === undefined) throw new Error("nothing to pick from");
  return picked;
}

function makeVocabulary(): readonly string[] {
  const chance = random(7);
  const words = new Set(COMMON);
  while (words.size < VOCABULARY) {
    const syllables = 2 + Math.floor(chance() * 2);
    words.add(Array.from({ length: syllables }, () => pick(STARTS, chance) + pick(VOWELS, chance) + pick(ENDS, chance)).join(""));
  }
  return [...words];
}

const vocabulary = makeVocabulary();

/** The word of this rank: 0 is the most common. */
export function wordAt(rank: number): string {
  return vocabulary[Math.min(vocabulary.length - 1, Math.max(0, Math.floor(rank)))] ?? "";
}

/** Zipf's law, near enough: the n-th word comes about 1/n as often as the first. */
const zipf = (chance: () => number): string => wordAt(Math.exp(chance() * Math.log(VOCABULARY)) - 1);

/** 3 to 20 words; `number` makes each text different from every other. */
export function sentence(number: number): string {
  const chance = random(number + 1);
  const count = 3 + Math.floor(chance() ** 2 * 18);
  return `${Array.from({ length: count }, () => zipf(chance)).join(" ")} ${number}`;
}

/** What people search for: common words, rare words, beginnings of words, and two words. */
export function queries(count: number): string[] {
  const chance = random(99);
  const found = new Set<string>();
  while (found.size < count) {
    const rare = wordAt(500 + chance() * 15_000);
    switch (found.size % 4) {
      case 0:
        found.add(wordAt(chance() * COMMON.length));
        break;
      case 1:
        found.add(rare);
        break;
      case 2:
        found.add(rare.slice(0, 2 + Math.floor(chance() * 3)));
        break;
      default:
        found.add(`${wordAt(chance() * COMMON.length)} ${wordAt(100 + chance() * 2000)}`);
    }
  }
  return [...found];
}
