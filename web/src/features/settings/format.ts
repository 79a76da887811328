/** Amounts and times as people read them, in the browser's language where it has its own way. */
import { t } from "../../strings";

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;

export function bytes(count: number): string {
  let unit = 0;
  let value = count;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const style = { style: "unit", unit: UNITS[unit] ?? "byte", unitDisplay: "short" } as const;
  return new Intl.NumberFormat(undefined, { ...style, maximumFractionDigits: value < 10 && unit > 0 ? 1 : 0 }).format(value);
}

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

/** "3 hours": the largest unit that fits. */
export function duration(ms: number): string {
  const away = Math.abs(ms);
  if (away < MINUTE_MS) return t("duration.seconds", { count: Math.round(away / SECOND_MS) });
  if (away < HOUR_MS) return t("duration.minutes", { count: Math.round(away / MINUTE_MS) });
  if (away < DAY_MS) return t("duration.hours", { count: Math.round(away / HOUR_MS) });
  return t("duration.days", { count: Math.round(away / DAY_MS) });
}

const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

/** "today", "yesterday", "5 days ago": the server keeps only the day. */
export function daysAgo(then: number, now: number): string {
  const days = Math.floor(now / DAY_MS) - Math.floor(then / DAY_MS);
  return relative.format(-Math.max(0, days), "day");
}

/** "4:41" */
export function minutes(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / SECOND_MS));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

export const day = (ms: number): string => new Intl.DateTimeFormat(undefined, { dateStyle: "medium" }).format(ms);

export const dayAndTime = (ms: number): string =>
  new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" }).format(ms);
