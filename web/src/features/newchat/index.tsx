/** Starting a chat: by exact username, by the link or code of a contact or group, with several people, or with oneself. */
import { CommandFailure } from "@sotto/engine";
import { ArrowLeft, ChevronRight, NotebookPen, QrCode as QrIcon, ScanLine, Share2, Users } from "lucide-react";
import { useState, type SubmitEvent } from "react";
import { useLocation, useSearchParams } from "wouter";
import { engine } from "../../engine/engine";
import { t } from "../../strings";
import { reasonOf } from "../../strings/reason";
import { Button } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { Icon } from "../../ui/Icon";
import { QrCode } from "../../ui/QrCode";
import { QrScanner } from "../../ui/QrScanner";
import { checkUsername, usernameError } from "../gate/username";
import { CopyButton } from "../settings/CopyButton";
import { useReply } from "../settings/use-reply";
import { joinPath, newGroupPath } from "../shell/route";
import { contactLink, holdInvite, inviteLink, parseContact } from "./link";
import "./newchat.css";

type View = "name" | "scan" | "mine";

/** Whom or which group a text means, or what is wrong with it. */
function nameIn(typed: string, server: string): { name: string } | { invite: string } | { wrong: string } {
  if (typed.trim() === "") return { wrong: t("new.error.empty") };
  const contact = parseContact(typed, server);
  switch (contact.kind) {
    case "other_server":
      return { wrong: t("new.error.other_server", { server: contact.server, own: new URL(server).host }) };
    case "not_a_link":
      return { wrong: t("new.error.not_a_link") };
    case "group":
      return { invite: contact.code };
    case "username": {
      const username = checkUsername(contact.username);
      const wrong = usernameError(username);
      return wrong === undefined ? { name: username.name } : { wrong };
    }
  }
}

export function NewChat() {
  const [, navigate] = useLocation();
  const [search] = useSearchParams();
  const [view, setView] = useState<View>("name");
  const [text, setText] = useState(search.get("with") ?? "");
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const { reply } = useReply({ command: "who_am_i" }, () => false);
  const me = reply?.me;
  const close = () => navigate("/");
  const show = (next: View) => {
    setError(null);
    setView(next);
  };

  const find = async (typed: string) => {
    const wanted = nameIn(typed, me?.server ?? location.origin);
    if ("wrong" in wanted) {
      setError(wanted.wrong);
      return;
    }
    if ("invite" in wanted) {
      holdInvite(inviteLink(wanted.invite));
      navigate(joinPath);
      return;
    }
    const { name } = wanted;
    setBusy(true);
    setError(null);
    try {
      const { contact: found } = await engine.command({ command: "find_person", who: { name } });
      navigate(`/chat/${found.account}`);
    } catch (failure) {
      const nobody = failure instanceof CommandFailure && failure.kind === "not_found";
      setError(nobody ? t("new.error.nobody", { username: name }) : reasonOf(failure));
      setBusy(false);
    }
  };

  const scanned = (code: string): boolean => {
    const contact = parseContact(code, me?.server ?? location.origin);
    if (contact.kind === "not_a_link") {
      setError(t("new.scan.wrong"));
      return false;
    }
    setText(code.trim());
    show("name");
    void find(code);
    return true;
  };

  if (view === "scan") {
    return (
      <Dialog key={view} title={t("new.scan")} onClose={close} actions={<BackButton onClick={() => show("name")} />}>
        <p>{t("new.scan.hint")}</p>
        <QrScanner label={t("scanner.label")} onRead={scanned} />
        <p className="field-error" role="alert">
          {error}
        </p>
      </Dialog>
    );
  }
  if (view === "mine" && me !== undefined) {
    return (
      <Dialog key={view} title={t("new.mine")} onClose={close} actions={<BackButton onClick={() => show("name")} />}>
        <p>{t("new.mine.hint")}</p>
        <MyCode server={me.server} username={me.username} />
      </Dialog>
    );
  }
  return (
    <Dialog key="name" title={t("new.title")} onClose={close}>
      <form
        noValidate
        onSubmit={(event: SubmitEvent) => {
          event.preventDefault();
          if (!busy) void find(text);
        }}
      >
        <Field
          label={t("new.username")}
          value={text}
          onChange={(value) => {
            setText(value);
            setError(null);
          }}
          error={error}
          hint={t("new.username.hint")}
          autoFocus
          autoComplete="off"
          autoCapitalize="none"
          autoCorrect="off"
          spellCheck={false}
        />
        <div className="new-submit">
          <Button variant="primary" type="submit" wide aria-disabled={busy}>
            {busy && <span className="spin" aria-hidden="true" />}
            {t("new.submit")}
          </Button>
        </div>
      </form>
      <div className="opts" role="group" aria-label={t("new.options")}>
        <Option icon={Users} label={t("new.group")} onClick={() => navigate(newGroupPath)} />
        <Option icon={ScanLine} label={t("new.scan")} onClick={() => show("scan")} />
        <Option icon={QrIcon} label={t("new.mine")} onClick={() => show("mine")} />
        {me !== undefined && (
          <Option
            icon={NotebookPen}
            label={t("new.self")}
            hint={t("new.self.hint")}
            onClick={() => {
              engine.command({ command: "find_person", who: "me" }).then(
                ({ contact }) => navigate(`/chat/${contact.account}`),
                (failure: unknown) => setError(reasonOf(failure)),
              );
            }}
          />
        )}
      </div>
    </Dialog>
  );
}

function BackButton({ onClick }: { onClick: () => void }) {
  return (
    <Button onClick={onClick}>
      <Icon icon={ArrowLeft} small directional />
      {t("common.back")}
    </Button>
  );
}

interface OptionProps {
  icon: typeof ScanLine;
  label: string;
  hint?: string;
  onClick: () => void;
}

function Option({ icon, label, hint, onClick }: OptionProps) {
  return (
    <button type="button" className="opt" onClick={onClick}>
      <Icon icon={icon} />
      {label}
      <span className="v">
        {hint}
        <Icon icon={ChevronRight} small directional />
      </span>
    </button>
  );
}

/** The own link, to be scanned, copied or shared. */
export function MyCode({ server, username }: { server: string; username: string }) {
  const link = contactLink(server, username);
  const share = () => {
    // Closing the share sheet rejects: nothing to say about it.
    navigator.share({ text: t("new.mine.share_text", { username }), url: link }).catch(() => undefined);
  };
  return (
    <div className="my-code">
      <QrCode text={link} label={t("new.mine.qr", { username })} mark />
      <p className="my-name">@{username}</p>
      <p className="my-link">{link}</p>
      <div className="my-acts">
        <CopyButton text={link} label={t("new.mine.copy")} />
        {"share" in navigator && (
          <Button onClick={share}>
            <Icon icon={Share2} small />
            {t("new.mine.share")}
          </Button>
        )}
      </div>
    </div>
  );
}

export default NewChat;
