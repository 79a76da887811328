import { Ban, Bell, Eye, KeyRound, LockKeyhole, Timer } from "lucide-react";
import { lazy, Suspense, useCallback, useEffect, useState } from "react";
import { CommandFailure } from "@sotto/engine";
import { engine } from "../../../engine/engine";
import { displayName, useApp } from "../../../engine/store";
import { t } from "../../../strings/later";
import { reasonOf } from "../../../strings/reason";
import { Avatar } from "../../../ui/Avatar";
import { Button } from "../../../ui/Button";
import { ConfirmDialog } from "../../../ui/Dialog";
import { durationText } from "../../../ui/time";
import { Toggle } from "../../../ui/Toggle";
import { setPending } from "../../gate/pending";
import { CodeField, codeError, refusedCode } from "../../gate/Recover";
import { normalize } from "../../gate/recovery-code";
import { PassphraseDialog } from "../PassphraseDialog";
import { Group, Page, Row } from "../parts";
import { setPreferences, usePreferences } from "../preferences";
import { useReply } from "../use-reply";
import { SeenByOthers } from "./Seen";

export function Privacy() {
  const hood = usePreferences((state) => state.underTheHood);
  const names = usePreferences((state) => state.namesInNotifications);
  return (
    <Page title={t("settings.privacy")}>
      <SeenByOthers />
      <Group title={t("privacy.this_browser")}>
        <Lock />
      </Group>
      <Group title={t("privacy.safety")}>
        <RecoveryCode />
        <Row icon={Eye} title={t("privacy.hood")} hint={t("privacy.hood.hint")}>
          <Toggle
            label={t("privacy.hood")}
            checked={hood}
            onChange={(underTheHood) => setPreferences({ underTheHood })}
          />
        </Row>
        <Row icon={Bell} title={t("notifications.names")} hint={t("notifications.names.hint")}>
          <Toggle
            label={t("notifications.names")}
            checked={names}
            onChange={(namesInNotifications) => setPreferences({ namesInNotifications })}
          />
        </Row>
      </Group>
      <Messages />
      <Blocked />
    </Page>
  );
}

const TimerDialog = lazy(async () => ({ default: (await import("../../messages")).TimerDialog }));

/** What holds on all devices of the account. */
function Messages() {
  const { reply, failure, reload } = useReply({ command: "preferences" }, (happening) => happening.event === "preferences_changed");
  const [open, setOpen] = useState(false);
  const timer = reply?.preferences.default_timer_s ?? 0;
  const set = async (default_timer_s: number) => {
    await engine.command({ command: "set_preferences", changes: { default_timer_s } });
    reload();
  };
  return (
    <Group title={t("privacy.messages")}>
      <Row icon={Timer} title={t("privacy.timer")} hint={t("privacy.timer.hint")} error={failure === null ? null : reasonOf(failure)}>
        <span className="muted">{reply !== null && (timer === 0 ? t("privacy.timer.off") : durationText(timer))}</span>
        <Button small disabled={reply === null} aria-haspopup="dialog" onClick={() => setOpen(true)}>
          {t("privacy.timer.set")}
        </Button>
      </Row>
      {open && (
        <Suspense fallback={null}>
          <TimerDialog seconds={timer} isDefault onSet={set} onClose={() => setOpen(false)} />
        </Suspense>
      )}
    </Group>
  );
}

/** The passphrase of this device's database. */
function Lock() {
  const [locked, setLocked] = useState<boolean | null>(null);
  const [dialog, setDialog] = useState<"set" | "remove" | null>(null);
  const look = useCallback(() => {
    engine.hasPassphrase().then(setLocked, () => setLocked(null));
  }, []);
  useEffect(look, [look]);
  const close = () => setDialog(null);
  return (
    <>
      <Row icon={LockKeyhole} title={t("privacy.lock")} hint={locked === true ? t("privacy.lock.on") : t("privacy.lock.off")}>
        <span className="acts">
          {locked === true && (
            <Button small variant="danger" onClick={() => setDialog("remove")}>
              {t("privacy.lock.remove")}
            </Button>
          )}
          <Button small disabled={locked === null} onClick={() => setDialog("set")}>
            {locked === true ? t("privacy.lock.change") : t("privacy.lock.set")}
          </Button>
        </span>
      </Row>
      {dialog === "set" && <PassphraseDialog change={locked === true} onDone={look} onClose={close} />}
      {dialog === "remove" && (
        <ConfirmDialog
          title={t("privacy.lock.remove.title")}
          verb={t("privacy.lock.remove")}
          danger
          onConfirm={async () => {
            await engine.setPassphrase(null);
            look();
          }}
          onClose={close}
        >
          <p>{t("privacy.lock.remove.body")}</p>
        </ConfirmDialog>
      )}
    </>
  );
}

function RecoveryCode() {
  const username = useApp((state) => state.me?.username ?? "");
  const [open, setOpen] = useState(false);
  const [code, setCode] = useState("");
  const [error, setError] = useState<string | null>(null);
  const replace = async () => {
    const wrong = codeError(code);
    setError(wrong);
    if (wrong !== null) throw new Error(wrong);
    try {
      const reply = await engine.command({ command: "new_recovery_code", current_code: normalize(code) });
      // The gate shows it and asks it back, as it did with the first one; a reload does not lose it there.
      setPending({ step: "code", code: reply.recovery_code, username, replaced: true });
    } catch (failure) {
      const typo = refusedCode(failure);
      setError(typo);
      throw typo === null || !(failure instanceof CommandFailure) ? failure : new Error(typo);
    }
  };
  return (
    <>
      <Row icon={KeyRound} title={t("privacy.recovery")} hint={t("privacy.recovery.hint")}>
        <Button
          small
          onClick={() => {
            setCode("");
            setError(null);
            setOpen(true);
          }}
        >
          {t("privacy.recovery.action")}
        </Button>
      </Row>
      {open && (
        <ConfirmDialog
          title={t("privacy.recovery.title")}
          verb={t("privacy.recovery.verb")}
          disabled={code === ""}
          onConfirm={replace}
          onClose={() => setOpen(false)}
        >
          <p>{t("privacy.recovery.body")}</p>
          <CodeField label={t("privacy.recovery.current")} value={code} onChange={setCode} error={error} autoFocus />
        </ConfirmDialog>
      )}
    </>
  );
}

function Blocked() {
  const { reply } = useReply({ command: "contacts" }, (happening) => happening.event === "contact_changed");
  const [error, setError] = useState<string | null>(null);
  const blocked = reply?.contacts.filter((contact) => contact.blocked) ?? [];
  const unblock = (account: string) => {
    setError(null);
    engine
      .command({ command: "set_blocked", who: { account }, blocked: false })
      .catch((failure: unknown) => setError(reasonOf(failure)));
  };
  return (
    <Group title={t("privacy.blocked")}>
      {blocked.length === 0 && <Row icon={Ban} title={<span className="muted">{t("privacy.blocked.none")}</span>} />}
      {blocked.map((contact) => {
        const name = displayName(contact) ?? t("contact.unknown");
        return (
          <div className="set-row" key={contact.account}>
            <Avatar account={contact.account} name={name} size="sm" />
            <div>
              <b>{name}</b>
            </div>
            <Button small onClick={() => unblock(contact.account)}>
              {t("privacy.unblock")}
            </Button>
          </div>
        );
      })}
      {error !== null && <Row title="" error={error} />}
    </Group>
  );
}
