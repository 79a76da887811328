import type { LucideIcon } from "lucide-react";

interface Props {
  icon: LucideIcon;
  /** 16 px instead of 20. */
  small?: boolean;
  /** Points somewhere along the line of text: mirrored for right-to-left. */
  directional?: boolean;
  className?: string;
}

/** A Lucide icon in the stroke of our own. Decorative: whoever uses it carries the name. */
export function Icon({ icon: Shape, small, directional, className }: Props) {
  const names = ["i", small ? "s" : "", directional ? "flip" : "", className ?? ""];
  // The stroke widths are those of base.css; attributes of the icon would only be overridden.
  return <Shape className={names.filter(Boolean).join(" ")} aria-hidden="true" />;
}
