import type { CopyDetails, MessageDetails, MessageView } from "@sotto/engine";
import { X } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { engine } from "../../engine/engine";
import { onHappenings, useApp } from "../../engine/store";
import { t } from "../../strings/later";
import { reasonOf } from "../../strings/reason";
import { IconButton } from "../../ui/IconButton";
import { Segmented } from "../../ui/Segmented";
import { Time } from "../../ui/Time";
import { wholeNumber } from "../../ui/time";
import { isGroup } from "../../engine/recipient";
import { titleOf } from "../conversation/naming";
import { usePreferences } from "../settings/preferences";
import { chatPath, navigate } from "../shell/route";
import { ConnectionSteps } from "./ConnectionSteps";
import { hexLines, startOfKey } from "./hex";
import { Receipts } from "./Receipts";
import { duration, preciseTime, signed, steps, wayMs, type Step } from "./timeline";
import "./details.css";
import { Pane, PaneHeading, PaneSubheading } from "../../ui/Pane";

interface Known {
  message: MessageView;
  details: MessageDetails;
}

/** What really happened to a message: its way, the bytes that the server saw, and where it stood in the ratchet. */
export function UnderTheHood({ account, name }: { account: string; name: string }) {
  const { known, failure } = useMessage(account, name);
  const title = useApp((state) => {
    const view = state.conversations[account];
    return view ? titleOf(view) : t("name.unknown");
  });
  const isMe = useApp((state) => state.me?.account === account);
  const group = isGroup(account);
  const who = isMe ? t("name.me") : group && known ? known.message.from_name : title;
  // Who reads whom is everybody's business; the bytes are for those who asked to see them.
  const hood = usePreferences((state) => state.underTheHood);
  const receipts = group && known?.message.from_me === true;
  const heading = t(receipts || (group && known === null) ? "receipts.title" : "hood.title");
  const close = useRef<HTMLButtonElement>(null);
  useEffect(() => close.current?.focus(), []);
  return (
    <Pane className="panel" label={heading}>
      <div className="panel-bar">
        <PaneHeading className="h-lg">{heading}</PaneHeading>
        <IconButton ref={close} label={t("nav.close")} icon={X} onClick={() => navigate(chatPath(account))} />
      </div>
      <div className="panel-body" tabIndex={-1}>
        {failure !== null && <p className="under">{failure}</p>}
        {receipts && <Receipts members={known.details.members} />}
        {receipts && hood && <PaneSubheading className="hood-heading">{t("hood.title")}</PaneSubheading>}
        {known && (hood || !receipts) && (
          <>
            <Way known={known} name={who} isMe={isMe} />
            <Copies known={known} />
            <Names known={known} />
          </>
        )}
        {known && known.details.versions.length > 0 && <Versions versions={known.details.versions} />}
        {(hood || !receipts) && <ConnectionSteps />}
      </div>
    </Pane>
  );
}

/** What an edited message said before. */
function Versions({ versions }: { versions: MessageDetails["versions"] }) {
  return (
    <section className="sec" aria-label={t("hood.versions")}>
      <p className="label">{t("hood.versions")}</p>
      <ol>
        {versions.map(({ body, written_ms: at }) => (
          <li key={at} className="version">
            <span dir="auto">{body}</span>
            <Time className="num" ms={at} as="list" />
          </li>
        ))}
      </ol>
    </section>
  );
}

function Way({ known, name, isMe }: { known: Known; name: string; isMe: boolean }) {
  const all = useMemo(() => steps(known.message, known.details, name), [known, name]);
  const way = wayMs(all);
  const caption = !known.message.from_me
    ? t("hood.total_received")
    : way?.to === t("hood.delivered")
      ? t(isMe ? "hood.total_me" : "hood.total")
      : t("hood.total_stored");
  const total = !known.message.from_me ? (all[2]?.since ?? null) : (way?.ms ?? null);
  return (
    <>
      {total !== null && total >= 0 && (
        <div className="total">
          <b>
            {duration(total).replace(/\s.*$/u, "")}
            <small> {duration(total).replace(/^\S+\s*/u, "")}</small>
          </b>
          <span>{caption}</span>
        </div>
      )}
      <LatencyBar all={all} />
      <ol className="tl">
        {all.map((step) => (
          <TimelineStep key={step.label} step={step} />
        ))}
      </ol>
    </>
  );
}

