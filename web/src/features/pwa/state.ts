/** What the browser told about installing and updating this app. */
import { create } from "zustand";

/** Chromium's event; not in TypeScript's library. */
export interface InstallPrompt extends Event {
  prompt(): Promise<{ outcome: "accepted" | "dismissed" }>;
}

interface PwaState {
  /** A newer version is downloaded and waits for a reload. */
  waiting: ServiceWorker | null;
  /** "Later": this one is not offered again while the page is open. */
  postponed: ServiceWorker | null;
  /** The browser would install this app if asked. */
  install: InstallPrompt | null;
}

export const usePwa = create<PwaState>(() => ({ waiting: null, postponed: null, install: null }));

/** Runs as its own window, not in a tab. */
export const isInstalled = () => matchMedia("(display-mode: standalone)").matches;
