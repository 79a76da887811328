import { Bell, BellRing, Eye } from "lucide-react";
import { useState } from "react";
import { t } from "../../../strings/later";
import { Button } from "../../../ui/Button";
import { Toggle } from "../../../ui/Toggle";
import { Group, Page, Row } from "../parts";
import { setPreferences, usePreferences } from "../preferences";

type Permission = NotificationPermission | "unsupported";

const permission = (): Permission => ("Notification" in window ? Notification.permission : "unsupported");

/** Shows one as a new message would. Phones only allow them from the service worker. */
async function showOne() {
  const title = t("notifications.test.title");
  const options = { body: t("notifications.test.body"), icon: "/icon-192.png", tag: "sotto-test" };
  try {
    new Notification(title, options);
  } catch {
    const registration = await navigator.serviceWorker.getRegistration();
    if (registration === undefined) throw new Error(t("notifications.test.failed"));
    await registration.showNotification(title, options);
  }
}

export function Notifications() {
  const wanted = usePreferences((state) => state.notifications);
  const names = usePreferences((state) => state.namesInNotifications);
  const [allowed, setAllowed] = useState(permission);
  const [error, setError] = useState<string | null>(null);
  const on = wanted && allowed === "granted";

  const turn = async (notifications: boolean) => {
    setPreferences({ notifications });
    if (notifications && allowed === "default") setAllowed(await Notification.requestPermission());
  };
  return (
    <Page title={t("settings.notifications")}>
      <Group>
        <Row icon={Bell} title={t("notifications.state")} hint={t(`notifications.${allowed}`)}>
          <Toggle
            label={t("notifications.state")}
            checked={on}
            disabled={allowed === "denied" || allowed === "unsupported"}
            onChange={(on) => void turn(on)}
          />
        </Row>
        <Row icon={Eye} title={t("notifications.names")} hint={t("notifications.names.hint")}>
          <Toggle
            label={t("notifications.names")}
            checked={names}
            onChange={(namesInNotifications) => setPreferences({ namesInNotifications })}
          />
        </Row>
        <Row icon={BellRing} title={t("notifications.test")} hint={t("notifications.test.hint")} error={error}>
          <Button
            small
            disabled={!on}
            onClick={() => {
              setError(null);
              showOne().catch(() => setError(t("notifications.test.failed")));
            }}
          >
            {t("notifications.test")}
          </Button>
        </Row>
      </Group>
      <p className="under">{t("notifications.when")}</p>
    </Page>
  );
}
