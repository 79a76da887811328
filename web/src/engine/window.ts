/**
 * The messages of the open conversation: a window onto its history that grows at both ends.
 * Flow: `openChat` -> one page -> `loadOlder` | `loadNewer` | happenings -> the log.
 * Always true:
 * - `messages` is without gaps and in the order of positions; `more` and `newer` say whether history goes on before and after;
 * - an answer to an older question (another conversation, another place) is dropped.
 */
import { messageName, type HistoryPlace, type Mention, type MessageRef, type MessageView, type NewContent } from "@sotto/engine";
import { create } from "zustand";
import { engine } from "./engine";
import { byPosition, compareDigits, keyOf, readId } from "./order";
import { isGroup, recipientOf } from "./recipient";
import { reasonOf } from "../strings/reason";
import { isForeground, notice, onHappenings, refreshConversation, setConversation, useApp } from "./store";

const PAGE = 60;
/** A click is answered at the latest after this, with an empty conversation if need be. */
const PATIENCE_MS = 60;
/** Above this, the far end is dropped: reading back for hours must not fill the memory. */
const KEPT_MAX = 3000;
const KEPT_AFTER_TRIM = 1500;
/** As much of a message as an answer shows. */
const QUOTE_CHARS = 200;

export interface ChatWindow {
  account: string | null;
  phase: "loading" | "ready" | "failed";
  failure: string | null;
  messages: readonly MessageView[];
  /** Older messages exist. */
  more: boolean;
  /** Newer messages exist that are not in the window. */
  newer: boolean;
  /** The line "new messages" stands above the first received message after this id; null: no line. */
  unreadAfter: string | null;
  unreadCount: number;
  /** Where the log should go: a message to show in the middle, or the end. `seq` rises with each wish. */
  target: { seq: number; position: string | null; flash: boolean } | null;
  /** Changes when the window shows another place: scroll positions of the old one mean nothing. */
  generation: number;
}

const CLOSED: ChatWindow = {
  account: null,
  phase: "loading",
  failure: null,
  messages: [],
  more: false,
  newer: false,
  unreadAfter: null,
  unreadCount: 0,
  target: null,
  generation: 0,
};

export const useWindow = create<ChatWindow>(() => CLOSED);

let question = 0;
let loading: "older" | "newer" | null = null;
let targetSeq = 0;

/**
 * Shows a conversation from its unread line or its end. Does nothing when it is open already. `go` leads to where it is shown, as
 * soon as its messages are there: drawn once, and never empty for a moment.
 */
export async function openChat(account: string, go?: () => void): Promise<void> {
  if (useWindow.getState().account === account) {
    go?.();
    return;
  }
  const view = useApp.getState().conversations[account];
  const unread = view?.unread ?? 0;
  const unreadAfter = view && unread > 0 ? view.read_up_to : null;
  const at: HistoryPlace = unreadAfter !== null && unread > PAGE / 2 ? { around: unreadAfter } : "newest";
  if (view?.marked_unread) void setConversation(account, { marked_unread: false });
  await show(account, at, { unreadAfter, unreadCount: unread }, null, go);
}

export function closeChat(): void {
  question++;
  loading = null;
  useWindow.setState({ ...CLOSED, generation: useWindow.getState().generation + 1 });
}

/** Opens a conversation at a message, and flashes it. */
export async function jumpTo(account: string, position: string): Promise<void> {
  const state = useWindow.getState();
  const target = { seq: ++targetSeq, position, flash: true };
  if (state.account === account && state.messages.some((message) => message.position === position)) {
    useWindow.setState({ target });
    return;
  }
  const same = state.account === account;
  await show(account, { around: position }, same ? state : { unreadAfter: null, unreadCount: 0 }, target);
}

export async function jumpToNewest(): Promise<void> {
  const state = useWindow.getState();
  if (state.account === null) return;
  const target = { seq: ++targetSeq, position: null, flash: false };
  if (!state.newer) {
    useWindow.setState({ target });
    return;
  }
  await show(state.account, "newest", { unreadAfter: null, unreadCount: 0 }, target);
}

async function show(
  account: string,
  at: HistoryPlace,
  unread: Pick<ChatWindow, "unreadAfter" | "unreadCount">,
  target: ChatWindow["target"] = null,
  go?: () => void,
): Promise<void> {
  const mine = ++question;
  loading = null;
  const begin = () => {
    if (mine !== question) return;
    clearTimeout(patience);
    go?.();
    go = undefined;
    const { generation, account: before } = useWindow.getState();
    if (before !== account) useWindow.setState({ ...CLOSED, account, generation: generation + 1 });
  };
  const patience = go && setTimeout(begin, PATIENCE_MS);
  if (!go) begin();
  try {
    const reply = await engine.command({ command: "history", conversation: account, at, limit: PAGE });
    if (mine !== question) return;
    begin();
    useWindow.setState({
      account,
      phase: "ready",
      failure: null,
      messages: reply.messages,
      more: reply.more,
      newer: reply.newer,
      unreadAfter: unread.unreadAfter,
      unreadCount: unread.unreadCount,
      target,
      generation: useWindow.getState().generation + 1,
    });
  } catch (error) {
    if (mine !== question) return;
    begin();
    useWindow.setState({ phase: "failed", failure: reasonOf(error) });
  }
}

