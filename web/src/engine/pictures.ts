/**
 * Pictures of people, for whoever draws them: what to show by account. Which are on the screen is counted here; that they are read
 * is the work of `pictures-reader`, which the first screen does without.
 */
import { useEffect } from "react";
import { create } from "zustand";

/** By account: what an image element shows. */
export const usePictures = create<Readonly<Record<string, string>>>(() => ({}));

/** How many parts of the screen show somebody. */
export const drawn = new Map<string, number>();
let onDrawn: ((account: string) => void) | null = null;

export function hearDrawn(listener: (account: string) => void): void {
  onDrawn = listener;
}

/** What somebody looks like; undefined: they have no picture, or it is not here yet. `account` null: nobody is drawn. */
export function usePicture(account: string | null): string | undefined {
  useEffect(() => {
    if (account === null) return;
    drawn.set(account, (drawn.get(account) ?? 0) + 1);
    onDrawn?.(account);
    return () => {
      const left = (drawn.get(account) ?? 1) - 1;
      if (left > 0) drawn.set(account, left);
      else drawn.delete(account);
    };
  }, [account]);
  return usePictures((pictures) => (account === null ? undefined : pictures[account]));
}

/** After the first screen is drawn. */
export function startPictures(): void {
  const start = () => void import("./pictures-reader").then(({ startReader }) => startReader()).catch(() => setTimeout(start, 30_000));
  const rest = window as { requestIdleCallback?: (callback: () => void, options: { timeout: number }) => void };
  if (rest.requestIdleCallback) rest.requestIdleCallback(start, { timeout: 2000 });
  else setTimeout(start, 500);
}