const SHADES = [1, 0.78, 0.56, 0.42, 0.28];

/** The parts of the way in proportion, as far as they were measured; reading takes minutes and would hide the rest. */
function LatencyBar({ all }: { all: readonly Step[] }) {
  const parts = all.filter((step) => step.since !== null && step.since >= 0 && step.label !== t("hood.read"));
  if (parts.length < 2) return null;
  const label = parts.map((step) => `${step.label} ${duration(step.since ?? 0)}`).join(", ");
  return (
    <div className="latency" role="img" aria-label={label}>
      {parts.map((step, at) => (
        <i key={step.label} title={`${step.label} ${duration(step.since ?? 0)}`} style={{ flex: Math.max(1, step.since ?? 0), opacity: SHADES[at] ?? 0.28 }} />
      ))}
    </div>
  );
}

function TimelineStep({ step }: { step: Step }) {
  const clock = t(`hood.clock_${step.clock}`);
  return (
    <li className={step.at === null ? "not-yet" : undefined}>
      <span className="node" />
      <span>
        <b>{step.label}</b>
        <p>{step.note}</p>
      </span>
      <span className="t num" title={step.at === null ? t("hood.not_measured") : clock}>
        {step.at === null ? (
          <>
            <span aria-hidden="true">–</span>
            <span className="sr">{t("hood.not_measured")}</span>
          </>
        ) : (
          <>
            {preciseTime(step.at)}
            <span className="sr">, {clock}</span>
            {step.since !== null && <small title={step.mixed ? t("hood.clock_mixed") : undefined}>{step.mixed ? "≈ " : ""}{signed(step.since)}</small>}
          </>
        )}
      </span>
    </li>
  );
}

function Copies({ known }: { known: Known }) {
  const { copies } = known.details;
  const me = useApp((state) => state.me?.account);
  const [chosen, setChosen] = useState("0");
  const copy = copies[Number(chosen)] ?? copies[0];
  if (!copy) {
    return (
      <div className="sec">
        <div className="sec-head">
          <span className="label">{t("hood.server_sees")}</span>
        </div>
        <p className="under">{t(known.message.from_me ? "hood.no_copies" : "hood.no_copies_received")}</p>
      </div>
    );
  }
  const label = (of: CopyDetails) => t(of.account === me ? "hood.device_mine" : "hood.device", { device: of.device });
  const options = copies.map((of, at) => ({ value: String(at), label: label(of) }));
  return (
    <>
      <div className="sec">
        <div className="sec-head">
          <span className="label">{t("hood.server_sees")}</span>
          {options.length > 3 ? (
            <select className="copy-choice" aria-label={t("hood.devices")} value={chosen} onChange={(event) => setChosen(event.target.value)}>
              {options.map((option) => (
                <option key={option.value} value={option.value}>
                  {option.label}
                </option>
              ))}
            </select>
          ) : options.length > 1 ? (
            <Segmented label={t("hood.devices")} options={options} value={chosen} onChange={setChosen} />
          ) : (
            <span className="label">{label(copy)}</span>
          )}
        </div>
        <Bytes copy={copy} message={known.message} />
      </div>
      <Ratchet copy={copy} />
    </>
  );
}

const encoder = new TextEncoder();
/** Type byte, ratchet key and the like come first: shown in the accent, as what the protocol says in the open. */
const HEAD_BYTES = 4;