/** After a failure: tries again. */
export function reopenChat(): void {
  const { account } = useWindow.getState();
  if (account === null) return;
  closeChat();
  void openChat(account);
}

export async function loadOlder(): Promise<void> {
  const first = useWindow.getState().messages[0];
  if (first && useWindow.getState().more) await extend("older", { before: first.position });
}

export async function loadNewer(): Promise<void> {
  const { messages, newer } = useWindow.getState();
  const last = messages[messages.length - 1];
  if (last && newer) await extend("newer", { after: last.position });
}

async function extend(end: "older" | "newer", at: HistoryPlace): Promise<void> {
  const { account } = useWindow.getState();
  if (loading !== null || account === null) return;
  const mine = question;
  loading = end;
  try {
    const reply = await engine.command({ command: "history", conversation: account, at, limit: PAGE });
    if (mine !== question) return;
    useWindow.setState((state) => ({
      messages: merge(state.messages, reply.messages),
      ...(end === "older" ? { more: reply.more } : { newer: reply.newer }),
    }));
    trimSoon(end);
  } catch (error) {
    if (mine === question) notice(error);
  } finally {
    if (mine === question) loading = null;
  }
}

/** In a frame of its own: the log can follow messages coming at one end or going at one end, not both at once. */
function trimSoon(grew: "older" | "newer"): void {
  if (useWindow.getState().messages.length <= KEPT_MAX) return;
  const mine = question;
  requestAnimationFrame(() =>
    requestAnimationFrame(() => {
      if (mine !== question) return;
      useWindow.setState(({ messages }) =>
        grew === "older"
          ? { messages: messages.slice(0, KEPT_AFTER_TRIM), newer: true }
          : { messages: messages.slice(-KEPT_AFTER_TRIM), more: true },
      );
    }),
  );
}

/** Both sorted or not; the later one wins where both name a message. */
function merge(known: readonly MessageView[], added: readonly MessageView[]): MessageView[] {
  const byKey = new Map(known.map((message) => [keyOf(message), message]));
  for (const message of added) byKey.set(keyOf(message), message);
  return [...byKey.values()].sort(byPosition);
}

// ---------- Sending ----------

export interface NewText {
  body: string;
  mentions: Mention[];
  /** The same name again is the same message. */
  name: string;
  reply_to: MessageRef | null;
}

/** Sends a text; resolves when it is saved on this device. */
export async function sendText(account: string, text: NewText): Promise<void> {
  await showSent(account, engine.command({ command: "send_text", to: recipientOf(account), preview: null, ...text }));
}

/** Sends something beside a text. */
export async function sendContent(account: string, content: NewContent): Promise<void> {
  await showSent(account, engine.command({ command: "send", to: recipientOf(account), content, name: messageName() }));
}

async function showSent(account: string, sending: Promise<{ message: MessageView }>): Promise<void> {
  const { message } = await sending;
  if (useWindow.getState().account === account) {
    if (useWindow.getState().newer) await jumpToNewest();
    else take([message]);
    useWindow.setState({ target: { seq: ++targetSeq, position: null, flash: false } });
  }
  refreshConversation(account);
}

/** Sends a failed message again. */
export async function retryMessage(message: MessageView): Promise<void> {
  try {
    const reply = await engine.command({ command: "retry_message", name: message.name });
    take([reply.message]);
    // What failed stays failed, and the text goes out as a message of its own: the old one would only confuse.
    if (reply.message.name !== message.name) await cancelMessage(message);
  } catch (error) {
    notice(error);
  }
}

/** Deletes a message that was not sent, or that nobody took. */
export async function cancelMessage(message: MessageView): Promise<void> {
  try {
    await engine.command({ command: "cancel_message", name: message.name });
    remove(message.conversation, message.name);
  } catch (error) {
    notice(error);
  }
}

// ---------- Happenings ----------

export function startWindow(): void {
  onHappenings((happenings) => {
    const { account } = useWindow.getState();
    if (account === null) return;
    const messages: MessageView[] = [];
    let stale = false;
    for (const happening of happenings) {
      switch (happening.event) {
        case "message_added":
        case "message_changed":
          if (happening.message.conversation === account) messages.push(happening.message);
          break;
        case "message_removed":
          if (happening.conversation === account) {
            // In order: a message may be added, and removed, within one frame.
            take(messages.splice(0));
            remove(account, happening.name);
          }
          break;
        case "contact_changed":
          // Messages of a group carry the names of people, as they were when they were read.
          if (isGroup(account)) nameSoon(account);
          break;
        case "missed":
        case "history_received":
          stale = true;
          break;
        default:
          break;
      }
    }
    take(messages);
    if (stale) void refresh(account);
  });
}

