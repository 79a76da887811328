/** Whom an "@" in a group's composer may name. The focus stays in the text; arrows choose, Enter or Tab takes, Escape closes. */
import type { GroupMemberView, GroupView } from "@sotto/engine";
import { Users } from "lucide-react";
import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState, type RefObject } from "react";
import { useApp } from "../../engine/store";
import { t } from "../../strings";
import { Avatar } from "../../ui/Avatar";
import { Icon } from "../../ui/Icon";
import { fold } from "../search/fold";
import { useReply } from "../settings/use-reply";
import "./MentionPopup.css";

const SHOWN_MAX = 30;
/** In larger groups only admins name everybody; the engine holds to it. */
const ALL_MAX = 32;
const ALL = "all";

interface Choice {
  /** None: everybody. */
  account: string | null;
  name: string;
  username: string | null;
}

export interface MentionPopupProps {
  group: string;
  query: string;
  /** Takes keys before the text does; returns whether it did. */
  keysRef: RefObject<((event: React.KeyboardEvent) => boolean) | null>;
  /** For the text: which list it controls, and which option is chosen. */
  onActive: (listId: string, optionId: string | null) => void;
  onChoose: (name: string, account: string | null) => void;
  onClose: () => void;
}

export function MentionPopup({ group, query, keysRef, onActive, onChoose, onClose }: MentionPopupProps) {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const { reply } = useReply({ command: "group", group }, (happening) =>
    happening.event === "conversation_changed" && happening.conversation === group,
  );
  const view = reply?.group ?? null;
  const me = useApp((state) => state.me?.account);
  const choices = useMemo(() => (view === null ? [] : choicesFor(view, query, me)), [view, query, me]);
  const [moved, setMoved] = useState({ query, at: 0 });
  const at = Math.min(moved.query === query ? moved.at : 0, choices.length - 1);
  const active = choices[at];

  useLayoutEffect(() => {
    keysRef.current = (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") onClose();
      else if (choices.length === 0) return false;
      else if (step !== undefined) setMoved({ query, at: (at + step + choices.length) % choices.length });
      else if ((event.key === "Enter" || event.key === "Tab") && !event.shiftKey && active) onChoose(active.name, active.account);
      else return false;
      event.preventDefault();
      return true;
    };
    return () => {
      keysRef.current = null;
    };
  });
  const optionId = active === undefined ? null : `${id}-${at}`;
  useEffect(() => onActive(id, optionId), [id, onActive, optionId]);
  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }, [optionId]);

  return (
    <>
      <p className="sr" role="status">
        {view === null ? "" : t("composer.mention_count", { count: choices.length })}
      </p>
      {choices.length > 0 && (
        <div ref={list} id={id} className="floating mention-popup scroll" role="listbox" aria-label={t("composer.mention")}>
          {choices.map((choice, place) => (
            <div
              key={choice.account ?? ALL}
              id={`${id}-${place}`}
              className="mention-row"
              role="option"
              aria-selected={place === at}
              // The text keeps the focus, and its cursor.
              onPointerDown={(event) => event.preventDefault()}
              onPointerMove={() => place !== at && setMoved({ query, at: place })}
              onClick={() => onChoose(choice.name, choice.account)}
            >
              {choice.account === null ? (
                <>
                  <span className="mention-all">
                    <Icon icon={Users} small />
                  </span>
                  <span className="mention-name">@{choice.name}</span>
                  <span className="mention-sub">{t("composer.mention_all_hint", { count: view?.members.length ?? 0 })}</span>
                </>
              ) : (
                <>
                  <Avatar account={choice.account} name={choice.name} size="sm" />
                  <bdi className="mention-name">{choice.name}</bdi>
                  {choice.username !== null && choice.username !== choice.name && <bdi className="mention-sub">@{choice.username}</bdi>}
                </>
              )}
            </div>
          ))}
        </div>
      )}
    </>
  );
}

/** Those whose name begins with what was typed come first. */
function choicesFor({ members, my_role: role }: GroupView, query: string, me: string | undefined): readonly Choice[] {
  const wanted = fold(query);
  const mayNameAll = role === "owner" || role === "admin" || members.length <= ALL_MAX;
  const all: Choice[] = mayNameAll && ALL.startsWith(wanted) && members.length > 1 ? [{ account: null, name: ALL, username: null }] : [];
  const begin: Choice[] = [];
  const within: Choice[] = [];
  for (const member of members) {
    if (member.account === me) continue;
    const choice = choiceOf(member);
    const names = [choice.name, choice.username ?? ""].map(fold);
    if (names.some((name) => name.startsWith(wanted))) begin.push(choice);
    else if (names.some((name) => name.includes(wanted))) within.push(choice);
  }
  const found = [...begin, ...within].slice(0, SHOWN_MAX);
  // Everybody is named on purpose, not by Enter on a lonely "@" or "@a".
  return wanted.length < 2 ? [...found, ...all] : [...all, ...found];
}

function choiceOf({ account, display_name, username }: GroupMemberView): Choice {
  return { account, name: display_name ?? username ?? account.slice(0, 8), username };
}
