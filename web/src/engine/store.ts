/**
 * What the app shows of the profile, fed by the engine.
 * Flow: happening -> `FrameBatch` -> `apply` (once per frame) -> components; what a happening only names is read again.
 * Always true:
 * - the engine's store is the truth: after `missed` everything shown is read again;
 * - a conversation is never read twice at a time: what changes meanwhile marks it for one more reading.
 * Elsewhere: the messages of the open conversation are in `window`.
 */
import type {
  CommandError,
  ConnectionView,
  ContactView,
  ConversationChanges,
  ConversationView,
  Happening,
  Me,
  MessageView,
  ProfileState,
  StatusView,
} from "@sotto/engine";
import { CommandFailure } from "@sotto/engine";
import { create } from "zustand";
import { forgetDrafts } from "./drafts";
import { engine } from "./engine";
import { FrameBatch } from "./frame";
import { reasonOf } from "../strings/reason";
import { byPosition, orderConversations } from "./order";

export interface ConnectionStep {
  at: number;
  connection: ConnectionView;
}

export interface Notice {
  id: number;
  text: string;
}

export interface Progress {
  done: number;
  total: number;
}

export interface AppState {
  profile: ProfileState;
  /** undefined: not known yet; null: no account on this device. */
  me: Me | null | undefined;
  status: StatusView | null;
  connection: ConnectionView;
  /** When the connection was last up, or the page started; to say "reconnecting" only after a while. */
  connectionLostAt: number | null;
  /** The states so far, oldest first. */
  connectionSteps: readonly ConnectionStep[];
  conversations: Readonly<Record<string, ConversationView>>;
  /** Conversations in the order of the list, archived ones included. */
  order: readonly string[];
  /** The list has been read at least once. */
  loaded: boolean;
  /** Why this device is signed out for good. */
  signedOut: string | null;
  clockOffMs: number;
  linkFailed: CommandError | null;
  historyReceived: Progress | null;
  historySent: (Progress & { device: number }) | null;
  /** Groups whose members are being given keys, before what was written can leave. */
  groupKeys: Readonly<Record<string, Progress>>;
  /** Rises when the account's devices changed: read them again. */
  devicesVersion: number;
  notices: readonly Notice[];
}

const STEPS_KEPT = 100;
const NOTICES_KEPT = 5;
/** More changed conversations than this: reading the whole list is cheaper than one by one. */
const SINGLE_READS_MAX = 8;

export const useApp = create<AppState>(() => ({
  profile: engine.profile,
  me: undefined,
  status: null,
  connection: { state: "disconnected" },
  connectionLostAt: Date.now(),
  connectionSteps: [],
  conversations: {},
  order: [],
  loaded: false,
  signedOut: null,
  clockOffMs: 0,
  linkFailed: null,
  historyReceived: null,
  historySent: null,
  groupKeys: {},
  devicesVersion: 0,
  notices: [],
}));

type BatchListener = (happenings: readonly Happening[]) => void;
const batchListeners = new Set<BatchListener>();

/** Hears each frame's happenings, after the store took them in. */
export function onHappenings(listener: BatchListener): () => void {
  batchListeners.add(listener);
  return () => batchListeners.delete(listener);
}

/** Connects store and engine; once per page. */
export function startStore(): void {
  const batch = new FrameBatch<Happening>(apply);
  engine.onHappening((happening) => batch.push(happening));
  engine.onProfile((profile) => {
    useApp.setState({ profile });
    if (profile.phase === "ready") void reload();
    if (profile.phase === "wiped") forgetDrafts();
  });
  if (engine.profile.phase === "ready") void reload();
  const tellForeground = () => engine.setForeground(isForeground());
  for (const event of ["focus", "blur", "pageshow"]) addEventListener(event, tellForeground);
  document.addEventListener("visibilitychange", tellForeground);
  addEventListener("online", () => {
    engine.networkUp();
    useApp.setState((state) => (state.connection.state === "connected" ? { connectionLostAt: null } : state));
  });
  // The connection itself notices only at its next heartbeat.
  addEventListener("offline", () => useApp.setState((state) => ({ connectionLostAt: state.connectionLostAt ?? Date.now() })));
  tellForeground();
}

/** The person is looking at this page. */
export function isForeground(): boolean {
  return document.visibilityState === "visible" && document.hasFocus();
}

