import type { ContactView, GroupView } from "@sotto/engine";
import { Check, X } from "lucide-react";
import { displayName } from "../../engine/store";
import { t } from "../../strings/groups";
import { Avatar } from "../../ui/Avatar";
import { Button } from "../../ui/Button";
import { Icon } from "../../ui/Icon";
import { IconButton } from "../../ui/IconButton";
import { changeGroup, useAct } from "./use-group";

/** Who asked to join by a link, and waits. */
export function Requests({ view }: { view: GroupView }) {
  return (
    <section className="sec">
      <div className="sec-head">
        <span className="label">{t("groups.requests")}</span>
        <span className="badge">{view.requests.length}</span>
      </div>
      <ul className="members">
        {view.requests.map((contact) => (
          <Request key={contact.account} group={view.group} contact={contact} />
        ))}
      </ul>
    </section>
  );
}

function Request({ group, contact }: { group: string; contact: ContactView }) {
  const { account, username } = contact;
  const { busy, failure, act } = useAct();
  const name = displayName(contact) ?? account.slice(0, 8);
  return (
    <li>
      <div className="m">
        <Avatar account={account} name={name} size="md" />
        <div className="m-text">
          <bdi className="name">{name}</bdi>
          {username !== null && username !== name && <p>@{username}</p>}
        </div>
        <Button
          small
          variant="primary"
          disabled={busy}
          aria-label={t("groups.requests.let_in_name", { name })}
          onClick={() => void act(() => changeGroup(group, { kind: "add", members: [{ account }] }))}
        >
          {busy ? <span className="spin" aria-hidden="true" /> : <Icon icon={Check} small />}
          {t("groups.requests.let_in")}
        </Button>
        <IconButton
          icon={X}
          disabled={busy}
          label={t("groups.requests.decline_name", { name })}
          onClick={() => void act(() => changeGroup(group, { kind: "decline", members: [account] }))}
        />
      </div>
      <p className="field-error" role="alert">
        {failure}
      </p>
    </li>
  );
}