function Bytes({ copy, message }: { copy: CopyDetails; message: MessageView }) {
  const lines = useMemo(() => (copy.ciphertext === null ? [] : hexLines(copy.ciphertext)), [copy.ciphertext]);
  const text = message.body.kind === "text" ? encoder.encode(message.body.body).length : null;
  const shown = (copy.ciphertext?.length ?? 0) / 2;
  return (
    <>
      {lines.length > 0 ? (
        // A scroller that the keyboard reaches.
        <div className="well hex" tabIndex={0} role="group" aria-label={t("hood.hex")} dir="ltr">
          {lines.map((line, at) => (
            <div key={line.offset}>
              <u>{line.offset}</u>
              {at === 0 ? (
                <span>
                  <em>{line.bytes.slice(0, HEAD_BYTES * 3 - 1)}</em>
                  {line.bytes.slice(HEAD_BYTES * 3 - 1)}
                </span>
              ) : (
                <span>{line.bytes}</span>
              )}
              <s aria-hidden="true">{line.ascii}</s>
            </div>
          ))}
        </div>
      ) : (
        <p className="under">{t("hood.no_bytes")}</p>
      )}
      <p className="under">
        {text === null ? t("hood.bytes_only", { bytes: copy.ciphertext_bytes }) : t("hood.bytes", { bytes: copy.ciphertext_bytes, text })}
        {shown > 0 && shown < copy.ciphertext_bytes && (
          <> {t("hood.bytes_cut", { shown: wholeNumber(shown), bytes: wholeNumber(copy.ciphertext_bytes) })}</>
        )}
      </p>
    </>
  );
}

function Ratchet({ copy }: { copy: CopyDetails }) {
  return (
    <div className="sec">
      <div className="sec-head">
        <span className="label">{t("hood.ratchet")}</span>
        <span className="tag">{t("hood.post_quantum")}</span>
      </div>
      <dl className="facts">
        <dt>{t("hood.protocol")}</dt>
        <dd>{t(copy.protocol === "prekey" ? "hood.prekey" : "hood.ratchet_step")}</dd>
        <dt>{t("hood.counter")}</dt>
        <dd className="num">{wholeNumber(copy.counter + 1)}</dd>
        {copy.previous_counter !== null && (
          <>
            <dt>{t("hood.previous")}</dt>
            <dd className="num">{t("hood.previous_value", { count: copy.previous_counter })}</dd>
          </>
        )}
        {copy.ratchet_key !== null && (
          <>
            <dt>{t("hood.ratchet_key")}</dt>
            <dd className="mono" title={copy.ratchet_key} dir="ltr">
              {startOfKey(copy.ratchet_key, 3)}
            </dd>
          </>
        )}
        <dt>{t("hood.message_key")}</dt>
        <dd>{t("hood.message_key_value")}</dd>
      </dl>
    </div>
  );
}

function Names({ known }: { known: Known }) {
  const { message, details } = known;
  return (
    <div className="sec">
      <div className="sec-head">
        <span className="label">{t("hood.names")}</span>
      </div>
      <dl className="facts">
        <dt>{t("hood.name")}</dt>
        <dd className="mono" dir="ltr">
          {message.name}
        </dd>
        {message.message_id !== null && (
          <>
            <dt>{t("hood.message_id")}</dt>
            <dd className="mono num" dir="ltr">
              {message.message_id}
            </dd>
          </>
        )}
        <dt>{t("hood.from_device")}</dt>
        <dd className="num">{message.from_device}</dd>
        {details.resends > 0 && (
          <>
            <dt>{t("hood.resends")}</dt>
            <dd>{t("hood.resends_value", { count: details.resends })}</dd>
          </>
        )}
      </dl>
    </div>
  );
}

/** Asked for now, and again whenever the message changes: the ticks move while one watches. */
function useMessage(account: string, name: string): { known: Known | null; failure: string | null } {
  const [state, setState] = useState<{ known: Known | null; failure: string | null }>({ known: null, failure: null });
  useEffect(() => {
    let current = true;
    const ask = () => {
      engine.command({ command: "message", name }).then(
        ({ message, details }) => {
          if (current) setState({ known: { message, details }, failure: null });
        },
        (error: unknown) => {
          if (current) setState({ known: null, failure: reasonOf(error) });
        },
      );
    };
    ask();
    const stop = onHappenings((happenings) => {
      const isNews = happenings.some(
        (happening) =>
          happening.event === "missed" ||
          (happening.event === "message_changed" && happening.message.name === name) ||
          // One more member has it, or has read it.
          (happening.event === "conversation_changed" && happening.conversation === account && isGroup(account)),
      );
      if (isNews) ask();
    });
    return () => {
      current = false;
      stop();
    };
  }, [account, name]);
  return state;
}
