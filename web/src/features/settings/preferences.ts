/**
 * What a person prefers in this browser: looks and how much is shown. Not secret, not synced, and needed before the profile opens
 * (a locked profile has a theme too), so it lives in local storage and not in the engine's database.
 */
import { create } from "zustand";

export type Theme = "system" | "light" | "dark";
/** The sizes are in ui/base.css. */
export type TextSize = "normal" | "large" | "larger";

export interface Preferences {
  theme: Theme;
  textSize: TextSize;
  /** Each message offers what really happened to it: times, protocol, ciphertext. */
  underTheHood: boolean;
  /** The person wants to be notified; the browser's permission is asked when it is turned on. */
  notifications: boolean;
  /** Notifications show names and text; otherwise only "New message". */
  namesInNotifications: boolean;
}

const KEY = "sotto.preferences";
const DEFAULTS: Preferences = {
  theme: "system",
  textSize: "normal",
  underTheHood: true,
  notifications: true,
  namesInNotifications: true,
};

/** What was stored, as far as it makes sense: an older or newer version, or a person's hand, may have written it. */
function parse(text: string | null): Preferences {
  let stored: unknown;
  try {
    stored = JSON.parse(text ?? "{}");
  } catch {
    return DEFAULTS;
  }
  const from = typeof stored === "object" && stored !== null ? (stored as Record<string, unknown>) : {};
  const one = <T extends string>(value: unknown, among: readonly T[], otherwise: T): T =>
    among.find((known) => known === value) ?? otherwise;
  const flag = (value: unknown, otherwise: boolean) => (typeof value === "boolean" ? value : otherwise);
  return {
    theme: one(from["theme"], ["system", "light", "dark"], DEFAULTS.theme),
    textSize: one(from["textSize"], ["normal", "large", "larger"], DEFAULTS.textSize),
    underTheHood: flag(from["underTheHood"], DEFAULTS.underTheHood),
    notifications: flag(from["notifications"], DEFAULTS.notifications),
    namesInNotifications: flag(from["namesInNotifications"], DEFAULTS.namesInNotifications),
  };
}

function stored(): Preferences {
  try {
    return parse(localStorage.getItem(KEY));
  } catch {
    // Storage is refused: the defaults hold, and the failure screen says what the browser refuses.
    return DEFAULTS;
  }
}

function apply({ theme, textSize }: Preferences) {
  const root = document.documentElement;
  if (theme === "system") delete root.dataset["theme"];
  else root.dataset["theme"] = theme;
  if (textSize === "normal") delete root.dataset["text"];
  else root.dataset["text"] = textSize;
}

export const usePreferences = create<Preferences>(() => stored());

export function setPreferences(changes: Partial<Preferences>) {
  usePreferences.setState(changes);
  try {
    localStorage.setItem(KEY, JSON.stringify(usePreferences.getState()));
  } catch {
    // It holds for this visit.
  }
}

apply(usePreferences.getState());
usePreferences.subscribe(apply);
// Another tab changed them.
addEventListener("storage", (event) => {
  if (event.key === KEY) usePreferences.setState(parse(event.newValue));
});
