/** At most one banner about the app itself: what needs doing first, then what is good to know. */
import { ClockAlert, HardDrive, RefreshCw, X } from "lucide-react";
import { useEffect, type ComponentProps } from "react";
import { Link } from "wouter";
import { useApp } from "../../engine/store";
import { t } from "../../strings";
import type { Banner } from "../../ui/Banner";
import { Button } from "../../ui/Button";
import { IconButton } from "../../ui/IconButton";
import { duration } from "../settings/format";
import { reloadToNewVersion } from "./register";
import { usePwa } from "./state";
import { askToKeep, decideOnHint, dismissHint, useStorage } from "./storage";

export { registerServiceWorker } from "./register";

export type AppBanner = ComponentProps<typeof Banner>;

/** Below this a wrong clock is nobody's concern; the engine tells from here on. */
const CLOCK_OFF_MS = 5 * 60 * 1000;

export function useAppBanners(): AppBanner | null {
  const { waiting, postponed } = usePwa();
  const clockOffMs = useApp((state) => state.clockOffMs);
  const loaded = useApp((state) => state.loaded);
  const hasMessages = useApp((state) => state.order.some((account) => state.conversations[account]?.last != null));
  const { persisted, refused, hint } = useStorage();

  useEffect(() => {
    if (loaded) decideOnHint(hasMessages);
  }, [loaded, hasMessages]);

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
  if (hint && persisted === false) {
    return {
      icon: HardDrive,
      oneLine: true,
      title: <Link href="/settings/storage">{t("banner.storage.title")}</Link>,
      children: refused ? t("banner.storage.refused") : t("banner.storage.body"),
      action: (
        <>
          {!refused && (
            <Button className="wide-only" small onClick={() => void askToKeep()}>
              {t("banner.storage.action")}
            </Button>
          )}
          <IconButton label={t("banner.dismiss")} icon={X} small onClick={dismissHint} />
        </>
      ),
    };
  }
  return null;
}
