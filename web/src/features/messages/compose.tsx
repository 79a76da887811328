/** Saying something beside a text: a poll, a place, a contact. */
import type { NewContent } from "@sotto/engine";
import { Plus, X } from "lucide-react";
import { useCallback, useEffect, useRef, useState, type SubmitEvent } from "react";
import { sendContent } from "../../engine/window";
import { t } from "../../strings/messages";
import { reasonOf } from "../../strings/reason";
import { Button } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { Icon } from "../../ui/Icon";
import { IconButton } from "../../ui/IconButton";
import { wholeNumber } from "../../ui/time";
import { Toggle } from "../../ui/Toggle";
import { ChatPicker } from "./ChatPicker";
import { checkPoll, OPTIONS_MAX } from "./poll";

interface Props {
  /** The conversation it goes to. */
  account: string;
  onClose: () => void;
}

/** Sends once at a time, closes when it is saved, and says why when it is not. */
function useSending({ account, onClose }: Props) {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<string | null>(null);
  const send = async (content: NewContent) => {
    if (busy) return;
    setBusy(true);
    setFailure(null);
    try {
      await sendContent(account, content);
      onClose();
    } catch (error) {
      setFailure(reasonOf(error));
      setBusy(false);
    }
  };
  return { busy, failure, setFailure, send };
}

export function PollDialog(props: Props) {
  const [question, setQuestion] = useState("");
  const [options, setOptions] = useState<readonly string[]>(["", ""]);
  const [multiple, setMultiple] = useState(false);
  const { busy, failure, setFailure, send } = useSending(props);
  const fields = useRef<HTMLDivElement>(null);
  const change = (at: number, text: string) => {
    setFailure(null);
    setOptions(options.map((option, other) => (other === at ? text : option)));
  };
  const add = () => {
    setOptions([...options, ""]);
    requestAnimationFrame(() => [...(fields.current?.querySelectorAll("input") ?? [])].at(-1)?.focus());
  };
  const submit = () => {
    const poll = checkPoll(question, options);
    if ("error" in poll) setFailure(t(poll.error));
    else void send({ kind: "poll", ...poll, multiple });
  };
  return (
    <Dialog
      title={t("poll.new")}
      onClose={props.onClose}
      actions={
        <Button variant="primary" disabled={busy} onClick={submit}>
          {t("poll.send")}
        </Button>
      }
    >
      <form
        noValidate
        onSubmit={(event: SubmitEvent) => {
          event.preventDefault();
          submit();
        }}
      >
        <Field
          label={t("poll.question")}
          value={question}
          dir="auto"
          autoComplete="off"
          onChange={(text) => {
            setFailure(null);
            setQuestion(text);
          }}
        />
        <div ref={fields}>
          {options.map((option, at) => (
            <Field
              key={at}
              label={t("poll.option_at", { number: at + 1 })}
              value={option}
              dir="auto"
              autoComplete="off"
              onChange={(text) => change(at, text)}
              end={
                options.length > 2 && (
                  <IconButton
                    label={t("poll.remove", { number: at + 1 })}
                    icon={X}
                    small
                    onClick={() => setOptions(options.filter((_, other) => other !== at))}
                  />
                )
              }
            />
          ))}
        </div>
        {/* Enter in a field sends it, as the button does. */}
        <button type="submit" hidden />
      </form>
      {options.length < OPTIONS_MAX && (
        <Button small variant="plain" onClick={add}>
          <Icon icon={Plus} small />
          {t("poll.add")}
        </Button>
      )}
      <div className="dialog-row">
        <span>
          {t("poll.multiple")}
          <small>{t("poll.multiple.hint")}</small>
        </span>
        <Toggle label={t("poll.multiple")} checked={multiple} onChange={setMultiple} />
      </div>
      <p className="field-error" role="alert">
        {failure}
      </p>
    </Dialog>
  );
}

const PLACE_PATIENCE_MS = 20_000;

/** The browser is asked once, when the dialog opens; nothing is asked of anybody else. */
export function PlaceDialog(props: Props) {
  const [place, setPlace] = useState<GeolocationCoordinates | null>(null);
  const [label, setLabel] = useState(t("place.default"));
  const [problem, setProblem] = useState<"denied" | "unavailable" | "timeout" | null>(null);
  const { busy, failure, send } = useSending(props);
  const ask = useCallback(() => {
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => setPlace(coords),
      ({ code }) => setProblem(code === 1 ? "denied" : code === 3 ? "timeout" : "unavailable"),
      { enableHighAccuracy: true, timeout: PLACE_PATIENCE_MS },
    );
  }, []);
  useEffect(ask, [ask]);
  const submit = () => {
    if (place !== null) void send({ kind: "location", latitude: place.latitude, longitude: place.longitude, label: label.trim() });
  };
  return (
    <Dialog
      title={t("place.title")}
      onClose={props.onClose}
      actions={
        problem === null ? (
          <Button variant="primary" disabled={busy || place === null} onClick={submit}>
            {t("place.send")}
          </Button>
        ) : (
          <Button
            onClick={() => {
              setProblem(null);
              ask();
            }}
          >
            {t("place.again")}
          </Button>
        )
      }
    >
      {problem !== null && (
        <p className="field-error" role="alert">
          {t(`place.${problem}`)}
        </p>
      )}
      {problem === null && place === null && (
        <p className="asking" role="status">
          <span className="spin" aria-hidden="true" />
          {t("place.asking")}
        </p>
      )}
      {place !== null && (
        <form
          onSubmit={(event: SubmitEvent) => {
            event.preventDefault();
            submit();
          }}
        >
          <Field label={t("place.label")} hint={t("place.label.hint")} value={label} maxLength={200} dir="auto" autoComplete="off" onChange={setLabel} />
          <p className="num" dir="ltr">
            {place.latitude.toFixed(5)}, {place.longitude.toFixed(5)}
          </p>
          <p className="under">{t("place.accuracy", { metres: wholeNumber(Math.ceil(place.accuracy)) })}</p>
        </form>
      )}
      <p className="field-error" role="alert">
        {failure}
      </p>
    </Dialog>
  );
}

export function ContactDialog(props: Props) {
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const { busy, failure, send } = useSending(props);
  const [account] = chosen;
  return (
    <Dialog
      title={t("card.title")}
      onClose={props.onClose}
      actions={
        <Button
          variant="primary"
          disabled={busy || account === undefined}
          onClick={() => account !== undefined && void send({ kind: "contact", account })}
        >
          {t("card.send")}
        </Button>
      }
    >
      <ChatPicker kind="people" chosen={chosen} max={1} onChange={setChosen} />
      <p className="field-error" role="alert">
        {failure}
      </p>
    </Dialog>
  );
}
