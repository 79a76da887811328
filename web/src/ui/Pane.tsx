import { useSyncExternalStore, type ReactNode } from "react";

const phone = matchMedia("(max-width: 720px)");

function watchPhone(changed: () => void): () => void {
  phone.addEventListener("change", changed);
  return () => phone.removeEventListener("change", changed);
}

/** One pane at a time: a phone, or a window as narrow. */
export function useAlone(): boolean {
  return useSyncExternalStore(watchPhone, () => phone.matches);
}

/** The name of a pane: beside the list, which has the page's heading, it is of the second level; alone it is the page's own. */
export function PaneHeading({ className, children }: { className?: string; children: ReactNode }) {
  const As = useAlone() ? "h1" : "h2";
  return <As className={className}>{children}</As>;
}

/** A part of what `PaneHeading` names. */
export function PaneSubheading({ className, children }: { className?: string; children: ReactNode }) {
  const As = useAlone() ? "h2" : "h3";
  return <As className={className}>{children}</As>;
}

/**
 * List or panel beside the conversation; on a phone, where it is alone on the screen, it is the main part of the page. A role, not
 * another element: what is open in it (a dialog, a text) stays when a window becomes narrow.
 */
export function Pane({ className, label, children }: { className: string; label: string; children: ReactNode }) {
  return (
    <div className={className} role={useAlone() ? "main" : "complementary"} aria-label={label}>
      {children}
    </div>
  );
}
