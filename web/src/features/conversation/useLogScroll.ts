/**
 * Where the log stands, and what follows from it.
 * Always true:
 * - at its end, the log stays at its end, whatever comes or changes its size;
 * - elsewhere nothing that comes moves what is being read;
 * - a message counts as read when it was in sight of somebody who is looking.
 */
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { VirtualizerHandle } from "virtua";
import { isForeground } from "../../engine/store";
import { loadNewer, loadOlder, markRead, useWindow } from "../../engine/window";
import type { LogItem } from "./items";

/** Closer to the end than this counts as being there. */
const END_PX = 48;
/** The next page is asked for this long before its place comes into sight. */
const AHEAD_PX = 1200;
/** Sizes are known once items were drawn; a place that did not change for this many frames is certain. */
const CALM_FRAMES = 2;
const FRAMES_MAX = 30;
/** The line above what is new stands a little below the edge, so that one sees what came before. */
const LINE_OFFSET_PX = -64;
/** A message of one line; most are higher. */
const LOW_ITEM_PX = 48;
const NONE: readonly number[] = [];

export interface LogScroll {
  scroller: React.RefObject<HTMLDivElement | null>;
  virtualizer: React.RefObject<VirtualizerHandle | null>;
  /** The way down is worth a button. */
  awayFromEnd: boolean;
  /** Items to draw before the list knows how much fits: one frame later would be one frame of nothing. */
  begin: readonly number[];
  onScroll: (offset: number) => void;
  onResize: () => void;
  /** The person scrolls: whatever was on its way gives up. */
  takeOver: () => void;
  /** The focus moved to an item, which is not the end. */
  unpin: () => void;
}

