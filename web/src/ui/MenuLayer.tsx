import { ChevronRight } from "lucide-react";
import { DropdownMenu } from "radix-ui";
import { Icon } from "./Icon";
import { closeMenu, type MenuEntry, type OpenMenu } from "./Menu";

/** The menu itself, loaded with the first one that opens. */
export function MenuLayer({ menu }: { menu: OpenMenu }) {
  const { anchor, from } = menu;
  return (
    // Not modal: a modal menu locks scrolling by an injected <style>, which the content security policy forbids.
    <DropdownMenu.Root open modal={false} onOpenChange={(open) => open || closeMenu()}>
      <DropdownMenu.Trigger asChild>
        <span className="menu-anchor" aria-hidden="true" style={{ left: anchor.x, top: anchor.y, width: anchor.width, height: anchor.height }} />
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content
          className="floating menu"
          align={menu.align}
          sideOffset={4}
          collisionPadding={8}
          loop
          aria-label={menu.label}
          aria-labelledby={undefined}
          // A submenu lies elsewhere in the document, and Preact hands no events from there up the tree of components.
          onInteractOutside={(event) => {
            if (event.target instanceof Element && event.target.closest("[role=menu]") !== null) event.preventDefault();
          }}
          onCloseAutoFocus={(event) => {
            event.preventDefault();
            // What was chosen may have taken the focus somewhere: leave it there.
            if (document.activeElement === document.body || document.activeElement === null) from?.focus({ preventScroll: true });
          }}
        >
          <Entries items={menu.items} />
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

/** In a row, the keys of its direction lead along it. */
function stepAside(event: React.KeyboardEvent<HTMLElement>): void {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (step === undefined) return;
  const forward = getComputedStyle(event.currentTarget).direction === "rtl" ? -step : step;
  const next = forward > 0 ? event.currentTarget.nextElementSibling : event.currentTarget.previousElementSibling;
  if (next instanceof HTMLElement) next.focus();
  event.preventDefault();
}

function Entries({ items }: { items: readonly MenuEntry[] }) {
  return items.map((entry, at) => {
    if (entry === "line") return <DropdownMenu.Separator key={at} className="menu-line" />;
    if ("items" in entry) {
      return (
        <DropdownMenu.Sub key={at}>
          <DropdownMenu.SubTrigger className="menu-item">
            {entry.icon && <Icon icon={entry.icon} />}
            {entry.label}
            <span className="hint">
              <Icon icon={ChevronRight} small directional />
            </span>
          </DropdownMenu.SubTrigger>
          <DropdownMenu.Portal>
            <DropdownMenu.SubContent className="floating menu" collisionPadding={8} sideOffset={2}>
              <Entries items={entry.items} />
            </DropdownMenu.SubContent>
          </DropdownMenu.Portal>
        </DropdownMenu.Sub>
      );
    }
    if ("row" in entry) {
      return (
        <DropdownMenu.Group key={at} className="menu-row" aria-label={entry.label}>
          {entry.row.map(({ label, sign, pressed, onSelect }) => (
            <DropdownMenu.Item
              key={label}
              className={pressed === true ? "menu-sign e on" : "menu-sign e"}
              aria-label={label}
              title={label}
              onSelect={onSelect}
              onKeyDown={stepAside}
            >
              {sign}
            </DropdownMenu.Item>
          ))}
        </DropdownMenu.Group>
      );
    }
    return (
      <DropdownMenu.Item
        key={at}
        className={entry.danger ? "menu-item danger" : "menu-item"}
        disabled={entry.disabled ?? false}
        onSelect={entry.onSelect}
      >
        {entry.icon && <Icon icon={entry.icon} />}
        {entry.label}
        {entry.hint !== undefined && <span className="hint">{entry.hint}</span>}
      </DropdownMenu.Item>
    );
  });
}
