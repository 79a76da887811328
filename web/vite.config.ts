import { defineConfig } from "vite";
import { emojiData } from "./src/features/composer/emoji-data.js";
import { inlineFavicon } from "./src/features/notify/inline-favicon.js";
import { precache } from "./src/features/pwa/precache.js";
import { fonts } from "./src/ui/fonts.js";

// `npm run dev` serves the app with the API of a server started by `make run`.
const server = process.env["SOTTO_SERVER"] ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [fonts(), emojiData(), inlineFavicon(), precache()],
  resolve: {
    // docs/decisions/0013-preact.md
    alias: {
      "react/jsx-runtime": "preact/jsx-runtime",
      "react-dom/client": "preact/compat/client",
      "react-dom": "preact/compat",
      react: "preact/compat",
    },
  },
  worker: { format: "es" },
  build: {
    target: "es2022",
    // The content security policy allows no data: scripts or fonts; everything is a file with a hash in its name.
    assetsInlineLimit: 0,
    sourcemap: false,
    rolldownOptions: {
      // Libraries say "use client": nothing here is rendered on a server.
      onLog(level, log, write) {
        if (log.code !== "MODULE_LEVEL_DIRECTIVE") write(level, log);
      },
      output: {
        codeSplitting: {
          // What every visit needs is one file, and what several of the lazy parts share is another: each small file more costs a
          // kilobyte of headers.
          groups: [
            { name: "app", tags: ["$initial"] },
            { name: "parts", test: /\/src\/(?!strings\/)|lucide-react/, minShareCount: 2 },
          ],
        },
      },
    },
  },
  server: { port: 5173, proxy: { "/v1": { target: server, ws: true } } },
});
