import type { MessageView } from "@sotto/engine";
import { ArchiveRestore, CircleQuestionMark, Lock, TriangleAlert, Users } from "lucide-react";
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
import { infoPath, navigate } from "../shell/route";
import { failureOf } from "./failure";
import { changeText } from "./groupLine";
import { isLine, timeOf } from "./items";
import { MessageText } from "./MessageText";
import { MessageTools } from "./MessageTools";

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
  if (isLine(message)) {
    return <Line message={message} name={name} id={id} active={active} />;
  }
  // In a group it must be said who speaks: the name on the first of a run, the picture on the last.
  const spoken = isGroup(message.conversation) && !message.from_me;
  const classes = ["msg", message.from_me ? "out" : spoken ? "" : "solo-chat", first ? "first" : "", last ? "last" : ""];
  const time = timeOfDay(timeOf(message));
  const bubble = ["bubble", message.body.kind === "text" ? "" : "gone", selected ? "is-selected" : "", flash ? "is-flash" : ""];
  return (
    <div
      className={classes.filter(Boolean).join(" ")}
      role="article"
      aria-label={message.from_me ? t("msg.from_me", { time }) : t("msg.from", { name: spoken ? message.from_name : name, time })}
      data-key={id}
      tabIndex={active ? 0 : -1}
      onPointerEnter={() => setTools(true)}
      onFocus={() => setTools(true)}
    >
      {spoken && last && <Avatar account={message.from} name={message.from_name} size="sm" />}
      <div className="stack">
        <div className={bubble.filter(Boolean).join(" ")}>
          {spoken && first && (
            <Link className={`sender hue-${hueOf(message.from)}`} href={infoPath(message.from)} tabIndex={active ? 0 : -1}>
              <bdi>{message.from_name}</bdi>
            </Link>
          )}
          <Body
            message={message}
            meta={
              <span className="meta">
                <Time ms={timeOf(message)} />
                {message.from_me && !isMe && <Tick status={message.status} />}
              </span>
            }
          />
          {tools && <MessageTools message={message} reachable={active} />}
        </div>
        <Note message={message} />
      </div>
    </div>
  );
});

function Body({ message, meta }: { message: MessageView; meta: ReactNode }) {
  switch (message.body.kind) {
    case "text":
      return <MessageText text={message.body.body} mentions={message.body.mentions} meta={meta} />;
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

function lineText(message: MessageView, name: string): string {
  if (message.body.kind === "group_change") return changeText(message, message.body.change);
  return message.body.kind === "key_changed" ? t("keychange.line", { name }) : t("restored.line");
}

/** Something that happened to the conversation. */
function Line({ message, name, id, active }: { message: MessageView; name: string; id: string; active: boolean }) {
  const changed = message.body.kind === "key_changed";
  const text = lineText(message, name);
  return (
    <div className="sys-row" data-key={id} tabIndex={active ? 0 : -1} role="note">
      <div className={changed ? "sys amber" : "sys"}>
        <Icon icon={changed ? TriangleAlert : message.body.kind === "group_change" ? Users : ArchiveRestore} />
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
