import type { ConversationView } from "@sotto/engine";

/** The folders that conversations are in, by name. */
export function foldersOf(views: readonly Pick<ConversationView, "folder">[]): string[] {
  return [...new Set(views.flatMap((view) => view.folder ?? []))].sort((a, b) => a.localeCompare(b));
}
