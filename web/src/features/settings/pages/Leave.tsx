import { LogOut, Trash2 } from "lucide-react";
import { useState } from "react";
import { engine } from "../../../engine/engine";
import { useApp } from "../../../engine/store";
import { t } from "../../../strings/later";
import { Button } from "../../../ui/Button";
import { ConfirmDialog } from "../../../ui/Dialog";
import { Field } from "../../../ui/Field";
import { ExportRow } from "../ExportRow";
import { Group, Page, Row } from "../parts";
import { useReply } from "../use-reply";

export function Leave() {
  const username = useApp((state) => state.me?.username ?? "");
  const [dialog, setDialog] = useState<"signout" | "delete" | null>(null);
  const close = () => setDialog(null);
  return (
    <Page title={t("settings.leave")}>
      <Group>
        <ExportRow />
      </Group>
      <Group>
        <Row icon={LogOut} title={t("leave.signout")} hint={t("leave.signout.hint")}>
          <Button small variant="danger" onClick={() => setDialog("signout")}>
            {t("leave.signout.action")}
          </Button>
        </Row>
        <Row icon={Trash2} title={t("leave.delete")} hint={t("leave.delete.hint", { username })}>
          <Button small variant="danger" onClick={() => setDialog("delete")}>
            {t("leave.delete.action")}
          </Button>
        </Row>
      </Group>
      {dialog === "signout" && <SignOut onClose={close} />}
      {dialog === "delete" && <DeleteAccount username={username} onClose={close} />}
    </Page>
  );
}

/** Says what is lost before it is lost. */
function SignOut({ onClose }: { onClose: () => void }) {
  const { reply } = useReply({ command: "devices" }, (happening) => happening.event === "devices_changed");
  const others = reply?.devices.filter((device) => !device.current && !device.suspended).length;
  return (
    <ConfirmDialog
      title={t("leave.signout.title")}
      verb={t("leave.signout.verb")}
      danger
      onConfirm={() => engine.wipe()}
      onClose={onClose}
    >
      <p>{t("leave.signout.body")}</p>
      {/* Offline nobody knows of other devices: the worse case is told. */}
      {others === undefined || others === 0 ? (
        <p>
          <b>{t("leave.signout.only")}</b>
        </p>
      ) : (
        <p>{t("leave.signout.others", { count: others })}</p>
      )}
    </ConfirmDialog>
  );
}

function DeleteAccount({ username, onClose }: { username: string; onClose: () => void }) {
  const [typed, setTyped] = useState("");
  const remove = async () => {
    await engine.command({ command: "delete_account" });
    // The account is gone; nothing of it should stay in the browser either.
    await engine.wipe();
  };
  return (
    <ConfirmDialog
      title={t("leave.delete.title", { username })}
      verb={t("leave.delete.verb")}
      danger
      disabled={typed.trim().replace(/^@/, "").toLowerCase() !== username}
      onConfirm={remove}
      onClose={onClose}
    >
      <p>{t("leave.delete.body", { username })}</p>
      <Field
        label={t("leave.delete.type", { username })}
        value={typed}
        onChange={setTyped}
        autoFocus
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
      />
    </ConfirmDialog>
  );
}
