/** The server's numbers about presence, and what follows from two of them. */

export interface Stats {
  accounts: number;
  online: number;
  connections: number;
  subscriptions: number;
  /** In all, since the server began. */
  heartbeats: number;
  /** Processor time of the whole process. */
  cpu_ms: number;
  uptime_ms: number;
}

/** `at`: this page's clock, which never goes back. */
export interface Sample extends Stats {
  at: number;
}

const NAMES = ["accounts", "online", "connections", "subscriptions", "heartbeats", "cpu_ms", "uptime_ms"] as const;

export const WINDOW_MS = 60_000;
const PEOPLE = 2e9;
const BEAT_S = 30;
const BYTES_EACH = 200;

/** null: not what was asked for. */
export function parseStats(answer: unknown): Stats | null {
  if (typeof answer !== "object" || answer === null) return null;
  const given = answer as Record<string, unknown>;
  const isNumber = (name: string) => typeof given[name] === "number" && Number.isFinite(given[name]) && given[name] >= 0;
  return NAMES.every(isNumber) ? (Object.fromEntries(NAMES.map((name) => [name, given[name]])) as unknown as Stats) : null;
}

/** The last minute, with the one sample before it. A server that was started anew begins anew. */
export function withSample(samples: readonly Sample[], sample: Sample): Sample[] {
  const last = samples[samples.length - 1];
  if (last && (sample.uptime_ms < last.uptime_ms || sample.heartbeats < last.heartbeats)) return [sample];
  const old = samples.filter(({ at }) => at <= sample.at - WINDOW_MS).length;
  return [...samples.slice(Math.max(0, old - 1)), sample];
}

/** Heartbeats a second, between each two samples. */
export function rates(samples: readonly Sample[]): number[] {
  return samples.slice(1).flatMap((sample, at) => {
    const before = samples[at];
    const s = before ? (sample.at - before.at) / 1000 : 0;
    return before && s > 0 ? [(sample.heartbeats - before.heartbeats) / s] : [];
  });
}

/** Microseconds of processor for one heartbeat; null: there was none. */
export function microsPerBeat(samples: readonly Sample[]): number | null {
  const first = samples[0];
  const last = samples[samples.length - 1];
  if (!first || !last) return null;
  const beats = last.heartbeats - first.heartbeats;
  return beats > 0 ? ((last.cpu_ms - first.cpu_ms) * 1000) / beats : null;
}

/** What two billion people would need, each with a heartbeat every 30 s. */
export function billions(micros: number | null): { beatsPerS: number; cores: number | null; bytes: number } {
  const beatsPerS = PEOPLE / BEAT_S;
  return { beatsPerS, cores: micros === null ? null : (beatsPerS * micros) / 1e6, bytes: PEOPLE * BYTES_EACH };
}

/** The points of a line over a box of this size; the newest at the right edge. */
export function sparkline(values: readonly number[], width: number, height: number, room: number): string {
  const most = Math.max(1, ...values);
  const step = room > 1 ? width / (room - 1) : 0;
  return values
    .map((value, at) => {
      const x = width - (values.length - 1 - at) * step;
      return `${x.toFixed(1)},${(height - (value / most) * height).toFixed(1)}`;
    })
    .join(" ");
}
