/** What can be done about a conversation, a person's or a group's: search, mute, pin, archive. */
import type { ConversationView } from "@sotto/engine";
import { Archive, ArchiveRestore, Bell, BellOff, Pin, PinOff, Search } from "lucide-react";
import { useState, type ReactNode } from "react";
import { setConversation } from "../../engine/store";
import { t } from "../../strings/later";
import { Dialog } from "../../ui/Dialog";
import { Icon } from "../../ui/Icon";
import { dayAndTime } from "../settings/format";
import { chatSearchPath, navigate } from "../shell/route";

interface QuickProps {
  /** A conversation: a person's or a group's. */
  account: string;
  name: string;
  view: ConversationView | undefined;
  canMute: boolean;
  /** What comes before what every conversation has. */
  children?: ReactNode;
}

export function Quick({ account, name, view, canMute, children }: QuickProps) {
  const [muting, setMuting] = useState(false);
  const [now] = useState(() => Date.now());
  const pinned = view?.pinned ?? false;
  const mutedUntil = view?.muted_until_ms ?? 0;
  const muted = mutedUntil > now;
  return (
    <>
      <div className="quick">
        {children}
        <button type="button" onClick={() => navigate(chatSearchPath(account))}>
          <Icon icon={Search} />
          {t("contact.search")}
        </button>
        {canMute && (
          <button
            type="button"
            onClick={() => {
              if (muted) void setConversation(account, { muted_until_ms: 0 });
              else setMuting(true);
            }}
          >
            <Icon icon={muted ? Bell : BellOff} />
            {muted ? t("contact.unmute") : t("contact.mute")}
          </button>
        )}
        <button type="button" onClick={() => void setConversation(account, { pinned: !pinned })}>
          <Icon icon={pinned ? PinOff : Pin} />
          {pinned ? t("contact.unpin") : t("contact.pin")}
        </button>
      </div>
      {muted && (
        <p className="under muted-until">
          {mutedUntil - now > FOREVER_MS / 2 ? t("contact.muted_always") : t("contact.muted_until", { time: dayAndTime(mutedUntil) })}
        </p>
      )}
      {muting && <MuteDialog account={account} name={name} onClose={() => setMuting(false)} />}
    </>
  );
}

const HOUR_MS = 60 * 60 * 1000;
/** A hundred years: "always" without a value of its own. */
const FOREVER_MS = 100 * 365 * 24 * HOUR_MS;

const MUTES = [
  { label: "contact.mute.8h", ms: 8 * HOUR_MS },
  { label: "contact.mute.week", ms: 7 * 24 * HOUR_MS },
  { label: "contact.mute.always", ms: FOREVER_MS },
] as const;

interface MuteDialogProps {
  account: string;
  name: string;
  onClose: () => void;
}

function MuteDialog({ account, name, onClose }: MuteDialogProps) {
  return (
    <Dialog title={t("contact.mute.title", { name })} onClose={onClose}>
      <p>{t("contact.mute.body")}</p>
      <div className="opts">
        {MUTES.map(({ label, ms }) => (
          <button
            key={label}
            type="button"
            className="opt"
            onClick={() => {
              void setConversation(account, { muted_until_ms: Date.now() + ms });
              onClose();
            }}
          >
            {t(label)}
          </button>
        ))}
      </div>
    </Dialog>
  );
}

export function ChatOptions({ account, view }: { account: string; view: ConversationView | undefined }) {
  if (view === undefined) return null;
  const { archived } = view;
  return (
    <div className="opts" role="group" aria-label={t("contact.actions")}>
      <button type="button" className="opt" onClick={() => void setConversation(account, { archived: !archived })}>
        <Icon icon={archived ? ArchiveRestore : Archive} />
        {archived ? t("contact.unarchive") : t("contact.archive")}
      </button>
    </div>
  );
}
