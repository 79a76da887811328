import type { ConversationView, GroupSummary } from "@sotto/engine";
import { ArrowLeft, BadgeCheck, EllipsisVertical, PanelRight, Search, ShieldAlert, TriangleAlert } from "lucide-react";
import { lazy, Suspense, useEffect, useState } from "react";
import { Link } from "wouter";
import { engine } from "../../engine/engine";
import { usePresence, useWatched } from "../../engine/presence";
import { displayName, notice, onHappenings, refreshConversation, useApp } from "../../engine/store";
import { openChat, reopenChat, useWindow } from "../../engine/window";
import { t } from "../../strings";
import { reasonOf, sentence } from "../../strings/reason";
import { Avatar } from "../../ui/Avatar";
import { Banner } from "../../ui/Banner";
import { Button } from "../../ui/Button";
import { EmptyState } from "../../ui/EmptyState";
import { Icon } from "../../ui/Icon";
import { IconButton } from "../../ui/IconButton";
import { MenuButton } from "../../ui/Menu";
import { wholeNumber } from "../../ui/time";
import { Composer } from "../composer/Composer";
import { watchable } from "../list/ConversationRow";
import { rowMenu } from "../list/row-menu";
import { presenceText, typingText } from "../presence/words";
import { useReply } from "../settings/use-reply";
import { Banners } from "../shell/Banners";
import { chatPath, chatSearchPath, infoPath, navigate, type Panel } from "../shell/route";
import { useActing } from "./acting";
import { Log } from "./Log";
import { useRich } from "./rich";
import { nameOf } from "./naming";
import "./conversation.css";
import { PaneHeading } from "../../ui/Pane";
import { useToday } from "../../ui/Time";

const RequestFoot = lazy(async () => ({ default: (await import("../requests")).RequestFoot }));

/** One conversation: who, what was said, and where to write. */
export function Conversation({ account, panel }: { account: string; panel: Panel | null }) {
  const { view, failure } = useConversation(account);
  const known = view !== null;
  useEffect(
    () =>
      onHappenings((happenings) => {
        // Deleted, here or on another device: there is nothing to look at.
        if (happenings.some((happening) => happening.event === "conversation_removed" && happening.conversation === account)) navigate("/");
      }),
    [account],
  );
  useEffect(() => {
    // Only then is it known where the new messages begin.
    if (known) void openChat(account);
  }, [account, known]);
  if (failure !== null) {
    return (
      <main className="sheet">
        <EmptyState title={t("chat.unavailable", { reason: failure })} actions={<BackToChats />} />
      </main>
    );
  }
  if (view === null) return <main className="sheet" aria-busy="true" />;
  const isKnown = view.contact === null ? view.group !== null : displayName(view.contact) !== null;
  const isUnknown = !view.is_me && view.last === null && !isKnown;
  if (isUnknown) {
    return (
      <main className="sheet">
        <EmptyState art title={t("chat.not_found.title")} actions={<BackToChats />}>
          {t("chat.not_found.body")}
        </EmptyState>
      </main>
    );
  }
  return <Open view={view} panel={panel} />;
}

function BackToChats() {
  return <Button onClick={() => navigate("/")}>{t("nav.back_to_chats")}</Button>;
}

function Open({ view, panel }: { view: ConversationView; panel: Panel | null }) {
  const { contact, conversation } = view;
  const name = nameOf(view);
  const generation = useWindow((state) => state.generation);
  const phase = useWindow((state) => (state.account === conversation ? state.phase : "loading"));
  const failure = useWindow((state) => state.failure);
  const choosing = useActing((state) => state.chosen !== null);
  const dialog = useActing((state) => state.dialog);
  // With messages come all the things that can be done with them; the first one does without.
  const rich = useRich(view.last !== null || dialog !== null);
  return (
    <main className="sheet">
      <Header view={view} name={name} panel={panel} />
      {/* The contact panel says it too, with all that can be done. */}
      {rich && <rich.PinnedBar key={conversation} account={conversation} />}
      <Banners own={panel?.kind === "info" ? null : <Decision view={view} name={name} />} ownNeeded={contact?.key_changed ?? view.group?.alarm != null} />
      {phase === "ready" && (
        <Log key={generation} view={view} name={name} selected={panel?.kind === "message" ? panel.name : null} />
      )}
      {phase === "loading" && <div className="log-frame" aria-busy="true" />}
      {phase === "failed" && (
        <EmptyState
          title={t("chat.unavailable", { reason: failure ?? "" })}
          actions={<Button onClick={reopenChat}>{t("msg.retry")}</Button>}
        />
      )}
      {rich && choosing ? <rich.ChosenBar /> : <Foot view={view} name={name} />}
      {rich && dialog !== null && <rich.MessageDialogs view={view} dialog={dialog} />}
    </main>
  );
}

