/** Links by which people come in: who has one may join, or ask to. Only the device that made a link can show it. */
import type { GroupInviteView, GroupView } from "@sotto/engine";
import { Link2, Plus, QrCode as QrIcon, Share2 } from "lucide-react";
import { useState } from "react";
import { t } from "../../strings/groups";
import { Button } from "../../ui/Button";
import { ConfirmDialog, Dialog } from "../../ui/Dialog";
import { Icon } from "../../ui/Icon";
import { QrCode } from "../../ui/QrCode";
import { Segmented } from "../../ui/Segmented";
import { Toggle } from "../../ui/Toggle";
import { CopyButton } from "../settings/CopyButton";
import { dayAndTime } from "../settings/format";
import { changeGroup, titleOfGroup, useAct } from "./use-group";

type Open = { what: "new" } | { what: "show" | "close"; invite: GroupInviteView };

export function Invites({ view }: { view: GroupView }) {
  const [open, setOpen] = useState<Open | null>(null);
  const [now] = useState(() => Date.now());
  const title = titleOfGroup(view, undefined);
  const close = () => setOpen(null);
  return (
    <div className="panel-body">
      <Button wide onClick={() => setOpen({ what: "new" })}>
        <Icon icon={Plus} small />
        {t("groups.invites.new")}
      </Button>
      {view.invites.length === 0 && <p className="invites-none">{t("groups.invites.none")}</p>}
      <ul className="invites">
        {view.invites.map((invite) => (
          <li key={invite.public_key} className="invite">
            <span className="invite-icon">
              <Icon icon={Link2} />
            </span>
            <div className="invite-text">
              {invite.link === null ? <p>{t("groups.invites.elsewhere")}</p> : <p className="invite-link">{shortLink(invite.link)}</p>}
              <p className="under">{aboutInvite(invite, now)}</p>
              <div className="invite-acts">
                {invite.link !== null && (
                  <>
                    <CopyButton small text={invite.link} />
                    <Button small onClick={() => setOpen({ what: "show", invite })}>
                      <Icon icon={QrIcon} small />
                      {t("groups.invites.show_qr")}
                    </Button>
                  </>
                )}
                <Button
                  small
                  variant="danger"
                  aria-label={t("groups.invites.close_label")}
                  onClick={() => setOpen({ what: "close", invite })}
                >
                  {t("groups.invites.close")}
                </Button>
              </div>
            </div>
          </li>
        ))}
      </ul>
      {open?.what === "new" && (
        <NewInvite view={view} onMade={(invite) => setOpen(invite === null ? null : { what: "show", invite })} onClose={close} />
      )}
      {open?.what === "show" && open.invite.link !== null && (
        <Dialog key="show" title={t("groups.invites.made")} onClose={close}>
          <p>{t("groups.invites.made.body")}</p>
          <InviteCode link={open.invite.link} name={title} />
        </Dialog>
      )}
      {open?.what === "close" && (
        <ConfirmDialog
          title={t("groups.invites.close.title")}
          verb={t("groups.invites.close.verb")}
          danger
          onConfirm={() => changeGroup(view.group, { kind: "close_invite", public_key: open.invite.public_key })}
          onClose={close}
        >
          <p>{t("groups.invites.close.body")}</p>
        </ConfirmDialog>
      )}
    </div>
  );
}

/** Enough to tell it from others; the rest is copied, not read. */
function shortLink(link: string): string {
  const plain = link.replace(/^https?:\/\//u, "");
  return `${plain.slice(0, plain.indexOf("#") + 6)}…${plain.slice(-6)}`;
}

function aboutInvite({ expires_ms: expires, uses, approval }: GroupInviteView, now: number): string {
  const parts = [
    expires === 0 ? t("groups.invites.forever") : t(expires > now ? "groups.invites.until" : "groups.invites.ended", { time: dayAndTime(expires) }),
  ];
  if (uses > 0) parts.push(t("groups.invites.left", { count: uses }));
  if (approval) parts.push(t("groups.invites.asks"));
  return parts.join(" · ");
}

function InviteCode({ link, name }: { link: string; name: string }) {
  const share = () => {
    // Closing the share sheet rejects: nothing to say about it.
    navigator.share({ text: t("groups.invites.share_text", { name }), url: link }).catch(() => undefined);
  };
  return (
    <div className="invite-code">
      <QrCode text={link} label={t("groups.invites.qr", { name })} />
      <p className="invite-whole">{link}</p>
      <div className="invite-code-acts">
        <CopyButton text={link} label={t("groups.invites.copy")} />
        {"share" in navigator && (
          <Button onClick={share}>
            <Icon icon={Share2} small />
            {t("groups.invites.share")}
          </Button>
        )}
      </div>
    </div>
  );
}

const HOUR_MS = 3600_000;
const EXPIRIES = { never: 0, hour: HOUR_MS, day: 24 * HOUR_MS, week: 7 * 24 * HOUR_MS } as const;
const USES = ["0", "1", "10", "100"] as const;

interface NewInviteProps {
  view: GroupView;
  onMade: (invite: GroupInviteView | null) => void;
  onClose: () => void;
}

function NewInvite({ view, onMade, onClose }: NewInviteProps) {
  const [expiry, setExpiry] = useState<keyof typeof EXPIRIES>("week");
  const [uses, setUses] = useState<(typeof USES)[number]>("0");
  const [approval, setApproval] = useState(false);
  const { busy, failure, act } = useAct();
  const make = () =>
    act(async () => {
      const before = new Set(view.invites.map((invite) => invite.public_key));
      const lasts = EXPIRIES[expiry];
      const group = await changeGroup(view.group, {
        kind: "open_invite",
        expires_ms: lasts === 0 ? 0 : Date.now() + lasts,
        uses: Number(uses),
        approval,
      });
      onMade(group.invites.find((invite) => !before.has(invite.public_key) && invite.link !== null) ?? null);
    });
  return (
    <Dialog
      key="new"
      title={t("groups.invites.new")}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{t("common.cancel")}</Button>
          <Button variant="primary" disabled={busy} onClick={() => void make()}>
            {busy && <span className="spin" aria-hidden="true" />}
            {t("groups.invites.create")}
          </Button>
        </>
      }
    >
      <p>{t("groups.invites.new.body")}</p>
      <div className="perm-row stack">
        <span>{t("groups.invites.expiry")}</span>
        <Segmented
          label={t("groups.invites.expiry")}
          options={(["hour", "day", "week", "never"] as const).map((value) => ({ value, label: t(`groups.invites.expiry.${value}`) }))}
          value={expiry}
          onChange={setExpiry}
        />
      </div>
      <div className="perm-row stack">
        <span>{t("groups.invites.uses")}</span>
        <Segmented
          label={t("groups.invites.uses")}
          options={USES.map((value) => ({
            value,
            label: value === "0" ? t("groups.invites.uses.any") : t("groups.invites.uses.some", { count: Number(value) }),
          }))}
          value={uses}
          onChange={setUses}
        />
      </div>
      <div className="perm-row">
        <span>
          {t("groups.invites.approval")}
          <small>{t("groups.invites.approval.hint")}</small>
        </span>
        <Toggle label={t("groups.invites.approval")} checked={approval} onChange={setApproval} />
      </div>
      <p className="field-error" role="alert">
        {failure}
      </p>
    </Dialog>
  );
}
