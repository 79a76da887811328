/**
 * Tells about new messages outside the page: notifications, the count in the title and on the icon.
 * Flow: happenings -> which of them a person should hear of -> one notification per conversation, replaced by newer ones.
 * Always true:
 * - one tab tells (a Web Lock elects it), however many are open;
 * - nothing is told of muted conversations, of what arrived while everything was offline for long (a backlog is one notification),
 *   or of the conversation that somebody is looking at, in whichever tab.
 */
import type { ConversationView, Happening, MessageView } from "@sotto/engine";
import { isForeground, isMuted, onHappenings, unreadTotal, useApp } from "../../engine/store";
import { useWindow } from "../../engine/window";
import { t } from "../../strings";
import { isSaid, previewText } from "../list/preview";
import { usePreferences } from "../settings/preferences";
import { titleOf } from "../conversation/naming";
import { chatPath, navigate } from "../shell/route";
import { setFavicon } from "./favicon";

const LOCK = "sotto.notify";
const CHANNEL = "sotto.looking";
const ICON = "/icon-192.png";

let isTeller = false;
/** What other tabs show to somebody who is looking: conversation by tab. */
const looking = new Map<string, string>();
const shown = new Map<string, { notification: Notification; count: number }>();

interface Looking {
  tab: string;
  account: string | null;
}

export function startNotify(): void {
  elect();
  shareWhatIsLookedAt();
  onHappenings(tell);
  useApp.subscribe((state, before) => {
    if (state.conversations !== before.conversations) count();
  });
  count();
}

function elect(): void {
  // Without locks there is no second tab to agree with either: insecure contexts have no engine.
  if (!("locks" in navigator)) return;
  void navigator.locks.request(LOCK, () => {
    isTeller = true;
    return new Promise<never>(() => undefined);
  });
}

function shareWhatIsLookedAt(): void {
  // Neither names nor an engine without a secure context; a screen says so.
  if (!isSecureContext) return;
  const tab = crypto.randomUUID();
  const channel = new BroadcastChannel(CHANNEL);
  const say = () => {
    const account = isForeground() ? useWindow.getState().account : null;
    channel.postMessage({ tab, account } satisfies Looking);
    if (account !== null) close(account);
  };
  channel.onmessage = ({ data }: MessageEvent<Looking>) => {
    if (data.account === null) looking.delete(data.tab);
    else {
      looking.set(data.tab, data.account);
      close(data.account);
    }
  };
  useWindow.subscribe((state, before) => {
    if (state.account !== before.account) say();
  });
  for (const event of ["focus", "blur", "pagehide"]) addEventListener(event, say);
  document.addEventListener("visibilitychange", say);
}

function isLookedAt(account: string): boolean {
  if (isForeground() && useWindow.getState().account === account) return true;
  return [...looking.values()].includes(account);
}

function tell(happenings: readonly Happening[]): void {
  if (!isTeller || !mayNotify()) return;
  const byConversation = new Map<string, MessageView[]>();
  for (const happening of happenings) {
    if (happening.event !== "message_added" || happening.message.from_me) continue;
    if (!isSaid(happening.message)) continue;
    const messages = byConversation.get(happening.message.conversation) ?? [];
    messages.push(happening.message);
    byConversation.set(happening.message.conversation, messages);
  }
  for (const [account, messages] of byConversation) {
    const view = useApp.getState().conversations[account];
    if ((view && (isMuted(view) || view.contact?.blocked)) || isLookedAt(account)) continue;
    notify(account, messages);
  }
}

export function mayNotify(): boolean {
  return usePreferences.getState().notifications && "Notification" in window && Notification.permission === "granted";
}

function notify(account: string, messages: readonly MessageView[]): void {
  const last = messages[messages.length - 1];
  if (!last) return;
  const names = usePreferences.getState().namesInNotifications;
  const view = useApp.getState().conversations[account];
  const count = (shown.get(account)?.count ?? 0) + messages.length;
  const title = names ? speakerOf(view, last) : t("notify.hidden_title");
  const body = view?.is_request === true ? t("notify.request") : !names ? t("notify.hidden_body", { count }) : count > 1 ? `${t("notify.many", { count })}\n${previewText(last)}` : previewText(last);
  const open = () => {
    window.focus();
    navigate(chatPath(account));
    close(account);
  };
  try {
    // The same tag replaces what was said of this conversation before.
    const notification = new Notification(title, { body, tag: `sotto-${account}`, icon: ICON, silent: false });
    notification.onclick = open;
    notification.onclose = () => {
      if (shown.get(account)?.notification === notification) shown.delete(account);
    };
    shown.set(account, { notification, count });
  } catch {
    // Browsers on phones only allow them from the service worker.
    void throughServiceWorker(title, body, account);
  }
}

/** "Ann", or "Ann in Lake house". */
export function speakerOf(view: ConversationView | undefined, message: MessageView): string {
  if (!view) return t("name.unknown");
  const title = titleOf(view);
  return view.contact === null ? t("group.in", { name: message.from_name, group: title }) : title;
}

async function throughServiceWorker(title: string, body: string, account: string): Promise<void> {
  const registration = await navigator.serviceWorker.getRegistration();
  await registration?.showNotification(title, { body, tag: `sotto-${account}`, icon: ICON, data: { path: chatPath(account) } });
}

function close(account: string): void {
  shown.get(account)?.notification.close();
  shown.delete(account);
}

let told = -1;

/** The number of unread messages in the title, on the app's icon and as a dot on the tab's icon. */
function count(): void {
  const unread = unreadTotal(useApp.getState());
  if (unread === told) return;
  told = unread;
  const title = t("app.name");
  document.title = unread > 0 ? t("notify.title_unread", { count: unread, title }) : title;
  setFavicon(unread > 0);
  if ("setAppBadge" in navigator) {
    // Refused where the app is not installed: the title says it there.
    const done = unread > 0 ? navigator.setAppBadge(unread) : navigator.clearAppBadge();
    done.catch(() => undefined);
  }
}
