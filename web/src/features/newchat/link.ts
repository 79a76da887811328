/**
 * Links that people share. `https://chat.example.org/#/u/mira` names a person on a server and nothing else: no key, no secret.
 * `https://chat.example.org/#/g/CODE` lets whoever has it into a group, or ask to be let in. What is behind "#" stays in the browser,
 * so the server does not learn who opened whose link.
 */
import { create } from "zustand";
import { checkUsername } from "../gate/username";
import { joinPath } from "../shell/route";

const MARK = "#/u/";
const GROUP_MARK = "#/g/";
/** The engine knows how long codes are, and those of newer versions say so themselves. */
const CODE = /^[\w-]{40,512}$/;

export const contactLink = (server: string, username: string): string => `${server}/${MARK}${username}`;

/** The address of the dialog that finds this person. */
export const newChatPath = (username: string): string => `/new?with=${encodeURIComponent(username)}`;

/** The whole text of an invite, as the engine takes it. */
export const inviteLink = (code: string): string => `${location.origin}/${GROUP_MARK}${code}`;

export type ContactText =
  /** A way into a group on this server. */
  | { kind: "group"; code: string }
  /** Somebody on this server, as typed: not checked yet. */
  | { kind: "username"; username: string }
  /** A good link that leads elsewhere. */
  | { kind: "other_server"; server: string }
  | { kind: "not_a_link" };

/** What a person typed, pasted or scanned: a username, a contact link or an invite to a group. */
export function parseContact(text: string, ownServer: string): ContactText {
  const trimmed = text.trim();
  if (!/^[a-z]+:/i.test(trimmed)) return { kind: "username", username: trimmed };
  let url: URL;
  try {
    url = new URL(trimmed);
  } catch {
    return { kind: "not_a_link" };
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") return { kind: "not_a_link" };
  const isOurs = sameServer(url, new URL(ownServer));
  if (url.hash.startsWith(GROUP_MARK)) {
    const code = url.hash.slice(GROUP_MARK.length);
    if (!CODE.test(code)) return { kind: "not_a_link" };
    return isOurs ? { kind: "group", code } : { kind: "other_server", server: url.host };
  }
  if (!url.hash.startsWith(MARK)) return { kind: "not_a_link" };
  const { name, length, badCharacter } = checkUsername(url.hash.slice(MARK.length));
  if (!length || badCharacter !== null) return { kind: "not_a_link" };
  return isOurs ? { kind: "username", username: name } : { kind: "other_server", server: url.host };
}

/** The names of this machine are one server. */
function sameServer(a: URL, b: URL): boolean {
  return a.origin === b.origin || (isLoopback(a) && isLoopback(b) && a.port === b.port);
}

const isLoopback = ({ hostname }: URL) => hostname === "localhost" || hostname === "127.0.0.1" || hostname === "[::1]";

const KEY = "sotto.contact-link";
const INVITE_KEY = "sotto.invite";

/** Of this tab alone. Without session storage, what it holds lasts until a reload. */
function kept(key: string): string | null {
  try {
    return sessionStorage.getItem(key);
  } catch {
    return null;
  }
}

function keep(key: string, value: string | null): void {
  try {
    if (value === null) sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, value);
  } catch {
    // It holds for this page.
  }
}

interface Waiting {
  /** Whose link opened this tab. */
  username: string | null;
  /** The code of the invite that is open. */
  invite: string | null;
}

/** The gate has addresses of its own, so the link is gone from the address by then; a reload must not lose it. */
function opened(): Waiting {
  const found = typeof location !== "undefined" && /^#\/[ug]\//u.test(location.hash) ? parseContact(location.href, location.origin) : null;
  if (found?.kind === "username") keep(KEY, found.username);
  if (found?.kind === "group") keep(INVITE_KEY, found.code);
  return { username: kept(KEY), invite: kept(INVITE_KEY) };
}

/** What brought somebody here; waits until the gate is passed. */
export const useWaitingLink = create<Waiting>(opened);

/** Where the link leads that opened this tab, once. */
export function takeWaitingPath(): string | null {
  const { username, invite } = useWaitingLink.getState();
  useWaitingLink.setState({ username: null });
  keep(KEY, null);
  if (invite !== null) return joinPath;
  return username === null ? null : newChatPath(username);
}

/** Keeps the invite that this text is, if it is one, for the dialog that shows it. */
export function holdInvite(text: string): boolean {
  const found = text.includes(GROUP_MARK) ? parseContact(text, location.origin) : null;
  if (found?.kind !== "group") return false;
  keep(INVITE_KEY, found.code);
  useWaitingLink.setState({ invite: found.code });
  return true;
}

/** It was used, or is not wanted. */
export function dropInvite(): void {
  keep(INVITE_KEY, null);
  useWaitingLink.setState({ invite: null });
}
