import type { LucideIcon } from "lucide-react";
import type { ButtonHTMLAttributes, Ref } from "react";
import { Icon } from "./Icon";

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  /** The name: read aloud, and shown on hover. */
  label: string;
  icon: LucideIcon;
  small?: boolean;
  directional?: boolean;
  ref?: Ref<HTMLButtonElement>;
}

export function IconButton({ label, icon, small = false, directional = false, className, type, ...rest }: Props) {
  return (
    <button type={type ?? "button"} className={className ? `icon-btn ${className}` : "icon-btn"} aria-label={label} title={label} {...rest}>
      <Icon icon={icon} small={small} directional={directional} />
    </button>
  );
}
