/**
 * This device asks to be linked: shows a code, waits until another device of the account approved it, then shows how the history
 * comes in. A code lives ten minutes; a new one replaces it.
 */
import type { CommandError } from "@sotto/engine";
import { ArrowLeft, CircleAlert } from "lucide-react";
import { useEffect, useState } from "react";
import { engine } from "../../engine/engine";
import { t } from "../../strings";
import { reasonOf, sentence } from "../../strings/reason";
import { Banner } from "../../ui/Banner";
import { Button } from "../../ui/Button";
import { Icon } from "../../ui/Icon";
import { Progress } from "../../ui/Progress";
import { QrCode } from "../../ui/QrCode";
import { CopyButton } from "../settings/CopyButton";
import { minutes } from "../settings/format";
import { useReply } from "../settings/use-reply";
import { deviceName } from "./device-name";
import { GateFrame, SmallBrand } from "./GateFrame";
import { setPending } from "./pending";
import { serverAddress } from "./server";

/** As the server has it; its clock, which `expires_ms` is by, may differ from ours. */
const CODE_LIFE_MS = 10 * 60 * 1000;

type Link =
  | { state: "making" }
  | { state: "shown"; text: string; until: number }
  | { state: "expired" }
  | { state: "failed"; reason: string };

const story = () => ({ title: t("gate.story.link.title"), body: t("gate.story.link.body") });

function failed(error: CommandError): Link {
  return error.text.includes("expired") ? { state: "expired" } : { state: "failed", reason: sentence(error.text) };
}

/** One code per `turn`. */
function useLink(turn: number): Link {
  const [made, setMade] = useState<{ turn: number; link: Link } | null>(null);
  useEffect(() => {
    let over = false;
    const set = (link: Link) => {
      if (!over) setMade({ turn, link });
    };
    const off = engine.onHappening((happening) => {
      if (happening.event === "linked") setPending({ step: "linking" });
      else if (happening.event === "link_failed") set(failed(happening.error));
    });
    engine.command({ command: "start_link", server: serverAddress(), device_name: deviceName() }).then(
      (reply) => {
        if (over) return;
        if (reply.reply === "me") {
          // A link that was approved before this page was closed is complete now.
          setPending({ step: "linking" });
          return;
        }
        const left = Math.min(Math.max(reply.expires_ms - Date.now(), 60_000), CODE_LIFE_MS);
        set({ state: "shown", text: reply.text, until: Date.now() + left });
      },
      (failure: unknown) => set({ state: "failed", reason: reasonOf(failure) }),
    );
    return () => {
      over = true;
      off();
    };
  }, [turn]);
  return made?.turn === turn ? made.link : { state: "making" };
}

function useNow(running: boolean): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!running) return;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [running]);
  return now;
}

interface LinkThisDeviceProps {
  onBack: () => void;
  onLost: () => void;
}

export function LinkThisDevice({ onBack, onLost }: LinkThisDeviceProps) {
  const [turn, setTurn] = useState(0);
  const [asText, setAsText] = useState(false);
  const asked = useLink(turn);
  const now = useNow(asked.state === "shown");
  const link: Link = asked.state === "shown" && now >= asked.until ? { state: "expired" } : asked;
  const renew = () => setTurn((turn) => turn + 1);

  return (
    <GateFrame story={story()}>
      <div className="link-page">
        <SmallBrand />
        <Button variant="plain" className="gate-back" onClick={onBack}>
          <Icon icon={ArrowLeft} small directional />
          {t("common.back")}
        </Button>
        <div className="link-grid">
          <div>
            {link.state === "shown" && (
              <>
                {asText ? <TextCode text={link.text} /> : <QrCode text={link.text} label={t("gate.link.qr")} mark />}
                <div className="waiting">
                  <span className="spin" aria-hidden="true" />
                  <span>
                    {t("gate.link.waiting")} · <span className="num">{minutes(Math.min(link.until - now, CODE_LIFE_MS))}</span>
                  </span>
                </div>
              </>
            )}
            {link.state === "making" && (
              <div className="qr-place" role="status">
                <div>
                  <span className="spin" aria-hidden="true" />
                  {t("gate.link.making")}
                </div>
              </div>
            )}
            {link.state === "expired" && (
              <div className="qr-place" role="status">
                <div>
                  <p>{t("gate.link.expired")}</p>
                  <Button variant="primary" onClick={renew}>
                    {t("gate.link.renew")}
                  </Button>
                </div>
              </div>
            )}
            {link.state === "failed" && (
              <div className="qr-place">
                <div>
                  <p>{t("gate.link.failed.title")}</p>
                  <Button variant="primary" onClick={renew}>
                    {t("common.retry")}
                  </Button>
                </div>
              </div>
            )}
          </div>
          <div>
            <h1 className="h-xl">{t("gate.link.title")}</h1>
            {link.state === "failed" && (
              <div className="history">
                <Banner tone="red" icon={CircleAlert} title={t("gate.link.failed.title")}>
                  {link.reason} {t("gate.link.failed.body")}
                </Banner>
              </div>
            )}
            <ol className="how">
              {(["gate.link.step1", "gate.link.step2", asText ? "gate.link.step3.text" : "gate.link.step3"] as const).map((step, at) => (
                <li key={step}>
                  <span className="n" aria-hidden="true">
                    {at + 1}
                  </span>
                  <span>{t(step)}</span>
                </li>
              ))}
            </ol>
            <div className="link-acts">
              <Button variant="plain" disabled={link.state !== "shown"} onClick={() => setAsText(!asText)}>
                {t(asText ? "gate.link.qr.again" : "gate.link.text")}
              </Button>
              <Button variant="plain" onClick={onLost}>
                {t("gate.link.lost")}
              </Button>
            </div>
          </div>
        </div>
      </div>
    </GateFrame>
  );
}

/** In the place of the picture: a phone has no room for both. */
function TextCode({ text }: { text: string }) {
  return (
    <div className="link-text">
      <p className="muted">{t("gate.link.text.body")}</p>
      <p className="well mono" aria-label={t("gate.link.text.title")}>
        {text}
      </p>
      <CopyButton text={text} />
    </div>
  );
}

/** Linked; the messages of the last 30 days come in. Nobody has to wait for them. */
export function Linked({ onDone }: { onDone: () => void }) {
  const [history, setHistory] = useState<{ done: number; total: number } | null>(null);
  const { reply } = useReply({ command: "who_am_i" }, (happening) => happening.event === "linked");
  useEffect(
    () =>
      engine.onHappening((happening) => {
        if (happening.event === "history_received") setHistory({ done: happening.done, total: happening.total });
      }),
    [],
  );
  const complete = history !== null && history.done >= history.total;
  return (
    <GateFrame story={story()}>
      <div className="form">
        <SmallBrand />
        <h1 className="h-xl">{t("gate.linked.title", { username: reply?.me.username ?? "" })}</h1>
        <div className="history" role="status">
          {complete ? (
            <p>{t("gate.linked.done")}</p>
          ) : (
            <>
              <p className="muted">
                {history === null
                  ? t("gate.linked.waiting")
                  : t("gate.linked.progress", { done: history.done, total: history.total })}
              </p>
              <Progress label={t("gate.linked.progress.label")} done={history?.done ?? 0} total={history?.total ?? 0} />
              <p className="muted">{t("gate.linked.note")}</p>
            </>
          )}
        </div>
        <div className="gate-acts">
          <Button variant="primary" wide autoFocus onClick={onDone}>
            {t("gate.linked.open")}
          </Button>
        </div>
      </div>
    </GateFrame>
  );
}
