/** Who is there and who is writing, in words. */
import type { PresenceView } from "@sotto/engine";
import type { Typist } from "../../engine/typists";
import { t } from "../../strings";
import { daysBefore, earlierDay, timeOfDay } from "../../ui/time";

/** "online", "last seen today at 14:05"; null: it is not known, or hidden. */
export function presenceText(view: PresenceView | undefined, today: number): string | null {
  if (view?.online === true) return t("presence.online");
  // The engine leaves out what is not known, or says null.
  const ms = view?.last_seen_ms ?? null;
  if (ms === null || ms <= 0) return null;
  const time = timeOfDay(ms);
  if (ms >= today) return t("presence.today", { time });
  if (ms >= daysBefore(today, 1)) return t("presence.yesterday", { time });
  return ms >= daysBefore(today, 6) ? t("presence.weekday", { day: earlierDay(ms, today), time }) : t("presence.day", { day: earlierDay(ms, today) });
}

/** `alone`: between two people the name is plain. */
export function typingText(typists: readonly Typist[] | undefined, alone: boolean): string | null {
  const [first, second, ...more] = typists ?? [];
  if (first === undefined) return null;
  const recording = first.state === "recording";
  if (alone) return t(recording ? "typing.alone_recording" : "typing.alone");
  const name = first.person.name;
  if (second === undefined) return t(recording ? "typing.one_recording" : "typing.one", { name });
  const other = second.person.name;
  return more.length === 0 ? t("typing.two", { name, other }) : t("typing.more", { name, other, count: more.length });
}
