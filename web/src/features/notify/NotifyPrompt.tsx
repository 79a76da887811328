import { Bell } from "lucide-react";
import { create } from "zustand";
import { useApp } from "../../engine/store";
import { t } from "../../strings";
import { Banner } from "../../ui/Banner";
import { Button } from "../../ui/Button";
import { setPreferences, usePreferences } from "../settings/preferences";

const KEY = "sotto.notifications-asked";

const useAsked = create<{ asked: boolean }>(() => ({ asked: read() }));

function read(): boolean {
  try {
    return localStorage.getItem(KEY) === "1";
  } catch {
    return true;
  }
}

function answered(): void {
  try {
    localStorage.setItem(KEY, "1");
  } catch {
    // It holds for this page.
  }
  useAsked.setState({ asked: true });
}

/** Asks once, in words, before the browser does: and only when there is somebody to hear from. */
export function useNotifyPrompt(): boolean {
  const asked = useAsked((state) => state.asked);
  const wanted = usePreferences((state) => state.notifications);
  const somebodyWrote = useApp((state) => Object.values(state.conversations).some((view) => view.last?.from_me === false));
  return !asked && wanted && somebodyWrote && "Notification" in window && Notification.permission === "default";
}

export function NotifyPrompt() {
  const ask = async () => {
    const permission = await Notification.requestPermission();
    if (permission === "denied") setPreferences({ notifications: false });
    answered();
  };
  return (
    <Banner
      icon={Bell}
      action={
        <>
          <Button small onClick={() => void ask()}>
            {t("notify.prompt_action")}
          </Button>
          <Button small variant="plain" onClick={answered}>
            {t("notify.prompt_dismiss")}
          </Button>
        </>
      }
    >
      {t("notify.prompt")}
    </Banner>
  );
}