function Header({ view, name, panel }: { view: ConversationView; name: string; panel: Panel | null }) {
  const { contact, conversation: account, group } = view;
  const infoLabel = group === null ? t("chat.info") : t("chat.group_info");
  const requests = group?.requests ?? 0;
  const info = panel?.kind === "info";
  const watched = watchable(view);
  useWatched(watched);
  const presence = usePresence((state) => (watched === null ? undefined : state.people[watched]));
  return (
    <header className="bar">
      <Link className="icon-btn back" href="/" aria-label={t("nav.back_to_chats")}>
        <Icon icon={ArrowLeft} directional />
      </Link>
      <Link className="who" href={infoPath(account)} title={t(group === null ? "chat.header" : "chat.group_header", { name })}>
        <Avatar account={account} name={name} size="md" group={contact === null} self={view.is_me} picture={group} online={presence?.online === true} />
        <span className="who-text">
          <PaneHeading>
            <bdi>{name}</bdi>
            {contact?.verified && !view.is_me && (
              <span className="seal" role="img" aria-label={t("chat.verified")} title={t("chat.verified")}>
                <Icon icon={BadgeCheck} small />
              </span>
            )}
          </PaneHeading>
          <Under view={view} />
        </span>
      </Link>
      <TypingSaid view={view} />
      <div className="acts">
        <IconButton
          className="wide-only"
          label={t("chat.search")}
          icon={Search}
          aria-pressed={panel?.kind === "search"}
          onClick={() => navigate(panel?.kind === "search" ? chatPath(account) : chatSearchPath(account))}
        />
        <MenuButton
          label={t("chat.more")}
          icon={EllipsisVertical}
          items={() => [
            { label: t("chat.search"), icon: Search, onSelect: () => navigate(chatSearchPath(account)) },
            ...rowMenu(view),
          ]}
        />
        <IconButton
          label={requests > 0 ? `${infoLabel}, ${t("list.requests", { count: requests })}` : infoLabel}
          icon={PanelRight}
          directional
          className={requests > 0 ? "has-pip" : ""}
          aria-pressed={info}
          onClick={() => navigate(info ? chatPath(account) : infoPath(account))}
        />
      </div>
    </header>
  );
}

/** The line below the name: who is writing, who is there, and what there is to say otherwise. */
function Under({ view }: { view: ConversationView }) {
  const { contact, group } = view;
  const today = useToday();
  const watched = watchable(view);
  const presence = usePresence((state) => (watched === null ? null : presenceText(state.people[watched], today)));
  const typing = usePresence((state) => typingText(state.typing[view.conversation], group === null));
  if (typing !== null) {
    return (
      <p className="typing-tag" aria-hidden="true">
        <bdi>{typing}</bdi>
      </p>
    );
  }
  return (
    <p>
      {view.is_me && t("chat.self_line")}
      {presence ?? (!view.is_me && contact?.username && <bdi>@{contact.username}</bdi>)}
      {group !== null && group.my_role !== null && t("group.members", { count: group.members })}
    </p>
  );
}

/** For screen readers: that somebody began to write, once; not that they stopped. */
function TypingSaid({ view }: { view: ConversationView }) {
  const said = usePresence(({ typing }) => typingText(typing[view.conversation], false));
  return (
    <span className="sr" role="status">
      {said}
    </span>
  );
}

