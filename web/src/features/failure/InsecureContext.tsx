import { t } from "../../strings/later";
import { GateFrame, SmallBrand } from "../gate/GateFrame";

const TLS = "sottod serve --listen 0.0.0.0:443 --tls-cert fullchain.pem --tls-key privkey.pem";
const PROXY = '[server]\nlisten = "127.0.0.1:8080"\nbehind_proxy = true\ntrusted_proxies = ["127.0.0.1"]';

/** Plain http from another machine: the browser gives no storage, no locks and no camera. The operator can change that. */
export function InsecureContext() {
  const port = location.port === "" ? "" : `:${location.port}`;
  const ways = [
    [t("failure.insecure.tls"), TLS],
    [t("failure.insecure.proxy"), PROXY],
    [t("failure.insecure.local"), `http://localhost${port}`],
  ] as const;
  const secure = `https://${location.host}${location.pathname}`;
  return (
    <GateFrame story={{ title: t("gate.story.failure.title"), body: t("gate.story.failure.body") }}>
      <div className="form" role="alert">
        <SmallBrand />
        <h1 className="h-xl">{t("failure.insecure.title")}</h1>
        <p>{t("failure.insecure.body")}</p>
        <p>
          <b>{t("failure.insecure.holds")}</b>
        </p>
        <p>{t("failure.insecure.people")}</p>
        <div className="gate-acts">
          <a className="btn primary" href={secure}>
            {t("failure.insecure.https")}
          </a>
        </div>
        <p className="operator">{t("failure.insecure.operator")}</p>
        <ol className="how how-tight">
          {ways.map(([what, command], index) => (
            <li key={command}>
              <span className="n" aria-hidden="true">
                {index + 1}
              </span>
              <span>
                {what}
                <code className="story-command">{command}</code>
              </span>
            </li>
          ))}
        </ol>
      </div>
    </GateFrame>
  );
}
