import { NotebookPen } from "lucide-react";
import { initials, hueOf } from "./identity";
import { Icon } from "./Icon";

interface Props {
  account: string;
  name: string;
  size?: "sm" | "md" | "xl";
  group?: boolean;
  /** Note to self: a notebook instead of initials. */
  self?: boolean;
}

export function Avatar({ account, name, size, group, self }: Props) {
  const names = ["avatar", size ?? "", group ? "group" : "", `hue-${hueOf(account)}`];
  return (
    <span className={names.filter(Boolean).join(" ")} aria-hidden="true">
      {self ? <Icon icon={NotebookPen} /> : initials(name)}
    </span>
  );
}
