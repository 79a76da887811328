import { Check, Search } from "lucide-react";
import { useMemo, useRef, useState } from "react";
import { displayName, useApp } from "../../engine/store";
import { t } from "../../strings/messages";
import { Avatar, type Picture } from "../../ui/Avatar";
import { Icon } from "../../ui/Icon";
import { nameOf } from "../conversation/naming";
import { fold } from "../search/fold";
import { useReply } from "../settings/use-reply";

interface Choice {
  account: string;
  name: string;
  sub: string | null;
  group: boolean;
  self: boolean;
  picture: Picture | null;
}

interface Props {
  /** Conversations one can write to, in the order of the list; or people. */
  kind: "chats" | "people";
  chosen: readonly string[];
  max: number;
  onChange: (chosen: readonly string[]) => void;
}

/** Choosing some of the chats or people one knows. */
export function ChatPicker({ kind, chosen, max, onChange }: Props) {
  const chats = useChats();
  const people = usePeople();
  const [query, setQuery] = useState("");
  const rows = useRef<HTMLDivElement>(null);
  const all = kind === "chats" ? chats : people;
  const wanted = fold(query.trim().replace(/^@/u, ""));
  const found = all.filter(({ name, sub }) => [name, sub ?? ""].some((text) => fold(text).includes(wanted)));
  const toggle = (account: string) => {
    if (chosen.includes(account)) onChange(chosen.filter((other) => other !== account));
    else if (max === 1) onChange([account]);
    else if (chosen.length < max) onChange([...chosen, account]);
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    const buttons = [...(rows.current?.querySelectorAll<HTMLElement>("button") ?? [])];
    const at = buttons.findIndex((button) => button === document.activeElement);
    event.preventDefault();
    buttons[Math.max(0, at + step)]?.focus();
  };
  return (
    <div className="chat-picker" onKeyDown={onKeyDown}>
      <div className="search">
        <Icon icon={Search} small />
        <input
          type="search"
          value={query}
          placeholder={t("forward.search")}
          aria-label={t("forward.search")}
          autoComplete="off"
          spellCheck={false}
          dir="auto"
          onChange={(event) => setQuery(event.target.value)}
        />
      </div>
      <div ref={rows} className="chat-rows scroll" role="group" aria-label={t("forward.title")}>
        {found.length === 0 && <p className="under">{t(kind === "chats" ? "forward.none" : "card.none")}</p>}
        {found.map(({ account, name, sub, group, self, picture }) => {
          const picked = chosen.includes(account);
          return (
            <button
              key={account}
              type="button"
              className="chat-row"
              aria-pressed={picked}
              disabled={!picked && max > 1 && chosen.length >= max}
              onClick={() => toggle(account)}
            >
              <Avatar account={account} name={name} size="md" group={group} self={self} picture={picture} />
              <span className="writing-text">
                <bdi className="ellipsis">{name}</bdi>
                {sub !== null && <bdi className="sub">@{sub}</bdi>}
              </span>
              <span className={picked ? "poll-box round on" : "poll-box round"} aria-hidden="true">
                {picked && <Icon icon={Check} />}
              </span>
            </button>
          );
        })}
      </div>
    </div>
  );
}

function useChats(): readonly Choice[] {
  const order = useApp((state) => state.order);
  const conversations = useApp((state) => state.conversations);
  return useMemo(
    () =>
      order
        .flatMap((account) => conversations[account] ?? [])
        .filter((view) => view.contact?.blocked !== true && view.group?.may_post !== false && !view.is_request)
        .map((view) => ({
          account: view.conversation,
          name: nameOf(view),
          sub: view.is_me ? null : (view.contact?.username ?? null),
          group: view.contact === null,
          self: view.is_me,
          picture: view.group,
        })),
    [order, conversations],
  );
}

function usePeople(): readonly Choice[] {
  const { reply } = useReply({ command: "contacts" }, (happening) => happening.event === "contact_changed");
  return useMemo(() => {
    const people = (reply?.contacts ?? []).filter((contact) => !contact.blocked);
    return people
      .map((contact) => ({
        account: contact.account,
        name: displayName(contact) ?? contact.account.slice(0, 8),
        sub: contact.username,
        group: false,
        self: false,
        picture: null,
      }))
      .sort((a, b) => a.name.localeCompare(b.name));
  }, [reply]);
}
