export const isMac = /Mac|iPhone|iPad/u.test(navigator.userAgent);

/** Ctrl, or Command on a Mac. */
export function hasMain(event: KeyboardEvent | React.KeyboardEvent): boolean {
  return isMac ? event.metaKey && !event.ctrlKey : event.ctrlKey && !event.metaKey;
}

/** Alt with letters writes characters on a Mac: Control takes its place there. */
export function hasSecond(event: KeyboardEvent): boolean {
  return isMac ? event.ctrlKey && !event.metaKey && !event.altKey : event.altKey && !event.ctrlKey && !event.metaKey;
}

export function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/u.test(target.tagName));
}
