import type { DeviceView } from "@sotto/engine";
import { Laptop, Link2, Monitor, Smartphone, type LucideIcon } from "lucide-react";
import { useState } from "react";
import { useLocation } from "wouter";
import { engine } from "../../../engine/engine";
import { useApp } from "../../../engine/store";
import { t } from "../../../strings/later";
import { reasonOf, sentence } from "../../../strings/reason";
import { Button } from "../../../ui/Button";
import { ConfirmDialog } from "../../../ui/Dialog";
import { Icon } from "../../../ui/Icon";
import { CodeField, codeError } from "../../gate/Recover";
import { normalize } from "../../gate/recovery-code";
import { day, DAY_MS, daysAgo } from "../format";
import { LinkAgain } from "../LinkAgain";
import { Group, Page, Row } from "../parts";
import { useReply } from "../use-reply";

/** Away for so long is worth a word: at 30 days it must be linked again. */
const IDLE_DAYS = 14;

export function Devices() {
  const signedOut = useApp((state) => state.signedOut);
  return (
    <Page title={t("settings.devices")}>{signedOut === null ? <Linked /> : <LinkAgain reason={sentence(signedOut)} />}</Page>
  );
}

function Linked() {
  const [, navigate] = useLocation();
  const { reply, failure, reload } = useReply({ command: "devices" }, (happening) =>
    ["devices_changed", "history_sent"].includes(happening.event),
  );
  const [now] = useState(() => Date.now());
  const devices = [...(reply?.devices ?? [])].sort((a, b) => Number(b.current) - Number(a.current) || b.last_seen_ms - a.last_seen_ms);
  return (
    <>
      <Group title={t("devices.yours")}>
        {failure !== null && (
          <Row title={t("devices.failed", { reason: reasonOf(failure) })}>
            <Button small onClick={reload}>
              {t("common.retry")}
            </Button>
          </Row>
        )}
        {devices.map((device) => (
          <Device key={device.device} device={device} now={now} />
        ))}
      </Group>
      <p className="under">{t("devices.hint")}</p>
      <div className="set-actions">
        <Button variant="primary" onClick={() => navigate("/link")}>
          <Icon icon={Link2} small />
          {t("devices.link")}
        </Button>
      </div>
    </>
  );
}

/** By what the device calls itself; a guess, for the eye only. */
function iconOf(name: string): LucideIcon {
  if (/android|iphone|phone|pixel|galaxy/i.test(name)) return Smartphone;
  return /terminal|desktop|office|server|cli/i.test(name) ? Monitor : Laptop;
}

function Device({ device, now }: { device: DeviceView; now: number }) {
  const [dialog, setDialog] = useState<"unlink" | "stolen" | null>(null);
  const name = device.name === "" ? t("devices.unnamed", { device: device.device }) : device.name;
  const days = Math.floor((now - device.last_seen_ms) / DAY_MS);
  const idle = !device.current && !device.suspended && device.last_seen_ms > 0 && days >= IDLE_DAYS;
  const hint = () => {
    if (device.suspended) return t("devices.suspended.hint");
    if (idle) return t("devices.idle.hint");
    const linked = t("devices.linked_on", { date: day(device.created_ms) });
    if (device.current) return linked;
    const seen = device.last_seen_ms > 0 ? t("devices.active", { when: daysAgo(device.last_seen_ms, now) }) : t("devices.never");
    return `${seen} · ${linked}`;
  };
  return (
    <>
      <Row
        icon={iconOf(name)}
        title={
          <>
            {name}
            {device.current && <span className="tag">{t("common.this_device")}</span>}
            {device.suspended && <span className="tag amber">{t("devices.suspended")}</span>}
            {idle && <span className="tag amber">{t("devices.idle", { days })}</span>}
          </>
        }
        hint={hint()}
      >
        {!device.current && (
          <Button variant="danger" small onClick={() => setDialog("unlink")} aria-label={`${t("devices.unlink")}: ${name}`}>
            {t("devices.unlink")}
          </Button>
        )}
      </Row>
      {dialog === "unlink" && (
        <ConfirmDialog
          title={t("devices.unlink.title", { name })}
          verb={t("devices.unlink")}
          danger
          onConfirm={() => engine.command({ command: "remove_device", device: device.device, recovery_code: null })}
          onClose={() => setDialog(null)}
        >
          <p>{t("devices.unlink.body")}</p>
          <p>
            <Button variant="plain" small onClick={() => setDialog("stolen")}>
              {t("devices.stolen")}
            </Button>
          </p>
        </ConfirmDialog>
      )}
      {dialog === "stolen" && <StolenDialog device={device.device} name={name} onClose={() => setDialog(null)} />}
    </>
  );
}

interface StolenDialogProps {
  device: number;
  name: string;
  onClose: () => void;
}

/** Cuts a device off that has the identity key: needs the recovery code, which outranks every device. */
function StolenDialog({ device, name, onClose }: StolenDialogProps) {
  const [code, setCode] = useState("");
  const [error, setError] = useState<string | null>(null);
  const unlink = async () => {
    const wrong = codeError(code);
    setError(wrong);
    if (wrong !== null) throw new Error(wrong);
    await engine.command({ command: "remove_device", device, recovery_code: normalize(code) });
  };
  return (
    <ConfirmDialog
      title={t("devices.stolen.title", { name })}
      verb={t("devices.stolen.verb")}
      danger
      disabled={code === ""}
      onConfirm={unlink}
      onClose={onClose}
    >
      <p>{t("devices.stolen.body")}</p>
      <CodeField label={t("gate.recover.code")} value={code} onChange={setCode} error={error} autoFocus />
    </ConfirmDialog>
  );
}
