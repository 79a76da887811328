/**
 * `@sotto/engine`: one Sotto account on this device, in a browser.
 * The engine (Rust, WebAssembly) and its database (SQLite in the origin-private file system) live in a dedicated worker; this
 * is the side of the page. Several tabs of one profile share one engine: one tab's worker leads, the others follow.
 */
export * from "./api.js";
export { SottoEngine, CommandFailure } from "./client.js";
export { messageName } from "./name.js";
export type { EngineOptions, Happening, OpenFailure, ProfileState, ReplyTo } from "./client.js";
