/** What one has starred, everywhere or in one conversation. Only oneself sees it. */
import type { MessageView } from "@sotto/engine";
import { ArrowLeft, StarOff } from "lucide-react";
import { Link } from "wouter";
import { keyOf } from "../../engine/order";
import { useApp } from "../../engine/store";
import { t } from "../../strings/messages";
import { reasonOf } from "../../strings/reason";
import { Avatar } from "../../ui/Avatar";
import { EmptyState } from "../../ui/EmptyState";
import { Icon } from "../../ui/Icon";
import { IconButton } from "../../ui/IconButton";
import { PaneHeading } from "../../ui/Pane";
import { Time } from "../../ui/Time";
import { nameOf } from "../conversation/naming";
import { timeOf } from "../conversation/items";
import { authorOf } from "../conversation/groupLine";
import { previewText } from "../list/preview";
import { useReply } from "../settings/use-reply";
import { chatPath } from "../shell/route";
import { goTo, star } from "./actions";

export function Starred({ account }: { account: string | null }) {
  const { reply, failure } = useReply({ command: "starred" }, (happening) =>
    happening.event === "message_changed" || happening.event === "message_removed",
  );
  const view = useApp((state) => (account === null ? undefined : state.conversations[account]));
  const messages = reply?.messages.filter((message) => account === null || message.conversation === account) ?? [];
  return (
    <main className="sheet starred">
      <header className="bar">
        <Link className="icon-btn back" href={account === null ? "/" : chatPath(account)} aria-label={t("nav.back_to_chats")}>
          <Icon icon={ArrowLeft} directional />
        </Link>
        <PaneHeading className="h-lg">{view === undefined ? t("starred.title") : t("starred.in", { name: nameOf(view) })}</PaneHeading>
      </header>
      {failure !== null && reply === null && <EmptyState title={t("starred.failed", { reason: reasonOf(failure) })} />}
      {reply !== null && messages.length === 0 && <EmptyState title={t("starred.none")}>{t("starred.none.body")}</EmptyState>}
      <ul className="starred-list scroll" aria-label={t("starred.title")}>
        {messages.map((message) => (
          <StarredMessage key={keyOf(message)} message={message} />
        ))}
      </ul>
    </main>
  );
}

function StarredMessage({ message }: { message: MessageView }) {
  const view = useApp((state) => state.conversations[message.conversation]);
  const chat = view === undefined ? "" : nameOf(view);
  return (
    <li>
      <button type="button" className="starred-row" onClick={() => void goTo(message, message.conversation)}>
        <Avatar account={message.from} name={message.from_name} size="md" />
        <span className="writing-text">
          <span className="starred-top">
            <b>
              <bdi>{authorOf(message)}</bdi>
            </b>
            {chat !== message.from_name && <bdi className="sub">{chat}</bdi>}
            <Time className="sub num" ms={timeOf(message)} as="list" />
          </span>
          <span className="starred-text" dir="auto">
            {previewText(message)}
          </span>
        </span>
      </button>
      <IconButton label={t("starred.remove")} icon={StarOff} small onClick={() => star([message], false)} />
    </li>
  );
}
