import { CommandFailure } from "@sotto/engine";
import { ArrowLeft, Check, Circle, X } from "lucide-react";
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
import { serverAddress } from "./server";
import { Steps } from "./Steps";
import { checkUsername, usernameError, type CheckedUsername } from "./username";

interface CreateAccountProps {
  /** The server takes people by invitation. */
  invite: boolean;
  onBack: () => void;
}

interface Wrong {
  username?: string;
  invite?: string;
  other?: string;
}

/** Which field a refusal belongs to. The engine says it in words only. */
function placed(failure: unknown, username: string): Wrong {
  if (failure instanceof CommandFailure && failure.kind === "refused") {
    if (failure.message.includes("taken")) return { username: t("gate.create.error.taken", { username }) };
    if (failure.message.includes("invitation")) return { invite: t("gate.create.error.invite") };
  }
  return { other: reasonOf(failure) };
}

export function CreateAccount({ invite: byInvitation, onBack }: CreateAccountProps) {
  const [typed, setTyped] = useState("");
  const [invite, setInvite] = useState("");
  const [device, setDevice] = useState(() => deviceName());
  const [wrong, setWrong] = useState<Wrong>({});
  const [busy, setBusy] = useState(false);
  const username = checkUsername(typed);

  const submit = async () => {
    const checked: Wrong = {};
    const usernameWrong = usernameError(username);
    if (usernameWrong !== undefined) checked.username = usernameWrong;
    if (byInvitation && invite.trim() === "") checked.invite = t("gate.create.error.invite_missing");
    setWrong(checked);
    if (Object.keys(checked).length > 0) return;
    setBusy(true);
    try {
      const { me, recovery_code } = await engine.command({
        command: "register",
        server: serverAddress(),
        username: username.name,
        invite: invite.trim() === "" ? null : invite.trim(),
        device_name: device.trim() || deviceName(),
      });
      setPending({ step: "code", code: recovery_code, username: me.username });
    } catch (failure) {
      setWrong(placed(failure, username.name));
      setBusy(false);
    }
  };

  return (
    <GateFrame story={{ title: t("gate.story.title"), body: t("gate.story.body") }}>
      <div className="form">
        <SmallBrand />
        <Button variant="plain" className="gate-back" onClick={onBack}>
          <Icon icon={ArrowLeft} small directional />
          {t("common.back")}
        </Button>
        <Steps now={0} />
        <h1 className="h-xl">{t("gate.create.title")}</h1>
        <p>{t("gate.create.body")}</p>
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
            value={typed}
            onChange={(value) => {
              setTyped(value);
              setWrong(({ invite }) => (invite === undefined ? {} : { invite }));
            }}
            // A character that is never allowed is told while typing; the length only when the person is done.
            error={wrong.username ?? (username.badCharacter === null ? null : usernameError(username))}
            hint={<Rules username={username} typed={typed} />}
            autoFocus
            autoComplete="username"
            autoCapitalize="none"
            autoCorrect="off"
            spellCheck={false}
          />
          {byInvitation && (
            <Field
              label={t("gate.create.invite")}
              value={invite}
              onChange={setInvite}
              error={wrong.invite}
              hint={t("gate.create.invite.hint")}
              autoComplete="off"
              autoCapitalize="none"
              spellCheck={false}
              mono
            />
          )}
          <Field
            label={t("gate.create.device")}
            value={device}
            onChange={setDevice}
            hint={t("gate.create.device.hint")}
            maxLength={64}
            autoComplete="off"
          />
          <p className="field-error code-error" role="alert">
            {wrong.other}
          </p>
          <div className="gate-acts">
            <Button variant="primary" type="submit" wide aria-disabled={busy}>
              {busy && <span className="spin" aria-hidden="true" />}
              {busy ? t("gate.create.busy") : t("gate.create.submit")}
            </Button>
          </div>
        </form>
      </div>
    </GateFrame>
  );
}

/** What a name must be, and which of it this one is. */
function Rules({ username, typed }: { username: CheckedUsername; typed: string }) {
  const begun = typed.trim() !== "";
  const rules = [
    { text: t("gate.create.rule.length"), met: username.length },
    { text: t("gate.create.rule.characters"), met: username.badCharacter === null },
  ];
  return (
    <ul className="rules">
      {rules.map(({ text, met }) => (
        <li key={text} className={!begun ? undefined : met ? "met" : "unmet"}>
          <Icon icon={!begun ? Circle : met ? Check : X} small />
          {text}
        </li>
      ))}
      {/[A-Z]/.test(typed) && <li>{t("gate.create.rule.lower")}</li>}
    </ul>
  );
}
