import { Eye, EyeOff, TriangleAlert } from "lucide-react";
import { useState } from "react";
import { engine } from "../../engine/engine";
import { t } from "../../strings/later";
import { Banner } from "../../ui/Banner";
import { ConfirmDialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { IconButton } from "../../ui/IconButton";
import { grade } from "./strength";

const LENGTH_MIN = 8;

interface PassphraseDialogProps {
  /** There is one already. */
  change: boolean;
  onDone: () => void;
  onClose: () => void;
}

/** Sets or changes the passphrase of this device, and tells the truth about forgetting it. */
export function PassphraseDialog({ change, onDone, onClose }: PassphraseDialogProps) {
  const [passphrase, setPassphrase] = useState("");
  const [repeated, setRepeated] = useState("");
  const [shown, setShown] = useState(false);
  const [tried, setTried] = useState(false);
  const short = Array.from(passphrase).length < LENGTH_MIN;
  const differs = passphrase !== repeated;
  const strength = passphrase === "" ? null : grade(passphrase);
  const type = shown ? "text" : "password";
  const set = async () => {
    setTried(true);
    if (short) throw new Error(t("privacy.lock.error.short"));
    if (differs) throw new Error(t("privacy.lock.error.differ"));
    await engine.setPassphrase(passphrase);
    onDone();
  };
  return (
    <ConfirmDialog
      title={change ? t("privacy.lock.change.title") : t("privacy.lock.set.title")}
      verb={change ? t("privacy.lock.change") : t("privacy.lock.set")}
      disabled={passphrase === "" || repeated === ""}
      onConfirm={set}
      onClose={onClose}
    >
      <p>{t("privacy.lock.body")}</p>
      <Field
        label={t("privacy.lock.passphrase")}
        type={type}
        value={passphrase}
        onChange={setPassphrase}
        hint={t("privacy.lock.strength.hint")}
        autoFocus
        autoComplete="new-password"
        end={
          <IconButton
            label={shown ? t("privacy.lock.hide") : t("privacy.lock.show")}
            icon={shown ? EyeOff : Eye}
            small
            onClick={() => setShown(!shown)}
          />
        }
      />
      <div>
        <div className="strength" data-grade={strength ?? undefined} aria-hidden="true">
          <i />
          <i />
          <i />
        </div>
        <p className="strength-text" role="status">
          {strength !== null && t(`privacy.lock.${strength}`)}
        </p>
      </div>
      <Field
        label={t("privacy.lock.repeat")}
        type={type}
        value={repeated}
        onChange={setRepeated}
        error={tried && differs ? t("privacy.lock.error.differ") : null}
        autoComplete="new-password"
      />
      <Banner tone="amber" icon={TriangleAlert}>
        {t("privacy.lock.truth")}
      </Banner>
    </ConfirmDialog>
  );
}
