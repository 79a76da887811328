/** Build time: puts the names and groups of all emoji beside the app, so that the picker asks nobody else for them. */
import type { Plugin } from "vite";

const FILES = ["data.json", "messages.json"];

export function emojiData(): Plugin {
  let root = "";
  return {
    name: "sotto-emoji-data",
    apply: "build",
    configResolved(config) {
      root = config.root;
    },
    async generateBundle() {
      for (const file of FILES) {
        const source = await this.fs.readFile(`${root}/node_modules/emojibase-data/en/${file}`, { encoding: "utf8" });
        this.emitFile({ type: "asset", fileName: `emoji/en/${file}`, source: JSON.stringify(JSON.parse(source)) });
      }
    },
  };
}
