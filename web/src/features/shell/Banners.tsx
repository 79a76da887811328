import { RefreshCw, TriangleAlert, WifiOff } from "lucide-react";
import { useEffect, useState, useSyncExternalStore, type ReactNode } from "react";
import { engine } from "../../engine/engine";
import { dismissNotice, useApp } from "../../engine/store";
import { t } from "../../strings";
import { Banner } from "../../ui/Banner";
import { Button } from "../../ui/Button";
import { useAppBanners } from "../pwa";
import { NotifyPrompt, useNotifyPrompt } from "../notify/NotifyPrompt";
import { navigate } from "./route";

/** A short break is nobody's business: after this long without a connection people are told. */
const TELL_AFTER_MS = 3000;

/**
 * At most one banner above the log: what needs a decision first, then what does not work, then the rest.
 * `own` is the conversation's own decision, such as a changed safety number.
 */
export function Banners({ own, ownNeeded = false }: { own?: ReactNode; ownNeeded?: boolean }) {
  const signedOut = useApp((state) => state.signedOut);
  const problem = useApp((state) => state.notices[0]);
  const offline = useOfflineTooLong();
  const fromApp = useAppBanners();
  const ask = useNotifyPrompt();
  const banner = () => {
    if (signedOut !== null) {
      return (
        <Banner
          tone="red"
          icon={TriangleAlert}
          title={t("signed_out.title")}
          action={
            <Button small onClick={() => navigate("/settings/devices")}>
              {t("signed_out.action")}
            </Button>
          }
        >
          {t("signed_out.body")}
        </Banner>
      );
    }
    if (ownNeeded) return own;
    if (problem) {
      return (
        <Banner
          tone="amber"
          icon={TriangleAlert}
          action={
            <Button small onClick={() => dismissNotice(problem.id)}>
              {t("notice.dismiss")}
            </Button>
          }
        >
          {problem.text}
        </Banner>
      );
    }
    if (offline) return <OfflineBanner />;
    if (fromApp) return <Banner {...fromApp} />;
    return ask ? <NotifyPrompt /> : null;
  };
  const shown = banner();
  return shown ? <div className="banners">{shown}</div> : null;
}

function OfflineBanner() {
  const online = useSyncExternalStore(subscribeOnline, () => navigator.onLine);
  return (
    <Banner
      icon={online ? RefreshCw : WifiOff}
      action={
        online && (
          <Button small onClick={() => engine.networkUp()}>
            {t("connection.banner_retry")}
          </Button>
        )
      }
    >
      {t(online ? "connection.banner" : "connection.banner_offline")}
    </Banner>
  );
}

function subscribeOnline(listener: () => void): () => void {
  addEventListener("online", listener);
  addEventListener("offline", listener);
  return () => {
    removeEventListener("online", listener);
    removeEventListener("offline", listener);
  };
}

function useOfflineTooLong(): boolean {
  const lostAt = useApp((state) => state.connectionLostAt);
  const [toldFor, setToldFor] = useState<number | null>(null);
  useEffect(() => {
    if (lostAt === null) return;
    const timer = setTimeout(() => setToldFor(lostAt), Math.max(0, lostAt + TELL_AFTER_MS - Date.now()));
    return () => clearTimeout(timer);
  }, [lostAt]);
  return lostAt !== null && toldFor === lostAt;
}
