/** What is asked before a group is changed. */
import type { GroupView } from "@sotto/engine";
import { useState } from "react";
import { t } from "../../strings/groups";
import { Button } from "../../ui/Button";
import { ConfirmDialog, Dialog } from "../../ui/Dialog";
import { checkDetails, detailsFields, type Details } from "./details";
import { DetailsForm } from "./DetailsForm";
import { PeoplePicker, type Person } from "./PeoplePicker";
import { PermissionRows, type Permissions } from "./PermissionRows";
import { MEMBERS_MAX } from "./rights";
import { changeGroup, useAct } from "./use-group";

interface Props {
  view: GroupView;
  onClose: () => void;
}

interface SaveProps {
  busy: boolean;
  verb: string;
  disabled?: boolean;
  onSave: () => void;
  onClose: () => void;
}

function Save({ busy, verb, disabled = false, onSave, onClose }: SaveProps) {
  return (
    <>
      <Button onClick={onClose}>{t("common.cancel")}</Button>
      <Button variant="primary" disabled={busy || disabled} onClick={onSave}>
        {busy && <span className="spin" aria-hidden="true" />}
        {verb}
      </Button>
    </>
  );
}

export function AddPeople({ view, onClose }: Props) {
  const [people, setPeople] = useState<readonly Person[]>([]);
  const [members] = useState(() => new Set(view.members.map(({ account }) => account)));
  const { busy, failure, act } = useAct();
  const add = async () => {
    const done = await act(() => changeGroup(view.group, { kind: "add", members: people.map(({ account }) => ({ account })) }));
    if (done) onClose();
  };
  return (
    <Dialog
      title={t("groups.add.title")}
      wide
      onClose={onClose}
      actions={
        <Save
          busy={busy}
          verb={t("groups.add.verb", { count: people.length })}
          disabled={people.length === 0}
          onSave={() => void add()}
          onClose={onClose}
        />
      }
    >
      <p>{t("groups.add.body")}</p>
      <PeoplePicker chosen={people} onChange={setPeople} members={members} max={MEMBERS_MAX[view.fanout] - members.size} />
      {busy && (
        <p className="sr" role="status">
          {t("groups.add.busy", { count: people.length })}
        </p>
      )}
      <p className="field-error" role="alert">
        {failure}
      </p>
    </Dialog>
  );
}

export function EditGroup({ view, onClose }: Props) {
  const [before] = useState<Details>(() => ({
    title: view.title ?? "",
    description: view.description ?? "",
    picture: view.picture === null ? null : { picture: view.picture, picture_type: view.picture_type },
  }));
  const [details, setDetails] = useState(before);
  const [tried, setTried] = useState(false);
  const { busy, failure, act } = useAct();
  const save = async () => {
    setTried(true);
    const wrong = checkDetails(details);
    if (wrong.title !== null || wrong.description !== null) return;
    const fields = detailsFields(details);
    const same = JSON.stringify(fields) === JSON.stringify(detailsFields(before));
    if (same || (await act(() => changeGroup(view.group, { kind: "set_details", ...fields })))) onClose();
  };
  return (
    <Dialog
      title={t("groups.edit.title")}
      wide
      onClose={onClose}
      actions={<Save busy={busy} verb={t("groups.edit.save")} onSave={() => void save()} onClose={onClose} />}
    >
      <DetailsForm id={view.group} value={details} onChange={setDetails} tried={tried} />
      <p className="field-error" role="alert">
        {failure}
      </p>
    </Dialog>
  );
}

export function PermissionsDialog({ view, mayChange, onClose }: Props & { mayChange: boolean }) {
  const [permissions, setPermissions] = useState<Permissions>({ post: view.post, add: view.add, change_details: view.change_details });
  const { busy, failure, act } = useAct();
  const same = permissions.post === view.post && permissions.add === view.add && permissions.change_details === view.change_details;
  const save = async () => {
    if (same || (await act(() => changeGroup(view.group, { kind: "set_permissions", ...permissions })))) onClose();
  };
  return (
    <Dialog
      title={t("groups.permissions")}
      onClose={onClose}
      actions={mayChange ? <Save busy={busy} verb={t("groups.permissions.save")} onSave={() => void save()} onClose={onClose} /> : undefined}
    >
      <p>{t("groups.permissions.body")}</p>
      {mayChange ? (
        <PermissionRows value={permissions} onChange={setPermissions} />
      ) : (
        <>
          <dl className="facts">
            {(["post", "add", "change_details"] as const).map((kind) => (
              <div key={kind} className="fact">
                <dt>{t(`groups.permissions.${kind}`)}</dt>
                <dd>{t(`groups.permissions.${view[kind]}`)}</dd>
              </div>
            ))}
          </dl>
          <p className="under">{t("groups.permissions.only_admins")}</p>
        </>
      )}
      <p className="field-error" role="alert">
        {failure}
      </p>
    </Dialog>
  );
}

export type Leaving = "leave" | "delete" | "succeed";

export function LeaveDialogs({ kind, view, title: name, onClose }: Props & { kind: Leaving; title: string }) {
  const last = view.members.length === 1;
  return (
    <ConfirmDialog
      title={t(`groups.${kind}.title`, { name })}
      verb={t(`groups.${kind}.verb`)}
      danger={kind !== "succeed"}
      onConfirm={() => changeGroup(view.group, { kind })}
      onClose={onClose}
    >
      {kind === "leave" && view.my_role === "owner" && <p>{t(last ? "groups.leave.last" : "groups.leave.owner")}</p>}
      <p>{t(`groups.${kind}.body`)}</p>
    </ConfirmDialog>
  );
}
