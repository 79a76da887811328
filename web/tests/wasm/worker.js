/**
 * Runs tests of the WebAssembly module one after the other: `{from, step}` in, `{name, failure?}` out for each, "done" at the end.
 * A test that fails traps, and the instance is then undefined: this worker stops there, and the page starts another one.
 */
import init, { prepare } from "./sotto_tests.js";

self.onmessage = ({ data }) => {
  run(data).catch((error) => self.postMessage({ at: Infinity, name: "the worker", failure: String(error) }));
};

async function run({ folder, from, step }) {
  const exports = await init({ module_or_path: new URL("./sotto_tests_bg.wasm", import.meta.url) });
  await prepare(folder);
  const names = Object.keys(exports).filter((name) => name.startsWith("test ")).sort();
  for (let at = from; at < names.length; at += step) {
    const name = names[at].slice("test ".length);
    try {
      exports[names[at]]();
    } catch (error) {
      self.postMessage({ at, name, failure: globalThis.sottoPanic ?? String(error) });
      return;
    }
    self.postMessage({ at, name });
  }
  self.postMessage("done");
}
