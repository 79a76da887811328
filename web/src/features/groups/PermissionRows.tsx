import type { GroupPermission } from "@sotto/engine";
import { useId } from "react";
import { t } from "../../strings/groups";
import { Segmented } from "../../ui/Segmented";

export interface Permissions {
  post: GroupPermission;
  add: GroupPermission;
  change_details: GroupPermission;
}

const KINDS = ["post", "add", "change_details"] as const;

/** Who may write, add and change: everybody, or admins alone. */
export function PermissionRows({ value, onChange }: { value: Permissions; onChange: (permissions: Permissions) => void }) {
  const id = useId();
  const options = (["members", "admins"] as const).map((who) => ({ value: who, label: t(`groups.permissions.${who}`) }));
  return KINDS.map((kind) => (
    <div key={kind} className="perm-row">
      <span id={`${id}-${kind}`}>{t(`groups.permissions.${kind}`)}</span>
      <Segmented
        label={t(`groups.permissions.${kind}`)}
        options={options}
        value={value[kind]}
        onChange={(who) => onChange({ ...value, [kind]: who })}
      />
    </div>
  ));
}
