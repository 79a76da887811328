import { ArrowLeft, type LucideIcon } from "lucide-react";
import type { ReactNode } from "react";
import { Link } from "wouter";
import { t } from "../../strings/later";
import { Icon } from "../../ui/Icon";
import { PaneHeading, PaneSubheading } from "../../ui/Pane";

/** One page of the settings: a title, and the way back where only one pane is shown. */
export function Page({ title, children }: { title: string; children: ReactNode }) {
  return (
    <main className="sheet">
      <div className="set-scroll">
        <div className="set">
          <header className="set-title">
            <Link className="icon-btn back" href="/settings" aria-label={t("settings.back")}>
              <Icon icon={ArrowLeft} directional />
            </Link>
            <PaneHeading className="h-xl">{title}</PaneHeading>
          </header>
          {children}
        </div>
      </div>
    </main>
  );
}

export function Group({ title, children }: { title?: string; children: ReactNode }) {
  return (
    <section className="set-group">
      {title !== undefined && <PaneSubheading className="set-title">{title}</PaneSubheading>}
      <div className="set-card">{children}</div>
    </section>
  );
}

interface RowProps {
  icon?: LucideIcon;
  title: ReactNode;
  /** One line under the title, or an error in its place. */
  hint?: ReactNode;
  error?: string | null | undefined;
  /** The control. */
  children?: ReactNode;
}

export function Row({ icon, title, hint, error, children }: RowProps) {
  return (
    <div className="set-row">
      {icon && <Icon icon={icon} />}
      <div>
        <b>{title}</b>
        {hint !== undefined && <p>{hint}</p>}
        <p className="field-error" role="alert">
          {error}
        </p>
      </div>
      {children}
    </div>
  );
}
