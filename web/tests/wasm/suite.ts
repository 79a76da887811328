/** The tests of the engine, its store and the cryptography as WebAssembly: which there are, and how a page runs them. */
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { basename, dirname, extname, join } from "node:path";

const root = join(import.meta.dirname, "../../..");
/** Made by `scripts/web.sh tests`. */
const built = join(root, "target/wasm-tests");
const TYPES: Record<string, string> = { ".js": "text/javascript", ".wasm": "application/wasm", ".html": "text/html" };

export interface Outcome {
  name: string;
  failure?: string;
}

/** The names of all tests, read from their source files. */
export function written(): string[] {
  const crate = join(root, "crates/wasm-tests/src/lib.rs");
  const included = [...readFileSync(crate, "utf8").matchAll(/#\[path = "(.+)"\]/g)].map(([, path]) => join(dirname(crate), path ?? ""));
  const store = join(root, "crates/engine-store/src");
  const files = [...included, join(store, "tests.rs"), join(store, "tests/groups.rs")];
  return files.flatMap((file) => {
    const found = readFileSync(file, "utf8").matchAll(/(#\[cfg\(not\(target_arch = "wasm32"\)\)\]\n)?#\[test\]\nfn (\w+)/g);
    return [...found].filter(([, native]) => native === undefined).map(([, , name]) => `${basename(file, ".rs")}::${name ?? ""}`);
  });
}

/** An empty page, the worker and the module, on an address of this machine. */
export async function serve(): Promise<{ url: string; server: Server }> {
  const server = createServer((request, response) => {
    const name = basename(request.url ?? "/");
    const file = [join(import.meta.dirname, name), join(built, name)].find((path) => name !== "" && existsSync(path));
    response.setHeader("content-type", TYPES[file === undefined ? ".html" : extname(file)] ?? "text/plain");
    response.end(file === undefined ? "<!doctype html><title>Tests</title>" : readFileSync(file));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, server };
}

/** Runs them all, in the page: two workers, because there are two cores. */
export async function runAll(): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  let folders = 0;
  const share = (from: number, step: number): Promise<void> =>
    new Promise((resolve) => {
      const worker = new Worker("worker.js", { type: "module" });
      const end = (): void => {
        worker.terminate();
        resolve();
      };
      worker.onerror = (error) => {
        outcomes.push({ name: "the worker", failure: error.message || "it did not load" });
        end();
      };
      worker.onmessage = ({ data }: MessageEvent<"done" | (Outcome & { at: number })>) => {
        if (data === "done") {
          end();
          return;
        }
        const { at, ...outcome } = data;
        outcomes.push(outcome);
        if (outcome.failure === undefined) return;
        if (at === Infinity) {
          end();
          return;
        }
        worker.terminate();
        void share(at + step, step).then(resolve);
      };
      worker.postMessage({ folder: `tests-${folders++}`, from, step });
    });
  await Promise.all([share(0, 2), share(1, 2)]);
  return outcomes;
}
