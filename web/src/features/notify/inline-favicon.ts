/** Build time: the tab's icon as a part of the page. As a file, browsers ask for it again at each change of the address. */
import { readFile } from "node:fs/promises";
import type { Plugin } from "vite";

const LINK = 'href="/favicon.svg"';

export function inlineFavicon(): Plugin {
  let publicDir = "";
  return {
    name: "sotto-inline-favicon",
    apply: "build",
    configResolved(config) {
      publicDir = config.publicDir;
    },
    transformIndexHtml: {
      order: "post",
      async handler(html) {
        if (!html.includes(LINK)) throw new Error("index.html has no link to the icon");
        const icon = await readFile(`${publicDir}/favicon.svg`, "utf8");
        return html.replace(LINK, () => `href="data:image/svg+xml,${encodeURIComponent(icon.trim())}"`);
      },
    },
  };
}
