/**
 * Build time: writes into `sw.js` which files the app needs without a network, and a name for this build.
 * It also names the manifest and the icon of home screens in the page: both belong to what is installed.
 * Not every part of a typeface is among them: only what the app's own texts, codes and bytes need; others are kept once a text did.
 */
import type { Plugin } from "vite";

/** Files of `public/` that an installed app shows before it has a network. */
const PUBLIC = ["/favicon.svg", "/manifest.webmanifest", "/icon-192.png"];

export function isShell(file: string): boolean {
  return /\.(js|css|wasm)$/.test(file) || /-(basic|mono-latin)-[\w-]{8}\.woff2$/.test(file);
}

async function digest(parts: (string | Uint8Array)[]): Promise<string> {
  const all = new Blob(parts as BlobPart[]);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await all.arrayBuffer()));
  return [...hash.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function precache(): Plugin {
  let publicDir = "";
  return {
    name: "sotto-precache",
    apply: "build",
    configResolved(config) {
      publicDir = config.publicDir;
    },
    transformIndexHtml() {
      return [
        { tag: "link", attrs: { rel: "manifest", href: "/manifest.webmanifest" }, injectTo: "head" },
        { tag: "link", attrs: { rel: "apple-touch-icon", href: "/apple-touch-icon.png" }, injectTo: "head" },
      ];
    },
    generateBundle: {
      // After the plugins that write the page and the workers.
      order: "post",
      async handler(_options, bundle) {
        const hashed = Object.keys(bundle).filter(isShell).sort();
        const page = bundle["index.html"];
        const template = await this.fs.readFile(`${publicDir}/sw.js`, { encoding: "utf8" });
        const fixed = await Promise.all(PUBLIC.map((file) => this.fs.readFile(publicDir + file)));
        // What may change without a change of any hashed name names the build too.
        const build = await digest([JSON.stringify(hashed), page?.type === "asset" ? page.source : "", template, ...fixed]);
        const files = ["/", ...hashed.map((file) => `/${file}`), ...PUBLIC];
        const source = template
          .replace('const BUILD = "development";', () => `const BUILD = "${build}";`)
          .replace("const FILES = [];", () => `const FILES = ${JSON.stringify(files)};`);
        if (!source.includes(build) || !source.includes(JSON.stringify(files))) {
          this.error("public/sw.js has no place for the name of the build or for the list of files");
        }
        this.emitFile({ type: "asset", fileName: "sw.js", source });
      },
    },
  };
}