/** What needs a decision, or must be known before one writes. */
function Decision({ view, name }: { view: ConversationView; name: string }) {
  if (view.group === null) return <KeyChange view={view} name={name} />;
  return (
    <Banner tone="red" icon={ShieldAlert} title={t("group.alarm.title")}>
      {sentence(view.group.alarm ?? "")}
    </Banner>
  );
}

function KeyChange({ view, name }: { view: ConversationView; name: string }) {
  return (
    <Banner
      tone="amber"
      icon={TriangleAlert}
      title={t("keychange.title", { name })}
      action={
        <Button small onClick={() => navigate(infoPath(view.conversation))}>
          {t("keychange.compare")}
        </Button>
      }
    >
      {t("keychange.body")}
    </Banner>
  );
}

/** Where one writes, or why one cannot. */
function Foot({ view, name }: { view: ConversationView; name: string }) {
  const signedOut = useApp((state) => state.signedOut !== null);
  if (signedOut) {
    return (
      <footer className="composer closed">
        <p>{t("chat.signed_out")}</p>
      </footer>
    );
  }
  if (view.is_request) {
    const closed = (
      <footer className="composer closed">
        <p>{t("chat.request", { name })}</p>
      </footer>
    );
    return (
      <Suspense fallback={closed}>
        <RequestFoot view={view} name={name} />
      </Suspense>
    );
  }
  if (view.contact?.blocked) return <Blocked account={view.contact.account} name={name} />;
  if (view.group !== null && !view.group.may_post) return <Outside group={view.group} />;
  return (
    <>
      {view.group !== null && <Keys group={view.group.group} />}
      <Composer key={view.conversation} view={view} name={name} />
    </>
  );
}

/** Why one does not write in this group. */
function Outside({ group }: { group: GroupSummary }) {
  // The list does not say whether somebody left or is still waiting to be let in.
  const { reply } = useReply({ command: "group", group: group.group }, (happening) =>
    happening.event === "conversation_changed" && happening.conversation === group.group,
  );
  const why = group.deleted ? "deleted" : group.my_role !== null ? "admins" : reply?.group.waiting ? "waiting" : "left";
  return (
    <footer className="composer closed">
      <p>{t(`group.closed.${why}`)}</p>
    </footer>
  );
}

/** Before the first message after somebody came or went, every member's device needs a new key: many of them take a while. */
function Keys({ group }: { group: string }) {
  const keys = useApp((state) => state.groupKeys[group]);
  if (keys === undefined) return null;
  return (
    <p className="keys-line" role="status">
      <span className="spin" aria-hidden="true" />
      <span className="num">{t("group.keys", { done: wholeNumber(keys.done), total: wholeNumber(keys.total) })}</span>
    </p>
  );
}

function Blocked({ account, name }: { account: string; name: string }) {
  const [busy, setBusy] = useState(false);
  const unblock = async () => {
    setBusy(true);
    try {
      await engine.command({ command: "set_blocked", who: { account }, blocked: false });
      refreshConversation(account);
    } catch (error) {
      notice(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <footer className="composer closed">
      <p>{t("chat.blocked", { name })}</p>
      <Button small disabled={busy} onClick={() => void unblock()}>
        {t("chat.unblock")}
      </Button>
    </footer>
  );
}

/** From the list; or, for somebody who was just found and is not listed yet, asked for. */
function useConversation(account: string): { view: ConversationView | null; failure: string | null } {
  const listed = useApp((state) => state.conversations[account]);
  const loaded = useApp((state) => state.loaded);
  const [asked, setAsked] = useState<{ view: ConversationView | null; failure: string | null }>({ view: null, failure: null });
  const mustAsk = loaded && listed === undefined;
  useEffect(() => {
    if (!mustAsk) return;
    let current = true;
    engine.command({ command: "conversation", conversation: account }).then(
      ({ conversation }) => {
        if (current) setAsked({ view: conversation, failure: null });
      },
      (error: unknown) => {
        if (current) setAsked({ view: null, failure: reasonOf(error) });
      },
    );
    return () => {
      current = false;
    };
  }, [account, mustAsk]);
  return listed ? { view: listed, failure: null } : asked;
}