/** Many contacts change at once when the members of a large group become known: one reading serves them all. */
const NAMES_MS = 500;
let naming: ReturnType<typeof setTimeout> | undefined;

function nameSoon(account: string): void {
  naming ??= setTimeout(() => {
    naming = undefined;
    if (useWindow.getState().account === account) void refresh(account);
  }, NAMES_MS);
}

export function take(taken: readonly MessageView[]): void {
  if (taken.length === 0) return;
  requote(taken);
  useWindow.setState((state) => {
    if (state.phase !== "ready") return state;
    const known = new Set(state.messages.map(keyOf));
    const first = state.messages[0];
    const last = state.messages[state.messages.length - 1];
    const fitting = taken.filter((message) => {
      if (message.conversation !== state.account) return false;
      if (known.has(keyOf(message))) return true;
      if (state.newer && last && byPosition(message, last) > 0) return false;
      return !(state.more && first && byPosition(message, first) < 0);
    });
    if (fitting.length === 0) return state;
    return { messages: merge(state.messages, fitting), ...unreadLine(state, fitting, known) };
  });
}

/** Answers show what they answer as it is now; its text is null when it is gone. */
function requote(changed: readonly MessageView[]): void {
  const texts = new Map(changed.map((message) => [keyOf(message), quotedText(message)]));
  useWindow.setState((state) => {
    const isStale = ({ extras: { quote } }: MessageView) => {
      const text = quote && texts.get(keyOf(quote.message));
      return text !== undefined && quote?.text !== text;
    };
    if (!state.messages.some(isStale)) return state;
    const requoted = state.messages.map((message) => {
      const { quote } = message.extras;
      if (quote === null || !isStale(message)) return message;
      return { ...message, extras: { ...message.extras, quote: { ...quote, text: texts.get(keyOf(quote.message)) ?? null } } };
    });
    return { messages: requoted };
  });
}

/** As the engine quotes it. */
function quotedText({ body }: MessageView): string | null {
  switch (body.kind) {
    case "text":
      return Array.from(body.body.slice(0, QUOTE_CHARS * 2)).slice(0, QUOTE_CHARS).join("");
    case "poll":
      return body.question;
    case "location":
      return body.label;
    case "contact_card":
      return body.card.name;
    default:
      return null;
  }
}

/** Somebody wrote while nobody looked: the line shows where. */
function unreadLine(state: ChatWindow, taken: readonly MessageView[], known: ReadonlySet<string>): Partial<ChatWindow> {
  const fresh = taken.filter((message) => !message.from_me && !known.has(keyOf(message)));
  if (fresh.length === 0 || isForeground()) return {};
  if (state.unreadAfter !== null) return { unreadCount: state.unreadCount + fresh.length };
  const view = state.account === null ? undefined : useApp.getState().conversations[state.account];
  return view ? { unreadAfter: view.read_up_to, unreadCount: fresh.length } : {};
}

function remove(account: string, name: string): void {
  const { account: open, messages } = useWindow.getState();
  if (open !== account) return;
  const gone = messages.filter((message) => message.name === name);
  requote(gone.map((message) => ({ ...message, body: { kind: "unsupported" } })));
  useWindow.setState((state) => ({ messages: state.messages.filter((message) => message.name !== name) }));
}

/** Reads what is shown again, at the same place. */
async function refresh(account: string): Promise<void> {
  const { messages, newer, phase } = useWindow.getState();
  if (phase !== "ready") return;
  const mine = question;
  const limit = Math.min(1000, Math.max(PAGE, messages.length));
  const middle = messages[Math.floor(messages.length / 2)];
  const at: HistoryPlace = newer && middle ? { around: middle.position } : "newest";
  try {
    const reply = await engine.command({ command: "history", conversation: account, at, limit });
    if (mine !== question) return;
    useWindow.setState({ messages: reply.messages, more: reply.more, newer: reply.newer });
  } catch (error) {
    if (mine === question) notice(error);
  }
}

// ---------- Reading ----------

let marked: { account: string; upTo: string } | null = null;

/** The person saw everything up to this message. Told once; the engine tells the sender. */
export function markRead(account: string, message: MessageView): void {
  const upTo = readId(message);
  if (upTo === null) return;
  const view = useApp.getState().conversations[account];
  if (!view || view.unread === 0) return;
  if (marked?.account === account && compareDigits(upTo, marked.upTo) <= 0) return;
  marked = { account, upTo };
  engine.command({ command: "mark_read", conversation: account, up_to: upTo }).catch((error: unknown) => {
    marked = null;
    notice(error);
  });
}
