/** What was measured, beside what was promised. */

export interface Figure {
  what: string;
  value: number;
  unit: "bytes" | "ms" | "count";
  /** At most this; none: told, not promised. */
  budget?: number;
}

export const KIB = 1024;
export const MIB = 1024 * KIB;

export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN;
}

export const missed = ({ value, budget }: Figure): boolean => budget !== undefined && !(value <= budget);

function text(value: number, unit: Figure["unit"]): string {
  if (unit === "ms") return `${value.toFixed(value < 100 ? 1 : 0)} ms`;
  if (unit === "count") return String(value);
  return value < MIB ? `${(value / KIB).toFixed(1)} KiB` : `${(value / MIB).toFixed(1)} MiB`;
}

export function print(title: string, figures: readonly Figure[]): void {
  const rows = figures.map((figure) => [
    figure.what,
    text(figure.value, figure.unit),
    figure.budget === undefined ? "" : `${missed(figure) ? "MISSED" : "met"}, at most ${text(figure.budget, figure.unit)}`,
  ]);
  const width = Math.max(...rows.map(([what = ""]) => what.length));
  const lines = rows.map(([what = "", value = "", verdict = ""]) => `  ${what.padEnd(width)}  ${value.padStart(11)}  ${verdict}`);
  process.stdout.write(`\n${title}\n${lines.join("\n")}\n${JSON.stringify({ title, figures })}\n`);
}
