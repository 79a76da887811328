/** Whether the browser may throw the messages away when the disk runs low. */
import { create } from "zustand";

interface StorageState {
  /** Null: not asked yet, or the browser does not say. */
  persisted: boolean | null;
  /** The person asked, and the browser did not agree. */
  refused: boolean;
}

export const useStorage = create<StorageState>(() => ({ persisted: null, refused: false }));

export async function lookAtStorage() {
  const persisted = await navigator.storage.persisted().catch(() => null);
  useStorage.setState({ persisted });
}

export async function askToKeep() {
  const persisted = await navigator.storage.persist().catch(() => false);
  useStorage.setState({ persisted, refused: !persisted });
}
