/** The way in by a link: what the group is, before one joins or asks to. */
import type { GroupInvitation } from "@sotto/engine";
import { Clock, Users } from "lucide-react";
import { useEffect, useState, type SubmitEvent } from "react";
import { useLocation } from "wouter";
import { engine } from "../../engine/engine";
import { useApp } from "../../engine/store";
import { t } from "../../strings/groups";
import { reasonOf } from "../../strings/reason";
import { Avatar } from "../../ui/Avatar";
import { Banner } from "../../ui/Banner";
import { Button } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { Icon } from "../../ui/Icon";
import { dropInvite, holdInvite, inviteLink, useWaitingLink } from "../newchat/link";
import { useReply } from "../settings/use-reply";
import { chatPath } from "../shell/route";
import { useAct } from "./use-group";
import "./groups.css";

export function JoinGroup() {
  const [, navigate] = useLocation();
  const code = useWaitingLink((state) => state.invite);
  const close = () => {
    dropInvite();
    navigate("/");
  };
  if (code === null) return <Paste onClose={close} />;
  return <Invite key={code} link={inviteLink(code)} onClose={close} />;
}

function Paste({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("");
  const [error, setError] = useState<string | null>(null);
  const example = inviteLink("…");
  return (
    <Dialog key="paste" title={t("groups.join.title")} onClose={onClose}>
      <form
        noValidate
        onSubmit={(event: SubmitEvent) => {
          event.preventDefault();
          if (!holdInvite(text.trim())) setError(t("groups.join.none", { example }));
        }}
      >
        <Field
          label={t("groups.join.paste")}
          value={text}
          onChange={(value) => {
            setText(value);
            setError(null);
          }}
          error={error}
          hint={t("groups.join.paste.hint", { example })}
          autoComplete="off"
          spellCheck={false}
          dir="ltr"
        />
        <div className="group-submit">
          <Button variant="primary" type="submit" wide>
            {t("groups.join.look")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function Invite({ link, onClose }: { link: string; onClose: () => void }) {
  const [, navigate] = useLocation();
  const [answer, setAnswer] = useState<GroupInvitation | null>(null);
  const { busy, failure, act } = useAct();
  const looked = useReply({ command: "look_at_invite", link }, () => false);
  const invitation = answer ?? looked.reply?.invitation ?? null;
  // Somebody may be let in while this is open.
  const inside = useApp((state) => (invitation === null ? false : state.conversations[invitation.group]?.group?.my_role != null));
  const member = invitation !== null && (inside || invitation.standing === "member") ? invitation.group : null;
  useEffect(() => {
    if (member === null) return;
    dropInvite();
    navigate(chatPath(member), { replace: true });
  }, [member, navigate]);

  if (invitation === null) {
    return (
      <Dialog
        key="looking"
        title={t("groups.join.title")}
        onClose={onClose}
        actions={
          looked.failure === null ? undefined : (
            <>
              <Button onClick={dropInvite}>{t("groups.join.other")}</Button>
              <Button variant="primary" onClick={looked.reload}>
                {t("common.retry")}
              </Button>
            </>
          )
        }
      >
        {looked.failure === null ? (
          <p className="waiting" role="status">
            <span className="spin" aria-hidden="true" />
            {t("groups.join.looking")}
          </p>
        ) : (
          <Banner tone="amber">{reasonOf(looked.failure)}</Banner>
        )}
      </Dialog>
    );
  }

  const { title, description, members, approval, standing } = invitation;
  const name = title ?? t("groups.join.untitled");
  const join = () =>
    act(async () => {
      setAnswer((await engine.command({ command: "join_group", link })).invitation);
    });
  const waiting = standing === "waiting";
  return (
    <Dialog
      key="invite"
      title={t("groups.join.title")}
      onClose={onClose}
      actions={
        waiting ? (
          <Button variant="primary" onClick={onClose}>
            {t("common.done")}
          </Button>
        ) : (
          <>
            <Button onClick={onClose}>{t("common.cancel")}</Button>
            <Button variant="primary" disabled={busy} onClick={() => void join()}>
              {busy && <span className="spin" aria-hidden="true" />}
              {t(approval ? "groups.join.ask" : "groups.join.verb")}
            </Button>
          </>
        )
      }
    >
      <div className="invitation">
        <Avatar account={invitation.group} name={name} size="xl" group picture={invitation} />
        <h3 className="h-lg">
          <bdi>{name}</bdi>
        </h3>
        <p className="invitation-count">
          <Icon icon={Users} small />
          {t("group.members", { count: members })}
        </p>
        {description !== null && description !== "" && (
          <p className="invitation-text" dir="auto">
            {description}
          </p>
        )}
        {title === null && <p>{t("groups.join.untitled.body")}</p>}
      </div>
      {waiting ? (
        <Banner icon={Clock} title={t("groups.join.waiting")}>
          {t("groups.join.waiting.body")}
        </Banner>
      ) : (
        <p className="invitation-note">{t(approval ? "groups.join.approval" : "groups.join.direct")}</p>
      )}
      <p className="field-error" role="alert">
        {failure}
      </p>
    </Dialog>
  );
}
