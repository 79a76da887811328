import type { ConversationView } from "@sotto/engine";
import { useEffect, useRef, useState } from "react";
import { Virtualizer, type VirtualizerHandle } from "virtua";
import { openChat } from "../../engine/window";
import { t } from "../../strings";
import { useContextMenu } from "../../ui/Menu";
import { chatPath, navigate } from "../shell/route";
import { ConversationRow } from "./ConversationRow";
import { rowMenu } from "./row-menu";

/**
 * The rows: only those in sight exist. Arrows move, Enter opens, the menu key or the right mouse button shows what can be done;
 * one menu serves all rows.
 */
export function ConversationRows({ views, selected }: { views: readonly ConversationView[]; selected: string | null }) {
  const scroller = useRef<HTMLDivElement>(null);
  const virtualizer = useRef<VirtualizerHandle>(null);
  const [moved, setMoved] = useState<string | null>(null);
  const indexOf = (account: string | null) => views.findIndex((view) => view.conversation === account);
  const movedTo = indexOf(moved);
  const active = movedTo >= 0 ? movedTo : Math.max(0, indexOf(selected));
  const menu = useContextMenu(t("list.menu"), (target) => {
    const view = views[indexOf(accountAt(target))];
    return view ? rowMenu(view) : null;
  });

  const focusRow = (at: number) => {
    const account = views[at]?.conversation;
    if (account === undefined) return;
    setMoved(account);
    virtualizer.current?.scrollToIndex(at, { align: "nearest" });
    // The row may only exist after the next drawing.
    requestAnimationFrame(() => {
      scroller.current?.querySelector<HTMLElement>(`[data-account="${account}"]`)?.focus({ preventScroll: true });
    });
  };

  const onKeyDown = (event: React.KeyboardEvent) => {
    const to = { ArrowDown: active + 1, ArrowUp: active - 1, Home: 0, End: views.length - 1 }[event.key];
    if (to === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    focusRow(Math.min(views.length - 1, Math.max(0, to)));
  };

  const onClick = (event: React.MouseEvent) => {
    // A new tab, a new window: the browser's business.
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    const account = accountAt(event.target);
    if (account === null) return;
    event.preventDefault();
    setMoved(account);
    void openChat(account, () => navigate(chatPath(account)));
  };

  // What was chosen elsewhere (Alt and arrows, search) comes into sight.
  const selectedAt = indexOf(selected);
  useEffect(() => {
    if (selectedAt >= 0) virtualizer.current?.scrollToIndex(selectedAt, { align: "nearest" });
    // Only when the choice changes: new messages reorder the rows under a person who scrolls.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [selected]);

  return (
    <div
      ref={scroller}
      className="rows scroll"
      role="listbox"
      aria-label={t("list.label")}
      onKeyDown={onKeyDown}
      onClick={onClick}
      {...menu}
    >
      <Virtualizer ref={virtualizer} data={views} itemSize={70} keepMounted={[active]}>
        {(view, at) => (
          <div key={view.conversation} className="row-slot">
            <ConversationRow
              view={view}
              selected={view.conversation === selected}
              active={at === active}
              position={at + 1}
              count={views.length}
            />
          </div>
        )}
      </Virtualizer>
    </div>
  );
}

function accountAt(target: EventTarget): string | null {
  return target instanceof Element ? (target.closest<HTMLElement>("[data-account]")?.dataset["account"] ?? null) : null;
}
