import type { SearchHit } from "@sotto/engine";
import { useEffect, useState } from "react";
import { engine } from "../../engine/engine";
import { reasonOf } from "../../strings/reason";

export interface Found {
  hits: readonly SearchHit[];
  /** What the hits answer; differs from the query while the next answer is on its way. */
  query: string;
  /** More may exist than were asked for. */
  more: boolean;
  failure: string | null;
}

const NOTHING: Found = { hits: [], query: "", more: false, failure: null };

/** Searches while somebody types: the answer to an older query never replaces that to a newer one. */
export function useSearch(query: string, conversation: string | null, limit: number): Found {
  const [found, setFound] = useState<Found>(NOTHING);
  useEffect(() => {
    if (query === "") return;
    let current = true;
    engine.command({ command: "search", query, conversation, limit }).then(
      ({ hits }) => {
        if (current) setFound({ hits, query, more: hits.length >= limit, failure: null });
      },
      (error: unknown) => {
        if (current) setFound({ hits: [], query, more: false, failure: reasonOf(error) });
      },
    );
    return () => {
      current = false;
    };
  }, [query, conversation, limit]);
  return query === "" ? NOTHING : found;
}
