/**
 * Build time: the typefaces, cut to the weights and features that the app uses, as `virtual:fonts.css`.
 * Flow: a part of a face as it is published (Latin, Greek, …) -> without what is never used -> a file and its rule. What most texts
 *       consist of is one more, small part: nobody waits for letters that nobody wrote.
 * Always true:
 * - every published character is in some part, which browsers fetch when a text needs it: no text falls to another face;
 * - made once per version of this file and of the packages, and whole: others may build at the same time.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import subsetFont from "subset-font";
import type { Plugin } from "vite";

const MODULE = "virtual:fonts.css";

/** As in `tokens.css`: --regular to --semibold. */
const WEIGHTS = { min: 400, max: 600 };
/** Accents find their letters. */
const MARKS = ["ccmp", "locl", "mark", "mkmk"];
const ASCII = String.fromCharCode(...Array.from({ length: 0x7f - 0x20 }, (_, at) => 0x20 + at));

const FACES = [
  {
    id: "inter",
    family: "Inter Variable",
    // Pairs, digits of one width (`.num`), and a colon that stands in the middle of a time.
    features: [...MARKS, "kern", "calt", "tnum"],
    // Beside ASCII: the space that does not break, dashes, quotation marks, and the few signs that the app's own words use.
    basic: `${ASCII}\u00a0·×–—‘’“”•…−`,
  },
  {
    id: "jetbrains-mono",
    family: "JetBrains Mono Variable",
    // Two signs never become one.
    features: MARKS,
    // What a recovery code is written in: the first visit shows nothing else of it.
    basic: " -0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
  },
];
type Face = (typeof FACES)[number];

export function fonts(): Plugin {
  let css = "";
  return {
    name: "sotto-fonts",
    async configResolved({ root }) {
      css = await make(root);
    },
    resolveId: (id) => (id === MODULE ? css : null),
  };
}

/** The stylesheet's path. */
async function make(root: string): Promise<string> {
  const modules = join(root, "node_modules");
  const version = createHash("sha256").update(await readFile(join(root, "src/ui/fonts.ts")));
  for (const name of ["subset-font", "harfbuzzjs", ...FACES.map(({ id }) => `@fontsource-variable/${id}`)]) {
    version.update(await readFile(join(modules, name, "package.json")));
  }
  const made = join(modules, ".sotto-fonts", version.digest("hex").slice(0, 16));
  const css = join(made, "fonts.css");
  if (existsSync(css)) return css;
  await mkdir(join(modules, ".sotto-fonts"), { recursive: true });
  const unfinished = await mkdtemp(join(modules, ".sotto-fonts", "making-"));
  const rules: string[] = [];
  for (const face of FACES) rules.push(...(await cut(face, join(modules, "@fontsource-variable", face.id), unfinished)));
  await writeFile(join(unfinished, "fonts.css"), rules.join("\n"));
  try {
    await rename(unfinished, made);
  } catch (problem) {
    // Another build was faster; the same files.
    if (!existsSync(css)) throw problem;
    await rm(unfinished, { recursive: true });
  }
  return css;
}

/** All parts of one face; the basic one last: where ranges overlap, the last rule is asked first. */
async function cut({ id, family, features, basic }: Face, from: string, to: string): Promise<string[]> {
  const published = (part: string) => readFile(join(from, "files", `${id}-${part}-wght-normal.woff2`));
  const options = { targetFormat: "woff2", keepFeatures: features, noHinting: true, variationAxes: { wght: WEIGHTS } } as const;
  const rules: string[] = [];
  const write = async (part: string, range: string, bytes: Uint8Array) => {
    const name = `${id}-${part}.woff2`;
    await writeFile(join(to, name), bytes);
    rules.push(
      `@font-face { font-family: "${family}"; font-style: normal; font-display: swap; font-weight: ${WEIGHTS.min} ${WEIGHTS.max}; ` +
        `src: url(./${name}) format("woff2-variations"); unicode-range: ${range}; }`,
    );
  };
  const ranges = JSON.parse(await readFile(join(from, "unicode.json"), "utf8")) as Record<string, string>;
  for (const [part, range] of Object.entries(ranges)) {
    await write(part, range, await subsetFont(await published(part), undefined, { ...options, keepAllGlyphs: true }));
  }
  await write("basic", rangeOf(basic), await subsetFont(await published("latin"), basic, options));
  return rules;
}

function rangeOf(text: string): string {
  return Array.from(text, (char) => `U+${char.charCodeAt(0).toString(16)}`).join(",");
}
