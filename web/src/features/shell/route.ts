/** The address is the state: which pane, which conversation, which panel. So Back works, and a reload comes back. */
import { useMemo } from "react";
import { useLocation } from "wouter";
import { navigate } from "wouter/use-browser-location";

export type Panel = { kind: "info" } | { kind: "search" } | { kind: "message"; name: string };

export type Route =
  | { at: "list" }
  | { at: "chat"; account: string; panel: Panel | null }
  | { at: "settings"; page: string | null }
  | { at: "new" }
  | { at: "new_group" }
  | { at: "join" }
  | { at: "link" }
  /** `account`: of one conversation only. */
  | { at: "starred"; account: string | null };

const GROUP = /^[0-9a-f]{64}$/u;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/u;

const isConversation = (id: string): boolean => UUID.test(id) || GROUP.test(id);

export function parseRoute(path: string): Route {
  const [section, first, second, third] = path.split("/").slice(1);
  switch (section) {
    case "chat": {
      if (first === undefined || !isConversation(first)) return { at: "list" };
      return { at: "chat", account: first, panel: parsePanel(second, third) };
    }
    case "settings":
      return { at: "settings", page: first === undefined || first === "" ? null : first };
    case "new":
      return { at: first === "group" ? "new_group" : "new" };
    case "join":
      return { at: "join" };
    case "starred":
      return { at: "starred", account: first !== undefined && isConversation(first) ? first : null };
    case "link":
      return { at: "link" };
    default:
      return { at: "list" };
  }
}

function parsePanel(kind: string | undefined, name: string | undefined): Panel | null {
  if (kind === "info" || kind === "search") return { kind };
  if (kind === "message" && name !== undefined && UUID.test(name)) return { kind, name };
  return null;
}

export function useRoute(): Route {
  const [path] = useLocation();
  return useMemo(() => parseRoute(path), [path]);
}

export const chatPath = (account: string): string => `/chat/${account}`;
export const infoPath = (account: string): string => `/chat/${account}/info`;
export const chatSearchPath = (account: string): string => `/chat/${account}/search`;
export const starredPath = (account?: string): string => (account === undefined ? "/starred" : `/starred/${account}`);
export const newGroupPath = "/new/group";
export const joinPath = "/join";
export const messagePath = (account: string, name: string): string => `/chat/${account}/message/${name}`;

export { navigate };
