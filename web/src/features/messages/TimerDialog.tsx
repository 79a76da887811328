import { Check } from "lucide-react";
import { useState, type SubmitEvent } from "react";
import { t } from "../../strings/messages";
import { reasonOf } from "../../strings/reason";
import { Button } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { Icon } from "../../ui/Icon";
import { durationText } from "../../ui/time";
import { customSeconds, inUnit, UNIT_SECONDS, type Unit } from "./expiry";

const CHOICES = [0, 86_400, 7 * 86_400, 90 * 86_400];

interface Props {
  seconds: number;
  /** For chats that begin from now on, not for one. */
  isDefault?: boolean;
  onSet: (seconds: number) => Promise<unknown>;
  onClose: () => void;
}

/** After what time messages disappear. */
export function TimerDialog({ seconds, isDefault = false, onSet, onClose }: Props) {
  const [custom, setCustom] = useState(!CHOICES.includes(seconds));
  const [{ amount, unit }, setTyped] = useState(() => inUnit(CHOICES.includes(seconds) ? 3600 : seconds));
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const set = async (chosen: number) => {
    setBusy(true);
    setError(null);
    try {
      await onSet(chosen);
      onClose();
    } catch (failure) {
      setError(reasonOf(failure));
      setBusy(false);
    }
  };
  const setTypedTime = () => {
    const chosen = customSeconds(amount, unit);
    if (chosen === null) setError(t("expiry.range"));
    else void set(chosen);
  };
  return (
    <Dialog
      title={t("expiry.title")}
      onClose={onClose}
      {...(custom && {
        actions: (
          <Button variant="primary" disabled={busy} onClick={setTypedTime}>
            {t("expiry.verb")}
          </Button>
        ),
      })}
    >
      <p>{t(isDefault ? "expiry.body_default" : "expiry.body")}</p>
      <div className="opts" role="group" aria-label={t("expiry.title")}>
        {CHOICES.map((choice) => (
          <button key={choice} type="button" className="opt" aria-pressed={!custom && choice === seconds} disabled={busy} onClick={() => void set(choice)}>
            {choice === 0 ? t("expiry.off") : durationText(choice)}
            <span className="v">{choice === seconds && <Icon icon={Check} small />}</span>
          </button>
        ))}
        <button type="button" className="opt" aria-expanded={custom} onClick={() => setCustom(!custom)}>
          {t("expiry.custom")}
          <span className="v">{!CHOICES.includes(seconds) && durationText(seconds)}</span>
        </button>
      </div>
      {custom && (
        <form
          className="time-fields"
          noValidate
          onSubmit={(event: SubmitEvent) => {
            event.preventDefault();
            setTypedTime();
          }}
        >
          <Field label={t("expiry.amount")} inputMode="numeric" value={amount} onChange={(text) => setTyped({ amount: text, unit })} />
          <label className="field-row">
            <span className="field-label">{t("expiry.unit")}</span>
            <select className="field-box" value={unit} onChange={(event) => setTyped({ amount, unit: event.target.value as Unit })}>
              {(Object.keys(UNIT_SECONDS) as Unit[]).map((one) => (
                <option key={one} value={one}>
                  {t(`expiry.${one}`)}
                </option>
              ))}
            </select>
          </label>
        </form>
      )}
      <p className="field-error" role="alert">
        {error}
      </p>
    </Dialog>
  );
}
