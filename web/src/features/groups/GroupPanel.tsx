/** One group: what it is, who is in it, who may do what, and the ways in and out. */
import type { ConversationView, GroupView } from "@sotto/engine";
import { ArrowLeft, ChevronRight, KeyRound, Link2, LogOut, Pencil, ShieldAlert, ShieldEllipsis, ShieldQuestionMark, Trash2, UserPlus, X } from "lucide-react";
import { useState } from "react";
import { useApp } from "../../engine/store";
import { t } from "../../strings/groups";
import { reasonOf, sentence } from "../../strings/reason";
import { Avatar } from "../../ui/Avatar";
import { Banner } from "../../ui/Banner";
import { Button } from "../../ui/Button";
import { Icon } from "../../ui/Icon";
import { IconButton } from "../../ui/IconButton";
import { Pane, PaneHeading } from "../../ui/Pane";
import { ChatOptions, Quick } from "../contact/ChatActions";
import { chatPath, navigate } from "../shell/route";
import { AddPeople, EditGroup, LeaveDialogs, PermissionsDialog, type Leaving } from "./dialogs";
import { Invites } from "./Invites";
import { AllMembers, Members } from "./Members";
import { Requests } from "./Requests";
import { mayReadd, memberName, rightsIn, type Rights } from "./rights";
import { changeGroup, titleOfGroup, useAct, useGroup } from "./use-group";
import "../contact/contact.css";
import "./groups.css";

export function GroupPanel({ group }: { group: string }) {
  const { view, failure } = useGroup(group);
  const listed = useApp((state) => state.conversations[group]);
  const [page, setPage] = useState<"group" | "members" | "invites">("group");
  const [adding, setAdding] = useState(false);
  const close = <IconButton icon={X} label={t("common.close")} onClick={() => navigate(chatPath(group))} />;
  if (view !== null && page !== "group") {
    const rights = rightsIn(view);
    return (
      <Pane className="panel" label={t("groups.info")}>
        <div className="panel-bar sub">
          <IconButton autoFocus icon={ArrowLeft} directional label={t("groups.members.back")} onClick={() => setPage("group")} />
          <PaneHeading>{t(page === "members" ? "groups.members" : "groups.invites")}</PaneHeading>
          {close}
        </div>
        {page === "members" ? <AllMembers view={view} rights={rights} /> : <Invites view={view} />}
      </Pane>
    );
  }
  return (
    <Pane className="panel" label={t("groups.info")}>
      <div className="panel-bar">
        <PaneHeading>{t("groups.info")}</PaneHeading>
        {close}
      </div>
      <div className="panel-body">
        {view === null && failure === null && (
          <p className="sr" role="status">
            {t("groups.loading")}
          </p>
        )}
        {view === null && failure !== null && (
          <p className="field-error" role="alert">
            {t("groups.failed", { reason: reasonOf(failure) })}
          </p>
        )}
        {view !== null && (
          <Group
            view={view}
            listed={listed}
            onAdd={() => setAdding(true)}
            onMembers={() => setPage("members")}
            onInvites={() => setPage("invites")}
          />
        )}
      </div>
      {adding && view !== null && <AddPeople view={view} onClose={() => setAdding(false)} />}
    </Pane>
  );
}

interface GroupProps {
  view: GroupView;
  listed: ConversationView | undefined;
  onAdd: () => void;
  onMembers: () => void;
  onInvites: () => void;
}

