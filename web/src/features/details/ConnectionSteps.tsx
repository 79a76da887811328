import type { ConnectionView } from "@sotto/engine";
import { useApp } from "../../engine/store";
import { t } from "../../strings/later";
import { connectionWord } from "../list/ListFoot";
import { preciseTime, signed } from "./timeline";

const SHOWN = 12;

/** The connection's state machine, live. */
export function ConnectionSteps() {
  const all = useApp((state) => state.connectionSteps);
  const shown = all.slice(-SHOWN).reverse();
  if (shown.length === 0) return null;
  return (
    <div className="sec">
      <div className="sec-head">
        <span className="label">{t("hood.connection")}</span>
      </div>
      <ol className="conn" aria-live="off">
        {shown.map(({ at, connection }, index) => {
          const before = all[all.length - 2 - index];
          return (
            <li key={`${at}-${all.length - index}`} className={index === 0 ? "now" : undefined}>
              <span className={`conn-dot ${connection.state}`} aria-hidden="true" />
              <span>
                {connectionWord(connection)}
                {connection.state === "reconnecting" && <small>{retryText(connection)}</small>}
              </span>
              <span className="t num" title={t("hood.clock_here")}>
                {preciseTime(at)}
                {before && <small>{signed(at - before.at)}</small>}
              </span>
            </li>
          );
        })}
      </ol>
      <p className="under">{t("hood.connection_note")}</p>
    </div>
  );
}

function retryText(connection: Extract<ConnectionView, { state: "reconnecting" }>): string {
  return ` ${t("hood.retry_at", { attempt: connection.attempt, time: preciseTime(connection.retry_at_ms) })}`;
}
