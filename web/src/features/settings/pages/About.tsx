import { Code, Download, Scale } from "lucide-react";
import { t } from "../../../strings/later";
import { Button } from "../../../ui/Button";
import { Mark } from "../../../ui/Mark";
import { useServer } from "../../gate/server";
import { installApp } from "../../pwa/register";
import { isInstalled, usePwa } from "../../pwa/state";
import { Group, Page, Row } from "../parts";

export function About() {
  const server = useServer();
  const source = server.state === "ready" ? server.info.source_url : null;
  return (
    <Page title={t("settings.about")}>
      <Group>
        <div className="set-row">
          <Mark size={40} />
          <div>
            <b>{t("about.name")}</b>
            <p>{t("about.body")}</p>
          </div>
        </div>
        <Row title={t("about.version")}>
          <span className="v num">{server.state === "ready" ? server.info.version : ""}</span>
        </Row>
      </Group>
      <Group>
        <Install />
      </Group>
      <Group>
        <Row icon={Scale} title={t("about.licence")} hint={t("about.licence.value")}>
          <a className="btn sm" href="https://www.gnu.org/licenses/agpl-3.0.html" target="_blank" rel="noreferrer">
            {t("server.docs.open")}
          </a>
        </Row>
        {source !== null && (
          <Row icon={Code} title={t("about.source")} hint={t("about.source.hint")}>
            <a className="btn sm" href={source} target="_blank" rel="noreferrer">
              {t("server.docs.open")}
            </a>
          </Row>
        )}
      </Group>
    </Page>
  );
}

function Install() {
  const prompt = usePwa((state) => state.install);
  const hint = () => {
    if (isInstalled()) return t("about.install.done");
    return prompt === null ? t("about.install.manual") : t("about.install.hint");
  };
  return (
    <Row icon={Download} title={t("about.install")} hint={hint()}>
      {prompt !== null && (
        <Button small onClick={() => void installApp()}>
          {t("about.install.action")}
        </Button>
      )}
    </Row>
  );
}
