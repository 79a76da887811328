/**
 * Reads the pictures of the people who are drawn.
 * Flow: contacts and their changes -> which picture somebody has -> those drawn are read, a few at a time -> `usePictures`.
 * Always true: each picture is read once; the memory holds a limited number of those that are not on the screen.
 */
import type { ContactView, Happening } from "@sotto/engine";
import { engine } from "./engine";
import { drawn, hearDrawn, usePictures } from "./pictures";
import { onHappenings, useApp } from "./store";

const AT_ONCE = 3;
const KEPT_MAX = 300;
const TYPES: ReadonlySet<string> = new Set(["image/jpeg", "image/png", "image/webp"]);

/** By account: the name of the picture they have now; null: none. */
const names = new Map<string, string | null>();
/** By account: the name of the one that was read, or is being read. */
const read = new Map<string, string>();
const waiting = new Set<string>();
let running = 0;

export function startReader(): void {
  hearDrawn(want);
  onHappenings((happenings) => happenings.forEach(hear));
  let before = useApp.getState().me;
  useApp.subscribe(({ me }) => {
    if (me && me.account !== before?.account) readNames();
    before = me;
  });
  if (before) readNames();
}

function readNames(): void {
  engine.command({ command: "contacts" }).then(({ contacts }) => contacts.forEach(know), () => undefined);
  engine.command({ command: "profile" }).then(({ profile }) => knowOwn(profile.picture), () => undefined);
}

function hear(happening: Happening): void {
  switch (happening.event) {
    case "contact_changed":
      know(happening.contact);
      break;
    case "profile_changed":
      knowOwn(happening.profile.picture);
      break;
    case "missed":
      readNames();
      break;
    default:
      break;
  }
}

function know({ account, picture }: ContactView): void {
  // One's own is the profile's.
  if (account !== useApp.getState().me?.account) set(account, picture);
}

function knowOwn(picture: string | null): void {
  const own = useApp.getState().me?.account;
  if (own !== undefined) set(own, picture);
}

function set(account: string, name: string | null): void {
  names.set(account, name);
  if (name === null) {
    read.delete(account);
    if (account in usePictures.getState()) drop([account]);
  } else if (drawn.has(account)) want(account);
}

function want(account: string): void {
  const name = names.get(account);
  if (name == null || read.get(account) === name) return;
  waiting.add(account);
  next();
}

function next(): void {
  for (const account of waiting) {
    if (running >= AT_ONCE) return;
    waiting.delete(account);
    const name = names.get(account);
    if (name == null || read.get(account) === name) continue;
    running += 1;
    read.set(account, name);
    void take(account, name).finally(() => {
      running -= 1;
      next();
    });
  }
}

async function take(account: string, name: string): Promise<void> {
  try {
    const { picture } = await engine.command({ command: "picture", account });
    if (names.get(account) !== name || picture === null || !TYPES.has(picture.media_type)) return;
    usePictures.setState({ [account]: `data:${picture.media_type};base64,${picture.data}` });
    const shown = Object.keys(usePictures.getState());
    if (shown.length > KEPT_MAX) drop(shown.filter((other) => !drawn.has(other)).slice(0, shown.length - KEPT_MAX));
  } catch {
    // Asked again when they are drawn the next time.
    if (read.get(account) === name) read.delete(account);
  }
}

function drop(accounts: readonly string[]): void {
  for (const account of accounts) read.delete(account);
  const gone = new Set(accounts);
  usePictures.setState(Object.fromEntries(Object.entries(usePictures.getState()).filter(([account]) => !gone.has(account))), true);
}
