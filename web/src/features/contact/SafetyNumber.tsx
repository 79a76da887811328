/**
 * The safety number: shown as digits and as a code, compared by eye or by camera.
 * Always true: the mark is set with the digits that were on the screen; if the key is another one by then, the engine refuses.
 */
import { CommandFailure, type ContactView } from "@sotto/engine";
import { BadgeCheck, Check, ScanLine } from "lucide-react";
import { useState } from "react";
import { engine } from "../../engine/engine";
import { t } from "../../strings/later";
import { reasonOf } from "../../strings/reason";
import { Banner } from "../../ui/Banner";
import { Button } from "../../ui/Button";
import { ConfirmDialog, Dialog } from "../../ui/Dialog";
import { Icon } from "../../ui/Icon";
import { QrCode } from "../../ui/QrCode";
import { QrScanner } from "../../ui/QrScanner";
import { CopyButton } from "../settings/CopyButton";
import { useReply } from "../settings/use-reply";
import { compareScanned, type Compared } from "./scanned";

const GROUP = /\d{5}/g;

export function SafetyNumber({ contact, name }: { contact: ContactView; name: string }) {
  const [dialog, setDialog] = useState<"large" | "scan" | "eye" | "clear" | null>(null);
  const { account, verified, key_changed: keyChanged } = contact;
  const { reply, failure } = useReply({ command: "safety_number", who: { account } }, (happening) =>
    (happening.event === "contact_changed" || happening.event === "key_changed") && happening.contact.account === account,
  );
  const close = () => setDialog(null);
  const none = failure instanceof CommandFailure && failure.kind === "not_found";
  if (reply === null) {
    if (failure === null) return null;
    return (
      <section className="sec">
        <p className="label">{t("contact.safety")}</p>
        <p className="under">{none ? t("contact.safety.none", { name }) : reasonOf(failure)}</p>
      </section>
    );
  }
  const marked = verified && !keyChanged;
  const { digits } = reply;
  const groups = digits.match(GROUP) ?? [];
  // Digits and capitals only: a code of half the size.
  const code = reply.qr.toUpperCase();
  const setVerified = (verified: boolean) =>
    engine.command({ command: "set_verified", who: { account }, verified, safety_number: verified ? digits : null });

  return (
    <section className="sec">
      <div className="sec-head">
        <span className="label">{t("contact.safety")}</span>
        {marked ? (
          <span className="badge-v">
            <Icon icon={BadgeCheck} small />
            {t("contact.verified")}
          </span>
        ) : (
          <span className="label">{t("contact.not_verified")}</span>
        )}
      </div>
      <div className="well safety">
        <div className="safety-in">
          <button type="button" className="safety-qr" aria-label={t("contact.safety.enlarge")} onClick={() => setDialog("large")}>
            <QrCode text={code} label={t("contact.safety.qr", { name })} />
          </button>
          <Digits groups={groups} />
        </div>
      </div>
      <p className="under">{t(marked ? "contact.safety.verified_hint" : "contact.safety.hint", { name })}</p>
      <div className="safety-acts">
        <Button onClick={() => setDialog("scan")}>
          <Icon icon={ScanLine} small />
          {t("contact.scan")}
        </Button>
        {marked ? (
          <CopyButton text={groups.join(" ")} />
        ) : (
          <Button onClick={() => setDialog("eye")}>
            <Icon icon={Check} small />
            {t("contact.match")}
          </Button>
        )}
      </div>
      {marked && (
        <Button variant="plain" small className="safety-clear" onClick={() => setDialog("clear")}>
          {t("contact.clear")}
        </Button>
      )}

      {dialog === "large" && (
        <Dialog title={t("contact.safety.large.title", { name })} onClose={close}>
          <p>{t("contact.safety.large.body", { name })}</p>
          <div className="safety-large">
            <QrCode text={code} label={t("contact.safety.qr", { name })} />
            <Digits groups={groups} />
          </div>
        </Dialog>
      )}
      {dialog === "scan" && <ScanDialog own={reply.qr} name={name} onMatch={() => setVerified(true)} onClose={close} />}
      {dialog === "eye" && (
        <ConfirmDialog
          title={t("contact.match.title")}
          verb={t("contact.match.confirm")}
          onConfirm={() => setVerified(true)}
          onClose={close}
        >
          <p>{t("contact.match.body", { name })}</p>
          <div className="well safety">
            <Digits groups={groups} />
          </div>
        </ConfirmDialog>
      )}
      {dialog === "clear" && (
        <ConfirmDialog
          title={t("contact.clear.title")}
          verb={t("contact.clear.verb")}
          danger
          onConfirm={() => setVerified(false)}
          onClose={close}
        >
          <p>{t("contact.clear.body", { name })}</p>
        </ConfirmDialog>
      )}
    </section>
  );
}

function Digits({ groups }: { groups: readonly string[] }) {
  return (
    <div className="digits num" role="group" aria-label={t("contact.safety.digits")}>
      {groups.map((group, at) => (
        <span key={at}>{group}</span>
      ))}
    </div>
  );
}

interface ScanDialogProps {
  own: string;
  name: string;
  onMatch: () => Promise<unknown>;
  onClose: () => void;
}

const WRONG_CODE = {
  own: "contact.scan.own",
  newer: "contact.scan.newer",
  not_safety: "contact.scan.not_safety",
} as const;

function ScanDialog({ own, name, onMatch, onClose }: ScanDialogProps) {
  const [result, setResult] = useState<Compared | null>(null);
  const [error, setError] = useState<string | null>(null);
  const read = (text: string): boolean => {
    const compared = compareScanned(own, text);
    setResult(compared);
    if (compared === "match") onMatch().catch((failure: unknown) => setError(reasonOf(failure)));
    return compared === "match" || compared === "mismatch";
  };
  const done = result === "match" || result === "mismatch";
  return (
    <Dialog
      title={t("contact.scan")}
      onClose={onClose}
      actions={
        done && (
          <Button variant="primary" onClick={onClose}>
            {t("common.done")}
          </Button>
        )
      }
    >
      {!done && (
        <>
          <p>{t("contact.scan.hint", { name })}</p>
          <QrScanner label={t("scanner.label")} onRead={read} />
          <p className="field-error" role="alert">
            {result !== null && t(WRONG_CODE[result], { name })}
          </p>
        </>
      )}
      {result === "match" && error === null && (
        <Banner tone="good" icon={BadgeCheck}>
          {t("contact.scan.match", { name })}
        </Banner>
      )}
      {result === "mismatch" && (
        <Banner tone="red" title={t("contact.scan.mismatch.title")}>
          {t("contact.scan.mismatch", { name })}
        </Banner>
      )}
      {error !== null && (
        <p className="field-error" role="alert">
          {error}
        </p>
      )}
    </Dialog>
  );
}
