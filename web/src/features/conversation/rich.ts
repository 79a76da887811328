/**
 * What a plain text has no need of (quotes, reactions, formatting, cards, menus and dialogs of messages) is one file, loaded when
 * the profile has messages: the first one is written without it.
 */
import type { MessageView } from "@sotto/engine";
import { useEffect } from "react";
import { create } from "zustand";
import { hasMarks } from "./text";

type Parts = typeof import("../messages");

const useParts = create<{ parts: Parts | null }>(() => ({ parts: null }));
let loading: Promise<Parts> | null = null;

export function loadParts(): Promise<Parts> {
  loading ??= import("../messages").then(
    (parts) => {
      useParts.setState({ parts });
      return parts;
    },
    (error: unknown) => {
      // The next one who needs it asks again.
      loading = null;
      throw error;
    },
  );
  return loading;
}

/** Until it is there, or if it cannot be had: null, and messages are drawn as plain words. */
export function useRich(needed: boolean): Parts | null {
  const parts = useParts((state) => (needed ? state.parts : null));
  const missing = needed && parts === null;
  useEffect(() => {
    if (missing) loadParts().catch(() => undefined);
  }, [missing]);
  return parts;
}

/** Whether it is more than words. */
export function isRich({ body, extras }: MessageView): boolean {
  if (body.kind === "text" ? hasMarks(body.body) : body.kind === "poll" || body.kind === "location" || body.kind === "contact_card") return true;
  return (
    extras.quote !== null ||
    extras.preview !== null ||
    extras.forwarded ||
    extras.edited_ms !== null ||
    extras.reactions.length > 0 ||
    extras.starred ||
    extras.pinned_until_ms !== null ||
    extras.expires_after_s > 0
  );
}
