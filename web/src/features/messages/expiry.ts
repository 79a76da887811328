/** How long messages may stay; the engine checks the same. */
const SECONDS_MIN = 30;
const SECONDS_MAX = 366 * 86_400;

export const UNIT_SECONDS = { seconds: 1, minutes: 60, hours: 3600, days: 86_400 } as const;
export type Unit = keyof typeof UNIT_SECONDS;

/** What was typed, in seconds; null: no time that can be set. */
export function customSeconds(amount: string, unit: Unit): number | null {
  if (!/^\d{1,9}$/u.test(amount.trim())) return null;
  const seconds = Number(amount) * UNIT_SECONDS[unit];
  return seconds >= SECONDS_MIN && seconds <= SECONDS_MAX ? seconds : null;
}

/** For the fields: the largest unit that fits. */
export function inUnit(seconds: number): { amount: string; unit: Unit } {
  const unit = (["days", "hours", "minutes"] as const).find((unit) => seconds > 0 && seconds % UNIT_SECONDS[unit] === 0) ?? "seconds";
  return { amount: String(seconds / UNIT_SECONDS[unit]), unit };
}
