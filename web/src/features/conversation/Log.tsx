import type { ConversationView } from "@sotto/engine";
import { ArrowDown } from "lucide-react";
import { useMemo, useState, type RefAttributes } from "react";
import { Virtualizer, type CustomContainerComponentProps } from "virtua";
import { jumpToNewest, useWindow } from "../../engine/window";
import { t } from "../../strings";
import { Icon } from "../../ui/Icon";
import { useContextMenu } from "../../ui/Menu";
import { useToday } from "../../ui/Time";
import { dayTitle } from "../../ui/time";
import { usePreferences } from "../settings/preferences";
import { hasMain } from "../shortcuts/keys";
import { openDialog, toggleChosen, useActing } from "./acting";
import { logItems, type LogItem } from "./items";
import { Message } from "./Message";
import { copyText, hasReceipts, isAnswerable, messageMenu, openDetails } from "./MessageTools";
import { useLogScroll } from "./useLogScroll";

interface Props {
  view: ConversationView;
  name: string;
  /** The message whose details are open. */
  selected: string | null;
}

/** The messages: only those near the sight exist in the page. Where it stands is in `useLogScroll`. */
export function Log({ view, name, selected }: Props) {
  const account = view.conversation;
  const messages = useWindow((state) => state.messages);
  const more = useWindow((state) => state.more);
  const unreadAfter = useWindow((state) => state.unreadAfter);
  const unreadCount = useWindow((state) => state.unreadCount);
  const target = useWindow((state) => state.target);
  const underTheHood = usePreferences((state) => state.underTheHood);
  const today = useToday();
  const items = useMemo(() => logItems(messages, unreadAfter), [messages, unreadAfter]);

  const { scroller, virtualizer, awayFromEnd, begin, onScroll, onResize, takeOver, unpin } = useLogScroll(account, items, view.unread);
  const [moved, setMoved] = useState<string | null>(null);
  const [flash, setFlash] = useState<string | null>(null);
  const shift = useShift(items);

  // Whom one asked for is shown by a ring, and is where the arrow keys begin.
  const [wish, setWish] = useState(0);
  const wished = target?.position == null ? undefined : items.find(({ message }) => message.position === target.position);
  if (target && wished && target.seq > wish) {
    setWish(target.seq);
    setMoved(wished.key);
    if (target.flash) setFlash(wished.key);
  }

  const activeAt = Math.max(
    items.findIndex((item) => item.key === moved),
    moved === null ? items.length - 1 : -1,
  );
  const menu = useContextMenu(t("msg.tools"), (target) => {
    // Links and chosen text have the browser's own menu.
    if (target.closest("a") !== null || getSelection()?.isCollapsed === false) return null;
    const key = keyAt(target);
    const message = items.find((item) => item.key === key)?.message;
    if (!message || useActing.getState().chosen !== null) return null;
    const reaction = target.closest(".react");
    if (reaction !== null) {
      openDialog({ kind: "reactions", message });
      return [];
    }
    return messageMenu(message);
  });

  const focusItem = (at: number) => {
    const item = items[at];
    if (!item) return;
    setMoved(item.key);
    if (at < items.length - 1) unpin();
    virtualizer.current?.scrollToIndex(at, { align: "nearest" });
    requestAnimationFrame(() => {
      scroller.current?.querySelector<HTMLElement>(`[data-key="${CSS.escape(item.key)}"]`)?.focus({ preventScroll: true });
    });
  };

  const onKeyDown = (event: React.KeyboardEvent) => {
    const key = keyAt(event.target);
    const at = items.findIndex((item) => item.key === key);
    const current = items[at]?.message;
    const onItem = event.target === event.currentTarget.querySelector(":focus[data-key]");
    if (hasMain(event) && event.key === "c" && current && getSelection()?.isCollapsed !== false) void copyText(current);
    else if (event.altKey || event.ctrlKey || event.metaKey) return;
    else if (event.key === "ArrowUp") focusItem(Math.max(0, (at < 0 ? items.length : at) - 1));
    else if (event.key === "ArrowDown") focusItem(Math.min(items.length - 1, at + 1));
    else if (event.key === "End") void jumpToNewest();
    else if (event.key === " " && current && onItem && useActing.getState().chosen !== null && isAnswerable(current)) toggleChosen(current);
    else if (event.key === "Enter" && current && onItem && (underTheHood || hasReceipts(current))) openDetails(current);
    else return;
    event.preventDefault();
  };

  return (
    <div className="log-frame">
      <div
        ref={scroller}
        className="log scroll"
        // New messages are said by the announcer: here, scrolling alone would make rows appear.
        role="log"
        aria-live="off"
        aria-label={t("chat.log", { name })}
        tabIndex={-1}
        onKeyDown={onKeyDown}
        onWheel={takeOver}
        onTouchMove={takeOver}
        onAnimationEnd={() => setFlash(null)}
        {...menu}
      >
        {items.length === 0 && <Beginning view={view} name={name} empty />}
        <Virtualizer
          ref={virtualizer}
          as={Rows}
          scrollRef={scroller}
          data={items}
          shift={shift}
          bufferSize={600}
          keepMounted={activeAt >= 0 ? [...begin, activeAt] : begin}
          onScroll={onScroll}
          onResize={onResize}
        >
          {(item, at) => (
            <div key={item.key} className="log-in">
              {at === 0 && !more && <Beginning view={view} name={name} />}
              {item.dayMs !== null && (
                <div className="day" role="separator">
                  {dayTitle(item.dayMs, today)}
                </div>
              )}
              {item.isUnreadLine && (
                <div className="unread-line" role="separator">
                  {unreadCount > 0 ? t("chat.new_messages", { count: unreadCount }) : t("chat.new_below")}
                </div>
              )}
              <Message
                message={item.message}
                id={item.key}
                first={item.first}
                last={item.last}
                active={at === activeAt}
                selected={item.message.name === selected}
                flash={item.key === flash}
                name={name}
                isMe={view.is_me}
              />
            </div>
          )}
        </Virtualizer>
      </div>
      {awayFromEnd && (
        <button
          type="button"
          className="jump"
          onClick={() => void jumpToNewest()}
          aria-label={view.unread > 0 ? t("chat.jump_new", { count: view.unread }) : t("chat.jump")}
          title={t("chat.jump")}
        >
          <Icon icon={ArrowDown} />
          {view.unread > 0 && <span className="badge">{view.unread > 999 ? "999+" : view.unread}</span>}
        </button>
      )}
    </div>
  );
}