function Group({ view, listed, onAdd, onMembers, onInvites }: GroupProps) {
  const [dialog, setDialog] = useState<"edit" | "permissions" | Leaving | null>(null);
  const rights = rightsIn(view);
  const title = titleOfGroup(view, listed);
  const closed = [view.post, view.add, view.change_details].filter((who) => who === "admins").length;
  const inside = view.my_role !== null && !view.deleted;
  const owner = view.members.find((member) => member.role === "owner");
  return (
    <>
      {view.alarm !== null && (
        <Banner tone="red" icon={ShieldAlert} title={t("group.alarm.title")}>
          {sentence(view.alarm)}
        </Banner>
      )}
      <div className="person">
        <Avatar account={view.group} name={title} size="xl" group picture={view} />
        <h2 className="h-lg">
          <bdi>{title}</bdi>
        </h2>
        <p>{t("group.members", { count: view.members.length })}</p>
        {view.deleted ? (
          <span className="tag amber">{t("groups.deleted")}</span>
        ) : (
          view.my_role === null && <span className="tag amber">{t("groups.not_member")}</span>
        )}
        {inside && view.fanout === "pairwise" && <span className="tag">{t("groups.pairwise")}</span>}
        {view.description !== null && view.description !== "" && (
          <p className="group-text" dir="auto">
            {view.description}
          </p>
        )}
        {rights.details && (
          <Button small variant="plain" onClick={() => setDialog("edit")}>
            <Icon icon={Pencil} small />
            {t(view.description === "" ? "groups.add_description" : "groups.edit")}
          </Button>
        )}
      </div>
      <Quick account={view.group} name={title} view={listed} canMute>
        {rights.add && (
          <button type="button" onClick={onAdd}>
            <Icon icon={UserPlus} />
            {t("groups.add")}
          </button>
        )}
      </Quick>
      {rights.admin && view.requests.length > 0 && <Requests view={view} />}
      <NewKeys view={view} rights={rights} />
      <Members view={view} rights={rights} onAll={onMembers} />
      <div className="sec">
        <div className="opts">
          {rights.admin && (
            <button type="button" className="opt" onClick={onInvites}>
              <Icon icon={Link2} />
              {t("groups.invites")}
              <span className="v num">
                {view.invites.length > 0 && view.invites.length}
                <Icon icon={ChevronRight} small directional />
              </span>
            </button>
          )}
          {inside && (
            <button type="button" className="opt" onClick={() => setDialog("permissions")}>
              <Icon icon={ShieldEllipsis} />
              {t("groups.permissions")}
              <span className="v">
                {closed > 0 && t("groups.permissions.summary", { count: closed })}
                <Icon icon={ChevronRight} small directional />
              </span>
            </button>
          )}
        </div>
        <ChatOptions account={view.group} view={listed} />
        {inside && (
          <div className="opts">
            {view.my_role === "admin" && owner !== undefined && (
              <button type="button" className="opt" onClick={() => setDialog("succeed")}>
                <Icon icon={ShieldQuestionMark} />
                {t("groups.succeed")}
              </button>
            )}
            <button type="button" className="opt danger" onClick={() => setDialog("leave")}>
              <Icon icon={LogOut} />
              {t("groups.leave")}
            </button>
            {rights.owner && (
              <button type="button" className="opt danger" onClick={() => setDialog("delete")}>
                <Icon icon={Trash2} />
                {t("groups.delete")}
              </button>
            )}
          </div>
        )}
      </div>
      {dialog === "edit" && <EditGroup view={view} onClose={() => setDialog(null)} />}
      {dialog === "permissions" && <PermissionsDialog view={view} mayChange={rights.admin} onClose={() => setDialog(null)} />}
      {(dialog === "leave" || dialog === "delete" || dialog === "succeed") && (
        <LeaveDialogs kind={dialog} view={view} title={title} onClose={() => setDialog(null)} />
      )}
    </>
  );
}

/** Members whose key is another one than the list says: they get nothing until somebody adds them again. */
function NewKeys({ view, rights }: { view: GroupView; rights: Rights }) {
  const { busy, failure, act } = useAct();
  const changed = view.members.filter((member) => member.key_changed);
  const [first] = changed;
  if (first === undefined || view.my_role === null) return null;
  const mine = changed.filter((member) => mayReadd(member, rights));
  const readd = () =>
    act(() => changeGroup(view.group, { kind: "add", members: mine.map(({ account }) => ({ account })) }));
  return (
    <div className="sec new-keys">
      <Banner
        tone="amber"
        icon={KeyRound}
        title={t("groups.key_changed.title", { count: changed.length, name: memberName(first) })}
        action={
          mine.length > 0 && (
            <Button small disabled={busy} onClick={() => void readd()}>
              {busy && <span className="spin" aria-hidden="true" />}
              {t("groups.readd")}
            </Button>
          )
        }
      >
        {t(mine.length > 0 ? "groups.key_changed.body" : "groups.key_changed.ask")}
        {mine.some((member) => member.role === "admin") && <> {t("groups.key_changed.admin")}</>}
      </Banner>
      <p className="field-error" role="alert">
        {failure}
      </p>
    </div>
  );
}
