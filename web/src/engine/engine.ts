/** The one engine of this page. It starts with the page, before the first render, so that both load at the same time. */
import { SottoEngine } from "@sotto/engine";

export const engine = new SottoEngine({
  worker: () => new Worker(new URL("@sotto/engine/worker", import.meta.url), { type: "module", name: "sotto" }),
});
