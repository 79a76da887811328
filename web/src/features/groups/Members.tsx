/** Who is in a group: the first ones beside everything else, all of them on a page of their own. */
import type { GroupMemberView, GroupView } from "@sotto/engine";
import { BadgeCheck, Crown, IdCard, KeyRound, MessageCircle, Search, ShieldMinus, ShieldPlus, UserMinus } from "lucide-react";
import { useEffect, useId, useMemo, useRef, useState } from "react";
import { Virtualizer } from "virtua";
import { useApp } from "../../engine/store";
import { t } from "../../strings/groups";
import { wholeNumber } from "../../ui/time";
import { Avatar } from "../../ui/Avatar";
import { Button } from "../../ui/Button";
import { ConfirmDialog } from "../../ui/Dialog";
import { Icon } from "../../ui/Icon";
import { useMenu, type MenuEntry } from "../../ui/Menu";
import { fold } from "../search/fold";
import { chatPath, infoPath, navigate } from "../shell/route";
import { mayReadd, memberName, MEMBERS_MAX, type Rights } from "./rights";
import { changeGroup, useAct } from "./use-group";

/** More than this have a page of their own, where they are searched. */
const FEW = 12;
const ROW_PX = 52;

const RANK = { owner: 0, admin: 1, member: 2 } as const;

interface Props {
  view: GroupView;
  rights: Rights;
}

/** Oneself, then by role, then in the order they joined. */
function sorted(members: readonly GroupMemberView[], me: string | undefined): readonly GroupMemberView[] {
  const rank = (member: GroupMemberView) => (member.account === me ? -1 : RANK[member.role]);
  return [...members].sort((a, b) => rank(a) - rank(b));
}

export function Members({ view, rights, onAll }: Props & { onAll: () => void }) {
  const me = useApp((state) => state.me?.account);
  const members = useMemo(() => sorted(view.members, me), [view.members, me]);
  const { row, dialog, failure } = useMemberActions(view, rights);
  if (members.length === 0) return null;
  const shown = members.length > FEW ? members.slice(0, FEW - 2) : members;
  return (
    <section className="sec">
      <div className="sec-head">
        <span className="label">{t("groups.members")}</span>
        <span className="label num">
          {t("groups.members.of", { count: wholeNumber(members.length), max: wholeNumber(MEMBERS_MAX[view.fanout]) })}
        </span>
      </div>
      <p className="field-error" role="alert">
        {failure}
      </p>
      <ul className="members" onKeyDown={moveFocus}>
        {shown.map((member) => (
          <li key={member.account}>{row(member)}</li>
        ))}
      </ul>
      {shown.length < members.length && (
        <Button wide variant="plain" onClick={onAll}>
          {t("groups.members.all", { count: members.length })}
        </Button>
      )}
      {dialog}
    </section>
  );
}

/** All of them: searched, and only those in sight exist. */
export function AllMembers({ view, rights }: Props) {
  const me = useApp((state) => state.me?.account);
  const [query, setQuery] = useState("");
  const field = useRef<HTMLInputElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const { row, dialog, failure } = useMemberActions(view, rights);
  const found = useMemo(() => {
    const wanted = fold(query.trim().replace(/^@/u, ""));
    const fits = (member: GroupMemberView) => [memberName(member), member.username ?? ""].some((name) => fold(name).includes(wanted));
    return sorted(view.members, me).filter(fits);
  }, [view.members, me, query]);
  useEffect(() => field.current?.focus(), []);
  return (
    <>
      <div className="members-search">
        <div className="search">
          <Icon icon={Search} small />
          <input
            ref={field}
            type="search"
            value={query}
            placeholder={t("groups.members.search")}
            aria-label={t("groups.members.search")}
            autoComplete="off"
            spellCheck={false}
            dir="auto"
            onChange={(event) => setQuery(event.target.value)}
            onKeyDown={(event) => {
              if (event.key !== "ArrowDown") return;
              event.preventDefault();
              scroller.current?.querySelector("button")?.focus();
            }}
          />
        </div>
        <p className="label" role="status">
          {t("groups.members.found", { count: found.length })}
        </p>
        <p className="field-error" role="alert">
          {failure}
        </p>
      </div>
      <div ref={scroller} className="members-all scroll" role="list" aria-label={t("groups.members")} onKeyDown={moveFocus}>
        <Virtualizer data={found} itemSize={ROW_PX} scrollRef={scroller}>
          {(member) => (
            <div key={member.account} role="listitem">
              {row(member)}
            </div>
          )}
        </Virtualizer>
      </div>
      {dialog}
    </>
  );
}

