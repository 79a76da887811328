import { useEffect } from "react";
import { flushSync } from "react-dom";
import { useApp } from "../../engine/store";
import { focusSearch } from "../search/focus";
import { chatPath, chatSearchPath, navigate, newGroupPath, parseRoute } from "../shell/route";
import { hasMain, hasSecond, isTyping } from "./keys";

/** Keys that work anywhere. What an open menu, dialog or field takes for itself does not arrive here. */
export function useShortcuts(onHelp: () => void): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.isComposing) return;
      if (document.querySelector("dialog[open], .menu")) return;
      if (run(event, onHelp)) event.preventDefault();
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, [onHelp]);
}

function run(event: KeyboardEvent, onHelp: () => void): boolean {
  const route = parseRoute(location.pathname);
  const key = event.key.toLowerCase();
  if (key === "escape") {
    if (route.at === "chat") navigate(route.panel ? chatPath(route.account) : "/");
    else if (route.at === "settings" || route.at === "starred") navigate("/");
    return true;
  }
  if (hasMain(event) && event.shiftKey && key === "f" && route.at === "chat") {
    navigate(chatSearchPath(route.account));
    return true;
  }
  if (hasMain(event) && !event.shiftKey && key === "k") {
    // At once, drawn or not: the next key is already meant for the field.
    if (!focusSearch()) {
      flushSync(() => navigate("/"));
      focusSearch();
    }
    return true;
  }
  if (hasMain(event) && key === ",") {
    navigate("/settings");
    return true;
  }
  if (hasSecond(event) && event.code === "KeyN") {
    navigate("/new");
    return true;
  }
  if (hasSecond(event) && event.code === "KeyG") {
    navigate(newGroupPath);
    return true;
  }
  if (event.altKey && (key === "arrowdown" || key === "arrowup")) {
    step(route.at === "chat" ? route.account : null, key === "arrowdown" ? 1 : -1);
    return true;
  }
  if ((key === "?" && !isTyping(event.target)) || (hasMain(event) && key === "/")) {
    onHelp();
    return true;
  }
  return false;
}

/** The next or previous conversation of the list. */
function step(from: string | null, by: 1 | -1): void {
  const { order, conversations } = useApp.getState();
  const shown = order.filter((account) => conversations[account]?.archived === false && !conversations[account].is_request);
  const at = from === null ? -1 : shown.indexOf(from);
  const to = shown[at < 0 ? (by > 0 ? 0 : shown.length - 1) : at + by];
  if (to !== undefined) navigate(chatPath(to));
}
