/** One person: who they are, whether the keys were compared, and what can be done about the chat. */
import type { ContactView, ConversationView } from "@sotto/engine";
import { BadgeCheck, Ban, Flag, Laptop, Link2, Tag, Trash2, X } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { usePicture } from "../../engine/pictures";
import { engine } from "../../engine/engine";
import { displayName, setConversation, useApp } from "../../engine/store";
import { t } from "../../strings/later";
import { reasonOf } from "../../strings/reason";
import { Avatar } from "../../ui/Avatar";
import { ConfirmDialog, Dialog } from "../../ui/Dialog";
import { Icon } from "../../ui/Icon";
import { IconButton } from "../../ui/IconButton";
import { contactLink } from "../newchat/link";
import { ask } from "../requests/asking";
import { useCopy } from "../settings/use-copy";
import { useReply } from "../settings/use-reply";
import { chatPath, navigate } from "../shell/route";
import { ChatOptions, Quick } from "./ChatActions";
import { KeyChange } from "./KeyChange";
import { NameDialog } from "./NameDialog";
import { SafetyNumber } from "./SafetyNumber";
import "./contact.css";
import { Pane, PaneHeading } from "../../ui/Pane";

export function ContactPanel({ account }: { account: string }) {
  const me = useApp((state) => state.me);
  const isMe = me?.account === account;
  const view = useApp((state) => state.conversations[account]);
  const { reply, failure } = useReply({ command: "contact", who: { account } }, (happening) =>
    (happening.event === "contact_changed" || happening.event === "key_changed") && happening.contact.account === account,
  );
  const contact = reply?.contact ?? view?.contact ?? null;
  return (
    <Pane className="panel" label={t("contact.title")}>
      <div className="panel-bar">
        <PaneHeading>{isMe ? t("contact.title.self") : t("contact.title")}</PaneHeading>
        <IconButton icon={X} label={t("common.close")} onClick={() => navigate(chatPath(account))} />
      </div>
      <div className="panel-body">
        {contact === null && failure !== null && (
          <p className="field-error" role="alert">
            {t("contact.failed", { reason: reasonOf(failure) })}
          </p>
        )}
        {contact !== null && (isMe ? <Self contact={contact} view={view} /> : <Person contact={contact} view={view} />)}
      </div>
    </Pane>
  );
}

export default ContactPanel;

interface PersonProps {
  contact: ContactView;
  /** None until there is a chat. */
  view: ConversationView | undefined;
}

function Self({ contact, view }: PersonProps) {
  return (
    <>
      <div className="person">
        <Avatar account={contact.account} name={contact.username ?? ""} size="xl" self />
        <h2 className="h-lg">{t("contact.title.self")}</h2>
        <p>{t("contact.self.body")}</p>
      </div>
      <Quick account={contact.account} name={t("contact.title.self")} view={view} canMute={false} />
      <div className="sec">
        <ChatOptions account={contact.account} view={view} />
      </div>
    </>
  );
}

function Person({ contact, view }: PersonProps) {
  const { account } = contact;
  const name = displayName(contact) ?? t("contact.unknown");
  const server = useApp((state) => state.me?.server);
  const { copied, copy } = useCopy();
  return (
    <>
      <div className="person">
        <Portrait account={account} name={name} />
        <h2 className="h-lg">
          <bdi>{name}</bdi>
          {contact.verified && !contact.key_changed && (
            <span className="seal" role="img" aria-label={t("contact.verified")}>
              <Icon icon={BadgeCheck} />
            </span>
          )}
        </h2>
        {contact.nickname !== null && contact.display_name !== null && <p>{contact.display_name}</p>}
        {contact.username !== null && <p>@{contact.username}</p>}
        {contact.about !== null && contact.about !== "" && (
          <p className="person-about" dir="auto">
            {contact.about}
          </p>
        )}
        {contact.blocked && <span className="tag amber">{t("contact.blocked")}</span>}
      </div>
      <Quick account={account} name={name} view={view} canMute />
      {contact.key_changed && <KeyChange contact={contact} name={name} />}
      <SafetyNumber contact={contact} name={name} />
      <div className="sec">
        <div className="opts">
          <Nickname contact={contact} />
          <div className="opt static">
            <Icon icon={Laptop} />
            <span>{t("contact.devices", { count: contact.devices })}</span>
          </div>
          {server !== undefined && contact.username !== null && (
            <button type="button" className="opt" onClick={() => copy(contactLink(server, contact.username ?? ""))}>
              <Icon icon={Link2} />
              <span aria-live="polite">{copied ? t("common.copied") : t("contact.copy_link")}</span>
            </button>
          )}
        </div>
        <ChatOptions account={account} view={view} />
        <Unwelcome contact={contact} view={view} name={name} />
      </div>
    </>
  );
}

