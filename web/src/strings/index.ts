/**
 * Everything the app says, as ICU messages: `t("list.unread_count", { count: 3 })`. Here is what a first visit needs; the rest is
 * in `later`. A translation is one more object with the same keys; the type checker says which are missing.
 */
import { chat } from "./chat";
import { gate } from "./gate";
import { speaker } from "./speaker";

export type MessageKey = keyof typeof chat | keyof typeof gate;

export const t = speaker({ ...chat, ...gate });
