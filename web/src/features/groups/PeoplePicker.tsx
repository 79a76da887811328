/** Choosing people: from those one knows, or by exact username. */
import { CommandFailure, type ContactView } from "@sotto/engine";
import { Check, Search, UserSearch, X } from "lucide-react";
import { useMemo, useRef, useState } from "react";
import { Virtualizer } from "virtua";
import { engine } from "../../engine/engine";
import { displayName, useApp } from "../../engine/store";
import { t } from "../../strings/groups";
import { reasonOf } from "../../strings/reason";
import { Avatar } from "../../ui/Avatar";
import { Icon } from "../../ui/Icon";
import { parseContact } from "../newchat/link";
import { fold } from "../search/fold";
import { useReply } from "../settings/use-reply";

const USERNAME = /^@?[a-z0-9_.]{3,32}$/iu;
const ROW_PX = 52;

export interface Person {
  account: string;
  name: string;
  username: string | null;
}

const personOf = (contact: ContactView): Person => ({
  account: contact.account,
  name: displayName(contact) ?? contact.account.slice(0, 8),
  username: contact.username,
});

interface Props {
  chosen: readonly Person[];
  onChange: (chosen: readonly Person[]) => void;
  /** Who is in it already. */
  members?: ReadonlySet<string>;
  /** How many may be chosen. */
  max: number;
}

const NOBODY: ReadonlySet<string> = new Set();

export function PeoplePicker({ chosen, onChange, members = NOBODY, max }: Props) {
  const me = useApp((state) => state.me);
  const [query, setQuery] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const field = useRef<HTMLInputElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const { reply } = useReply({ command: "contacts" }, (happening) => happening.event === "contact_changed");
  const known = useMemo(() => {
    const people = (reply?.contacts ?? []).filter((contact) => contact.account !== me?.account && !contact.blocked).map(personOf);
    return people.sort((a, b) => a.name.localeCompare(b.name));
  }, [reply, me]);
  const linked = parseContact(query, me?.server ?? location.origin);
  const wanted = linked.kind === "username" ? linked.username.replace(/^@/u, "").toLowerCase() : "";
  const found = useMemo(() => {
    const folded = fold(wanted);
    return known.filter((person) => [person.name, person.username ?? ""].some((name) => fold(name).includes(folded)));
  }, [known, wanted]);
  const isChosen = (account: string) => chosen.some((person) => person.account === account);
  const canFind = USERNAME.test(wanted) && !found.some((person) => person.username === wanted);

  const add = (person: Person) => {
    setQuery("");
    if (isChosen(person.account)) return;
    if (chosen.length >= max) setError(t("groups.pick.full", { max: max + 1 }));
    else onChange([...chosen, person]);
  };
  const remove = (account: string) => {
    setError(null);
    onChange(chosen.filter((person) => person.account !== account));
  };
  const toggle = (person: Person) => {
    setError(null);
    if (isChosen(person.account)) remove(person.account);
    else add(person);
  };
  const find = async () => {
    setBusy(true);
    setError(null);
    try {
      // Not `find_person`, which begins a chat with them.
      const { contact } = await engine.command({ command: "contact", who: { name: wanted } });
      if (contact.account === me?.account) setError(t("groups.pick.yourself"));
      else if (members.has(contact.account)) setError(t("groups.pick.already", { name: wanted }));
      else add(personOf(contact));
    } catch (failure) {
      const nobody = failure instanceof CommandFailure && failure.kind === "not_found";
      setError(nobody ? t("new.error.nobody", { username: wanted }) : reasonOf(failure));
    } finally {
      setBusy(false);
      field.current?.focus();
    }
  };

  const rows = () => [...(scroller.current?.querySelectorAll<HTMLElement>("button:not(:disabled)") ?? [])];
  const onFieldKey = (event: React.KeyboardEvent) => {
    const last = chosen[chosen.length - 1];
    const first = found.find((person) => !members.has(person.account) && !isChosen(person.account));
    if (event.key === "Backspace" && query === "" && last) remove(last.account);
    else if (event.key === "ArrowDown") rows()[0]?.focus();
    else if (event.key === "Enter" && query.trim() !== "") {
      if (canFind && first?.username !== wanted) {
        if (!busy) void find();
      } else if (first) toggle(first);
    } else return;
    event.preventDefault();
  };
  const onRowKey = (event: React.KeyboardEvent) => {
    const all = rows();
    const at = all.findIndex((row) => row === document.activeElement);
    if (event.key === "ArrowDown") all[at + 1]?.focus();
    else if (event.key === "ArrowUp") (all[at - 1] ?? field.current)?.focus();
    else return;
    event.preventDefault();
  };

  return (
    <div className="picker">
      <div className="picker-box" onClick={() => field.current?.focus()}>
        <Icon icon={Search} small />
        <ul className="picker-chips" aria-label={t("groups.pick.chosen", { count: chosen.length })}>
          {chosen.map((person) => (
            <li key={person.account} className="person-chip">
              <Avatar account={person.account} name={person.name} size="sm" />
              <bdi>{person.name}</bdi>
              <button type="button" aria-label={t("groups.pick.remove", { name: person.name })} onClick={() => remove(person.account)}>
                <Icon icon={X} small />
              </button>
            </li>
          ))}
        </ul>
        <input
          ref={field}
          value={query}
          placeholder={t("groups.pick.label")}
          aria-label={t("groups.pick.label")}
          autoComplete="off"
          autoCapitalize="none"
          autoCorrect="off"
          spellCheck={false}
          onChange={(event) => {
            setQuery(event.target.value);
            setError(null);
          }}
          onKeyDown={onFieldKey}
        />
      </div>
      <p className="sr" role="status">
        {t("groups.pick.chosen", { count: chosen.length })}
      </p>
      <p className="field-error" role="alert">
        {error}
      </p>
      <div ref={scroller} className="picker-list scroll" onKeyDown={onRowKey}>
        {canFind && (
          <button type="button" className="pick-row exact" disabled={busy} onClick={() => void find()}>
            <span className="pick-icon">{busy ? <span className="spin" aria-hidden="true" /> : <Icon icon={UserSearch} />}</span>
            {t("groups.pick.exact", { name: wanted })}
          </button>
        )}
        {reply !== null && found.length === 0 && !canFind && (
          <p className="picker-none">{t(known.length === 0 ? "groups.pick.empty" : "groups.pick.none")}</p>
        )}
        <div role="group" aria-label={t("groups.pick.contacts")}>
          <Virtualizer data={found} itemSize={ROW_PX} scrollRef={scroller}>
            {(person) => {
              const inside = members.has(person.account);
              const picked = isChosen(person.account);
              return (
                <button
                  key={person.account}
                  type="button"
                  className="pick-row"
                  aria-pressed={inside || picked}
                  disabled={inside}
                  onClick={() => toggle(person)}
                >
                  <Avatar account={person.account} name={person.name} size="md" />
                  <span className="pick-text">
                    <bdi className="name">{person.name}</bdi>
                    {(inside || (person.username !== null && person.username !== person.name)) && (
                      <span className="sub">{inside ? t("groups.pick.member") : `@${person.username ?? ""}`}</span>
                    )}
                  </span>
                  <span className={picked || inside ? "pick-box on" : "pick-box"} aria-hidden="true">
                    {(picked || inside) && <Icon icon={Check} />}
                  </span>
                </button>
              );
            }}
          </Virtualizer>
        </div>
      </div>
    </div>
  );
}
