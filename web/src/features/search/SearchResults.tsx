import type { ContactView, ConversationView, SearchHit } from "@sotto/engine";
import { BadgeCheck, UserSearch } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { engine } from "../../engine/engine";
import { displayName, useApp } from "../../engine/store";
import { jumpTo } from "../../engine/window";
import { t } from "../../strings";
import { Avatar } from "../../ui/Avatar";
import { Icon } from "../../ui/Icon";
import { Time } from "../../ui/Time";
import { authorOf } from "../conversation/groupLine";
import { titleOf } from "../conversation/naming";
import { chatPath, navigate } from "../shell/route";
import { fold } from "./fold";
import { Snippet } from "./Snippet";
import { useSearch } from "./useSearch";
import "./search.css";

const PAGE = 50;
const PEOPLE_MAX = 8;
const USERNAME = /^@?[a-z0-9_.]{3,32}$/iu;

/** People and messages that fit, in place of the list. */
export function SearchResults({ query, onChosen }: { query: string; onChosen: () => void }) {
  const [pages, setPages] = useState({ query, count: 1 });
  const limit = PAGE * (pages.query === query ? pages.count : 1);
  const found = useSearch(query, null, limit);
  const people = usePeople(query);
  const groups = useGroups(query);
  const box = useRef<HTMLDivElement>(null);

  const name = query.replace(/^@/u, "").toLowerCase();
  const canFind = USERNAME.test(query) && !people.some((contact) => contact.username === name);
  const total = people.length + groups.length + found.hits.length;

  const choose = (hit: SearchHit) => {
    void jumpTo(hit.message.conversation, hit.message.position);
    navigate(chatPath(hit.message.conversation));
  };
  const open = (conversation: string) => {
    navigate(chatPath(conversation));
    onChosen();
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    const options = [...(box.current?.querySelectorAll<HTMLElement>('[role="option"]') ?? [])];
    const at = options.findIndex((option) => option === document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: options.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    options[Math.min(options.length - 1, Math.max(0, to))]?.focus();
  };

  return (
    <div className="found scroll">
      <p className="sr" role="status">
        {found.query === query ? t("search.results", { count: total }) : ""}
      </p>
      <div ref={box} role="listbox" aria-label={t("search.label")} onKeyDown={onKeyDown}>
        {people.length > 0 && (
          <div role="group" aria-label={t("search.people")}>
            <p className="label found-label" aria-hidden="true">
              {t("search.people")}
            </p>
            {people.map((contact, at) => (
              <Person key={contact.account} contact={contact} first={at === 0} onOpen={() => open(contact.account)} />
            ))}
          </div>
        )}
        {groups.length > 0 && (
          <div role="group" aria-label={t("search.groups")}>
            <p className="label found-label" aria-hidden="true">
              {t("search.groups")}
            </p>
            {groups.map((view, at) => (
              <Group key={view.conversation} view={view} first={people.length === 0 && at === 0} onOpen={() => open(view.conversation)} />
            ))}
          </div>
        )}
        {found.hits.length > 0 && (
          <div role="group" aria-label={t("search.messages")}>
            <p className="label found-label" aria-hidden="true">
              {t("search.messages")}
            </p>
            {found.hits.map((hit, at) => (
              <Hit
                key={`${hit.message.from}/${hit.message.name}`}
                hit={hit}
                first={people.length === 0 && groups.length === 0 && at === 0}
                onOpen={() => choose(hit)}
              />
            ))}
          </div>
        )}
      </div>
      {found.more && (
        <button type="button" className="found-more" onClick={() => setPages({ query, count: limit / PAGE + 1 })}>
          {t("search.more")}
        </button>
      )}
      {canFind && (
        <button type="button" className="found-row found-exact" onClick={() => navigate(`/new?with=${encodeURIComponent(name)}`)}>
          <span className="found-icon">
            <Icon icon={UserSearch} />
          </span>
          {t("search.find_exact", { name })}
        </button>
      )}
      {found.failure !== null && <p className="found-none">{t("search.failed", { reason: found.failure })}</p>}
      {found.failure === null && found.query === query && total === 0 && (
        <p className="found-none">
          <bdi>{t("search.none", { query })}</bdi>
          <span>{t("search.hint")}</span>
        </p>
      )}
    </div>
  );
}

function Person({ contact, first, onOpen }: { contact: ContactView; first: boolean; onOpen: () => void }) {
  const isMe = useApp((state) => state.me?.account === contact.account);
  const name = isMe ? t("name.me") : (displayName(contact) ?? t("name.unknown"));
  return (
    <button type="button" className="found-row" role="option" aria-selected="false" tabIndex={first ? 0 : -1} onClick={onOpen}>
      <Avatar account={contact.account} name={name} size="md" self={isMe} />
      <span className="found-text">
        <span className="found-top">
          <bdi className="name">{name}</bdi>
          {contact.verified && !isMe && (
            <span className="seal" role="img" aria-label={t("list.verified")}>
              <Icon icon={BadgeCheck} small />
            </span>
          )}
        </span>
        {contact.username !== null && <bdi className="found-sub">@{contact.username}</bdi>}
      </span>
    </button>
  );
}

function Group({ view, first, onOpen }: { view: ConversationView; first: boolean; onOpen: () => void }) {
  const name = titleOf(view);
  return (
    <button type="button" className="found-row" role="option" aria-selected="false" tabIndex={first ? 0 : -1} onClick={onOpen}>
      <Avatar account={view.conversation} name={name} size="md" group picture={view.group} />
      <span className="found-text">
        <span className="found-top">
          <bdi className="name">{name}</bdi>
        </span>
        {view.group !== null && <span className="found-sub">{t("group.members", { count: view.group.members })}</span>}
      </span>
    </button>
  );
}

function Hit({ hit, first, onOpen }: { hit: SearchHit; first: boolean; onOpen: () => void }) {
  const { message, contact } = hit;
  const isMe = useApp((state) => state.me?.account === message.conversation);
  const group = useApp((state) => state.conversations[message.conversation]?.group);
  const name = isMe ? t("name.me") : titleOf(hit);
  return (
    <button type="button" className="found-row" role="option" aria-selected="false" tabIndex={first ? 0 : -1} onClick={onOpen}>
      <Avatar account={message.conversation} name={name} size="md" group={contact === null} self={isMe} picture={group ?? null} />
      <span className="found-text">
        <span className="found-top">
          <bdi className="name">{name}</bdi>
          <Time className="time num" ms={message.server_time_ms ?? message.written_ms} as="list" />
        </span>
        <span className="found-snippet" dir="auto">
          {contact === null ? <span>{authorOf(message)}: </span> : message.from_me && !isMe && <span>{t("name.you")}: </span>}
          <Snippet text={hit.snippet} />
        </span>
      </span>
    </button>
  );
}

/** Everybody known here whose name contains the query: those of the list at once, the other contacts when they are read. */
function usePeople(query: string): readonly ContactView[] {
  const conversations = useApp((state) => state.conversations);
  const [contacts, setContacts] = useState<readonly ContactView[]>([]);
  useEffect(() => {
    let current = true;
    engine.command({ command: "contacts" }).then(
      (reply) => {
        if (current) setContacts(reply.contacts);
      },
      // The list alone will do; the search for messages says what is wrong.
      () => undefined,
    );
    return () => {
      current = false;
    };
  }, []);
  return useMemo(() => {
    const byAccount = new Map<string, ContactView>();
    for (const contact of contacts) byAccount.set(contact.account, contact);
    for (const { contact } of Object.values(conversations)) if (contact) byAccount.set(contact.account, contact);
    const wanted = fold(query.replace(/^@/u, ""));
    return [...byAccount.values()]
      .filter((contact) => namesOf(contact, conversations[contact.account]).some((name) => fold(name).includes(wanted)))
      .slice(0, PEOPLE_MAX);
  }, [contacts, conversations, query]);
}

function useGroups(query: string): readonly ConversationView[] {
  const conversations = useApp((state) => state.conversations);
  return useMemo(() => {
    const wanted = fold(query);
    const groups = Object.values(conversations).filter((view) => view.contact === null);
    return groups.filter((view) => fold(titleOf(view)).includes(wanted)).slice(0, PEOPLE_MAX);
  }, [conversations, query]);
}

function namesOf(contact: ContactView, view: ConversationView | undefined): string[] {
  return [contact.username ?? "", contact.display_name ?? "", view?.is_me ? t("name.me") : ""].filter(Boolean);
}

