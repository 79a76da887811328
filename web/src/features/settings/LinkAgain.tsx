import { TriangleAlert } from "lucide-react";
import { useState } from "react";
import { engine } from "../../engine/engine";
import { t } from "../../strings/later";
import { Banner } from "../../ui/Banner";
import { Button } from "../../ui/Button";
import { ConfirmDialog } from "../../ui/Dialog";
import { ExportRow } from "./ExportRow";
import { Group, Row } from "./parts";

/** This device is out: what it holds can still be read and exported; to come back it starts from nothing. */
export function LinkAgain({ reason }: { reason: string }) {
  const [asking, setAsking] = useState(false);
  return (
    <>
      <div className="set-group">
        <Banner tone="red" icon={TriangleAlert} title={reason}>
          {t("again.body")}
        </Banner>
      </div>
      <Group>
        <ExportRow />
        <Row title={t("again.title")} hint={t("again.how")}>
          <Button small onClick={() => setAsking(true)}>
            {t("again.verb")}
          </Button>
        </Row>
      </Group>
      {asking && (
        <ConfirmDialog
          title={t("failure.erase.title")}
          verb={t("again.verb")}
          danger
          onConfirm={() => engine.wipe()}
          onClose={() => setAsking(false)}
        >
          <p>{t("failure.erase.body")}</p>
        </ConfirmDialog>
      )}
    </>
  );
}
