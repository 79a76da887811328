/**
 * The way of a message as steps with times. A step shows the time since the step before; where two steps were measured by different
 * clocks, the difference is shown with what is known of the clocks' offset, and says so. What was not measured is a dash.
 */
import type { MessageDetails, MessageTimes, MessageView } from "@sotto/engine";
import { isGroup } from "../../engine/recipient";
import { t, type MessageKey } from "../../strings/later";

export type Clock = "here" | "server" | "sender";

export interface Step {
  label: string;
  note: string;
  at: number | null;
  clock: Clock;
  /** Since the last measured step before; null: none, or not known. */
  since: number | null;
  /** The step before was measured by another clock. */
  mixed: boolean;
}

interface Draft {
  label: MessageKey;
  note: string;
  at: number | null;
  clock: Clock;
}

export function steps(message: MessageView, details: MessageDetails, name: string): Step[] {
  const drafts = message.from_me ? sentSteps(message, details) : receivedSteps(message, details, name);
  let before: Draft | null = null;
  return drafts.map((draft) => {
    const since = before !== null && draft.at !== null && before.at !== null ? draft.at - before.at : null;
    const mixed = since !== null && before !== null && before.clock !== draft.clock;
    if (draft.at !== null) before = draft;
    return { ...draft, label: t(draft.label), since, mixed };
  });
}

function sentSteps(message: MessageView, { times, copies, attempts }: MessageDetails): Draft[] {
  return [
    { label: "hood.encrypted", note: t("hood.encrypted_note", { count: copies.length }), at: times.encrypted_ms, clock: "here" },
    { label: "hood.sent", note: t("hood.sent_note", { count: Math.max(1, attempts) }), at: times.sent_ms, clock: "here" },
    { label: "hood.stored", note: storedNote(times), at: times.stored_ms ?? message.server_time_ms, clock: "server" },
    { label: "hood.delivered", note: t(isGroup(message.conversation) ? "hood.delivered_all_note" : "hood.delivered_note"), at: times.delivered_ms ?? message.delivered_ms, clock: "server" },
    { label: "hood.read", note: t(isGroup(message.conversation) ? "hood.read_all_note" : "hood.read_note"), at: times.read_ms ?? message.read_ms, clock: "server" },
  ];
}

/** There and back by one clock: exact, whatever the server's clock says. */
function storedNote({ sent_ms, accepted_ms }: MessageTimes): string {
  if (sent_ms === null || accepted_ms === null) return t("hood.stored_note");
  return t("hood.stored_round", { time: duration(accepted_ms - sent_ms) });
}

function receivedSteps(message: MessageView, { times }: MessageDetails, name: string): Draft[] {
  return [
    { label: "hood.encrypted", note: t("hood.encrypted_theirs", { name }), at: message.written_ms, clock: "sender" },
    { label: "hood.stored", note: t("hood.stored_note"), at: times.stored_ms ?? message.server_time_ms, clock: "server" },
    { label: "hood.received", note: t("hood.received_note"), at: times.received_ms, clock: "here" },
  ];
}

/** From the first step to the furthest that was measured, reading aside: how long the way took. */
export function wayMs(all: readonly Step[]): { ms: number; to: string } | null {
  const way = all.filter((step) => step.label !== t("hood.read") && step.at !== null);
  const first = way[0];
  const last = way[way.length - 1];
  if (!first || !last || first === last || first.at === null || last.at === null) return null;
  return { ms: last.at - first.at, to: last.label };
}

/** "18 ms", "1.4 s", "2 min": with the sign that clocks which differ can give it. */
export function duration(ms: number): string {
  const size = Math.abs(ms);
  if (size < 1000) return t("hood.ms", { ms: Math.round(size) });
  if (size < 60_000) return t("hood.s", { s: (size / 1000).toFixed(1) });
  const unit = size < 3600_000 ? (["minute", 60_000] as const) : size < 86_400_000 ? (["hour", 3600_000] as const) : (["day", 86_400_000] as const);
  return new Intl.NumberFormat(undefined, { style: "unit", unit: unit[0], unitDisplay: "short", maximumFractionDigits: 1 }).format(size / unit[1]);
}

export function signed(ms: number): string {
  return t(ms < 0 ? "hood.minus" : "hood.plus", { value: duration(ms) });
}

const clockTime = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23" });

export function preciseTime(ms: number): string {
  return clockTime.format(ms);
}
