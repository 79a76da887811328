/** Settings: the pages in the list's place, the chosen one on the sheet. Each page is an address. */
import { Bell, CircleQuestionMark, Database, HardDrive, Laptop, Lock, LogOut, Palette, User, type LucideIcon } from "lucide-react";
import type { ComponentType } from "react";
import { Link } from "wouter";
import { useApp } from "../../engine/store";
import { t, type MessageKey } from "../../strings/later";
import { Avatar } from "../../ui/Avatar";
import { Icon } from "../../ui/Icon";
import { ListFoot } from "../list/ListFoot";
import { About } from "./pages/About";
import { Appearance } from "./pages/Appearance";
import { Devices } from "./pages/Devices";
import { Leave } from "./pages/Leave";
import { Notifications } from "./pages/Notifications";
import { Privacy } from "./pages/Privacy";
import { Profile } from "./pages/Profile";
import { Server } from "./pages/Server";
import { Storage } from "./pages/Storage";
import { usePreferences } from "./preferences";
import "./settings.css";
import { Pane } from "../../ui/Pane";

interface Entry {
  page: string;
  title: MessageKey;
  icon: LucideIcon;
  view: ComponentType;
}

const PROFILE: Entry = { page: "profile", title: "settings.profile", icon: User, view: Profile };
const ENTRIES: readonly Entry[] = [
  PROFILE,
  { page: "privacy", title: "settings.privacy", icon: Lock, view: Privacy },
  { page: "devices", title: "settings.devices", icon: Laptop, view: Devices },
  { page: "notifications", title: "settings.notifications", icon: Bell, view: Notifications },
  { page: "appearance", title: "settings.appearance", icon: Palette, view: Appearance },
  { page: "storage", title: "settings.storage", icon: HardDrive, view: Storage },
  { page: "server", title: "settings.server", icon: Database, view: Server },
  { page: "about", title: "settings.about", icon: CircleQuestionMark, view: About },
  { page: "leave", title: "settings.leave", icon: LogOut, view: Leave },
];

export function Settings({ page }: { page: string | null }) {
  // Where both panes fit, the first page is open.
  const chosen = ENTRIES.find((entry) => entry.page === page) ?? PROFILE;
  const View = chosen.view;
  return (
    <>
      <Pages chosen={chosen} />
      <View key={chosen.page} />
    </>
  );
}

export default Settings;

function Pages({ chosen }: { chosen: Entry }) {
  const me = useApp((state) => state.me);
  const theme = usePreferences((state) => state.theme);
  const value = (page: string) => (page === "appearance" ? t(`appearance.theme.${theme}`) : "");
  return (
    <Pane className="list settings-list" label={t("settings.title")}>
      <div className="list-head">
        <h1 className="h-lg">{t("settings.title")}</h1>
      </div>
      {me && (
        <Link className="me" href="/settings/profile">
          <Avatar account={me.account} name={me.username} />
          <div>
            <b>{me.username}</b>
            <p>@{me.username}</p>
          </div>
        </Link>
      )}
      <nav className="rows nav-rows" aria-label={t("settings.pages")}>
        {ENTRIES.map((entry) => (
          <Link
            key={entry.page}
            className="nav-row"
            href={`/settings/${entry.page}`}
            aria-current={entry === chosen ? "page" : undefined}
          >
            <Icon icon={entry.icon} />
            {t(entry.title)}
            <span className="v num">{value(entry.page)}</span>
          </Link>
        ))}
      </nav>
      <ListFoot />
    </Pane>
  );
}