/** Reads everything that is shown again. */
export async function reload(): Promise<void> {
  try {
    const { status } = await engine.command({ command: "status" });
    takeStatus(status);
    if (status.me === null) {
      useApp.setState({ conversations: {}, order: [], loaded: false });
      return;
    }
    await reloadConversations();
  } catch (error) {
    notice(error);
  }
}

export async function refreshStatus(): Promise<StatusView> {
  const { status } = await engine.command({ command: "status" });
  takeStatus(status);
  return status;
}

function takeStatus(status: StatusView): void {
  useApp.setState((state) => ({
    status,
    me: status.me,
    signedOut: status.signed_out,
    clockOffMs: status.clock_off_ms,
    ...withConnection(state, status.connection),
  }));
}

// ---------- Conversations ----------

const changed = new Set<string>();
let reading = false;
let readAll = false;

async function reloadConversations(): Promise<void> {
  readAll = true;
  await readChanged();
}

/** Reads one conversation again, soon. */
export function refreshConversation(account: string): void {
  changed.add(account);
  void readChanged();
}

async function readChanged(): Promise<void> {
  if (reading) return;
  reading = true;
  try {
    while (readAll || changed.size > 0) {
      if (readAll || changed.size > SINGLE_READS_MAX) {
        readAll = false;
        changed.clear();
        const { conversations } = await engine.command({ command: "conversations" });
        useApp.setState({
          conversations: Object.fromEntries(conversations.map((view) => [view.conversation, view])),
          order: conversations.map((view) => view.conversation),
          loaded: true,
        });
      } else {
        const accounts = [...changed];
        changed.clear();
        const replies = await Promise.all(
          accounts.map((conversation) => engine.command({ command: "conversation", conversation })),
        );
        takeConversations(replies.map((reply) => reply.conversation));
      }
    }
  } catch (error) {
    notice(error);
  } finally {
    reading = false;
  }
}

function takeConversations(views: readonly ConversationView[]): void {
  useApp.setState((state) => {
    const conversations = { ...state.conversations };
    for (const view of views) conversations[view.conversation] = view;
    return { conversations, order: orderConversations(conversations, state.order) };
  });
}

function withChanges(view: ConversationView, { nickname, ...changes }: ConversationChanges): ConversationView {
  const text = (changed: string | undefined, before: string | null) => (changed === "" ? null : (changed ?? before));
  const contact = view.contact && { ...view.contact, nickname: text(nickname, view.contact.nickname) };
  return { ...view, ...changes, contact, draft: text(changes.draft, view.draft), folder: text(changes.folder, view.folder) };
}

/** Pins, archives, mutes and so on. Shown at once: the engine only keeps it. */
export async function setConversation(account: string, changes: ConversationChanges): Promise<void> {
  const before = useApp.getState().conversations[account];
  if (before) takeConversations([withChanges(before, changes)]);
  try {
    const reply = await engine.command({ command: "set_conversation", conversation: account, changes });
    takeConversations([reply.conversation]);
  } catch (error) {
    if (before) takeConversations([before]);
    notice(error);
  }
}

// ---------- Happenings ----------

