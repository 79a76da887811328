/** At most one banner about the app itself: what needs doing first, then what is good to know. */
import { ClockAlert, HardDrive, RefreshCw } from "lucide-react";
import { useEffect, useState, type ComponentProps } from "react";
import { useApp } from "../../engine/store";
import { t } from "../../strings";
import type { Banner } from "../../ui/Banner";
import { Button } from "../../ui/Button";
import { duration } from "../settings/format";
import { reloadToNewVersion } from "./register";
import { usePwa } from "./state";
import { askToKeep, lookAtStorage, useStorage } from "./storage";

export { registerServiceWorker } from "./register";

export type AppBanner = ComponentProps<typeof Banner>;

/** Below this a wrong clock is nobody's concern; the engine tells from here on. */
const CLOCK_OFF_MS = 5 * 60 * 1000;
/** A hint that was put away stays away. */
const STORAGE_DISMISSED = "sotto.storage-hint-dismissed";

function dismissedBefore(): boolean {
  try {
    return localStorage.getItem(STORAGE_DISMISSED) !== null;
  } catch {
    return true;
  }
}

export function useAppBanners(): AppBanner | null {
  const { waiting, postponed } = usePwa();
  const clockOffMs = useApp((state) => state.clockOffMs);
  const hasMessages = useApp((state) => state.order.some((account) => state.conversations[account]?.last != null));
  const { persisted, refused } = useStorage();
  const [hidden, setHidden] = useState(dismissedBefore);

  useEffect(() => {
    // Nothing to lose yet, nothing to say.
    if (hasMessages) void lookAtStorage();
  }, [hasMessages]);

  if (Math.abs(clockOffMs) >= CLOCK_OFF_MS) {
    return {
      tone: "amber",
      icon: ClockAlert,
      title: t("banner.clock.title", { time: duration(clockOffMs) }),
      children: t("banner.clock.body"),
    };
  }
  if (waiting !== null && waiting !== postponed) {
    return {
      icon: RefreshCw,
      title: t("banner.version.title"),
      action: (
        <>
          <Button variant="plain" small onClick={() => usePwa.setState({ postponed: waiting })}>
            {t("banner.dismiss")}
          </Button>
          <Button small onClick={reloadToNewVersion}>
            {t("banner.version.action")}
          </Button>
        </>
      ),
    };
  }
  if (persisted === false && !hidden) {
    const dismiss = () => {
      setHidden(true);
      try {
        localStorage.setItem(STORAGE_DISMISSED, "1");
      } catch {
        // It stays away for this visit.
      }
    };
    return {
      icon: HardDrive,
      title: t("banner.storage.title"),
      children: refused ? t("banner.storage.refused") : t("banner.storage.body"),
      action: (
        <>
          <Button variant="plain" small onClick={dismiss}>
            {t("banner.dismiss")}
          </Button>
          {!refused && (
            <Button small onClick={() => void askToKeep()}>
              {t("banner.storage.action")}
            </Button>
          )}
        </>
      ),
    };
  }
  return null;
}
