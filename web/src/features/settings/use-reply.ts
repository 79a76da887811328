/** Reads something from the engine for a screen, and reads it again when it may have changed. */
import type { Command, Happening, Reply, ReplyTo } from "@sotto/engine";
import { useCallback, useEffect, useRef, useState } from "react";
import { engine } from "../../engine/engine";

type ReplyOf<C extends Command> = Extract<Reply, { reply: ReplyTo[C["command"]] }>;

interface Read<T> {
  /** The command it answers, so that an answer about somebody else is never shown. */
  key: string;
  reply: T | null;
  failure: unknown;
}

export interface Reading<T> {
  reply: T | null;
  /** Why the last reading failed; what was read before stays. */
  failure: unknown;
  reload: () => void;
}

export function useReply<C extends Command>(command: C, isStale: (happening: Happening) => boolean): Reading<ReplyOf<C>> {
  const key = JSON.stringify(command);
  const [read, setRead] = useState<Read<ReplyOf<C>>>({ key, reply: null, failure: null });
  const stale = useRef(isStale);
  const asked = useRef(0);
  useEffect(() => {
    stale.current = isStale;
  });
  const reload = useCallback(() => {
    const turn = ++asked.current;
    const answer = (change: Partial<Read<ReplyOf<C>>>) => {
      // Answers may overtake each other: only the last question counts.
      if (turn !== asked.current) return;
      setRead((before) => ({ reply: before.key === key ? before.reply : null, failure: null, ...change, key }));
    };
    engine.command(JSON.parse(key) as C).then(
      (reply) => answer({ reply }),
      (failure: unknown) => answer({ failure }),
    );
  }, [key]);
  useEffect(() => {
    reload();
    const off = engine.onHappening((happening) => {
      if (happening.event === "missed" || stale.current(happening)) reload();
    });
    return () => {
      off();
      asked.current += 1;
    };
  }, [reload]);
  const current = read.key === key;
  return { reply: current ? read.reply : null, failure: current ? read.failure : null, reload };
}
