import type { ConnectionView } from "@sotto/engine";
import { useEffect } from "react";
import { Link } from "wouter";
import { engine } from "../../../engine/engine";
import { refreshStatus, useApp } from "../../../engine/store";
import { t } from "../../../strings/later";
import { Button } from "../../../ui/Button";
import { useServer } from "../../gate/server";
import { duration } from "../format";
import { Group, Page, Row } from "../parts";

/** What the server says of itself may be this late without a word about clocks. */
const CLOCK_SLACK_MS = 1000;

function connectionText(connection: ConnectionView): string {
  switch (connection.state) {
    case "connected":
      return connection.drained ? t("server.state.connected") : t("server.state.draining");
    case "connecting":
      return t("server.state.connecting");
    case "reconnecting":
      return t("server.state.reconnecting", { attempt: connection.attempt });
    case "disconnected":
      return t("server.state.disconnected");
  }
}

/** `by`: the server's clock less ours. */
function clockText(by: number): string {
  if (Math.abs(by) < CLOCK_SLACK_MS) return t("server.clock.none");
  return t(by > 0 ? "server.clock.behind" : "server.clock.ahead", { time: duration(by) });
}

export function Server() {
  const me = useApp((state) => state.me);
  const connection = useApp((state) => state.connection);
  const status = useApp((state) => state.status);
  const server = useServer();
  useEffect(() => {
    // Offline it stays as it was.
    refreshStatus().catch(() => undefined);
  }, [connection]);
  const info = server.state === "ready" ? server.info : null;
  const unknown = server.state === "unreachable" ? t("server.unreachable") : "";
  const waiting = connection.state === "reconnecting" || connection.state === "disconnected";
  return (
    <Page title={t("settings.server")}>
      <Group>
        <Row title={t("server.address")}>
          <span className="v mono">{me?.server ?? location.origin}</span>
        </Row>
        <Row title={t("server.connection")}>
          <span className="v" role="status">
            {connectionText(connection)}
          </span>
          {waiting && (
            <Button small onClick={() => engine.networkUp()}>
              {t("server.reconnect")}
            </Button>
          )}
        </Row>
        <Row title={t("server.version")}>
          <span className="v num">{info?.version ?? unknown}</span>
        </Row>
        <Row title={t("server.registration")}>
          <span className="v">{info === null ? unknown : t(`server.registration.${info.registration}`)}</span>
        </Row>
        <Row title={t("server.clock")}>
          <span className="v num">{status === null ? "" : clockText(status.clock_off_ms)}</span>
        </Row>
        <Row title={t("server.outbox")}>
          <span className="v num">{t("server.outbox.value", { count: status?.outbox ?? 0 })}</span>
        </Row>
      </Group>
      <Group>
        <Row title={t("server.docs")} hint={t("server.docs.hint")}>
          <a className="btn sm" href="/docs" target="_blank" rel="noreferrer">
            {t("server.docs.open")}
          </a>
        </Row>
        <Row title={t("server.live")} hint={t("server.live.hint")}>
          <Link className="btn sm" href="/settings/developer">
            {t("server.docs.open")}
          </Link>
        </Row>
      </Group>
    </Page>
  );
}
