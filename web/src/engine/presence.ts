/**
 * Who of the people on the screen is there, and who is writing. Nothing of it is kept.
 * Flow: what is drawn says whom it shows (`useWatched`) -> the engine is told, once the screen rests -> happenings -> here.
 * Always true:
 * - nobody is watched while the page is not seen, and at most as many as the engine takes;
 * - who is not watched is not remembered: what was known of them may be old.
 */
import type { PresenceView } from "@sotto/engine";
import { useEffect } from "react";
import { create } from "zustand";
import { engine } from "./engine";
import { onHappenings } from "./store";
import { withTypist, type Typing } from "./typists";

interface Presence {
  people: Readonly<Record<string, PresenceView>>;
  typing: Typing;
}

export const usePresence = create<Presence>(() => ({ people: {}, typing: {} }));

const WATCHED_MAX = 512;
const REST_MS = 300;
const PRESS_MS = 1000;

// ---------- Whom the screen shows ----------

/** How many parts of the screen show somebody. */
const shown = new Map<string, number>();
let told = "";
let timer: ReturnType<typeof setTimeout> | undefined;

/** This person is on the screen; null: nobody to be watched. */
export function useWatched(account: string | null): void {
  useEffect(() => {
    if (account === null) return;
    shown.set(account, (shown.get(account) ?? 0) + 1);
    tellSoon();
    return () => {
      const left = (shown.get(account) ?? 1) - 1;
      if (left > 0) shown.set(account, left);
      else shown.delete(account);
      tellSoon();
    };
  }, [account]);
}

function tellSoon(): void {
  timer ??= setTimeout(tellNow, REST_MS);
}

function tellNow(): void {
  clearTimeout(timer);
  timer = undefined;
  const people = document.visibilityState === "visible" ? [...shown.keys()].slice(0, WATCHED_MAX).sort() : [];
  const now = people.join();
  if (now === told) return;
  told = now;
  const watched = new Set(people);
  usePresence.setState((state) => ({ people: Object.fromEntries(Object.entries(state.people).filter(([account]) => watched.has(account))) }));
  // Refused before there is an account; the next one who is shown is told of with all others.
  engine.command({ command: "watch_people", people }).catch(() => (told = ""));
}

/** Connects it with engine and page; once per page. */
export function startPresence(): void {
  onHappenings((happenings) => {
    for (const happening of happenings) {
      if (happening.event === "presence_changed") {
        const news = Object.fromEntries(happening.people.map((view) => [view.account, view]));
        usePresence.setState((state) => ({ people: { ...state.people, ...news } }));
      } else if (happening.event === "typing") {
        const { conversation, person, state } = happening;
        usePresence.setState(({ typing }) => ({ typing: withTypist(typing, conversation, person, state) }));
      } else if (happening.event === "missed") {
        usePresence.setState({ people: {}, typing: {} });
        tellAgain();
      }
    }
  });
  document.addEventListener("visibilitychange", () => {
    // The page that is left speaks first: another one of this profile may come into sight at the same moment.
    if (document.visibilityState === "visible") tellAgain();
    else tellNow();
  });
  addEventListener("focus", tellAgain);
}

/** Another page of this profile may have told the engine of other people since. */
function tellAgain(): void {
  told = "?";
  tellSoon();
}

// ---------- Own typing ----------

let pressed: { conversation: string; at: number } | null = null;

/** A key was pressed in the composer, or (false) what was being written is gone, sent or left. The engine tells it when it is due. */
export function typed(conversation: string, isTyping: boolean): void {
  const now = Date.now();
  const goesOn = pressed?.conversation === conversation;
  if (isTyping ? goesOn && now - (pressed?.at ?? 0) < PRESS_MS : !goesOn) return;
  pressed = isTyping ? { conversation, at: now } : null;
  engine.command({ command: "set_typing", conversation, state: isTyping ? "typing" : "stopped" }).catch(() => undefined);
}
