/** What can be done about a conversation, a person's or a group's: search, mute, pin, archive. */
import type { ConversationView } from "@sotto/engine";
import { Archive, ArchiveRestore, Bell, BellOff, ChevronRight, Folder, Pin, PinOff, Search, Star, Timer } from "lucide-react";
import { lazy, Suspense, useState, type ReactNode } from "react";
import { engine } from "../../engine/engine";
import { refreshConversation, setConversation, useApp } from "../../engine/store";
import { t } from "../../strings/later";
import { Dialog } from "../../ui/Dialog";
import { Icon } from "../../ui/Icon";
import { NameDialog } from "./NameDialog";
import { durationText } from "../../ui/time";
import { foldersOf } from "../list/folders";
import { dayAndTime } from "../settings/format";
import { chatSearchPath, navigate, starredPath } from "../shell/route";

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

const TimerDialog = lazy(async () => ({ default: (await import("../messages")).TimerDialog }));

export function ChatOptions({ account, view }: { account: string; view: ConversationView | undefined }) {
  const [dialog, setDialog] = useState<"timer" | "folder" | null>(null);
  const setTimer = async (seconds: number) => {
    await engine.command({ command: "set_timer", conversation: account, seconds });
    refreshConversation(account);
  };
  if (view === undefined) return null;
  const { archived, folder, timer_s: timer } = view;
  return (
    <div className="opts" role="group" aria-label={t("contact.actions")}>
      {view.group?.my_role !== null && (
        <button type="button" className="opt" aria-haspopup="dialog" onClick={() => setDialog("timer")}>
          <Icon icon={Timer} />
          {t("contact.timer")}
          <span className="v">
            {timer === 0 ? t("contact.timer_off") : durationText(timer)}
            <Icon icon={ChevronRight} small directional />
          </span>
        </button>
      )}
      <button type="button" className="opt" onClick={() => navigate(starredPath(account))}>
        <Icon icon={Star} />
        {t("list.starred")}
        <span className="v">
          <Icon icon={ChevronRight} small directional />
        </span>
      </button>
      <button type="button" className="opt" aria-haspopup="dialog" onClick={() => setDialog("folder")}>
        <Icon icon={Folder} />
        {t("contact.folder")}
        <span className="v">
          <bdi className="ellipsis">{folder ?? t("contact.folder_none")}</bdi>
          <Icon icon={ChevronRight} small directional />
        </span>
      </button>
      <button type="button" className="opt" onClick={() => void setConversation(account, { archived: !archived })}>
        <Icon icon={archived ? ArchiveRestore : Archive} />
        {archived ? t("contact.unarchive") : t("contact.archive")}
      </button>
      {dialog === "timer" && (
        <Suspense fallback={null}>
          <TimerDialog seconds={timer} onSet={setTimer} onClose={() => setDialog(null)} />
        </Suspense>
      )}
      {dialog === "folder" && <FolderDialog account={account} folder={folder} onClose={() => setDialog(null)} />}
    </div>
  );
}

const FOLDER_CHARS = 32;

/** In which folder it is: one that is there already, a new one, or none. */
function FolderDialog({ account, folder, onClose }: { account: string; folder: string | null; onClose: () => void }) {
  const conversations = useApp((state) => state.conversations);
  const [name, setName] = useState(folder ?? "");
  const others = foldersOf(Object.values(conversations)).filter((other) => other !== folder);
  const put = (chosen: string) => {
    void setConversation(account, { folder: chosen.trim() });
    onClose();
  };
  return (
    <NameDialog
      title={t("contact.folder")}
      label={t("contact.folder.label")}
      hint={t("contact.folder.hint")}
      value={name}
      max={FOLDER_CHARS}
      clear={folder === null ? null : t("contact.folder.clear")}
      onChange={setName}
      onSet={put}
      onClose={onClose}
    >
      {others.length > 0 && (
        <div className="opts" role="group" aria-label={t("contact.folder.others")}>
          {others.map((other) => (
            <button key={other} type="button" className="opt" onClick={() => put(other)}>
              <Icon icon={Folder} />
              <bdi>{other}</bdi>
            </button>
          ))}
        </div>
      )}
    </NameDialog>
  );
}
