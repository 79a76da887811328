import { Link as LinkIcon, UserPlus } from "lucide-react";
import { useState } from "react";
import { notice, useApp } from "../../engine/store";
import { t } from "../../strings";
import { Button } from "../../ui/Button";
import { EmptyState } from "../../ui/EmptyState";
import { Icon } from "../../ui/Icon";
import { Banners } from "./Banners";
import { navigate } from "./route";

/** The sheet while no conversation is open: it teaches on the first day, and keeps quiet later. */
export function NothingChosen() {
  const loaded = useApp((state) => state.loaded);
  const isEmpty = useApp((state) => state.order.length === 0);
  return (
    <main className="sheet">
      <Banners />
      {loaded && (isEmpty ? <FirstDay /> : <EmptyState art title={t("empty.pick.title")}>{t("empty.pick.body")}</EmptyState>)}
    </main>
  );
}

function FirstDay() {
  const username = useApp((state) => state.me?.username);
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(`${location.origin}/#/u/${username ?? ""}`);
      setCopied(true);
    } catch (error) {
      notice(error);
    }
  };
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
          <Button onClick={() => void copy()}>
            <Icon icon={LinkIcon} small />
            <span aria-live="polite">{t(copied ? "empty.link_copied" : "empty.copy_link")}</span>
          </Button>
        </>
      }
    >
      {t("empty.body")}
    </EmptyState>
  );
}