/** The list would take all its rows away from the pointer while it scrolls, and back: twice a new style for everything in them. */
function Rows({ style, children, ref }: CustomContainerComponentProps & RefAttributes<HTMLDivElement>) {
  return (
    <div ref={ref} style={{ ...style, pointerEvents: undefined }}>
      {children}
    </div>
  );
}

function keyAt(target: EventTarget): string | null {
  return target instanceof Element ? (target.closest<HTMLElement>("[data-key]")?.dataset["key"] ?? null) : null;
}

/**
 * Whether this drawing adds or removes messages at the start: then the distance to the end is kept. Known while drawing, because
 * the list must hear it together with the new messages.
 */
function useShift(items: readonly LogItem[]): boolean {
  const [known, setKnown] = useState({ items, shift: false });
  if (known.items === items) return known.shift;
  const firstBefore = known.items[0]?.key;
  const first = items[0]?.key;
  const lastBefore = known.items[known.items.length - 1]?.key;
  const shift = first !== firstBefore && lastBefore !== undefined && items.some((item) => item.key === lastBefore);
  setKnown({ items, shift });
  return shift;
}

function Beginning({ view, name, empty = false }: { view: ConversationView; name: string; empty?: boolean }) {
  return (
    <div className="beginning">
      <p>{t(view.is_me ? "chat.beginning_self" : view.contact === null ? "chat.beginning_group" : "chat.beginning")}</p>
      {empty && !view.is_me && view.contact !== null && <p>{t("chat.empty_hint", { name })}</p>}
    </div>
  );
}
