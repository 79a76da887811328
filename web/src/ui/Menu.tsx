/**
 * Menus: of buttons, and of the right mouse button, a long press or the menu key. At most one is open; it is drawn by `MenuHost`, and
 * its parts are loaded when the first one opens.
 */
import type { LucideIcon } from "lucide-react";
import { lazy, Suspense, useEffect, useId, useMemo, useRef, type ReactNode } from "react";
import { create } from "zustand";
import { notice } from "../engine/store";
import { IconButton } from "./IconButton";

export type MenuEntry =
  | { label: string; icon?: LucideIcon; hint?: ReactNode; danger?: boolean; disabled?: boolean; onSelect: () => void }
  | { label: string; icon?: LucideIcon; items: readonly MenuEntry[] }
  /** Beside each other: what is a sign more than a word. */
  | { label: string; row: readonly { label: string; sign: ReactNode; pressed?: boolean; onSelect: () => void }[] }
  | "line";

export interface OpenMenu {
  /** Who opened it. */
  owner: string;
  label: string;
  items: readonly MenuEntry[];
  /** Where it belongs, in the window. */
  anchor: { x: number; y: number; width: number; height: number };
  align: "start" | "end";
  /** What gets the focus back. */
  from: HTMLElement | null;
}

/** Some menus are loaded when they are asked for. */
type Items = readonly MenuEntry[] | Promise<readonly MenuEntry[]>;

async function show(menu: Omit<OpenMenu, "items">, items: Items): Promise<void> {
  try {
    // What is there already is shown at once: a key pressed next belongs to the menu.
    const entries = items instanceof Promise ? await items : items;
    if (entries.length > 0) useMenu.setState({ open: { ...menu, items: entries } });
  } catch (error) {
    notice(error);
  }
}

export const useMenu = create<{ open: OpenMenu | null }>(() => ({ open: null }));

export function closeMenu(): void {
  useMenu.setState({ open: null });
}

const MenuLayer = lazy(async () => ({ default: (await import("./MenuLayer")).MenuLayer }));

/** Draws the open menu: once per page. */
export function MenuHost() {
  const open = useMenu((state) => state.open);
  if (!open) return null;
  return (
    <Suspense fallback={null}>
      <MenuLayer key={open.owner} menu={open} />
    </Suspense>
  );
}

interface ButtonProps {
  label: string;
  icon: LucideIcon;
  /** Asked for when it opens. */
  items: () => Items;
  className?: string;
  small?: boolean;
  tabIndex?: number;
}

export function MenuButton({ label, icon, items, className, small = false, tabIndex }: ButtonProps) {
  const owner = useId();
  const button = useRef<HTMLButtonElement>(null);
  const expanded = useMenu((state) => state.open?.owner === owner);
  // The press that ends on the button closed its menu already.
  const wasOpen = useRef(false);
  return (
    <IconButton
      ref={button}
      label={label}
      icon={icon}
      small={small}
      {...(className !== undefined && { className })}
      {...(tabIndex !== undefined && { tabIndex })}
      aria-haspopup="menu"
      aria-expanded={expanded}
      onPointerDown={() => {
        wasOpen.current = expanded;
      }}
      onClick={() => {
        const node = button.current;
        if (!node || wasOpen.current) {
          wasOpen.current = false;
          return;
        }
        const { x, y, width, height } = node.getBoundingClientRect();
        void show({ owner, label, anchor: { x, y, width, height }, align: "end", from: node }, items());
      }}
    />
  );
}

const LONG_PRESS_MS = 500;
const MOVED_PX = 10;

interface ContextMenuHandlers {
  onContextMenu: (event: React.MouseEvent) => void;
  onPointerDown: (event: React.PointerEvent) => void;
  onPointerMove: (event: React.PointerEvent) => void;
  onPointerUp: () => void;
  onPointerCancel: () => void;
  onTouchEnd: (event: React.TouchEvent) => void;
}

/**
 * Handlers for an element whose parts have menus: one set serves a list of thousands. `itemsFor` says what the menu of a part holds;
 * null leaves it to the browser, an empty one opens nothing.
 */
export function useContextMenu(label: string, itemsFor: (target: Element) => Items | null): ContextMenuHandlers {
  const owner = useId();
  const asked = useRef(itemsFor);
  const press = useRef<{ timer: ReturnType<typeof setTimeout>; x: number; y: number } | null>(null);
  const pressed = useRef(false);
  useEffect(() => {
    asked.current = itemsFor;
  });
  return useMemo(() => {
    const open = (target: EventTarget, x: number, y: number): boolean => {
      const items = target instanceof Element ? asked.current(target) : null;
      if (!items) return false;
      const from = document.activeElement instanceof HTMLElement ? document.activeElement : null;
      void show({ owner, label, anchor: { x, y, width: 0, height: 0 }, align: "start", from }, items);
      return true;
    };
    const endPress = () => {
      if (press.current) clearTimeout(press.current.timer);
      press.current = null;
    };
    return {
      onContextMenu: (event) => {
        // Browsers that send this for a long press may be later than our own timer.
        if (pressed.current || open(event.target, event.clientX, event.clientY)) event.preventDefault();
        endPress();
      },
      onPointerDown: (event) => {
        pressed.current = false;
        endPress();
        if (event.pointerType !== "touch") return;
        const { target, clientX: x, clientY: y } = event;
        const timer = setTimeout(() => {
          pressed.current = open(target, x, y);
        }, LONG_PRESS_MS);
        press.current = { timer, x, y };
      },
      onPointerMove: (event) => {
        const at = press.current;
        if (at && Math.hypot(event.clientX - at.x, event.clientY - at.y) > MOVED_PX) endPress();
      },
      onPointerUp: endPress,
      onPointerCancel: endPress,
      onTouchEnd: (event) => {
        // The finger that is lifted after a long press neither opens nor focuses what lies below it.
        if (pressed.current) event.preventDefault();
      },
    };
  }, [label, owner]);
}
