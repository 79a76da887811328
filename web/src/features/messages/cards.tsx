/** Messages that are no texts: polls, places, contacts. */
import type { ContactCardView, MessageBody, MessageView } from "@sotto/engine";
import { Check, MapPin } from "lucide-react";
import { useId, type ReactNode } from "react";
import { engine } from "../../engine/engine";
import { notice, useApp } from "../../engine/store";
import { t } from "../../strings/messages";
import { Avatar } from "../../ui/Avatar";
import { Button } from "../../ui/Button";
import { Icon } from "../../ui/Icon";
import { openDialog } from "../conversation/acting";
import { isAnswerable } from "../conversation/MessageTools";
import { chatPath, navigate } from "../shell/route";
import { vote } from "./actions";

type Of<K extends MessageBody["kind"]> = Extract<MessageBody, { kind: K }>;

export function Card({ message, meta }: { message: MessageView; meta: ReactNode }) {
  const { body } = message;
  return (
    <div className="txt card-body">
      {body.kind === "poll" && <Poll message={message} poll={body} />}
      {body.kind === "location" && <Place place={body} />}
      {body.kind === "contact_card" && <ContactCard card={body.card} />}
      {meta}
    </div>
  );
}

function Poll({ message, poll }: { message: MessageView; poll: Of<"poll"> }) {
  const id = useId();
  const signedOut = useApp((state) => state.signedOut !== null);
  const { options, multiple } = poll;
  const own = options.flatMap(({ voters }, at) => (voters.some((voter) => voter.is_me) ? at : []));
  const people = new Set(options.flatMap(({ voters }) => voters.map((voter) => voter.account))).size;
  const choose = (at: number) => {
    const others = multiple ? own.filter((other) => other !== at) : [];
    vote(message, own.includes(at) ? others : [...others, at]);
  };
  return (
    <div className="poll">
      <p id={id} className="poll-question" dir="auto">
        {poll.question}
      </p>
      <p className="poll-hint">{t(multiple ? "poll.several" : "poll.one")}</p>
      <div role="group" aria-labelledby={id}>
        {options.map(({ text, voters }, at) => {
          const mine = own.includes(at);
          return (
            <button
              key={at}
              type="button"
              className="poll-option"
              aria-pressed={mine}
              aria-label={t("poll.option", { text, count: voters.length })}
              disabled={signedOut || !isAnswerable(message)}
              onClick={() => choose(at)}
            >
              <span className={multiple ? "poll-box" : "poll-box round"} aria-hidden="true">
                {mine && <Icon icon={Check} />}
              </span>
              <span className="poll-text" dir="auto">
                {text}
              </span>
              <span className="num">{voters.length}</span>
              <span className="poll-bar" aria-hidden="true">
                <span style={{ width: `${people === 0 ? 0 : (100 * voters.length) / people}%` }} />
              </span>
            </button>
          );
        })}
      </div>
      {people > 0 && (
        <button type="button" className="read-more poll-who" onClick={() => openDialog({ kind: "votes", message })}>
          {t("poll.who", { count: people })}
        </button>
      )}
    </div>
  );
}

/** The map is somebody else's page: it is opened, never loaded. */
function Place({ place: { latitude, longitude, label } }: { place: Of<"location"> }) {
  const [lat, lon] = [latitude.toFixed(5), longitude.toFixed(5)];
  return (
    <a className="place" href={`https://www.openstreetmap.org/?mlat=${lat}&mlon=${lon}#map=16/${lat}/${lon}`} target="_blank" rel="noopener noreferrer">
      <span className="place-pin">
        <Icon icon={MapPin} />
      </span>
      <span>
        <b dir="auto">{label === "" ? t("place.untitled") : label}</b>
        <span className="num" dir="ltr">
          {lat}, {lon}
        </span>
        <span className="place-open">{t("place.open")}</span>
      </span>
    </a>
  );
}

function ContactCard({ card }: { card: ContactCardView }) {
  const isMe = useApp((state) => state.me?.account === card.account);
  const name = card.name === "" ? (card.username ?? t("name.unknown")) : card.name;
  const write = async () => {
    try {
      // By the account: a name of a card may be anybody's.
      if (!isMe) await engine.command({ command: "find_person", who: { account: card.account } });
      navigate(chatPath(card.account));
    } catch (error) {
      notice(error);
    }
  };
  return (
    <div className="contact-card">
      <Avatar account={card.account} name={name} size="md" />
      <span>
        <b>
          <bdi>{name}</bdi>
        </b>
        {card.username !== null && <bdi className="sub">@{card.username}</bdi>}
      </span>
      <Button small onClick={() => void write()}>
        {t("card.message")}
      </Button>
    </div>
  );
}
