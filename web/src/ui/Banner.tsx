import type { LucideIcon } from "lucide-react";
import type { ReactNode } from "react";
import { Icon } from "./Icon";

interface Props {
  /** Amber: a decision. Red: nothing works until you act. */
  tone?: "neutral" | "amber" | "red" | "good";
  icon?: LucideIcon;
  title?: ReactNode;
  children?: ReactNode;
  /** Buttons. */
  action?: ReactNode;
  /** Not worth more than one line of a phone: only the title and what is not `wide-only` show there. */
  oneLine?: boolean;
}

export function Banner({ tone = "neutral", icon, title, children, action, oneLine = false }: Props) {
  const urgent = tone === "amber" || tone === "red";
  const names = ["banner", tone === "neutral" ? "" : tone, oneLine ? "one-line" : ""];
  return (
    <div className={names.filter(Boolean).join(" ")} role={urgent ? "alert" : "status"}>
      {icon && <Icon icon={icon} />}
      <p className="banner-text">
        {title !== undefined && <b>{title}</b>}
        {children !== undefined && <span>{children}</span>}
      </p>
      {action !== undefined && <div className="acts">{action}</div>}
    </div>
  );
}
