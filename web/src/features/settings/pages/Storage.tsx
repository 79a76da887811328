import { HardDrive, History, ShieldCheck } from "lucide-react";
import { useEffect, useState } from "react";
import { engine } from "../../../engine/engine";
import { t } from "../../../strings/later";
import { reasonOf } from "../../../strings/reason";
import { Button } from "../../../ui/Button";
import { Progress } from "../../../ui/Progress";
import { askToKeep, lookAtStorage, useStorage } from "../../pwa/storage";
import { ExportRow } from "../ExportRow";
import { bytes } from "../format";
import { Group, Page, Row } from "../parts";

/** A bar that looks empty says less than the words. */
const SHARE_SHOWN = 0.02;

export function Storage() {
  return (
    <Page title={t("settings.storage")}>
      <Group>
        <Used />
        <Kept />
      </Group>
      <Group>
        <ExportRow />
        <AskAgain />
      </Group>
    </Page>
  );
}

function Used() {
  const [estimate, setEstimate] = useState<StorageEstimate | null>(null);
  useEffect(() => {
    navigator.storage.estimate().then(setEstimate, () => setEstimate({}));
  }, []);
  const { usage, quota } = estimate ?? {};
  const known = usage !== undefined && quota !== undefined && quota > 0;
  const hint = () => {
    if (estimate === null) return "";
    return known ? t("storage.used.hint", { used: bytes(usage), quota: bytes(quota) }) : t("storage.unknown");
  };
  return (
    <div className="set-row">
      <HardDrive className="i" aria-hidden="true" />
      <div>
        <b>{t("storage.used")}</b>
        <p>{hint()}</p>
        {known && usage / quota >= SHARE_SHOWN && <Progress label={t("storage.used")} done={usage} total={quota} />}
      </div>
      {known && <span className="v num">{bytes(usage)}</span>}
    </div>
  );
}

function Kept() {
  const { persisted, refused } = useStorage();
  useEffect(() => {
    void lookAtStorage();
  }, []);
  const hint = () => {
    if (persisted === null) return t("storage.unknown");
    if (persisted) return t("storage.persistent.yes");
    return refused ? t("storage.persistent.refused") : t("storage.persistent.no");
  };
  return (
    <Row icon={ShieldCheck} title={t("storage.persistent")} hint={hint()}>
      {persisted === false && (
        <Button small onClick={() => void askToKeep()}>
          {t("storage.persistent.ask")}
        </Button>
      )}
    </Row>
  );
}

function AskAgain() {
  const [asked, setAsked] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const ask = () => {
    setError(null);
    engine.command({ command: "request_history" }).then(
      () => setAsked(true),
      (failure: unknown) => setError(reasonOf(failure)),
    );
  };
  return (
    <Row
      icon={History}
      title={t("storage.history")}
      hint={<span role="status">{asked ? t("storage.history.asked") : t("storage.history.hint")}</span>}
      error={error}
    >
      <Button small disabled={asked} onClick={ask}>
        {t("storage.history.action")}
      </Button>
    </Row>
  );
}
