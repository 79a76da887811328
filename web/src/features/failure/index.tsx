/**
 * When the profile cannot be used: what happened, what holds, what to do, and a button that does it.
 * Every screen also works without a network and without the engine.
 */
import type { OpenFailure, ProfileState } from "@sotto/engine";
import { useEffect, useRef, useState, type ReactNode, type SubmitEvent } from "react";
import { engine } from "../../engine/engine";
import { t, type MessageKey } from "../../strings/later";
import { Button } from "../../ui/Button";
import { ConfirmDialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { GateFrame, SmallBrand } from "../gate/GateFrame";
import { CopyButton } from "../settings/CopyButton";
import { reloadToNewVersion } from "../pwa/register";
import { InsecureContext } from "./InsecureContext";
import { report } from "./report";

type Failed = Extract<ProfileState, { phase: "failed" | "locked" | "wiped" }>;

export function Failure({ state }: { state: Failed }) {
  switch (state.phase) {
    case "locked":
      return <Locked wrong={state.wrong} />;
    case "wiped":
      return (
        <Screen title={t("failure.wiped.title")} body={t("failure.wiped.body")} todo={t("failure.wiped.do")}>
          {/* From the start: nothing of the erased profile is left in the page either. */}
          <Button variant="primary" autoFocus onClick={() => location.replace("/")}>
            {t("failure.wiped.verb")}
          </Button>
        </Screen>
      );
    case "failed":
      return <Broken why={state.why} text={state.text} />;
  }
}

export default Failure;

interface ScreenProps {
  title: string;
  body: string;
  /** What is safe. */
  holds?: string;
  todo?: string;
  /** What the device itself said, for those who understand it. */
  reason?: string;
  /** Buttons. */
  children: ReactNode;
  more?: ReactNode;
}

export function Screen({ title, body, holds, todo, reason, children, more }: ScreenProps) {
  return (
    <GateFrame story={{ title: t("gate.story.failure.title"), body: t("gate.story.failure.body") }}>
      <div className="form" role="alert">
        <SmallBrand />
        <h1 className="h-xl">{title}</h1>
        <p>{body}</p>
        {holds !== undefined && (
          <p>
            <b>{holds}</b>
          </p>
        )}
        {todo !== undefined && <p>{todo}</p>}
        {reason !== undefined && reason !== "" && <p className="gate-note">{t("failure.reason", { reason })}</p>}
        {more}
        <div className="gate-acts">{children}</div>
      </div>
    </GateFrame>
  );
}

type Words = { [part in "title" | "body" | "holds" | "do"]: MessageKey };

const words = <F extends Exclude<OpenFailure, "insecure_context">>(why: F) =>
  ({
    title: `failure.${why}.title`,
    body: `failure.${why}.body`,
    holds: `failure.${why}.holds`,
    do: `failure.${why}.do`,
  }) satisfies Words;

function Broken({ why, text }: { why: OpenFailure; text: string }) {
  const [erasing, setErasing] = useState(false);
  if (why === "insecure_context") return <InsecureContext />;
  const said = words(why);
  const update = why === "newer" || why === "not_loaded";
  return (
    <>
      <Screen
        title={t(said.title)}
        body={t(said.body)}
        holds={t(said.holds)}
        todo={t(said.do)}
        // The report says it, and more.
        {...(why === "crashed" ? { more: <Report text={text} /> } : { reason: text })}
      >
        {update ? (
          <Button variant="primary" autoFocus onClick={reloadToNewVersion}>
            {t(why === "newer" ? "failure.newer.verb" : "common.reload")}
          </Button>
        ) : (
          <Button variant="primary" autoFocus onClick={() => engine.retry()}>
            {t("common.retry")}
          </Button>
        )}
        {(why === "damaged" || why === "crashed") && (
          <Button variant="danger" onClick={() => setErasing(true)}>
            {t("failure.erase")}
          </Button>
        )}
      </Screen>
      {erasing && <EraseDialog onClose={() => setErasing(false)} />}
    </>
  );
}

/** What somebody who can help needs to know. */
function Report({ text }: { text: string }) {
  const full = report(text);
  return (
    <section className="link-text">
      <p className="label">{t("failure.report")}</p>
      <pre className="story-command" tabIndex={0} aria-label={t("failure.report")}>
        {full}
      </pre>
      <p className="under">{t("failure.report.hint")}</p>
      <div className="report-acts">
        <CopyButton text={full} label={t("failure.report.copy")} small />
      </div>
    </section>
  );
}

function Locked({ wrong }: { wrong: boolean }) {
  const [passphrase, setPassphrase] = useState("");
  const [tried, setTried] = useState<string | null>(null);
  const [forgot, setForgot] = useState(false);
  const [erasing, setErasing] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  // Each attempt ends with the next state of the profile, also when it says "wrong" once more.
  useEffect(
    () =>
      engine.onProfile((state) => {
        if (state.phase !== "locked") return;
        setTried(null);
        input.current?.select();
      }),
    [],
  );
  const busy = tried !== null;
  const unlock = () => {
    if (busy || passphrase === "") return;
    setTried(passphrase);
    engine.unlock(passphrase);
  };
  return (
    <GateFrame story={{ title: t("gate.story.failure.title"), body: t("gate.story.failure.body") }}>
      <div className="form">
        <SmallBrand />
        <h1 className="h-xl">{t("failure.locked.title")}</h1>
        <p>{t("failure.locked.body")}</p>
        <form
          onSubmit={(event: SubmitEvent) => {
            event.preventDefault();
            unlock();
          }}
        >
          <Field
            inputRef={input}
            label={t("failure.locked.label")}
            type="password"
            value={passphrase}
            onChange={setPassphrase}
            error={wrong && !busy ? t("failure.locked.wrong") : null}
            autoFocus
            autoComplete="current-password"
          />
          <div className="gate-acts">
            <Button variant="primary" type="submit" wide disabled={passphrase === ""} aria-disabled={busy}>
              {busy && <span className="spin" aria-hidden="true" />}
              {busy ? t("failure.locked.busy") : t("failure.locked.verb")}
            </Button>
          </div>
        </form>
        <div className="link-acts">
          <Button variant="plain" onClick={() => setForgot(true)}>
            {t("failure.locked.forgot")}
          </Button>
        </div>
        {forgot && (
          <div className="link-text" role="status">
            <p>
              <b>{t("failure.locked.forgot.title")}</b>
            </p>
            <p className="gate-note">{t("failure.locked.forgot.body")}</p>
            <div className="gate-acts">
              <Button variant="danger" onClick={() => setErasing(true)}>
                {t("failure.erase")}
              </Button>
            </div>
          </div>
        )}
      </div>
      {erasing && <EraseDialog onClose={() => setErasing(false)} />}
    </GateFrame>
  );
}

/** The way out when nothing else opens. */
function EraseDialog({ onClose }: { onClose: () => void }) {
  return (
    <ConfirmDialog
      title={t("failure.erase.title")}
      verb={t("failure.erase.verb")}
      danger
      onConfirm={() => engine.wipe()}
      onClose={onClose}
    >
      <p>{t("failure.erase.body")}</p>
    </ConfirmDialog>
  );
}
