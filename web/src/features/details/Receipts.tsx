import type { MemberReceipt } from "@sotto/engine";
import { useMemo } from "react";
import { t } from "../../strings/later";
import { Avatar } from "../../ui/Avatar";
import { Time } from "../../ui/Time";
import { wholeNumber } from "../../ui/time";

/** How far an own message came with each member, furthest first. */
export function Receipts({ members }: { members: readonly MemberReceipt[] }) {
  const groups = useMemo(() => byProgress(members), [members]);
  if (members.length === 0) return <p className="under">{t("receipts.none")}</p>;
  return groups.map(({ kind, people }) => {
    // That nobody has read it yet is worth a word; that nobody is left to wait for is not.
    if (people.length === 0 && kind !== "read") return null;
    return (
      <section key={kind} className="receipts" aria-label={t(`receipts.${kind}`)}>
        <div className="sec-head">
          <span className="label">{t(`receipts.${kind}`)}</span>
          <span className="label num">
            {t("receipts.of", { count: wholeNumber(people.length), total: wholeNumber(members.length) })}
          </span>
        </div>
        {people.length === 0 && <p className="under">{t("receipts.nobody")}</p>}
        <ul>
          {people.map(({ person, ms }) => (
            <li key={person.account}>
              <Avatar account={person.account} name={person.name} size="sm" />
              <bdi className="name">{person.name}</bdi>
              {ms !== null && <Time className="time num" ms={ms} as="list" />}
            </li>
          ))}
        </ul>
      </section>
    );
  });
}

function byProgress(members: readonly MemberReceipt[]) {
  const newestFirst = (a: { ms: number | null }, b: { ms: number | null }) => (b.ms ?? 0) - (a.ms ?? 0);
  const read = members.filter(({ read_ms: ms }) => ms !== null);
  const delivered = members.filter(({ read_ms, delivered_ms }) => read_ms === null && delivered_ms !== null);
  const waiting = members.filter(({ read_ms, delivered_ms }) => read_ms === null && delivered_ms === null);
  return [
    { kind: "read" as const, people: read.map(({ person, read_ms: ms }) => ({ person, ms })).sort(newestFirst) },
    { kind: "delivered" as const, people: delivered.map(({ person, delivered_ms: ms }) => ({ person, ms })).sort(newestFirst) },
    { kind: "waiting" as const, people: waiting.map(({ person }) => ({ person, ms: null })) },
  ];
}