function moveFocus(event: React.KeyboardEvent<HTMLElement>): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step === undefined) return;
  const rows = [...event.currentTarget.querySelectorAll<HTMLElement>("button.m")];
  const to = rows[rows.findIndex((row) => row === document.activeElement) + step];
  if (!to) return;
  event.preventDefault();
  to.focus();
}

type Asking = { about: "remove" | "demote" | "hand_over"; member: GroupMemberView };

/** Rows of members, what their menus do, and the questions that come before it. */
function useMemberActions(view: GroupView, rights: Rights) {
  const owner = useId();
  const me = useApp((state) => state.me?.account);
  const conversations = useApp((state) => state.conversations);
  const [asking, setAsking] = useState<Asking | null>(null);
  const { busy, failure, act } = useAct();
  const change = (what: Parameters<typeof changeGroup>[1]) => void act(() => changeGroup(view.group, what));

  const itemsFor = (member: GroupMemberView): MenuEntry[] => {
    const { account } = member;
    const name = memberName(member);
    const ask = (about: Asking["about"]) => () => setAsking({ about, member });
    const mine: MenuEntry[] = [];
    if (mayReadd(member, rights)) {
      mine.push({ label: t("groups.readd"), icon: KeyRound, onSelect: () => change({ kind: "add", members: [{ account }] }) });
    }
    if (rights.admin && member.role === "member") {
      mine.push({ label: t("groups.member.promote"), icon: ShieldPlus, onSelect: () => change({ kind: "set_role", member: account, role: "admin" }) });
    }
    if (rights.admin && member.role === "admin") {
      mine.push({ label: t("groups.member.demote"), icon: ShieldMinus, onSelect: ask("demote") });
    }
    if (rights.owner) mine.push({ label: t("groups.member.hand_over"), icon: Crown, onSelect: ask("hand_over") });
    if (rights.admin && member.role !== "owner") {
      mine.push({ label: t("groups.member.remove"), icon: UserMinus, danger: true, onSelect: ask("remove") });
    }
    return [
      { label: t("groups.member.write", { name }), icon: MessageCircle, onSelect: () => navigate(chatPath(account)) },
      { label: t("groups.member.about"), icon: IdCard, onSelect: () => navigate(infoPath(account)) },
      ...(mine.length > 0 ? ["line" as const, ...mine] : []),
    ];
  };

  const row = (member: GroupMemberView) => {
    const { account, role, username } = member;
    const name = memberName(member);
    const isMe = account === me;
    const verified = conversations[account]?.contact?.verified === true;
    const text = (
      <>
        <Avatar account={account} name={name} size="md" />
        <span className="m-text">
          <span className="name">
            <bdi>{isMe ? t("groups.you") : name}</bdi>
            {verified && !isMe && (
              <span className="seal" role="img" aria-label={t("list.verified")}>
                <Icon icon={BadgeCheck} small />
              </span>
            )}
          </span>
          {member.key_changed ? (
            <span className="sub amber">{t("groups.key_changed")}</span>
          ) : (
            username !== null && (isMe || username !== name) && <span className="sub">@{username}</span>
          )}
        </span>
        {role !== "member" && <span className={role === "owner" ? "role owner" : "role"}>{t(`groups.role.${role}`)}</span>}
      </>
    );
    if (isMe) return <div className="m">{text}</div>;
    return (
      <button
        type="button"
        className="m"
        aria-haspopup="menu"
        disabled={busy}
        onClick={(event) => {
          const from = event.currentTarget;
          const { right, left, top, height } = from.getBoundingClientRect();
          // At the pointer; by keyboard, where the row begins.
          const x = event.detail === 0 ? left + 52 : Math.min(event.clientX, right);
          const label = t("groups.member.menu", { name });
          useMenu.setState({ open: { owner, label, items: itemsFor(member), anchor: { x, y: top, width: 0, height }, align: "start", from } });
        }}
      >
        {text}
      </button>
    );
  };

  const close = () => setAsking(null);
  const confirm = async () => {
    if (asking === null) return;
    const { account } = asking.member;
    switch (asking.about) {
      case "remove":
        return changeGroup(view.group, { kind: "remove", members: [{ account }] });
      case "demote":
        return changeGroup(view.group, { kind: "set_role", member: account, role: "member" });
      case "hand_over":
        return changeGroup(view.group, { kind: "set_role", member: account, role: "owner" });
    }
  };
  const name = asking === null ? "" : memberName(asking.member);
  const dialog = asking && (
    <ConfirmDialog
      title={t(`groups.${asking.about}.title`, { name })}
      verb={t(`groups.${asking.about}.verb`)}
      danger={asking.about !== "hand_over"}
      onConfirm={confirm}
      onClose={close}
    >
      <p>{t(`groups.${asking.about}.body`, { name })}</p>
    </ConfirmDialog>
  );
  return { row, dialog, failure };
}
