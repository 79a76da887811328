import { FileDown } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { useApp } from "../../engine/store";
import { t } from "../../strings/later";
import { reasonOf } from "../../strings/reason";
import { Button } from "../../ui/Button";
import { Progress } from "../../ui/Progress";
import { exportMessages } from "./export";

type Export = { state: "idle" } | { state: "busy"; lines: number } | { state: "done"; lines: number } | { state: "failed"; reason: string };

/** Exports all messages, and says how far it is. */
export function ExportRow() {
  const username = useApp((state) => state.me?.username ?? "messages");
  const [progress, setProgress] = useState<Export>({ state: "idle" });
  const stop = useRef(new AbortController());
  useEffect(() => {
    const controller = new AbortController();
    stop.current = controller;
    return () => controller.abort();
  }, []);
  const run = async () => {
    const { signal } = stop.current;
    setProgress({ state: "busy", lines: 0 });
    try {
      const lines = await exportMessages(username, (lines) => setProgress({ state: "busy", lines }), signal);
      setProgress({ state: "done", lines });
    } catch (failure) {
      if (!signal.aborted) setProgress({ state: "failed", reason: reasonOf(failure) });
    }
  };
  return (
    <div className="set-row">
      <FileDown className="i" aria-hidden="true" />
      <div>
        <b>{t("storage.export")}</b>
        <p>{t("storage.export.hint")}</p>
        {progress.state === "busy" && (
          <>
            <Progress label={t("storage.export.progress")} done={0} total={0} />
            <p role="status">{t("storage.export.busy", { count: progress.lines })}</p>
          </>
        )}
        {progress.state === "done" && <p role="status">{t("storage.export.done", { count: progress.lines })}</p>}
        <p className="field-error" role="alert">
          {progress.state === "failed" && progress.reason}
        </p>
      </div>
      <Button small disabled={progress.state === "busy"} onClick={() => void run()}>
        {t("storage.export.action")}
      </Button>
    </div>
  );
}
