import { NotebookPen } from "lucide-react";
import { usePicture } from "../engine/pictures";
import { initials, hueOf } from "./identity";
import { Icon } from "./Icon";

interface Props {
  account: string;
  name: string;
  size?: "sm" | "md" | "xl";
  group?: boolean;
  /** Note to self: a notebook instead of initials. */
  self?: boolean;
  /** A group's; those of people are known by their account. */
  picture?: Picture | null;
  online?: boolean;
}

/** As the engine gives them. */
export interface Picture {
  /** Base64. */
  picture: string | null;
  picture_type: string | null;
}

/** What an image element shows; the engine lets only pictures of pixels pass. */
export function pictureUrl(of: Picture | null | undefined): string | null {
  return of?.picture == null || of.picture_type === null ? null : `data:${of.picture_type};base64,${of.picture}`;
}

export function Avatar({ account, name, size, group, self, picture, online }: Props) {
  const known = usePicture(group === true || self === true ? null : account);
  const url = pictureUrl(picture) ?? known ?? null;
  const names = ["avatar", size ?? "", group ? "group" : "", `hue-${hueOf(account)}`];
  return (
    <span className={names.filter(Boolean).join(" ")} aria-hidden="true">
      {url !== null ? <img src={url} alt="" decoding="async" draggable={false} /> : self ? <Icon icon={NotebookPen} /> : initials(name)}
      {online === true && <span className="dot" />}
    </span>
  );
}
