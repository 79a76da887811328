/**
 * What was typed when a page went and its worker could not write any more: it waits in local storage, in the clear, until the
 * conversation is opened again. Where local storage is refused, nothing waits.
 */
const KEY = "sotto.draft.";

export function keptDraft(conversation: string): string | null {
  try {
    return localStorage.getItem(KEY + conversation);
  } catch {
    return null;
  }
}

/** null: nothing is to wait any more. Whether it could be kept. */
export function keepDraft(conversation: string, text: string | null): boolean {
  try {
    if (text === null) localStorage.removeItem(KEY + conversation);
    else localStorage.setItem(KEY + conversation, text);
    return true;
  } catch {
    return false;
  }
}

/** The profile was erased. */
export function forgetDrafts(): void {
  try {
    for (const key of Object.keys(localStorage)) if (key.startsWith(KEY)) localStorage.removeItem(key);
  } catch {
    // Nothing could be kept either.
  }
}
