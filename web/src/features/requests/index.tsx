/** Who is new, and what can be done about somebody: accept, block, report, delete. Loaded when one of it is shown. */
import type { ConversationView } from "@sotto/engine";
import { useState } from "react";
import { engine } from "../../engine/engine";
import { refreshConversation, useApp } from "../../engine/store";
import { t } from "../../strings/people";
import { reasonOf } from "../../strings/reason";
import { Button } from "../../ui/Button";
import { ConfirmDialog } from "../../ui/Dialog";
import { nameOf } from "../conversation/naming";
import { ask, askNothing, type Asking } from "./asking";
import { ReportDialog } from "./ReportDialog";
import "./requests.css";

/** In the composer's place, until the person decides. */
export function RequestFoot({ view, name }: { view: ConversationView; name: string }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const { conversation, contact } = view;
  const accept = async () => {
    setBusy(true);
    setError(null);
    try {
      await engine.command({ command: "accept_request", who: { account: conversation } });
      refreshConversation(conversation);
    } catch (failure) {
      setError(reasonOf(failure));
      setBusy(false);
    }
  };
  const username = contact?.username ?? null;
  return (
    <footer id="composer" tabIndex={-1} className="composer request" role="group" aria-label={t("request.label")}>
      <div className="request-in">
        <p className="request-who">
          <b>
            <bdi>{t("request.title", { name })}</bdi>
          </b>
          {username !== null && username !== name && <bdi> @{username}</bdi>}
        </p>
        <p>{t("request.body")}</p>
        <p className="field-error" role="alert">
          {error}
        </p>
        <div className="request-acts">
          <Button small variant="danger" onClick={() => ask("delete", conversation)}>
            {t("request.delete")}
          </Button>
          <Button small variant="danger" onClick={() => ask("report", conversation)}>
            {t("request.report")}
          </Button>
          <Button small variant="danger" onClick={() => ask("block", conversation)}>
            {t("request.block")}
          </Button>
          <Button small variant="primary" disabled={busy} onClick={() => void accept()}>
            {t("request.accept")}
          </Button>
        </div>
      </div>
    </footer>
  );
}

/** What is asked right now. */
export function AskingDialog({ asking: { about, conversation } }: { asking: Asking }) {
  const view = useApp((state) => state.conversations[conversation]);
  // As it was when it was asked: once it is deleted there is none.
  const [first] = useState(view);
  const shown = view ?? first;
  if (shown === undefined) return null;
  switch (about) {
    case "delete":
      return <DeleteChat view={shown} />;
    case "block":
      return <BlockPerson view={shown} />;
    case "report":
      return <ReportDialog account={conversation} name={nameOf(shown)} canBlock={shown.contact?.blocked === false} onClose={askNothing} />;
  }
}

function DeleteChat({ view }: { view: ConversationView }) {
  const name = nameOf(view);
  const body = view.is_me ? "forget.body_self" : view.is_request ? "forget.body_request" : "forget.body";
  return (
    <ConfirmDialog
      title={t(view.group === null ? "forget.title" : "forget.title_group", { name })}
      verb={t("forget.verb")}
      danger
      onConfirm={() => engine.command({ command: "delete_conversation", conversation: view.conversation })}
      onClose={askNothing}
    >
      <p>{t(body)}</p>
    </ConfirmDialog>
  );
}

function BlockPerson({ view }: { view: ConversationView }) {
  const block = async () => {
    await engine.command({ command: "set_blocked", who: { account: view.conversation }, blocked: true });
    refreshConversation(view.conversation);
  };
  return (
    <ConfirmDialog title={t("block.title", { name: nameOf(view) })} verb={t("block.verb")} danger onConfirm={block} onClose={askNothing}>
      <p>{t("block.body")}</p>
    </ConfirmDialog>
  );
}

export { ReportDialog };
