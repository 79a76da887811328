/** What is asked about a whole conversation before it happens; one dialog at a time, drawn by the shell. */
import { create } from "zustand";

export interface Asking {
  about: "delete" | "block" | "report";
  conversation: string;
}

export const useAsking = create<{ asking: Asking | null }>(() => ({ asking: null }));

export const ask = (about: Asking["about"], conversation: string): void => useAsking.setState({ asking: { about, conversation } });
export const askNothing = (): void => useAsking.setState({ asking: null });
