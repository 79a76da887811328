/** Times and dates in the browser's own locale. */
import { t } from "../strings";

const DAY_MS = 24 * 3600_000;

const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "short" });
const longWeekday = new Intl.DateTimeFormat(undefined, { weekday: "long" });
const numeric = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "numeric", year: "2-digit" });
const dayAndMonth = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const dayInYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long" });
const withYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const numbers = new Intl.NumberFormat();

export const timeOfDay = (ms: number): string => clock.format(ms);
export const dateTime = (ms: number): string => full.format(ms);
export const wholeNumber = (value: number): string => numbers.format(value);

const UNITS = [
  [86_400, "day"],
  [3600, "hour"],
  [60, "minute"],
  [1, "second"],
] as const;

/** "30 seconds", "1 hour", "24 hours", "7 days": in the largest unit that fits; a single day is 24 hours. */
export function durationText(seconds: number): string {
  const [size, unit] = UNITS.find(([size]) => seconds % size === 0 && (size < 86_400 ? seconds >= size : seconds > size)) ?? UNITS[3];
  return new Intl.NumberFormat(undefined, { style: "unit", unit, unitDisplay: "long" }).format(seconds / size);
}

/** In the list: the time today, then Yesterday, the weekday, the date. */
export function listTime(ms: number, today: number): string {
  if (ms >= today) return clock.format(ms);
  if (ms >= daysBefore(today, 1)) return t("time.yesterday");
  if (ms >= daysBefore(today, 6)) return weekday.format(ms);
  return numeric.format(ms);
}

/** The line between two days of a conversation. */
export function dayTitle(ms: number, today: number): string {
  if (ms >= today && ms < daysBefore(today, -1)) return t("time.today");
  if (ms >= daysBefore(today, 1) && ms < today) return t("time.yesterday");
  if (ms >= daysBefore(today, 6) && ms < today) return longWeekday.format(ms);
  const sameYear = new Date(ms).getFullYear() === new Date(today).getFullYear();
  return sameYear ? dayAndMonth.format(ms) : withYear.format(ms);
}

/** Of a day that is neither today nor yesterday, within a sentence: "Monday", "12 March", "3 March 2025". */
export function earlierDay(ms: number, today: number): string {
  if (ms >= daysBefore(today, 6)) return longWeekday.format(ms);
  return (new Date(ms).getFullYear() === new Date(today).getFullYear() ? dayInYear : withYear).format(ms);
}

/** Days are not always 24 hours long: half a day of slack, then back to midnight. */
export function daysBefore(today: number, days: number): number {
  const near = new Date(today - days * DAY_MS + DAY_MS / 2);
  return new Date(near.getFullYear(), near.getMonth(), near.getDate()).getTime();
}

/** A number that is the same for two times of one day. */
export function dayOf(ms: number): number {
  const date = new Date(ms);
  return date.getFullYear() * 10_000 + date.getMonth() * 100 + date.getDate();
}
