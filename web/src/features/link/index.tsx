/**
 * Links another device to this account: scan or paste what it shows, say yes to what that means, then watch it happen.
 * The engine checks the code; here only a person's mistakes are told early.
 */
import { ArrowLeft, Check, ClipboardPaste, TriangleAlert } from "lucide-react";
import { useEffect, useState } from "react";
import { useLocation } from "wouter";
import { engine } from "../../engine/engine";
import { t } from "../../strings/later";
import { reasonOf } from "../../strings/reason";
import { Banner } from "../../ui/Banner";
import { Button } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { Icon } from "../../ui/Icon";
import { Progress } from "../../ui/Progress";
import { QrScanner } from "../../ui/QrScanner";
import "./link.css";

const SCHEME = "sotto://link?";

type Step =
  | { at: "scan" }
  | { at: "paste" }
  | { at: "confirm"; text: string }
  /** Approved: the new device joins, then gets the history. */
  | { at: "approved" };

/** The server a link text names; for the person to see, the engine compares it. */
function serverIn(text: string): string | null {
  return new URLSearchParams(text.slice(SCHEME.length)).get("s");
}

export function LinkDevice() {
  const [, navigate] = useLocation();
  const [step, setStep] = useState<Step>({ at: "scan" });
  const [pasted, setPasted] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [history, setHistory] = useState<{ done: number; total: number } | null>(null);
  const close = () => navigate("/settings/devices");

  useEffect(
    () =>
      engine.onHappening((happening) => {
        if (happening.event === "history_sent") setHistory({ done: happening.done, total: happening.total });
      }),
    [],
  );

  const go = (next: Step) => {
    setError(null);
    setStep(next);
  };
  const take = (text: string): boolean => {
    const trimmed = text.trim();
    if (!trimmed.startsWith(SCHEME)) {
      setError(t("link.error.not_a_link"));
      return false;
    }
    go({ at: "confirm", text: trimmed });
    return true;
  };
  const approve = async (text: string) => {
    setBusy(true);
    setError(null);
    try {
      await engine.command({ command: "approve_link", link_text: text });
      setStep({ at: "approved" });
    } catch (failure) {
      setError(reasonOf(failure));
    } finally {
      setBusy(false);
    }
  };

  switch (step.at) {
    case "scan":
      return (
        <Dialog
          key={step.at}
          title={t("link.title")}
          onClose={close}
          actions={
            <Button onClick={() => go({ at: "paste" })}>
              <Icon icon={ClipboardPaste} small />
              {t("link.paste")}
            </Button>
          }
        >
          <p>{t("link.scan.body")}</p>
          <QrScanner label={t("scanner.label")} onRead={take} />
          <ErrorLine text={error} />
        </Dialog>
      );
    case "paste":
      return (
        <Dialog
          key={step.at}
          title={t("link.title")}
          onClose={close}
          actions={
            <>
              <Button onClick={() => go({ at: "scan" })}>{t("link.camera")}</Button>
              <Button variant="primary" onClick={() => take(pasted)}>
                {t("common.continue")}
              </Button>
            </>
          }
        >
          <Field
            label={t("link.paste.label")}
            value={pasted}
            onChange={(value) => {
              setPasted(value);
              setError(null);
            }}
            onKeyDown={(event) => {
              if (event.key !== "Enter") return;
              // The next step's first button has the focus before this key is done; it must not press that.
              event.preventDefault();
              take(pasted);
            }}
            error={error}
            hint={t("link.paste.hint")}
            autoFocus
            mono
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
          />
        </Dialog>
      );
    case "confirm":
      return (
        <Dialog
          key={step.at}
          title={t("link.confirm.title")}
          onClose={close}
          actions={
            <>
              <Button variant="plain" onClick={() => go({ at: "scan" })}>
                <Icon icon={ArrowLeft} small directional />
                {t("common.back")}
              </Button>
              <Button variant="primary" aria-disabled={busy} onClick={() => void approve(step.text)}>
                {busy && <span className="spin" aria-hidden="true" />}
                {busy ? t("link.busy") : t("link.confirm.verb")}
              </Button>
            </>
          }
        >
          <p>{t("link.confirm.body")}</p>
          <Banner tone="amber" icon={TriangleAlert}>
            {t("link.confirm.warn")}
          </Banner>
          <dl className="facts">
            <dt>{t("link.confirm.server")}</dt>
            <dd>{serverIn(step.text)}</dd>
          </dl>
          <ErrorLine text={error} />
        </Dialog>
      );
    case "approved": {
      const complete = history !== null && history.done >= history.total;
      return (
        <Dialog
          key={step.at}
          title={complete ? t("link.done.title") : t("link.title")}
          onClose={close}
          actions={
            <Button variant={complete ? "primary" : "plain"} onClick={close}>
              {complete ? t("common.done") : t("common.close")}
            </Button>
          }
        >
          {complete ? (
            <p className="link-done" role="status">
              <Icon icon={Check} />
              {t("link.done.body")}
            </p>
          ) : (
            <div className="link-progress" role="status">
              <p>{history === null ? t("link.waiting") : t("link.sending")}</p>
              <Progress label={t("link.sending")} done={history?.done ?? 0} total={history?.total ?? 0} />
              {history !== null && <p className="num">{t("link.progress", { done: history.done, total: history.total })}</p>}
              <p className="muted">{t("link.progress.hint")}</p>
            </div>
          )}
        </Dialog>
      );
    }
  }
}

function ErrorLine({ text }: { text: string | null }) {
  return (
    <p className="field-error" role="alert">
      {text}
    </p>
  );
}

export default LinkDevice;
