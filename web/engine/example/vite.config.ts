import { defineConfig } from "vite";

const server = process.env["SOTTO_SERVER"] ?? "http://127.0.0.1:8080";

export default defineConfig({
  root: import.meta.dirname,
  worker: { format: "es" },
  build: { target: "es2022", outDir: "../../../target/example" },
  server: { proxy: { "/v1": { target: server, ws: true } } },
});
