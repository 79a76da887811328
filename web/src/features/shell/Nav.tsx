import { CircleQuestionMark, MessageCircle, Settings } from "lucide-react";
import { Link } from "wouter";
import { unreadTotal, useApp } from "../../engine/store";
import { t } from "../../strings";
import { Avatar } from "../../ui/Avatar";
import { Icon } from "../../ui/Icon";
import { IconButton } from "../../ui/IconButton";
import { Mark } from "../../ui/Mark";
import type { Route } from "./route";

const inSettings = (route: Route) => route.at === "settings";

export function Rail({ route, onHelp }: { route: Route; onHelp: () => void }) {
  const me = useApp((state) => state.me);
  const unread = useApp((state) => unreadTotal(state) > 0);
  return (
    <nav className="rail" aria-label={t("nav.sections")}>
      <Mark />
      <Link className="icon-btn" href="/" aria-label={t("nav.chats")} title={t("nav.chats")} {...current(!inSettings(route))}>
        <Icon icon={MessageCircle} />
        {unread && inSettings(route) && <span className="pip" />}
      </Link>
      <span className="grow" />
      <IconButton label={t("nav.shortcuts")} icon={CircleQuestionMark} onClick={onHelp} />
      <Link className="icon-btn" href="/settings" aria-label={t("nav.settings")} title={t("nav.settings")} {...current(inSettings(route))}>
        <Icon icon={Settings} />
      </Link>
      {me && (
        <Link href="/settings/profile" className="rail-me" aria-label={t("nav.profile", { name: me.username })} title={`@${me.username}`}>
          <Avatar account={me.account} name={me.username} size="sm" />
        </Link>
      )}
    </nav>
  );
}

/** The rail of a phone: under the list. */
export function Tabs({ route }: { route: Route }) {
  const unread = useApp((state) => unreadTotal(state));
  return (
    <nav className="tabs" aria-label={t("nav.sections")}>
      <Link href="/" {...current(!inSettings(route))}>
        <Icon icon={MessageCircle} />
        {t("nav.chats")}
        {unread > 0 && inSettings(route) && <span className="tab-badge badge">{unread > 99 ? "99+" : unread}</span>}
      </Link>
      <Link href="/settings" {...current(inSettings(route))}>
        <Icon icon={Settings} />
        {t("nav.settings")}
      </Link>
    </nav>
  );
}

function current(is: boolean): { "aria-current"?: "page" } {
  return is ? { "aria-current": "page" } : {};
}
