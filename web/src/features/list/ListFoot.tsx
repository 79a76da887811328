import type { ConnectionView } from "@sotto/engine";
import { useApp } from "../../engine/store";
import { t } from "../../strings";

/** Which server, and whether it is reached: live. */
export function ListFoot() {
  const connection = useApp((state) => state.connection);
  const server = useApp((state) => state.me?.server);
  const signedOut = useApp((state) => state.signedOut !== null);
  const tone = signedOut ? "off" : toneOf(connection);
  return (
    <div className="list-foot">
      <span className={tone === "" ? "live" : `live ${tone}`} aria-hidden="true" />
      <bdi className="ellipsis">{server === undefined ? "" : hostOf(server)}</bdi>
      <span role="status">{connectionWord(connection)}</span>
    </div>
  );
}

function toneOf(connection: ConnectionView): "" | "busy" | "off" {
  switch (connection.state) {
    case "connected":
      return "";
    case "connecting":
    case "reconnecting":
      return "busy";
    case "disconnected":
      return "off";
  }
}

export function connectionWord(connection: ConnectionView): string {
  if (connection.state === "connected" && !connection.drained) return t("connection.catching_up");
  return t(`connection.${connection.state}`);
}

function hostOf(server: string): string {
  try {
    return new URL(server).host;
  } catch {
    return server;
  }
}
