/**
 * The recovery code: shown once, kept by the person, asked back. Used for a new account and for a replaced code.
 * Always true: leaving before it was typed back is asked about, and the code can be looked at again until then.
 */
import { Check, Download, Eye, Printer } from "lucide-react";
import { useEffect, useMemo, useState, type ClipboardEvent, type SubmitEvent } from "react";
import { t } from "../../strings";
import { Button } from "../../ui/Button";
import { Field } from "../../ui/Field";
import { Icon } from "../../ui/Icon";
import { CopyButton } from "../settings/CopyButton";
import { day } from "../settings/format";
import { saveFile } from "../settings/save-file";
import { GateFrame, SmallBrand } from "./GateFrame";
import { askedGroups, CODE_LENGTH, GROUP_LENGTH, groupsOf, normalize } from "./recovery-code";
import { serverAddress, serverName } from "./server";
import { Steps } from "./Steps";

interface RecoveryCodeProps {
  code: string;
  username: string;
  replaced: boolean;
  onDone: () => void;
}

export function RecoveryCode({ code, username, replaced, onDone }: RecoveryCodeProps) {
  const [asking, setAsking] = useState(false);
  useEffect(() => {
    const hold = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", hold);
    return () => removeEventListener("beforeunload", hold);
  }, []);
  return (
    <GateFrame story={{ title: t("gate.story.title"), body: t("gate.story.body") }}>
      <PrintSheet code={code} username={username} />
      <div className="form screen-only">
        <SmallBrand />
        {!replaced && <Steps now={asking ? 2 : 1} />}
        {asking ? (
          <AskBack code={code} onSee={() => setAsking(false)} onDone={onDone} />
        ) : (
          <>
            <h1 className="h-xl">{t("gate.code.title")}</h1>
            <p>{t("gate.code.body")}</p>
            <ShowCode code={code} username={username} onContinue={() => setAsking(true)} />
          </>
        )}
      </div>
    </GateFrame>
  );
}

interface ShowCodeProps {
  code: string;
  username: string;
  onContinue: () => void;
}

/** The groups, and three ways to keep them. */
export function ShowCode({ code, username, onContinue }: ShowCodeProps) {
  const [kept, setKept] = useState(false);
  const [saved, setSaved] = useState(false);
  const groups = groupsOf(code);
  const save = () => {
    saveFile(`sotto-recovery-code-${username}.txt`, [`${sheet(code, username).join("\n\n")}\n`], "text/plain");
    setSaved(true);
  };
  return (
    <div className="gate-form">
      <div className="well code">
        <ol className="code-grid num" aria-label={t("gate.code.label", { count: groups.length })}>
          {groups.map((group, at) => (
            <li key={at}>
              <i aria-hidden="true">{at + 1}</i>
              {group}
            </li>
          ))}
        </ol>
      </div>
      <div className="code-acts">
        <CopyButton text={code} />
        <Button onClick={() => print()}>
          <Icon icon={Printer} small />
          {t("gate.code.print")}
        </Button>
        <Button onClick={save}>
          <Icon icon={saved ? Check : Download} small />
          {saved ? t("gate.code.saved") : t("gate.code.save")}
        </Button>
      </div>
      <label className="check">
        <input type="checkbox" checked={kept} onChange={(event) => setKept(event.target.checked)} />
        <span className={kept ? "box on" : "box"} aria-hidden="true">
          {kept && <Icon icon={Check} />}
        </span>
        <p>{t("gate.code.check")}</p>
      </label>
      <Button variant="primary" wide disabled={!kept} onClick={onContinue}>
        {t("common.continue")}
      </Button>
    </div>
  );
}

interface AskBackProps {
  code: string;
  onSee: () => void;
  onDone: () => void;
}

/** Three of the groups, typed or pasted. */
export function AskBack({ code, onSee, onDone }: AskBackProps) {
  const groups = groupsOf(code);
  const asked = useMemo(() => askedGroups(groups.length), [groups.length]);
  const [typed, setTyped] = useState(["", "", ""]);
  const [error, setError] = useState<string | null>(null);

  const change = (at: number, value: string) => {
    setTyped((before) => before.map((old, index) => (index === at ? value : old)));
    setError(null);
  };
  const paste = (event: ClipboardEvent<HTMLInputElement>) => {
    const whole = normalize(event.clipboardData.getData("text"));
    if (whole.length !== CODE_LENGTH) return;
    event.preventDefault();
    setTyped(asked.map((group) => whole.slice(group * GROUP_LENGTH, (group + 1) * GROUP_LENGTH)));
    setError(null);
  };
  const check = () => {
    const wrong = asked.filter((group, at) => normalize(typed[at] ?? "") !== groups[group]);
    if (wrong.length === 0) {
      onDone();
    } else if (typed.some((text) => text.trim() === "")) {
      setError(t("gate.back.error.empty"));
    } else {
      const list = new Intl.ListFormat("en").format(wrong.map((group) => String(group + 1)));
      setError(t("gate.back.error.group", { count: wrong.length, groups: list }));
    }
  };

  return (
    <form
      noValidate
      onSubmit={(event: SubmitEvent) => {
        event.preventDefault();
        check();
      }}
    >
      <h1 className="h-xl">{t("gate.step.back")}</h1>
      <p className="gate-lead">
        {t("gate.back.body", { first: asked[0] + 1, second: asked[1] + 1, third: asked[2] + 1 })}
      </p>
      <div className="code-entry">
        {asked.map((group, at) => (
          <Field
            key={group}
            label={t("gate.back.group", { number: group + 1 })}
            value={typed[at] ?? ""}
            onChange={(value) => change(at, value)}
            onPaste={paste}
            autoFocus={at === 0}
            mono
            autoComplete="off"
            autoCapitalize="characters"
            autoCorrect="off"
            spellCheck={false}
          />
        ))}
      </div>
      <p className="field-error code-error" role="alert">
        {error}
      </p>
      <div className="gate-acts">
        <Button onClick={onSee}>
          <Icon icon={Eye} small />
          {t("gate.back.see")}
        </Button>
        <Button variant="primary" type="submit">
          {t("gate.back.submit")}
        </Button>
      </div>
    </form>
  );
}

/** What a printed or saved copy says. */
function sheet(code: string, username: string): string[] {
  return [
    t("gate.code.file.title"),
    t("gate.code.file.account", { username, server: serverName() }),
    code,
    t("gate.code.file.made", { date: day(Date.now()) }),
    t("gate.code.file.how", { server: serverAddress() }),
  ];
}

/** Only on paper. */
function PrintSheet({ code, username }: { code: string; username: string }) {
  const [title, account, groups, ...rest] = sheet(code, username);
  return (
    <div className="print-sheet" aria-hidden="true">
      <h2>{title}</h2>
      <p>{account}</p>
      <p className="print-code">{groups}</p>
      {rest.map((line) => (
        <p key={line}>{line}</p>
      ))}
    </div>
  );
}
