import { CloudOff } from "lucide-react";
import { t } from "../../strings";
import { Banner } from "../../ui/Banner";
import { Button } from "../../ui/Button";
import { useWaitingLink } from "../newchat/link";
import { GateFrame, SmallBrand } from "./GateFrame";
import { serverName, type ServerState } from "./server";

interface WelcomeProps {
  server: ServerState;
  onChoose: (path: "/create" | "/link-this-device" | "/recover") => void;
}

const story = () => ({ title: t("gate.story.title"), body: t("gate.story.body") });

export function Welcome({ server, onChoose }: WelcomeProps) {
  const waiting = useWaitingLink((state) => state.username);
  const invited = useWaitingLink((state) => state.invite !== null);
  const closed = server.state === "ready" && server.info.registration === "closed";
  return (
    <GateFrame story={story()}>
      <div className="form">
        <SmallBrand />
        <h1 className="h-xl">{t("gate.welcome.title")}</h1>
        <p>{t("gate.welcome.body", { server: serverName() })}</p>
        <div className="gate-choices">
          {!closed && (
            <Button variant="primary" wide onClick={() => onChoose("/create")}>
              {t("gate.welcome.create")}
            </Button>
          )}
          <Button wide onClick={() => onChoose("/link-this-device")}>
            {t("gate.welcome.link")}
          </Button>
          <Button variant="plain" wide onClick={() => onChoose("/recover")}>
            {t("gate.welcome.recover")}
          </Button>
        </div>
        {closed && <p className="gate-note">{t("gate.welcome.closed")}</p>}
        {invited && <p className="gate-note">{t("gate.welcome.invited")}</p>}
        {waiting !== null && <p className="gate-note">{t("gate.welcome.contact", { username: waiting })}</p>}
      </div>
    </GateFrame>
  );
}

/** The first start, and nobody answers. */
export function Unreachable({ again }: { again: () => void }) {
  return (
    <GateFrame story={story()}>
      <div className="form">
        <SmallBrand />
        <h1 className="h-xl">{t("gate.unreachable.title")}</h1>
        <p>{t("gate.unreachable.body", { server: serverName() })}</p>
        <Banner icon={CloudOff}>
          {navigator.onLine ? t("gate.unreachable.again") : t("gate.unreachable.offline")}
        </Banner>
        <div className="gate-acts">
          <Button variant="primary" onClick={again}>
            {t("common.retry")}
          </Button>
        </div>
      </div>
    </GateFrame>
  );
}
