/** What others see of one, as the server and the own devices keep it. */
import type { Audience, Privacy, PrivacyChanges, PrivacyRule } from "@sotto/engine";
import { AtSign, CheckCheck, Clock, Image, Quote, Users, type LucideIcon } from "lucide-react";
import { lazy, Suspense, useEffect, useState } from "react";
import { CommandFailure } from "@sotto/engine";
import { engine } from "../../../engine/engine";
import { displayName, useApp } from "../../../engine/store";
import { t, type PeopleKey } from "../../../strings/people";
import { reasonOf } from "../../../strings/reason";
import { Button } from "../../../ui/Button";
import { Dialog } from "../../../ui/Dialog";
import type { Person } from "../../groups/PeoplePicker";
import { Group, Row } from "../parts";
import { useReply } from "../use-reply";

const PeoplePicker = lazy(async () => ({ default: (await import("../../info")).PeoplePicker }));

/** Those with people left out, and those without. */
type Ruled = "last_seen" | "picture" | "about" | "group_adds";
type Plain = "online" | "read_receipts";
type Setting = Ruled | Plain;

const EXCEPT_MAX = 256;

interface Seen {
  what: Setting;
  icon: LucideIcon;
  title: PeopleKey;
  hint: PeopleKey;
}

const SETTINGS: readonly Seen[] = [
  { what: "last_seen", icon: Clock, title: "see.last_seen", hint: "see.last_seen.hint" },
  { what: "online", icon: AtSign, title: "see.online", hint: "see.online.hint" },
  { what: "picture", icon: Image, title: "see.picture", hint: "see.picture.hint" },
  { what: "about", icon: Quote, title: "see.about", hint: "see.about.hint" },
  { what: "read_receipts", icon: CheckCheck, title: "see.read_receipts", hint: "see.read_receipts.hint" },
  { what: "group_adds", icon: Users, title: "see.group_adds", hint: "see.group_adds.hint" },
];

const isRuled = (what: Setting): what is Ruled => what !== "online" && what !== "read_receipts";

/** Only who was accepted comes into question, but for invitations into groups: there "everyone" is more than the contacts. */
function choicesOf(what: Setting): readonly Audience[] {
  return what === "group_adds" ? ["everyone", "contacts", "nobody"] : ["contacts", "nobody"];
}

function audienceOf(privacy: Privacy, what: Setting): Audience {
  const audience = isRuled(what) ? privacy[what].audience : privacy[what];
  return choicesOf(what).includes(audience) ? audience : "contacts";
}

export function SeenByOthers() {
  const { reply, failure, reload } = useReply({ command: "privacy" }, () => false);
  const connected = useApp((state) => state.connection.state === "connected");
  const [changed, setChanged] = useState<Privacy | null>(null);
  const [error, setError] = useState<{ what: Setting; text: string } | null>(null);
  const [except, setExcept] = useState<Ruled | null>(null);
  const failed = failure !== null;
  useEffect(() => {
    if (connected && failed) reload();
  }, [connected, failed, reload]);
  const privacy = changed ?? reply?.privacy ?? null;

  const set = async (changes: PrivacyChanges) => {
    setError(null);
    const answer = await engine.command({ command: "set_privacy", changes });
    setChanged(answer.privacy);
  };
  const choose = (what: Setting, audience: Audience) => {
    if (privacy === null) return;
    // At once as chosen; back to what holds when it could not be set.
    const changes: PrivacyChanges = isRuled(what) ? { [what]: { ...privacy[what], audience } } : { [what]: audience };
    setChanged({ ...privacy, ...changes });
    set(changes).catch((failure: unknown) => {
      setChanged(privacy);
      setError({ what, text: reasonOf(failure) });
    });
  };
  const isOffline = failure instanceof CommandFailure && failure.kind === "offline";
  return (
    <Group title={t("see.title")}>
      {privacy === null && failed && (
        <Row title={<span role="alert">{isOffline ? t("see.offline") : t("see.failed", { reason: reasonOf(failure) })}</span>}>
          <Button small onClick={reload}>
            {t("see.again")}
          </Button>
        </Row>
      )}
      {SETTINGS.map(({ what, icon, title, hint }) => (
        <Row key={what} icon={icon} title={t(title)} hint={t(hint)} error={error?.what === what ? error.text : null}>
          <span className="acts">
            {privacy !== null && isRuled(what) && audienceOf(privacy, what) !== "nobody" && (
              <Button small variant="plain" aria-haspopup="dialog" aria-label={`${t(title)}: ${t("see.except", { count: privacy[what].except.length })}`} onClick={() => setExcept(what)}>
                {t("see.except", { count: privacy[what].except.length })}
              </Button>
            )}
            <select
              className="choice"
              aria-label={t(title)}
              disabled={privacy === null}
              value={privacy === null ? "" : audienceOf(privacy, what)}
              onChange={(event) => choose(what, event.target.value as Audience)}
            >
              {privacy === null && <option value="" />}
              {choicesOf(what).map((audience) => (
                <option key={audience} value={audience}>
                  {t(`see.${audience}`)}
                </option>
              ))}
            </select>
          </span>
        </Row>
      ))}
      {except !== null && privacy !== null && (
        <ExceptDialog
          what={t(`see.${except}`)}
          rule={privacy[except]}
          onSet={(rule) => set({ [except]: rule })}
          onClose={() => setExcept(null)}
        />
      )}
    </Group>
  );
}

interface ExceptProps {
  what: string;
  rule: PrivacyRule;
  onSet: (rule: PrivacyRule) => Promise<void>;
  onClose: () => void;
}

/** Who is left out of a rule. */
function ExceptDialog({ what, rule, onSet, onClose }: ExceptProps) {
  const { reply } = useReply({ command: "contacts" }, () => false);
  const [chosen, setChosen] = useState<readonly Person[] | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const names = new Map(reply?.contacts.map((contact) => [contact.account, contact]));
  const people = chosen ?? rule.except.map((account) => {
    const contact = names.get(account);
    return { account, name: (contact && displayName(contact)) ?? account.slice(0, 8), username: contact?.username ?? null };
  });
  const save = async () => {
    setBusy(true);
    setError(null);
    try {
      await onSet({ ...rule, except: people.map(({ account }) => account) });
      onClose();
    } catch (failure) {
      setError(reasonOf(failure));
      setBusy(false);
    }
  };
  return (
    <Dialog
      title={t("see.except.title", { what })}
      wide
      onClose={onClose}
      actions={
        <>
          <Button variant="plain" onClick={onClose}>
            {t("common.cancel")}
          </Button>
          <Button variant="primary" disabled={busy || reply === null} onClick={() => void save()}>
            {t("see.except.verb")}
          </Button>
        </>
      }
    >
      <p>{t("see.except.body")}</p>
      <Suspense fallback={<p aria-busy="true" />}>
        <PeoplePicker chosen={people} onChange={setChosen} max={EXCEPT_MAX} />
      </Suspense>
      <p className="field-error" role="alert">
        {error}
      </p>
    </Dialog>
  );
}
