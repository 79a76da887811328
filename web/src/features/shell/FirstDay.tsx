import { UserPlus } from "lucide-react";
import { useApp } from "../../engine/store";
import { t } from "../../strings";
import { Button } from "../../ui/Button";
import { EmptyState } from "../../ui/EmptyState";
import { Icon } from "../../ui/Icon";
import { contactLink } from "../newchat/link";
import { CopyButton } from "../settings/CopyButton";
import { navigate } from "./route";

/** Nobody to write to yet: how people find each other. On the sheet, and on a phone in the place of the rows. */
export function FirstDay() {
  const me = useApp((state) => state.me);
  return (
    <EmptyState
      art
      title={t("empty.title")}
      actions={
        <>
          <Button variant="primary" onClick={() => navigate("/new")}>
            <Icon icon={UserPlus} small />
            {t("empty.find")}
          </Button>
          {me && <CopyButton text={contactLink(me.server, me.username)} label={t("empty.copy_link")} />}
        </>
      }
    >
      {t("empty.body")}
    </EmptyState>
  );
}
