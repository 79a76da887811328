import { useApp } from "../../../engine/store";
import { t } from "../../../strings/later";
import { MyCode } from "../../newchat";
import { CopyButton } from "../CopyButton";
import { Group, Page, Row } from "../parts";
import { Me } from "./Me";

export function Profile() {
  const me = useApp((state) => state.me);
  if (!me) return <Page title={t("settings.profile")}>{null}</Page>;
  return (
    <Page title={t("settings.profile")}>
      <Me account={me.account} username={me.username} />
      <Group>
        <Row title={t("profile.username")} hint={t("profile.username.hint")}>
          <span className="v">@{me.username}</span>
          <CopyButton text={me.username} small />
        </Row>
      </Group>
      <Group title={t("profile.qr")}>
        <div className="set-code">
          <MyCode server={me.server} username={me.username} />
        </div>
      </Group>
      <p className="under">{t("profile.link.hint")}</p>
      <Group title={t("privacy.safety")}>
        <div className="set-row stack">
          <b>{t("profile.key")}</b>
          <p>{t("profile.key.hint")}</p>
          <p className="well mono">{me.identity_key}</p>
        </div>
        <div className="set-row stack">
          <b>{t("profile.account")}</b>
          <p className="well mono">{me.account}</p>
        </div>
      </Group>
    </Page>
  );
}
