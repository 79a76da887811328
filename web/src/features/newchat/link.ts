/**
 * Contact links: `https://chat.example.org/#/u/mira` names a person on a server and nothing else: no key, no secret. What is behind
 * "#" stays in the browser, so the server does not learn who opened whose link.
 */
import { create } from "zustand";
import { checkUsername } from "../gate/username";

const MARK = "#/u/";

export const contactLink = (server: string, username: string): string => `${server}/${MARK}${username}`;

/** The address of the dialog that finds this person. */
export const newChatPath = (username: string): string => `/new?with=${encodeURIComponent(username)}`;

export type ContactText =
  /** Somebody on this server, as typed: not checked yet. */
  | { kind: "username"; username: string }
  /** A good link that leads elsewhere. */
  | { kind: "other_server"; server: string }
  | { kind: "not_a_link" };

/** What a person typed, pasted or scanned: a username or a contact link. */
export function parseContact(text: string, ownServer: string): ContactText {
  const trimmed = text.trim();
  if (!/^[a-z]+:/i.test(trimmed)) return { kind: "username", username: trimmed };
  let url: URL;
  try {
    url = new URL(trimmed);
  } catch {
    return { kind: "not_a_link" };
  }
  if ((url.protocol !== "https:" && url.protocol !== "http:") || !url.hash.startsWith(MARK)) return { kind: "not_a_link" };
  const { name, length, badCharacter } = checkUsername(url.hash.slice(MARK.length));
  if (!length || badCharacter !== null) return { kind: "not_a_link" };
  return sameServer(url, new URL(ownServer)) ? { kind: "username", username: name } : { kind: "other_server", server: url.host };
}

/** The names of this machine are one server. */
function sameServer(a: URL, b: URL): boolean {
  return a.origin === b.origin || (isLoopback(a) && isLoopback(b) && a.port === b.port);
}

const isLoopback = ({ hostname }: URL) => hostname === "localhost" || hostname === "127.0.0.1" || hostname === "[::1]";

const KEY = "sotto.contact-link";

/** The gate has addresses of its own, so the link is gone from the address by then; a reload must not lose it. */
function opened(): string | null {
  try {
    const found = location.hash.startsWith(MARK) ? parseContact(location.href, location.origin) : null;
    if (found?.kind === "username") sessionStorage.setItem(KEY, found.username);
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}

/** Whose link opened this tab; waits here until the gate is passed. */
export const useWaitingLink = create<{ username: string | null }>(() => ({ username: opened() }));

/** Whose link it was, once. */
export function takeWaitingLink(): string | null {
  const { username } = useWaitingLink.getState();
  useWaitingLink.setState({ username: null });
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // Nothing was kept either.
  }
  return username;
}
