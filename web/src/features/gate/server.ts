/** What the server says of itself before there is an account. */
import { useCallback, useEffect, useState } from "react";

export interface ServerInfo {
  version: string;
  registration: "open" | "invite" | "closed";
  server_time_ms: number;
  /** Where the source of what runs there is offered, if the server says. */
  source_url: string | null;
}

export type ServerState = { state: "asking" } | { state: "ready"; info: ServerInfo } | { state: "unreachable" };

/** The server that this page came from: the only one the content security policy lets it talk to. */
export const serverAddress = (): string => location.origin;
export const serverName = (): string => location.host;

const AGAIN_MS = 5000;
const PATIENCE_MS = 15_000;

export function parseServerInfo(answer: unknown): ServerInfo | null {
  if (typeof answer !== "object" || answer === null) return null;
  const { version, registration, server_time_ms, source_url } = answer as Record<string, unknown>;
  if (typeof version !== "string" || typeof server_time_ms !== "number") return null;
  if (registration !== "open" && registration !== "invite" && registration !== "closed") return null;
  return { version, registration, server_time_ms, source_url: webAddress(source_url) };
}

/** It becomes a link: of what an operator wrote only an address of the web is one. */
function webAddress(text: unknown): string | null {
  if (typeof text !== "string" || !URL.canParse(text)) return null;
  const url = new URL(text);
  return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
}

export async function askServer(signal: AbortSignal): Promise<ServerInfo | null> {
  const answer = await fetch("/v1/server", { signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]) });
  return answer.ok ? parseServerInfo(await answer.json()) : null;
}

/** Asks until there is an answer: every few seconds, and at once when the network comes back. */
export function useServer(): ServerState & { again: () => void } {
  const [server, setServer] = useState<ServerState>({ state: "asking" });
  const [turn, setTurn] = useState(0);
  const again = useCallback(() => setTurn((turn) => turn + 1), []);
  useEffect(() => {
    const stop = new AbortController();
    let timer = 0;
    askServer(stop.signal)
      .catch(() => null)
      .then((info) => {
        if (stop.signal.aborted) return;
        setServer(info === null ? { state: "unreachable" } : { state: "ready", info });
        if (info === null) timer = window.setTimeout(again, AGAIN_MS);
      })
      .catch(() => undefined);
    addEventListener("online", again, { signal: stop.signal });
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [turn, again]);
  return { ...server, again };
}
