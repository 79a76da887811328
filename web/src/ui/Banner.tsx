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
}

export function Banner({ tone = "neutral", icon, title, children, action }: Props) {
  const urgent = tone === "amber" || tone === "red";
  return (
    <div className={tone === "neutral" ? "banner" : `banner ${tone}`} role={urgent ? "alert" : "status"}>
      {icon && <Icon icon={icon} />}
      <p className="banner-text">
        {title !== undefined && <b>{title}</b>}
        {children !== undefined && <span>{children}</span>}
      </p>
      {action !== undefined && <div className="acts">{action}</div>}
    </div>
  );
}
