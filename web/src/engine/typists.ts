/** Who is writing where. */
import type { PersonView, TypingState } from "@sotto/engine";

export interface Typist {
  person: PersonView;
  state: Exclude<TypingState, "stopped">;
}

/** By conversation; who began first is first. */
export type Typing = Readonly<Record<string, readonly Typist[]>>;

export function withTypist(typing: Typing, conversation: string, person: PersonView, state: TypingState): Typing {
  const before = typing[conversation] ?? [];
  const others = before.filter((typist) => typist.person.account !== person.account);
  const at = before.findIndex((typist) => typist.person.account === person.account);
  const rest = Object.fromEntries(Object.entries(typing).filter(([other]) => other !== conversation));
  if (state === "stopped") return others.length === 0 ? rest : { ...rest, [conversation]: others };
  const place = at < 0 ? others.length : at;
  return { ...rest, [conversation]: [...others.slice(0, place), { person, state }, ...others.slice(place)] };
}
