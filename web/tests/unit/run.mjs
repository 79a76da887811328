/** Runs the unit tests: Vite reads TypeScript as the build does, Node's own runner counts. `npm test` */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { runnerImport } from "vite";

const here = import.meta.dirname;
for (const name of readdirSync(here).filter((name) => name.endsWith(".test.ts"))) {
  await runnerImport(join(here, name), { configFile: false, logLevel: "error" });
}
