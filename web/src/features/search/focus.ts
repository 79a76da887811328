/** Ctrl K is heard by the page, the field is in the list: this is the wire between them. */
const listeners = new Set<() => void>();

export function focusSearch(): void {
  for (const listener of listeners) listener();
}

export function onFocusSearch(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
