import type { MessageView } from "@sotto/engine";
import { ArchiveRestore, Ban, CircleQuestionMark, Lock, Timer, TriangleAlert, Users, type LucideIcon } from "lucide-react";
import { memo, useState, type ReactNode } from "react";
import { Link } from "wouter";
import { isGroup } from "../../engine/recipient";
import { useApp } from "../../engine/store";
import { cancelMessage, retryMessage } from "../../engine/window";
import { t } from "../../strings";
import { Avatar } from "../../ui/Avatar";
import { Icon } from "../../ui/Icon";
import { hueOf } from "../../ui/identity";
import { Tick } from "../../ui/Tick";
import { Time } from "../../ui/Time";
import { timeOfDay } from "../../ui/time";
import { previewText } from "../list/preview";
import { infoPath, navigate } from "../shell/route";
import { toggleChosen, useActing } from "./acting";
import { failureOf } from "./failure";
import { isLine, timeOf } from "./items";
import { MessageText } from "./MessageText";
import { deletedText } from "./lineText";
import { isAnswerable, MessageTools } from "./MessageTools";
import { isRich, useRich } from "./rich";

interface Props {
  message: MessageView;
  id: string;
  first: boolean;
  last: boolean;
  /** The one message that Tab reaches. */
  active: boolean;
  /** Its details are open. */
  selected: boolean;
  flash: boolean;
  /** The other side of the conversation. */
  name: string;
  isMe: boolean;
}

export const Message = memo(function Message(props: Props) {
  const { message, id, first, last, active, selected, flash, name, isMe } = props;
  // Most messages are never pointed at: drawing the tools of all would be half the work of drawing the log.
  const [tools, setTools] = useState(false);
  const rich = useRich(isRich(message));
  const choosing = useActing((state) => state.chosen !== null);
  const chosen = useActing((state) => state.chosen?.has(id) === true);
  if (isLine(message)) {
    return <Line message={message} name={name} id={id} active={active} />;
  }
  // In a group it must be said who speaks: the name on the first of a run, the picture on the last.
  const spoken = isGroup(message.conversation) && !message.from_me;
  const classes = ["msg", choosing ? "choosing" : "", message.from_me ? "out" : spoken ? "" : "solo-chat", first ? "first" : "", last ? "last" : ""];
  const time = timeOfDay(timeOf(message));
  const { kind } = message.body;
  const gone = kind === "undecryptable" || kind === "unsupported" || kind === "deleted";
  const bubble = ["bubble", gone ? "gone" : "", selected ? "is-selected" : "", flash ? "is-flash" : ""];
  return (
    <div
      className={classes.filter(Boolean).join(" ")}
      role="article"
      aria-label={message.from_me ? t("msg.from_me", { time }) : t("msg.from", { name: spoken ? message.from_name : name, time })}
      data-key={id}
      tabIndex={active ? 0 : -1}
      onPointerEnter={() => setTools(true)}
      onFocus={() => setTools(true)}
      {...(choosing && { onClickCapture: chooseInstead(message) })}
    >
      {choosing && (
        <input
          type="checkbox"
          className="choose"
          aria-label={t("msg.choose")}
          checked={chosen}
          disabled={!isAnswerable(message)}
          tabIndex={active ? 0 : -1}
          onChange={() => toggleChosen(message)}
        />
      )}
      {spoken && last && <Avatar account={message.from} name={message.from_name} size="sm" />}
      <div className="stack">
        <div className={bubble.filter(Boolean).join(" ")}>
          {spoken && first && (
            <Link className={`sender hue-${hueOf(message.from)}`} href={infoPath(message.from)} tabIndex={active ? 0 : -1}>
              <bdi>{message.from_name}</bdi>
            </Link>
          )}
          {rich && <rich.Above message={message} />}
          <Body
            message={message}
            rich={rich}
            meta={
              <span className="meta">
                {rich && <rich.Marks message={message} />}
                <Time ms={timeOf(message)} />
                {message.from_me && !isMe && <Tick status={message.status} />}
              </span>
            }
          />
          {tools && !choosing && <MessageTools message={message} reachable={active} />}
        </div>
        {rich && message.extras.reactions.length > 0 && <rich.Reactions message={message} reachable={active} />}
        <Note message={message} />
      </div>
    </div>
  );
});

/** While several are being chosen, a press anywhere in a message chooses it. */
function chooseInstead(message: MessageView) {
  return (event: React.MouseEvent) => {
    if (event.target instanceof HTMLInputElement) return;
    event.preventDefault();
    event.stopPropagation();
    if (isAnswerable(message)) toggleChosen(message);
  };
}

function Body({ message, rich, meta }: { message: MessageView; rich: ReturnType<typeof useRich>; meta: ReactNode }) {
  switch (message.body.kind) {
    case "text":
      return <MessageText text={message.body.body} mentions={message.body.mentions} rich={rich} meta={meta} />;
    case "poll":
    case "location":
    case "contact_card":
      if (rich) return <rich.Card message={message} meta={meta} />;
      return (
        <div className="txt">
          {previewText(message)}
          {meta}
        </div>
      );
    case "deleted":
      return (
        <div className="txt">
          <Icon icon={Ban} small />
          {deletedText(message, message.body.by)}
          {meta}
        </div>
      );
    case "undecryptable":
      return (
        <div className="txt">
          <Icon icon={Lock} small />
          {t("msg.waiting")}
          {meta}
        </div>
      );
    case "unsupported":
    case "key_changed":
    case "profile_restored":
    case "group_change":
    case "timer":
      return (
        <div className="txt">
          <Icon icon={CircleQuestionMark} small />
          {t("msg.unsupported")}
          {meta}
        </div>
      );
  }
}

/** Under the bubble: what is wrong with it, and what can be done. */
function Note({ message }: { message: MessageView }) {
  if (message.status === "held") return <span className="fail-note held">{t("msg.held")}</span>;
  return message.status === "failed" ? <Failed message={message} /> : null;
}

function Failed({ message }: { message: MessageView }) {
  const signedOut = useApp((state) => state.signedOut !== null);
  const { what, why, final } = failureOf(message);
  return (
    <span className="fail-note" role="alert">
      <span>{what} </span>
      {why !== "" && <span className="why">{why} </span>}
      <span className="acts">
        {!final && !signedOut && (
          <button type="button" onClick={() => void retryMessage(message)}>
            {t("msg.retry")}
          </button>
        )}
        <button type="button" onClick={() => void cancelMessage(message)}>
          {t("msg.delete")}
        </button>
      </span>
    </span>
  );
}

const LINE_ICONS: Partial<Record<MessageView["body"]["kind"], LucideIcon>> = { key_changed: TriangleAlert, group_change: Users, timer: Timer };

/** Something that happened to the conversation. */
function Line({ message, name, id, active }: { message: MessageView; name: string; id: string; active: boolean }) {
  const changed = message.body.kind === "key_changed";
  const text = changed ? t("keychange.line", { name }) : message.body.kind === "profile_restored" ? t("restored.line") : previewText(message);
  return (
    <div className="sys-row" data-key={id} tabIndex={active ? 0 : -1} role="note">
      <div className={changed ? "sys amber" : "sys"}>
        <Icon icon={LINE_ICONS[message.body.kind] ?? ArchiveRestore} />
        <span>{text}</span>
        {changed && (
          <button type="button" onClick={() => navigate(infoPath(message.conversation))}>
            {t("keychange.line_action")}
          </button>
        )}
      </div>
    </div>
  );
}