export function useLogScroll(account: string, items: readonly LogItem[], unread: number): LogScroll {
  const more = useWindow((state) => state.more);
  const newer = useWindow((state) => state.newer);
  const target = useWindow((state) => state.target);
  const scroller = useRef<HTMLDivElement>(null);
  const virtualizer = useRef<VirtualizerHandle>(null);
  const [awayFromEnd, setAwayFromEnd] = useState(false);
  const [begin, setBegin] = useState(() => around(beginning(items, target), items.length));

  /** Follows the end. */
  const pinned = useRef(true);
  /** No way is being made: only then pages are loaded and messages count as seen. */
  const steady = useRef(false);
  const journey = useRef(0);
  const lastOffset = useRef(0);
  const now = useRef<{ items: readonly LogItem[]; look: () => void }>({ items, look: () => undefined });

  const toEnd = useCallback(() => {
    const node = scroller.current;
    if (node) node.scrollTop = node.scrollHeight;
  }, []);

  const see = useCallback(() => {
    const list = virtualizer.current;
    // Without a size the log is hidden behind a panel.
    if (!list || list.viewportSize === 0 || !steady.current || !isForeground()) return;
    const bottom = list.findItemIndex(list.scrollOffset + list.viewportSize - 8);
    for (let at = Math.min(bottom, items.length - 1); at >= 0; at--) {
      const message = items[at]?.message;
      if (message && !message.from_me && message.message_id !== null) {
        markRead(account, message);
        return;
      }
    }
  }, [account, items]);

  const look = useCallback(() => {
    const list = virtualizer.current;
    if (!list || list.viewportSize === 0) return;
    const left = list.scrollSize - list.viewportSize - list.scrollOffset;
    setAwayFromEnd(left > Math.max(END_PX * 2, list.viewportSize / 3) || newer);
    if (!steady.current) return;
    if (list.scrollOffset < AHEAD_PX && more) void loadOlder();
    if (left < AHEAD_PX && newer) void loadNewer();
    see();
  }, [more, newer, see]);

  useLayoutEffect(() => {
    now.current = { items, look };
  }, [items, look]);

  /** Goes to an item, or (null) the end, and stays with it until its place is certain. */
  const goTo = useCallback(
    (key: string | null, align: "start" | "center") => {
      const mine = ++journey.current;
      steady.current = false;
      let [frames, calm, before] = [0, 0, ""];
      const step = () => {
        const list = virtualizer.current;
        if (!list || mine !== journey.current) return;
        const at = key === null ? -1 : now.current.items.findIndex((item) => item.key === key);
        if (at < 0) toEnd();
        else list.scrollToIndex(at, align === "start" ? { align, offset: LINE_OFFSET_PX } : { align });
        const place = `${list.scrollOffset}/${list.scrollSize}`;
        calm = place === before ? calm + 1 : 0;
        before = place;
        if (calm < CALM_FRAMES && ++frames < FRAMES_MAX) {
          requestAnimationFrame(step);
          return;
        }
        steady.current = true;
        setBegin(NONE);
        now.current.look();
      };
      step();
    },
    [toEnd],
  );

  const takeOver = useCallback(() => {
    if (steady.current) return;
    journey.current++;
    steady.current = true;
  }, []);

  // Where to begin: at a message that was asked for, at the line above what is new, or at the end.
  const begun = useRef(false);
  useLayoutEffect(() => {
    if (begun.current || items.length === 0) return;
    begun.current = true;
    if (target?.position != null) return;
    const line = items.find((item) => item.isUnreadLine);
    pinned.current = line === undefined && !newer;
    goTo(line?.key ?? null, "start");
  }, [goTo, items, newer, target]);

  // What comes at the end is followed while the end is in sight.
  useLayoutEffect(() => {
    if (pinned.current) toEnd();
  }, [items, toEnd]);

  // A wish to go somewhere: each once, and once its message is there.
  const gone = useRef(0);
  useEffect(() => {
    if (!target || target.seq <= gone.current) return;
    if (target.position === null) {
      gone.current = target.seq;
      pinned.current = true;
      goTo(null, "start");
      return;
    }
    const item = items.find(({ message }) => message.position === target.position);
    if (!item) return;
    gone.current = target.seq;
    pinned.current = false;
    goTo(item.key, "center");
  }, [goTo, items, target]);

  useEffect(see, [see, unread]);
  useEffect(() => {
    addEventListener("focus", see);
    document.addEventListener("visibilitychange", see);
    return () => {
      removeEventListener("focus", see);
      document.removeEventListener("visibilitychange", see);
    };
  }, [see]);

  const onScroll = useCallback(
    (offset: number) => {
      const node = scroller.current;
      if (!node) return;
      // Asked of the page: when the window grows, the browser scrolls before the list hears of its new size.
      if (node.scrollHeight - node.clientHeight - node.scrollTop < END_PX) pinned.current = !newer;
      // Growing content makes the end move away; only a person moves up.
      else if (offset < lastOffset.current - 1) pinned.current = false;
      lastOffset.current = offset;
      look();
    },
    [look, newer],
  );

  const onResize = useCallback(() => {
    if (pinned.current) toEnd();
    look();
  }, [look, toEnd]);

  const unpin = useCallback(() => {
    pinned.current = false;
  }, []);

  return { scroller, virtualizer, awayFromEnd: awayFromEnd || newer, begin, onScroll, onResize, takeOver, unpin };
}

/** What a log shows first: the message that was asked for, the line above what is new, or (-1) its end. */
function beginning(items: readonly LogItem[], target: { position: string | null } | null): number {
  if (target?.position != null) return items.findIndex(({ message }) => message.position === target.position);
  return items.findIndex((item) => item.isUnreadLine);
}

/** As many items as a window can show, on both sides of the place where the log begins, or up to its end. */
function around(at: number, length: number): readonly number[] {
  const fitting = Math.ceil(innerHeight / LOW_ITEM_PX);
  const first = Math.max(0, (at < 0 ? length : at) - fitting);
  const end = Math.min(length, at < 0 ? length : at + fitting);
  return Array.from({ length: end - first }, (_, offset) => first + offset);
}
