/**
 * What keeps the gate open although the profile has an account by now: a recovery code that was not asked back yet, or the
 * first minutes after linking or recovering. The app shows `<Gate/>` while there is no account or `useGatePending()` is true.
 */
import { create } from "zustand";

export type Pending =
  /** `replaced`: not the first code of a new account, but one that took another's place. */
  | { step: "code"; code: string; username: string; replaced?: boolean }
  | { step: "linking" }
  | { step: "recovered"; username: string; otherDevices: number };

const KEY = "sotto.unconfirmed-code";

/**
 * The code is shown once, and nothing else can show it again: the engine forgets it with its answer. A reload in the middle must
 * not lose it, so this tab (and no other) keeps it until it was typed back.
 */
function kept(): Pending | null {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    if (typeof kept !== "object" || kept === null) return null;
    const { code, username, replaced } = kept as Record<string, unknown>;
    if (typeof code !== "string" || typeof username !== "string") return null;
    return { step: "code", code, username, replaced: replaced === true };
  } catch {
    return null;
  }
}

export const usePending = create<{ pending: Pending | null }>(() => ({ pending: kept() }));

export function setPending(pending: Pending | null) {
  try {
    if (pending?.step === "code") sessionStorage.setItem(KEY, JSON.stringify(pending));
    else sessionStorage.removeItem(KEY);
  } catch {
    // Without session storage a reload loses the code; `beforeunload` asks before that.
  }
  usePending.setState({ pending });
}

export const useGatePending = (): boolean => usePending((state) => state.pending !== null);