function apply(happenings: Happening[]): void {
  const state = useApp.getState();
  const next: Partial<AppState> = {};
  let conversations = { ...state.conversations };
  const touched = new Set<string>();
  const current = (): AppState => ({ ...state, ...next });
  const setContact = (contact: ContactView) => {
    // The last line of a group names people, too.
    for (const { conversation, group, last } of Object.values(conversations)) {
      if (group !== null && last && (last.from === contact.account || last.body.kind === "group_change")) changed.add(conversation);
    }
    const view = conversations[contact.account];
    if (!view) return;
    conversations[contact.account] = { ...view, contact, title: displayName(contact) ?? view.title };
    touched.add(contact.account);
  };
  const setLast = (message: MessageView) => {
    changed.add(message.conversation);
    const view = conversations[message.conversation];
    if (!view || (view.last && view.last.name !== message.name && byPosition(view.last, message) > 0)) return;
    conversations[message.conversation] = { ...view, last: message };
    touched.add(message.conversation);
  };
  for (const happening of happenings) {
    switch (happening.event) {
      case "connection":
        // What was under way begins anew on the next connection.
        if (happening.connection.state !== "connected") next.groupKeys = {};
        Object.assign(next, withConnection(current(), happening.connection));
        // Somebody has just registered or recovered: only an account connects.
        if (state.me === null && happening.connection.state !== "disconnected") void reload();
        break;
      case "message_added":
      case "message_changed":
        setLast(happening.message);
        break;
      case "message_removed":
      case "conversation_changed":
        changed.add(happening.conversation);
        break;
      case "conversation_removed":
        conversations = Object.fromEntries(Object.entries(conversations).filter(([id]) => id !== happening.conversation));
        touched.add(happening.conversation);
        changed.delete(happening.conversation);
        // What is being read of it right now would bring it back.
        readAll = true;
        break;
      case "contact_changed":
        setContact(happening.contact);
        break;
      case "key_changed":
        setContact(happening.contact);
        changed.add(happening.contact.account);
        break;
      case "linked":
        next.me = happening.me;
        next.signedOut = null;
        next.linkFailed = null;
        readAll = true;
        break;
      case "link_failed":
        next.linkFailed = happening.error;
        break;
      case "history_received":
        next.historyReceived = { done: happening.done, total: happening.total };
        break;
      case "history_sent":
        next.historySent = { device: happening.device, done: happening.done, total: happening.total };
        break;
      case "group_keys":
        next.groupKeys = withKeys(current().groupKeys, happening.group, happening);
        break;
      case "devices_changed":
        next.devicesVersion = current().devicesVersion + 1;
        break;
      case "signed_out":
        next.signedOut = happening.error.text;
        break;
      case "clock_off":
        next.clockOffMs = happening.by_ms;
        break;
      case "notice":
        next.notices = withNotice(current().notices, happening.text);
        break;
      case "missed":
        readAll = true;
        void refreshStatus().catch(notice);
        break;
      case "queue_drained":
      case "repairing":
      case "preferences_changed":
      case "profile_changed":
      case "presence_changed":
      case "typing":
        // Shown by the connection's state and by the message that waits; the settings read what they show. Who is there and what
        // people look like is kept in `presence` and `pictures`.
        break;
    }
  }
  if (touched.size > 0) {
    next.conversations = conversations;
    next.order = orderConversations(conversations, state.order);
  }
  useApp.setState(next);
  if (current().me) void readChanged();
  for (const listener of batchListeners) listener(happenings);
}

function withKeys(known: AppState["groupKeys"], group: string, { done, total }: Progress): AppState["groupKeys"] {
  if (done < total) return { ...known, [group]: { done, total } };
  return Object.fromEntries(Object.entries(known).filter(([other]) => other !== group));
}

function withConnection(
  state: AppState,
  connection: ConnectionView,
): Pick<AppState, "connection" | "connectionLostAt" | "connectionSteps"> {
  const last = state.connectionSteps[state.connectionSteps.length - 1];
  const same = last !== undefined && JSON.stringify(last.connection) === JSON.stringify(connection);
  const up = connection.state === "connected";
  return {
    connection,
    connectionLostAt: up ? null : (state.connectionLostAt ?? Date.now()),
    connectionSteps: same ? state.connectionSteps : [...state.connectionSteps, { at: Date.now(), connection }].slice(-STEPS_KEPT),
  };
}

// ---------- Notices ----------

let noticeId = 0;

function withNotice(notices: readonly Notice[], text: string): readonly Notice[] {
  if (notices.some((known) => known.text === text)) return notices;
  return [...notices, { id: ++noticeId, text }].slice(-NOTICES_KEPT);
}

/** Tells a person about a failure that has no place of its own on the screen. */
export function notice(problem: unknown): void {
  // Being signed out has a banner of its own.
  if (problem instanceof CommandFailure && problem.kind === "signed_out") return;
  const text = reasonOf(problem);
  useApp.setState((state) => ({ notices: withNotice(state.notices, text) }));
}

export function dismissNotice(id: number): void {
  useApp.setState((state) => ({ notices: state.notices.filter((known) => known.id !== id) }));
}

// ---------- Selections ----------

export function displayName(contact: ContactView): string | null {
  return contact.nickname ?? contact.display_name ?? contact.username;
}

export function isMuted(view: ConversationView, now = Date.now()): boolean {
  return view.muted_until_ms > now;
}

export function isUnread(view: ConversationView): boolean {
  return view.unread > 0 || view.marked_unread;
}

/** Unread messages that call for attention: muted and archived conversations stay quiet, and so does who is not accepted. */
export function unreadTotal(state: AppState): number {
  let total = 0;
  for (const view of Object.values(state.conversations)) {
    if (!isMuted(view) && !view.archived && !view.is_request) total += view.unread > 0 ? view.unread : view.marked_unread ? 1 : 0;
  }
  return total;
}
