import { ALargeSmall, SunMoon } from "lucide-react";
import { t } from "../../../strings/later";
import { Segmented } from "../../../ui/Segmented";
import { Group, Page, Row } from "../parts";
import { setPreferences, usePreferences } from "../preferences";

export function Appearance() {
  const theme = usePreferences((state) => state.theme);
  const textSize = usePreferences((state) => state.textSize);
  return (
    <Page title={t("settings.appearance")}>
      <Group>
        <Row icon={SunMoon} title={t("appearance.theme")} hint={t("appearance.theme.hint")}>
          <Segmented
            label={t("appearance.theme")}
            value={theme}
            onChange={(theme) => setPreferences({ theme })}
            options={[
              { value: "system", label: t("appearance.theme.system") },
              { value: "light", label: t("appearance.theme.light") },
              { value: "dark", label: t("appearance.theme.dark") },
            ]}
          />
        </Row>
        <Row icon={ALargeSmall} title={t("appearance.text")}>
          <Segmented
            label={t("appearance.text")}
            value={textSize}
            onChange={(textSize) => setPreferences({ textSize })}
            options={[
              { value: "normal", label: t("appearance.text.normal") },
              { value: "large", label: t("appearance.text.large") },
              { value: "larger", label: t("appearance.text.larger") },
            ]}
          />
        </Row>
      </Group>
      <Group title={t("appearance.preview")}>
        <div className="preview">
          <p>{t("appearance.preview.in")}</p>
          <p>{t("appearance.preview.out")}</p>
        </div>
      </Group>
    </Page>
  );
}
