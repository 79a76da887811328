/** What a person is about to do with messages of the open conversation: answer one, change one, choose several, or use a dialog. */
import type { MessageView } from "@sotto/engine";
import { create } from "zustand";
import { keyOf } from "../../engine/order";
import { useWindow } from "../../engine/window";

export type MessageDialog =
  | { kind: "forward" | "delete"; messages: readonly MessageView[] }
  | { kind: "reactions" | "react" | "votes"; message: MessageView }
  | { kind: "poll" | "location" | "contact" };

export interface Acting {
  reply: MessageView | null;
  edit: MessageView | null;
  /** Several are being chosen: those that are, by key. */
  chosen: ReadonlyMap<string, MessageView> | null;
  dialog: MessageDialog | null;
}

const NOTHING: Acting = { reply: null, edit: null, chosen: null, dialog: null };

export const useActing = create<Acting>(() => NOTHING);

// Elsewhere, none of it makes sense; what is gone cannot be answered or chosen any more.
useWindow.subscribe((state, before) => {
  if (state.account !== before.account) useActing.setState(NOTHING);
  else if (state.messages.length < before.messages.length) dropGone(state.messages);
});

function dropGone(messages: readonly MessageView[]): void {
  const { reply, edit, chosen } = useActing.getState();
  if (reply === null && edit === null && chosen === null) return;
  const here = new Set(messages.map(keyOf));
  const kept = (message: MessageView | null) => (message !== null && here.has(keyOf(message)) ? message : null);
  useActing.setState({
    reply: kept(reply),
    edit: kept(edit),
    chosen: chosen && new Map([...chosen].filter(([key]) => here.has(key))),
  });
}

export const startReply = (message: MessageView): void => useActing.setState({ reply: message, edit: null, chosen: null });
export const startEdit = (message: MessageView): void => useActing.setState({ edit: message, reply: null, chosen: null });
export const stopWriting = (): void => useActing.setState({ reply: null, edit: null });
export const openDialog = (dialog: MessageDialog | null): void => useActing.setState({ dialog });
export const chooseMany = (first: MessageView): void => useActing.setState({ chosen: new Map([[keyOf(first), first]]), reply: null, edit: null });
export const chooseNone = (): void => useActing.setState({ chosen: null });

export function toggleChosen(message: MessageView): void {
  const chosen = new Map(useActing.getState().chosen);
  if (!chosen.delete(keyOf(message))) chosen.set(keyOf(message), message);
  useActing.setState({ chosen });
}
