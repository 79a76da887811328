/** What page, worker and tabs say to each other; private to this package. */
import type { Command, CommandError, Event, Reply } from "./api.js";
import type { Happening, OpenFailure, ProfileState } from "./client.js";

/** What is asked of whoever leads. */
export type Ask =
  | { ask: "command"; command: Command }
  | { ask: "passphrase"; passphrase: string | null }
  | { ask: "has_passphrase" }
  | { ask: "wipe" };

export type Answer = { ok: true; reply: Reply | boolean } | { ok: false; error: CommandError };

/** In the order in which they happened. */
export type Out = { happening: Happening } | { id: number; answer: Answer };

export type ToWorker =
  | { to: "start"; profile: string; client: string }
  | { to: "ask"; id: number; ask: Ask }
  | { to: "unlock"; passphrase: string }
  | { to: "foreground"; looking: boolean }
  | { to: "network_up" }
  | { to: "restart" };

export type FromWorker =
  | { from: "profile"; state: ProfileState }
  | { from: "out"; out: Out[] }
  /** This worker cannot go on: end it and start another one. `text`: it failed, and how. */
  | { from: "restart"; text: string | null };

/** Between the workers of all tabs of a profile. */
export type Between =
  /** A tab is there and wants to know the state. */
  | { say: "hello" }
  /** A new leader: what was asked of the old one is asked again. */
  | { say: "leading" }
  | { say: "profile"; state: ProfileState }
  | { say: "happenings"; happenings: Happening[] }
  | { say: "ask"; tab: string; id: number; ask: Ask }
  | { say: "answer"; tab: string; id: number; answer: Answer }
  | { say: "unlock"; passphrase: string }
  | { say: "foreground"; tab: string; looking: boolean }
  | { say: "network_up" }
  | { say: "restart" };

/** What `WasmEngine.step` returns, as crates/engine-wasm/src/effects.rs makes it. Events and replies are JSON. */
export type Effect =
  | ["connect", url: string]
  | ["disconnect"]
  | ["frame", bytes: Uint8Array<ArrayBuffer>]
  | [
      "http",
      request: number,
      method: "GET" | "POST" | "PUT" | "DELETE",
      url: string,
      bearer: string | null,
      body: Uint8Array<ArrayBuffer> | null,
      timeoutMs: number,
    ]
  | ["wake", atMs: number]
  | ["event", json: string]
  | ["reply", command: number, ok: boolean, json: string];

/** What `install`, `open` and `set_passphrase` throw. */
export interface Refusal {
  why: OpenFailure | "busy" | "locked" | "wrong_passphrase";
  text: string;
}

export type { Event };
