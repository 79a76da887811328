import { lazy, Suspense, useEffect, useState } from "react";
import { isGroup } from "../../engine/recipient";
import { closeChat } from "../../engine/window";
import { t } from "../../strings";
import { MenuHost } from "../../ui/Menu";
import { Conversation } from "../conversation/Conversation";
import { ConversationList } from "../list/ConversationList";
import { useAsking } from "../requests/asking";
import { ShortcutsSheet } from "../shortcuts/ShortcutsSheet";
import { useShortcuts } from "../shortcuts/useShortcuts";
import { Announcer } from "./Announcer";
import { Boundary } from "./Boundary";
import { NothingChosen } from "./NothingChosen";
import { Rail, Tabs } from "./Nav";
import { useRoute, type Panel, type Route } from "./route";
import "./shell.css";

const Settings = lazy(async () => ({ default: (await import("../settings")).Settings }));
const ContactPanel = lazy(async () => ({ default: (await import("../info")).ContactPanel }));
const GroupPanel = lazy(async () => ({ default: (await import("../info")).GroupPanel }));
const NewGroup = lazy(async () => ({ default: (await import("../info")).NewGroup }));
const JoinGroup = lazy(async () => ({ default: (await import("../info")).JoinGroup }));
const NewChat = lazy(async () => ({ default: (await import("../newchat")).NewChat }));
const LinkDevice = lazy(async () => ({ default: (await import("../link")).LinkDevice }));
const UnderTheHood = lazy(async () => ({ default: (await import("../details/UnderTheHood")).UnderTheHood }));
const Starred = lazy(async () => ({ default: (await import("../messages")).Starred }));
const AskingDialog = lazy(async () => ({ default: (await import("../requests")).AskingDialog }));
const ChatSearch = lazy(async () => ({ default: (await import("../search/ChatSearch")).ChatSearch }));

/** Rail, list, sheet and panel; on a phone one of them at a time, with tabs under the list. */
export function Shell() {
  const route = useRoute();
  const [help, setHelp] = useState(false);
  const asking = useAsking((state) => state.asking);
  useShortcuts(() => setHelp(true));
  const panel = route.at === "chat" ? route.panel : null;
  return (
    <div className={panel ? "app with-panel" : "app"} data-view={viewOf(route)}>
      {route.at === "chat" && (
        <a
          className="skip"
          href="#composer"
          onClick={(event) => {
            // The address stays as it is.
            event.preventDefault();
            document.getElementById("composer")?.focus();
          }}
        >
          {t("nav.skip")}
        </a>
      )}
      <Rail route={route} onHelp={() => setHelp(true)} />
      <Panes route={route} panel={panel} />
      <Tabs route={route} />
      <Suspense fallback={null}>
        {route.at === "new" && <NewChat />}
        {route.at === "new_group" && <NewGroup />}
        {route.at === "join" && <JoinGroup />}
        {route.at === "link" && <LinkDevice />}
        {asking !== null && <AskingDialog key={`${asking.about} ${asking.conversation}`} asking={asking} />}
      </Suspense>
      <ShortcutsSheet open={help} onClose={() => setHelp(false)} />
      <MenuHost />
      <Announcer />
    </div>
  );
}

/** On a phone: which pane the address means. */
function viewOf(route: Route): "list" | "chat" | "panel" {
  switch (route.at) {
    case "chat":
      return route.panel ? "panel" : "chat";
    case "settings":
      return route.page === null ? "list" : "chat";
    case "starred":
      return "chat";
    case "list":
    case "new":
    case "new_group":
    case "join":
    case "link":
      return "list";
  }
}

function Panes({ route, panel }: { route: Route; panel: Panel | null }) {
  const account = route.at === "chat" ? route.account : null;
  useEffect(() => {
    if (account === null) closeChat();
  }, [account]);
  if (route.at === "settings") {
    return (
      <Boundary>
        <Suspense fallback={<EmptyPanes />}>
          <Settings page={route.page} />
        </Suspense>
      </Boundary>
    );
  }
  return (
    <>
      <ConversationList selected={account} />
      {route.at === "starred" ? (
        <Boundary>
          <Suspense fallback={<main className="sheet" />}>
            <Starred account={route.account} />
          </Suspense>
        </Boundary>
      ) : account === null ? (
        <NothingChosen />
      ) : (
        <Boundary key={account}>
          <Conversation account={account} panel={panel} />
        </Boundary>
      )}
      {account !== null && panel && (
        <Boundary key={panel.kind}>
          <Suspense fallback={<aside className="panel" />}>
            {panel.kind === "info" && (isGroup(account) ? <GroupPanel group={account} /> : <ContactPanel account={account} />)}
            {panel.kind === "search" && <ChatSearch account={account} />}
            {panel.kind === "message" && <UnderTheHood account={account} name={panel.name} />}
          </Suspense>
        </Boundary>
      )}
    </>
  );
}

function EmptyPanes() {
  return (
    <>
      <aside className="list" />
      <main className="sheet" />
    </>
  );
}
