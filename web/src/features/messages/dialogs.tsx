/** What messages ask about: where to, who, what, and whether really. */
import type { ConversationView, MessageView, PersonView } from "@sotto/engine";
import { lazy, Suspense, useCallback, useRef, useState, type ReactNode } from "react";
import { engine } from "../../engine/engine";
import { recipientOf } from "../../engine/recipient";
import { cancelMessage } from "../../engine/window";
import { keyOf } from "../../engine/order";
import { t } from "../../strings/messages";
import { reasonOf } from "../../strings/reason";
import { Avatar } from "../../ui/Avatar";
import { Button } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { chooseNone, openDialog, type MessageDialog } from "../conversation/acting";
import { chatPath, navigate } from "../shell/route";
import { mayDeleteForAll, react, refOf } from "./actions";
import { ChatPicker } from "./ChatPicker";
import { ContactDialog, PlaceDialog, PollDialog } from "./compose";

const EmojiPopover = lazy(async () => ({ default: (await import("../composer/EmojiPopover")).EmojiPopover }));

const close = () => openDialog(null);

export function MessageDialogs({ view, dialog }: { view: ConversationView; dialog: MessageDialog }) {
  switch (dialog.kind) {
    case "forward":
      return <ForwardDialog messages={dialog.messages} />;
    case "delete":
      return <DeleteDialog messages={dialog.messages} />;
    case "reactions":
      return (
        <Dialog title={t("reactions.title")} onClose={close}>
          {dialog.message.extras.reactions.map(({ emoji, people }) => (
            <People key={emoji} title={<span className="e">{emoji}</span>} label={emoji} people={people} />
          ))}
        </Dialog>
      );
    case "votes":
      return <VotesDialog message={dialog.message} />;
    case "react":
      return <ReactWith message={dialog.message} />;
    case "poll":
      return <PollDialog account={view.conversation} onClose={close} />;
    case "location":
      return <PlaceDialog account={view.conversation} onClose={close} />;
    case "contact":
      return <ContactDialog account={view.conversation} onClose={close} />;
  }
}

function VotesDialog({ message }: { message: MessageView }) {
  if (message.body.kind !== "poll") return null;
  return (
    <Dialog title={t("poll.votes")} onClose={close}>
      <p dir="auto">{message.body.question}</p>
      {message.body.options.map(({ text, voters }, at) => (
        <People key={at} title={<bdi>{text}</bdi>} label={text} people={voters} />
      ))}
    </Dialog>
  );
}

function People({ title, label, people }: { title: ReactNode; label: string; people: readonly PersonView[] }) {
  return (
    <section className="people-of" aria-label={label}>
      <h3>
        {title} <span className="num">{people.length}</span>
      </h3>
      {people.length === 0 && <p className="under">{t("poll.nobody")}</p>}
      <ul>
        {people.map((person) => (
          <li key={person.account}>
            <Avatar account={person.account} name={person.name} size="sm" />
            <bdi>{person.is_me ? t("reactions.you") : person.name}</bdi>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** All emoji, at the bubble. */
function ReactWith({ message }: { message: MessageView }) {
  const [bubble] = useState(() => document.querySelector<HTMLElement>(`[data-key="${CSS.escape(keyOf(message))}"] .bubble`));
  const anchor = useRef(bubble);
  const leave = useCallback(() => {
    close();
    bubble?.closest<HTMLElement>("[data-key]")?.focus({ preventScroll: true });
  }, [bubble]);
  return (
    <Suspense fallback={null}>
      <EmojiPopover
        anchor={anchor}
        onChoose={(emoji) => {
          react(message, emoji);
          leave();
        }}
        onClose={leave}
      />
    </Suspense>
  );
}

const FORWARD_CHATS = 5;
const FORWARD_MESSAGES = 30;

function ForwardDialog({ messages }: { messages: readonly MessageView[] }) {
  const [to, setTo] = useState<readonly string[]>([]);
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<string | null>(messages.length > FORWARD_MESSAGES ? t("forward.many") : null);
  const forward = async () => {
    setBusy(true);
    setFailure(null);
    try {
      await engine.command({ command: "forward", messages: messages.map(refOf), to: to.map(recipientOf) });
      close();
      chooseNone();
      const [only, ...more] = to;
      if (only !== undefined && more.length === 0) navigate(chatPath(only));
    } catch (error) {
      setFailure(reasonOf(error));
      setBusy(false);
    }
  };
  return (
    <Dialog
      title={t("forward.title")}
      onClose={close}
      actions={
        <Button variant="primary" disabled={busy || to.length === 0 || messages.length > FORWARD_MESSAGES} onClick={() => void forward()}>
          {t("forward.verb", { count: to.length })}
        </Button>
      }
    >
      <ChatPicker kind="chats" chosen={to} max={FORWARD_CHATS} onChange={setTo} />
      {to.length === FORWARD_CHATS && <p className="field-hint">{t("forward.max")}</p>}
      <p className="field-error" role="alert">
        {failure}
      </p>
    </Dialog>
  );
}

function DeleteDialog({ messages }: { messages: readonly MessageView[] }) {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<string | null>(null);
  const forAll = messages.every(mayDeleteForAll);
  const remove = async (for_everyone: boolean) => {
    setBusy(true);
    setFailure(null);
    try {
      const unsent = messages.filter((message) => message.from_me && message.message_id === null);
      await Promise.all(unsent.map(cancelMessage));
      const sent = messages.filter((message) => !unsent.includes(message));
      if (sent.length > 0) await engine.command({ command: "delete", messages: sent.map(refOf), for_everyone });
      close();
      chooseNone();
    } catch (error) {
      setFailure(reasonOf(error));
      setBusy(false);
    }
  };
  return (
    <Dialog
      title={t("delete.title", { count: messages.length })}
      role="alertdialog"
      onClose={close}
      actions={
        <>
          <Button variant="plain" onClick={close}>
            {t("common.cancel")}
          </Button>
          <Button variant="danger" disabled={busy} onClick={() => void remove(false)}>
            {t("delete.me")}
          </Button>
          {forAll && (
            <Button variant="danger" disabled={busy} onClick={() => void remove(true)}>
              {t("delete.all")}
            </Button>
          )}
        </>
      }
    >
      <p>{t("delete.body")}</p>
      {forAll && <p>{t("delete.body_all")}</p>}
      <p className="field-error" role="alert">
        {failure}
      </p>
    </Dialog>
  );
}
