import { CommandFailure } from "@sotto/engine";
import { ArrowLeft } from "lucide-react";
import { useState, type SubmitEvent } from "react";
import { engine } from "../../engine/engine";
import { t } from "../../strings";
import { reasonOf } from "../../strings/reason";
import { Button } from "../../ui/Button";
import { Field } from "../../ui/Field";
import { Icon } from "../../ui/Icon";
import { deviceName } from "./device-name";
import { GateFrame, SmallBrand } from "./GateFrame";
import { setPending } from "./pending";
import { CODE_LENGTH, foreignCharacter, normalize, spaced } from "./recovery-code";
import { serverAddress } from "./server";
import { checkUsername, usernameError } from "./username";

const story = () => ({ title: t("gate.story.recover.title"), body: t("gate.story.recover.body") });

/** What is wrong with a code as typed; null: the engine may look at it. */
export function codeError(typed: string): string | null {
  const code = normalize(typed);
  const foreign = foreignCharacter(code);
  if (foreign !== null) return t("gate.recover.error.character", { character: foreign });
  return code.length === CODE_LENGTH ? null : t("gate.recover.error.length", { count: code.length });
}

/** A refusal about a code, in words for people; null: it is about something else. */
export function refusedCode(failure: unknown): string | null {
  if (!(failure instanceof CommandFailure)) return null;
  if (failure.kind === "invalid" && failure.message.includes("typing mistake")) return t("gate.recover.error.typo");
  return null;
}

interface CodeFieldProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  error: string | null;
  autoFocus?: boolean;
}

/** A whole recovery code, grouped while it is typed. */
export function CodeField({ label, value, onChange, error, autoFocus }: CodeFieldProps) {
  const count = normalize(value).length;
  return (
    <div className="code-field">
      <Field
        label={label}
        mono
        value={value}
        // Regrouping moves the caret: only while typing at the end.
        onChange={(text) => onChange(text.startsWith(value) ? spaced(text) : text)}
        error={error ?? (foreignCharacter(normalize(value)) === null ? null : codeError(value))}
        hint={count === 0 ? t("gate.recover.code.hint") : t("gate.recover.count", { count })}
        autoFocus={autoFocus}
        autoComplete="off"
        autoCapitalize="characters"
        autoCorrect="off"
        spellCheck={false}
      />
    </div>
  );
}

interface Wrong {
  username?: string;
  code?: string;
  other?: string;
}

/** What can be told without asking anybody. */
function check(username: string, code: string): Wrong | null {
  const usernameWrong = usernameError(checkUsername(username));
  const codeWrong = codeError(code);
  if (usernameWrong === undefined && codeWrong === null) return null;
  return { ...(usernameWrong !== undefined && { username: usernameWrong }), ...(codeWrong !== null && { code: codeWrong }) };
}

export function Recover({ onBack }: { onBack: () => void }) {
  const [username, setUsername] = useState("");
  const [code, setCode] = useState("");
  const [wrong, setWrong] = useState<Wrong>({});
  const [busy, setBusy] = useState(false);

  const submit = async () => {
    const { name } = checkUsername(username);
    const mistake = check(username, code);
    setWrong(mistake ?? {});
    if (mistake !== null) return;
    setBusy(true);
    try {
      const { me, other_devices } = await engine.command({
        command: "recover",
        server: serverAddress(),
        username: name,
        code: normalize(code),
        device_name: deviceName(),
      });
      setPending({ step: "recovered", username: me.username, otherDevices: other_devices });
    } catch (failure) {
      const typo = refusedCode(failure);
      const refused = failure instanceof CommandFailure && failure.kind === "refused" && failure.message.includes("recovery code");
      if (typo !== null) setWrong({ code: typo });
      else setWrong(refused ? { code: t("gate.recover.error.refused") } : { other: reasonOf(failure) });
      setBusy(false);
    }
  };

  return (
    <GateFrame story={story()}>
      <div className="form">
        <SmallBrand />
        <Button variant="plain" className="gate-back" onClick={onBack}>
          <Icon icon={ArrowLeft} small directional />
          {t("common.back")}
        </Button>
        <h1 className="h-xl">{t("gate.recover.title")}</h1>
        <p>{t("gate.recover.body")}</p>
        <form
          noValidate
          onSubmit={(event: SubmitEvent) => {
            event.preventDefault();
            if (!busy) void submit();
          }}
        >
          <Field
            label={t("gate.create.username")}
            prefix="@"
            value={username}
            onChange={(value) => {
              setUsername(value);
              setWrong({});
            }}
            error={wrong.username}
            autoFocus
            autoComplete="username"
            autoCapitalize="none"
            autoCorrect="off"
            spellCheck={false}
          />
          <div className="field-row">
            <CodeField
              label={t("gate.recover.code")}
              value={code}
              onChange={(value) => {
                setCode(value);
                setWrong({});
              }}
              error={wrong.code ?? null}
            />
          </div>
          <p className="field-error code-error" role="alert">
            {wrong.other}
          </p>
          <div className="gate-acts">
            <Button variant="primary" type="submit" wide aria-disabled={busy}>
              {busy && <span className="spin" aria-hidden="true" />}
              {busy ? t("gate.recover.busy") : t("gate.recover.submit")}
            </Button>
          </div>
        </form>
      </div>
    </GateFrame>
  );
}

interface RecoveredProps {
  username: string;
  otherDevices: number;
  onDone: () => void;
}

/** What came back and what did not. */
export function Recovered({ username, otherDevices, onDone }: RecoveredProps) {
  return (
    <GateFrame story={story()}>
      <div className="form">
        <SmallBrand />
        <h1 className="h-xl">{t("gate.recovered.title", { username })}</h1>
        <p>{t("gate.recovered.devices", { count: otherDevices })}</p>
        {otherDevices > 0 && <p>{t("gate.recovered.stolen")}</p>}
        <p>{t("gate.recovered.code")}</p>
        <div className="gate-acts">
          <Button variant="primary" wide autoFocus onClick={onDone}>
            {t("gate.recovered.open")}
          </Button>
        </div>
      </div>
    </GateFrame>
  );
}
