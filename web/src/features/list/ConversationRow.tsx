import type { ConversationView } from "@sotto/engine";
import { AtSign, BadgeCheck, Ban, BellOff, Pin, UserPlus } from "lucide-react";
import { memo } from "react";
import { usePresence, useWatched } from "../../engine/presence";
import { isMuted, isUnread } from "../../engine/store";
import { t } from "../../strings";
import { Avatar } from "../../ui/Avatar";
import { Icon } from "../../ui/Icon";
import { Tick } from "../../ui/Tick";
import { Time } from "../../ui/Time";
import { nameOf } from "../conversation/naming";
import { typingText } from "../presence/words";
import { chatPath } from "../shell/route";
import { isSaid, oneLine, rowText } from "./preview";

interface Props {
  view: ConversationView;
  selected: boolean;
  /** The one row that Tab reaches. */
  active: boolean;
  position: number;
  count: number;
}

export const ConversationRow = memo(function ConversationRow({ view, selected, active, position, count }: Props) {
  const { contact, conversation, group, last } = view;
  const name = nameOf(view);
  const muted = isMuted(view);
  const unread = isUnread(view) && !selected;
  useWatched(watchable(view));
  const online = usePresence((state) => contact !== null && state.people[contact.account]?.online === true);
  return (
    <a
      className={unread ? "row unread" : "row"}
      href={chatPath(conversation)}
      role="option"
      aria-selected={selected}
      aria-posinset={position}
      aria-setsize={count}
      tabIndex={active ? 0 : -1}
      data-account={conversation}
      draggable={false}
    >
      <Avatar account={conversation} name={name} group={contact === null} self={view.is_me} picture={group} online={online} />
      <span className="row-text">
        <span className="top">
          <bdi className="name">{name}</bdi>
          {contact?.verified && !view.is_me && (
            <span className="seal" role="img" aria-label={t("list.verified")}>
              <Icon icon={BadgeCheck} />
            </span>
          )}
          {online && <span className="sr">{t("list.online")}</span>}
          {muted && <Flag icon={BellOff} label={t("list.muted")} />}
          {contact?.blocked && <Flag icon={Ban} label={t("list.blocked")} />}
          {last && <Time className="time num" ms={last.server_time_ms ?? last.written_ms} as="list" />}
        </span>
        <span className="bot">
          <Preview view={view} selected={selected} />
          {group !== null && group.requests > 0 && (
            <Flag icon={UserPlus} label={t("list.requests", { count: group.requests })} small />
          )}
          {view.pinned && <Flag icon={Pin} label={t("list.pinned")} small />}
          {unread && view.mentioned && (
            <span className="badge at" role="img" aria-label={t("list.mentioned")} title={t("list.mentioned")}>
              <Icon icon={AtSign} />
            </span>
          )}
          {unread && view.unread > 0 && (
            <span className={muted ? "badge quiet" : "badge"} role="img" aria-label={t("list.unread_count", { count: view.unread })}>
              {view.unread > 999 ? "999+" : view.unread}
            </span>
          )}
          {unread && view.unread === 0 && (
            <span className={muted ? "badge quiet dot" : "badge dot"} role="img" aria-label={t("list.marked_unread")} />
          )}
        </span>
      </span>
    </a>
  );
});

/** Of whom the engine may say whether they are there; null: of nobody. */
export function watchable({ contact, is_me, is_request }: ConversationView): string | null {
  return contact === null || is_me || is_request || contact.blocked ? null : contact.account;
}

function Flag({ icon, label, small = false }: { icon: typeof Pin; label: string; small?: boolean }) {
  return (
    <span className="flag" role="img" aria-label={label} title={label}>
      <Icon icon={icon} small={small} />
    </span>
  );
}

function Preview({ view, selected }: { view: ConversationView; selected: boolean }) {
  const { last, draft } = view;
  const typists = usePresence((state) => state.typing[view.conversation]);
  const typing = typingText(typists, view.group === null);
  if (typing !== null) {
    return (
      <span className="prev typing-tag">
        <bdi>{typing}</bdi>
      </span>
    );
  }
  if (draft !== null && !selected) {
    return (
      <span className="prev">
        <span className="draft-tag">{t("list.draft")}</span> <bdi>{oneLine(draft)}</bdi>
      </span>
    );
  }
  if (last === null) return <span className="prev">{t("list.no_messages")}</span>;
  if (last.status === "failed") {
    return (
      <>
        <Tick status="failed" />
        <span className="prev">
          <span className="fail-tag">{t("list.failed")}</span>
        </span>
      </>
    );
  }
  return (
    <>
      {/* What one writes to oneself is not sent to anybody: ticks would only puzzle. */}
      {last.from_me && !view.is_me && isSaid(last) && <Tick status={last.status} />}
      <bdi className="prev">{rowText(last)}</bdi>
    </>
  );
}
