import type { MessageView, ReportReason } from "@sotto/engine";
import { useEffect, useId, useState } from "react";
import { engine } from "../../engine/engine";
import { notice, refreshConversation } from "../../engine/store";
import { t } from "../../strings/people";
import { reasonOf } from "../../strings/reason";
import { Button } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { Time } from "../../ui/Time";
import { oneLine } from "../list/preview";
import { firstChosen, reportable, REPORTED_MAX, toggled } from "./report";

const REASONS: readonly ReportReason[] = ["spam", "abuse", "other"];
/** As many of the newest are looked through. */
const LOOKED_AT = 200;
const SHOWN_MAX = 40;
const COMMENT_CHARS = 2000;

interface Props {
  account: string;
  name: string;
  canBlock: boolean;
  onClose: () => void;
}

/** Tells the server's operator about somebody, with those of their messages that one chooses. */
export function ReportDialog({ account, name, canBlock, onClose }: Props) {
  const [reason, setReason] = useState<ReportReason>("spam");
  const [comment, setComment] = useState("");
  const [messages, setMessages] = useState<readonly MessageView[] | null>(null);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [block, setBlock] = useState(canBlock);
  const [state, setState] = useState<"asking" | "busy" | "done">("asking");
  const [error, setError] = useState<string | null>(null);
  const id = useId();
  useEffect(() => {
    let current = true;
    engine.command({ command: "history", conversation: account, at: "newest", limit: LOOKED_AT }).then(
      (reply) => {
        if (!current) return;
        const theirs = reportable(reply.messages).slice(-SHOWN_MAX);
        setMessages(theirs);
        setChosen(firstChosen(theirs));
      },
      () => {
        if (current) setMessages([]);
      },
    );
    return () => {
      current = false;
    };
  }, [account]);

  const send = async () => {
    setState("busy");
    setError(null);
    try {
      const refs = (messages ?? []).filter((message) => chosen.has(message.name)).map(({ from, name }) => ({ from, name }));
      await engine.command({ command: "report", who: { account }, reason, comment: comment.trim(), messages: refs });
    } catch (failure) {
      setError(reasonOf(failure));
      setState("asking");
      return;
    }
    setState("done");
    if (!block) return;
    try {
      await engine.command({ command: "set_blocked", who: { account }, blocked: true });
      refreshConversation(account);
    } catch (failure) {
      notice(failure);
    }
  };

  if (state === "done") {
    return (
      <Dialog
        title={t("report.done_title")}
        onClose={onClose}
        actions={
          <Button variant="primary" onClick={onClose}>
            {t("report.close")}
          </Button>
        }
      >
        <p role="status">{t("report.done")}</p>
      </Dialog>
    );
  }
  return (
    <Dialog
      title={t("report.title", { name })}
      wide
      onClose={onClose}
      actions={
        <>
          <Button variant="plain" onClick={onClose}>
            {t("common.cancel")}
          </Button>
          <Button variant="danger" disabled={state === "busy" || messages === null} onClick={() => void send()}>
            {state === "busy" && <span className="spin" aria-hidden="true" />}
            {t("report.verb")}
          </Button>
        </>
      }
    >
      <p>{t("report.body", { name })}</p>
      <fieldset className="report-reasons">
        <legend className="field-label">{t("report.reason")}</legend>
        {REASONS.map((which) => (
          <label key={which}>
            <input type="radio" name={`${id}-reason`} checked={reason === which} onChange={() => setReason(which)} />
            {t(`report.reason.${which}`)}
          </label>
        ))}
      </fieldset>
      <div className="field-row">
        <label className="field-label" htmlFor={`${id}-comment`}>
          {t("report.comment")}
        </label>
        <div className="field-box">
          <textarea
            id={`${id}-comment`}
            className="field-input"
            rows={3}
            maxLength={COMMENT_CHARS}
            dir="auto"
            value={comment}
            aria-describedby={`${id}-hint`}
            onChange={(event) => setComment(event.target.value)}
          />
        </div>
        <p className="field-hint" id={`${id}-hint`}>
          {t("report.comment.hint")}
        </p>
      </div>
      <fieldset className="report-messages" aria-describedby={`${id}-open`}>
        <legend className="field-label">{t("report.messages")}</legend>
        <p className="field-hint" id={`${id}-open`}>
          {t("report.messages.hint")}
        </p>
        {messages?.length === 0 && <p className="under">{t("report.messages.none")}</p>}
        {messages !== null && messages.length > 0 && (
          <div className="report-list scroll">
            {messages.map((message) => (
              <label key={message.name}>
                <input
                  type="checkbox"
                  checked={chosen.has(message.name)}
                  disabled={chosen.size >= REPORTED_MAX && !chosen.has(message.name)}
                  onChange={() => setChosen((before) => toggled(before, message.name))}
                />
                <bdi className="ellipsis">{message.body.kind === "text" ? oneLine(message.body.body) : ""}</bdi>
                <Time className="num" as="list" ms={message.server_time_ms ?? message.written_ms} />
              </label>
            ))}
          </div>
        )}
        <p className="under" role="status">
          {t("report.count", { count: chosen.size })} {chosen.size >= REPORTED_MAX && t("report.full")}
        </p>
      </fieldset>
      {canBlock && (
        <label className="report-block">
          <input type="checkbox" checked={block} onChange={(event) => setBlock(event.target.checked)} />
          {t("report.and_block", { name })}
        </label>
      )}
      <p className="field-error" role="alert">
        {error}
      </p>
    </Dialog>
  );
}
