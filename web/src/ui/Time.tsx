import { useSyncExternalStore } from "react";
import { dateTime, listTime, timeOfDay } from "./time";

interface Props {
  ms: number;
  /** "clock": the time of day. "list": the time today, then Yesterday, the weekday, the date. */
  as?: "clock" | "list";
  className?: string;
}

export function Time({ ms, as = "clock", className }: Props) {
  const day = useToday();
  return (
    <time className={className} dateTime={new Date(ms).toISOString()} title={dateTime(ms)}>
      {as === "list" ? listTime(ms, day) : timeOfDay(ms)}
    </time>
  );
}

/** The start of today; changes at midnight, so that "Yesterday" is never a day old. */
export function useToday(): number {
  return useSyncExternalStore(subscribe, startOfToday, startOfToday);
}

export function startOfToday(): number {
  const now = new Date();
  return new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
}

const listeners = new Set<() => void>();
let timer: ReturnType<typeof setTimeout> | undefined;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  arm();
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearTimeout(timer);
      timer = undefined;
    }
  };
}

function arm(): void {
  if (timer !== undefined) return;
  // At most an hour ahead: timers do not run while a machine sleeps, and a clock may be set.
  const untilMidnight = startOfToday() + 24 * 3600_000 + 1000 - Date.now();
  timer = setTimeout(
    () => {
      timer = undefined;
      arm();
      for (const listener of listeners) listener();
    },
    Math.max(1000, Math.min(untilMidnight, 3600_000)),
  );
}
