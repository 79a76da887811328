const UNITS = [
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
] as const;

/** How long a message is still there: short for the bubble, in words for who hears it. Two of a unit, before a smaller one is more exact. */
export function remaining(ms: number): { text: string; label: string } {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const [unit, size] = UNITS.find(([, size]) => seconds >= size * 2) ?? UNITS[3];
  const count = unit === "second" ? seconds : Math.round(seconds / size);
  const say = (unitDisplay: "narrow" | "long") => new Intl.NumberFormat(undefined, { style: "unit", unit, unitDisplay }).format(count);
  return { text: say("narrow"), label: say("long") };
}
