/** Whether the browser may throw the messages away when the disk runs low, and whether people are told without asking. */
import { create } from "zustand";

interface StorageState {
  /** Null: not asked yet, or the browser does not say. */
  persisted: boolean | null;
  /** The person asked, and the browser did not agree. */
  refused: boolean;
  /** The hint above the log may be shown. */
  hint: boolean;
}

/** A hint that was put away stays away. */
const DISMISSED = "sotto.storage-hint-dismissed";

function dismissedBefore(): boolean {
  try {
    return localStorage.getItem(DISMISSED) !== null;
  } catch {
    return true;
  }
}

export const useStorage = create<StorageState>(() => ({ persisted: null, refused: false, hint: false }));

export async function lookAtStorage() {
  const persisted = await navigator.storage.persisted().catch(() => null);
  useStorage.setState({ persisted });
}

export async function askToKeep() {
  const persisted = await navigator.storage.persist().catch(() => false);
  useStorage.setState({ persisted, refused: !persisted });
}

let decided = false;

/**
 * Once per visit, when the list is known. On the first visit nothing is said: who tries Sotto out has nothing to lose, and a page
 * that is open is not cleared.
 */
export function decideOnHint(hasMessages: boolean) {
  if (decided) return;
  decided = true;
  if (!hasMessages || dismissedBefore()) return;
  useStorage.setState({ hint: true });
  void lookAtStorage();
}

export function dismissHint() {
  useStorage.setState({ hint: false });
  try {
    localStorage.setItem(DISMISSED, "1");
  } catch {
    // It stays away for this visit.
  }
}