/** What they look like; a press shows it larger. */
function Portrait({ account, name }: { account: string; name: string }) {
  const url = usePicture(account);
  const [large, setLarge] = useState(false);
  if (url === undefined) return <Avatar account={account} name={name} size="xl" />;
  return (
    <>
      <button type="button" className="portrait" aria-label={t("contact.picture.large", { name })} aria-haspopup="dialog" onClick={() => setLarge(true)}>
        <Avatar account={account} name={name} size="xl" />
      </button>
      {large && (
        <Dialog title={name} onClose={() => setLarge(false)}>
          <img className="portrait-large" src={url} alt={t("contact.picture.of", { name })} />
        </Dialog>
      )}
    </>
  );
}

const NICKNAME_CHARS = 64;

/** What one calls them; nobody else sees it. */
function Nickname({ contact }: { contact: ContactView }) {
  const [name, setName] = useState<string | null>(null);
  const set = (nickname: string) => {
    void setConversation(contact.account, { nickname });
    setName(null);
  };
  return (
    <>
      <button type="button" className="opt" aria-haspopup="dialog" onClick={() => setName(contact.nickname ?? "")}>
        <Icon icon={Tag} />
        {t("contact.nickname")}
        <span className="v">
          <bdi className="ellipsis">{contact.nickname ?? t("contact.nickname_none")}</bdi>
        </span>
      </button>
      {name !== null && (
        <NameDialog
          title={t("contact.nickname")}
          label={t("contact.nickname.label")}
          hint={t("contact.nickname.hint")}
          value={name}
          max={NICKNAME_CHARS}
          clear={contact.nickname === null ? null : t("contact.nickname.clear")}
          onChange={setName}
          onSet={set}
          onClose={() => setName(null)}
        />
      )}
    </>
  );
}

const ReportDialog = lazy(async () => ({ default: (await import("../requests")).ReportDialog }));

/** What one does about somebody unwelcome. */
function Unwelcome({ contact, view, name }: PersonProps & { name: string }) {
  const [reporting, setReporting] = useState(false);
  const [asking, setAsking] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const set = (blocked: boolean) =>
    engine.command({ command: "set_blocked", who: { account: contact.account }, blocked });
  return (
    <div className="opts">
      {contact.blocked ? (
        <button
          type="button"
          className="opt"
          onClick={() => {
            setError(null);
            set(false).catch((failure: unknown) => setError(reasonOf(failure)));
          }}
        >
          <Icon icon={Ban} />
          {t("contact.unblock", { name })}
        </button>
      ) : (
        <button type="button" className="opt danger" onClick={() => setAsking(true)}>
          <Icon icon={Ban} />
          {t("contact.block", { name })}
        </button>
      )}
      <button type="button" className="opt danger" aria-haspopup="dialog" onClick={() => setReporting(true)}>
        <Icon icon={Flag} />
        {t("contact.report", { name })}
      </button>
      {view !== undefined && (
        <button type="button" className="opt danger" aria-haspopup="dialog" onClick={() => ask("delete", contact.account)}>
          <Icon icon={Trash2} />
          {t("row.delete")}
        </button>
      )}
      <p className="field-error" role="alert">
        {error}
      </p>
      {reporting && (
        <Suspense fallback={null}>
          <ReportDialog account={contact.account} name={name} canBlock={!contact.blocked} onClose={() => setReporting(false)} />
        </Suspense>
      )}
      {asking && (
        <ConfirmDialog
          title={t("contact.block.title", { name })}
          verb={t("contact.block.verb")}
          danger
          onConfirm={() => set(true)}
          onClose={() => setAsking(false)}
        >
          <p>{t("contact.block.body")}</p>
        </ConfirmDialog>
      )}
    </div>
  );
}

