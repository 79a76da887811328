/** Settings: the pages in the list's place, the chosen one on the sheet. Each page is an address. */
import { Bell, ChartLine, CircleQuestionMark, Database, HardDrive, Laptop, Lock, LogOut, Palette, User, type LucideIcon } from "lucide-react";
import { lazy, Suspense, type ComponentType } from "react";
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
import { useReply } from "./use-reply";
import "./settings.css";
import { Pane } from "../../ui/Pane";

const Developer = lazy(async () => ({ default: (await import("./pages/Developer")).Developer }));

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
  { page: "developer", title: "settings.developer", icon: ChartLine, view: Developer },
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
      <Suspense fallback={<main className="sheet" aria-busy="true" />}>
        <View key={chosen.page} />
      </Suspense>
    </>
  );
}

export default Settings;

function Pages({ chosen }: { chosen: Entry }) {
  const me = useApp((state) => state.me);
  const { reply } = useReply({ command: "profile" }, (happening) => happening.event === "profile_changed");
  const name = reply?.profile.display_name ?? me?.username ?? "";
  const theme = usePreferences((state) => state.theme);
  const value = (page: string) => (page === "appearance" ? t(`appearance.theme.${theme}`) : "");
  return (
    <Pane className="list settings-list" label={t("settings.title")}>
      <div className="list-head">
        <h1 className="h-lg">{t("settings.title")}</h1>
      </div>
      {me && (
        <Link className="me" href="/settings/profile">
          <Avatar account={me.account} name={name} />
          <div>
            <b>
              <bdi>{name}</bdi>
            </b>
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
