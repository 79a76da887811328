// Made from crates/engine/src/api.rs by crates/engine-wasm/tests/typescript.rs; edit that file instead.
// Times are milliseconds since the Unix epoch. What does not fit into a double is a string of decimal digits.

export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };

/**
 * A person. Random UUID chosen by the client at registration.
 */
export type AccountId = string;

/**
 * Hash of a group's first operation. In text 64 hex digits.
 */
export type GroupId = string;

/**
 * A conversation as one device sees it. In text the id of the account, or that of the group: a UUID or 64 hex digits.
 */
export type Conversation = string;

/**
 * One installation of an account, 1..=127.
 */
export type DeviceId = number;

/**
 * Chosen by the client for each send (UUIDv7). Its clock part is not trusted.
 */
export type ClientMsgId = string;

/**
 * Orders a conversation. Assigned at commit: milliseconds since the Unix epoch shifted left by 20 bits, plus a
 * counter, so ids of one node are unique and rise. Zero means "none seen yet".
 * In JSON a decimal string: JavaScript's numbers would round it.
 */
export type MessageId = string;

/**
 * How people find each other: 3–32 of `a-z 0-9 _ .`, folded to lower case; a leading `@` is dropped.
 */
export type Username = string;

/**
 * A person, as a command names them: "@ann", or an account id. Messages go to groups, too.
 */
export type Who = { "name": Username } | { "account": AccountId } | "me" | { "group": GroupId };

export type Command = { "command": "register", server: string, username: Username, invite: string | null, device_name: string, } | { "command": "start_link", server: string, device_name: string, } | { "command": "approve_link", link_text: string, } | { "command": "recover", server: string, username: Username, code: string, device_name: string, } | { "command": "set_online", online: boolean, } | { "command": "who_am_i" } | { "command": "find_person", who: Who, } | { "command": "send_text", to: Who, body: string, name: ClientMsgId | null, 
/**
 * In a group: parts of the text that name members, ascending and apart from each other; at most 64.
 */
mentions: Array<Mention>, 
/**
 * The message of the same conversation that this answers.
 */
reply_to: MessageRef | null, preview: LinkPreview | null, } | { "command": "send", to: Who, content: NewContent, name: ClientMsgId | null, } | { "command": "react", message: MessageRef, emoji: string, } | { "command": "edit", message: MessageRef, body: string, mentions: Array<Mention>, } | { "command": "delete", messages: Array<MessageRef>, for_everyone: boolean, } | { "command": "forward", messages: Array<MessageRef>, to: Array<Who>, } | { "command": "star", messages: Array<MessageRef>, starred: boolean, } | { "command": "starred" } | { "command": "pin", message: MessageRef, seconds: number | null, } | { "command": "pinned", conversation: Conversation, } | { "command": "vote", message: MessageRef, options: Array<number>, } | { "command": "set_timer", conversation: Conversation, seconds: number, } | { "command": "preferences" } | { "command": "set_preferences", changes: PreferenceChanges, } | { "command": "create_group", group: NewGroup, } | { "command": "change_group", group: GroupId, change: GroupChange, } | { "command": "group", group: GroupId, } | { "command": "look_at_invite", link: string, } | { "command": "join_group", link: string, } | { "command": "retry_message", name: ClientMsgId, } | { "command": "cancel_message", name: ClientMsgId, } | { "command": "mark_read", conversation: Conversation, up_to: MessageId | null, } | { "command": "conversations" } | { "command": "conversation", conversation: Conversation, } | { "command": "set_conversation", conversation: Conversation, changes: ConversationChanges, } | { "command": "history", conversation: Conversation, at: HistoryPlace, limit: number, } | { "command": "message", name: ClientMsgId, } | { "command": "search", query: string, conversation: Conversation | null, limit: number, } | { "command": "contact", who: Who, } | { "command": "contacts" } | { "command": "safety_number", who: Who, } | { "command": "set_verified", who: Who, verified: boolean, 
/**
 * The 60 digits, however spaced.
 */
safety_number: string | null, } | { "command": "accept_key", who: Who, identity_key: string | null, } | { "command": "set_blocked", who: Who, blocked: boolean, } | { "command": "accept_request", who: Who, } | { "command": "report", who: Who, reason: ReportReason, comment: string, messages: Array<MessageRef>, } | { "command": "delete_conversation", conversation: Conversation, } | { "command": "privacy" } | { "command": "set_privacy", changes: PrivacyChanges, } | { "command": "profile" } | { "command": "set_profile", changes: ProfileChanges, } | { "command": "picture", account: AccountId, } | { "command": "watch_people", people: Array<AccountId>, } | { "command": "set_typing", conversation: Conversation, state: TypingState, } | { "command": "devices" } | { "command": "remove_device", device: DeviceId, recovery_code: string | null, } | { "command": "request_history" } | { "command": "new_recovery_code", current_code: string, } | { "command": "delete_account" } | { "command": "status" } | { "command": "export", next: string | null, };

export type Reply = { "reply": "done" } | { "reply": "registered", me: Me, recovery_code: string, } | { "reply": "recovered", me: Me, other_devices: number, } | { "reply": "link_text", text: string, expires_ms: number, } | { "reply": "me", me: Me, } | { "reply": "queued", message: MessageView, } | { "reply": "contact", contact: ContactView, } | { "reply": "contacts", contacts: Array<ContactView>, } | { "reply": "group", group: GroupView, } | { "reply": "group_invitation", invitation: GroupInvitation, } | { "reply": "conversations", conversations: Array<ConversationView>, } | { "reply": "conversation", conversation: ConversationView, } | { "reply": "messages", messages: Array<MessageView>, more: boolean, newer: boolean, } | { "reply": "message", message: MessageView, details: MessageDetails, } | { "reply": "found", hits: Array<SearchHit>, } | { "reply": "preferences", preferences: Preferences, } | { "reply": "privacy", privacy: Privacy, } | { "reply": "profile", profile: ProfileView, } | { "reply": "picture", 
/**
 * None: they have none, or do not show it.
 */
picture: PictureView | null, } | { "reply": "safety_number", digits: string, qr: string, verified: boolean, contact: ContactView, } | { "reply": "devices", devices: Array<DeviceView>, } | { "reply": "recovery_code", recovery_code: string, } | { "reply": "status", status: StatusView, } | { "reply": "export_page", 
/**
 * Each is the text of one JSON object.
 */
lines: Array<string>, next: string | null, };

/**
 * Why a command failed. `kind` decides exit codes and what a person is told to do.
 */
export type CommandError = { kind: ErrorKind, 
/**
 * English, for people: what is wrong and what to do.
 */
text: string, };

export type ErrorKind = "not_found" | "invalid" | "wrong_state" | "refused" | "offline" | "signed_out" | "key_changed" | "clock" | "storage" | "internal";

export type Me = { account: AccountId, username: Username, device: DeviceId, server: string, 
/**
 * Hex of the public identity key.
 */
identity_key: string, };

/**
 * Ticks: ○ pending, ✓ sent, ✓✓ delivered, blue ✓✓ read, ⚠ failed.
 */
export type MessageStatus = "received" | "pending" | "held" | "sent" | "delivered" | "read" | "failed" | "waiting";

export type MessageBody = { "kind": "text", body: string, mentions?: Array<Mention>, } | { "kind": "undecryptable" } | { "kind": "key_changed", identity_key: string, } | { "kind": "group_change", change: GroupChangeView, } | { "kind": "poll", question: string, options: Array<PollOptionView>, multiple: boolean, } | { "kind": "location", latitude: number, longitude: number, label: string, } | { "kind": "contact_card", card: ContactCardView, } | { "kind": "deleted", by: PersonView, } | { "kind": "timer", seconds: number, } | { "kind": "unsupported" } | { "kind": "profile_restored" };

export type MessageView = { 
/**
 * Place in this profile's history: pass in a `HistoryPlace`. Rises as (message id, arrival) within a conversation. In JSON a
 * string of digits, since it does not fit into a double.
 */
position: string, name: ClientMsgId, 
/**
 * None until sent.
 */
message_id: MessageId | null, 
/**
 * Became readable only with this later id (it was sent again): unread until `MarkRead` reaches it.
 */
late_id: MessageId | null, conversation: Conversation, from: AccountId, 
/**
 * Display name, username, or the beginning of the id.
 */
from_name: string, from_me: boolean, 
/**
 * Names this account, or everybody.
 */
mentions_me: boolean, from_device: DeviceId, body: MessageBody, status: MessageStatus, 
/**
 * The sender's clock.
 */
written_ms: number, server_time_ms: number | null, delivered_ms: number | null, read_ms: number | null, 
/**
 * Why it failed or is held, for people.
 */
note: string | null, extras: MessageExtras, };

/**
 * What really happened to a message.
 */
export type MessageDetails = { 
/**
 * "prekey" (PQXDH first message) or "ratchet", per device it went to or came from.
 */
copies: Array<CopyDetails>, resends: number, attempts: number, times: MessageTimes, 
/**
 * Of an own message in a group: how far each other member is.
 */
members: Array<MemberReceipt>, 
/**
 * Earlier texts of an edited message, the first one first.
 */
versions: Array<MessageVersion>, };

/**
 * What people did with a message, and what becomes of it.
 */
export type MessageExtras = { quote: QuoteView | null, forwarded: boolean, preview: LinkPreview | null, 
/**
 * When its text was changed last, by its author's clock.
 */
edited_ms: number | null, 
/**
 * The most frequent first.
 */
reactions: Array<ReactionView>, starred: boolean, 
/**
 * None: not pinned.
 */
pinned_until_ms: number | null, 
/**
 * Disappears so long after it was read; 0: stays.
 */
expires_after_s: number, 
/**
 * Known once it was read.
 */
expires_ms: number | null, 
/**
 * The own text can still be changed, or deleted for everyone, until then; 0: not.
 */
editable_until_ms: number, deletable_until_ms: number, };

/**
 * Names a message: `from` and `name` of its view.
 */
export type MessageRef = { from: AccountId, name: ClientMsgId, };

/**
 * An earlier text of an edited message.
 */
export type MessageVersion = { body: string, 
/**
 * The clock of who wrote it.
 */
written_ms: number, };

/**
 * What can be said beside a text.
 */
export type NewContent = { "kind": "poll", question: string, options: Array<string>, multiple: boolean, } | { "kind": "location", latitude: number, longitude: number, label: string, } | { "kind": "contact", account: AccountId, };

/**
 * What the sender's client saw behind a link of the text.
 */
export type LinkPreview = { 
/**
 * Stands in the text.
 */
url: string, title: string, description: string, };

/**
 * The message that another one answers, as it is now.
 */
export type QuoteView = { message: MessageRef, author: PersonView, 
/**
 * The beginning of what it says; none: it is not here (any more).
 */
text: string | null, };

export type ReactionView = { emoji: string, 
/**
 * Who reacted so, in their order.
 */
people: Array<PersonView>, };

export type PollOptionView = { text: string, voters: Array<PersonView>, };

/**
 * Somebody's account, as the sender knows them.
 */
export type ContactCardView = { account: AccountId, username: Username | null, name: string, };

/**
 * What holds on all devices of the account.
 */
export type Preferences = { 
/**
 * In conversations with people that begin from now on, what is sent disappears so many seconds after it was read; 0: stays.
 */
default_timer_s: number, 
/**
 * Whether the clients may look behind links of texts one writes, to send what they see there along.
 */
link_previews: boolean, };

export type ReportReason = "spam" | "abuse" | "other";

export type Audience = "everyone" | "contacts" | "nobody";

/**
 * An audience, and who of it is left out.
 */
export type PrivacyRule = { audience: Audience, 
/**
 * At most 256.
 */
except: Array<AccountId>, };

/**
 * What one hides from somebody of last seen, online and read receipts, one does not see of them.
 */
export type Privacy = { 
/**
 * "everyone" means contacts.
 */
last_seen: PrivacyRule, 
/**
 * "everyone" means contacts.
 */
online: Audience, picture: PrivacyRule, about: PrivacyRule, read_receipts: Audience, 
/**
 * Who may put this account into a group; others can send an invite link.
 */
group_adds: PrivacyRule, };

/**
 * Only what is named is changed.
 */
export type PrivacyChanges = { last_seen?: PrivacyRule, online?: Audience, picture?: PrivacyRule, about?: PrivacyRule, read_receipts?: Audience, group_adds?: PrivacyRule, };

/**
 * What a person's contacts see of them.
 */
export type ProfileView = { display_name: string | null, about: string | null, 
/**
 * Names the picture (`Command::Picture`).
 */
picture: string | null, };

/**
 * Only what is named is changed; an empty text takes it away.
 */
export type ProfileChanges = { 
/**
 * At most 64 characters.
 */
display_name?: string, 
/**
 * At most 140 characters.
 */
about?: string, 
/**
 * JPEG, PNG or WebP of at most 48 KiB, in base64.
 */
picture?: string, };

export type PictureView = { 
/**
 * As `ContactView::picture` has it.
 */
id: string, 
/**
 * "image/jpeg", "image/png" or "image/webp".
 */
media_type: string, 
/**
 * Base64.
 */
data: string, };

/**
 * Whether somebody is there. Who hides it, and who is not known on the other side, is neither online nor was last seen.
 */
export type PresenceView = { account: AccountId, online: boolean, 
/**
 * None: hidden, never, or online now.
 */
last_seen_ms?: number, };

export type TypingState = "stopped" | "typing" | "recording";

/**
 * Only what is named is changed.
 */
export type PreferenceChanges = { default_timer_s?: number, link_previews?: boolean, };

/**
 * When each step of a message's way was taken. What was not measured is none.
 */
export type MessageTimes = { 
/**
 * This device's clock: encrypted for every device, at the last attempt.
 */
encrypted_ms: number | null, 
/**
 * This device's clock: handed to the connection, which follows at once.
 */
sent_ms: number | null, 
/**
 * The server's clock: on stable storage.
 */
stored_ms: number | null, 
/**
 * This device's clock: the server's word that it is stored was here.
 */
accepted_ms: number | null, 
/**
 * The server's clock.
 */
delivered_ms: number | null, 
/**
 * The server's clock.
 */
read_ms: number | null, 
/**
 * This device's clock: somebody else's message, or that of another own device, arrived and was decrypted.
 */
received_ms: number | null, };

export type CopyDetails = { account: AccountId, device: DeviceId, protocol: string, ciphertext_bytes: number, 
/**
 * Message number within the sending chain.
 */
counter: number, 
/**
 * Length of the chain before this one.
 */
previous_counter: number | null, 
/**
 * Hex of the sender's public ratchet key.
 */
ratchet_key: string | null, 
/**
 * Hex of what the server stored, while this device still has it (30 days; the first 4 KiB).
 */
ciphertext: string | null, };

export type ContactView = { account: AccountId, username: Username | null, display_name: string | null, 
/**
 * What this person calls them; it goes before all other names.
 */
nickname: string | null, 
/**
 * What they say of themselves.
 */
about: string | null, 
/**
 * Names their picture (`Command::Picture`): another one has another name.
 */
picture: string | null, verified: boolean, blocked: boolean, 
/**
 * A new key waits for a decision (only if the contact was verified).
 */
key_changed: boolean, identity_key: string | null, 
/**
 * The one that waits for a decision.
 */
new_identity_key: string | null, devices: number, };

export type GroupRole = "owner" | "admin" | "member";

/**
 * Who may do something in a group.
 */
export type GroupPermission = "members" | "admins";

/**
 * How a message reaches the members.
 */
export type GroupFanout = "log" | "pairwise";

export type GroupMemberView = { account: AccountId, username: Username | null, display_name: string | null, role: GroupRole, 
/**
 * The group's list has another key of theirs than this device: they get no messages of this device until added again.
 */
key_changed: boolean, };

export type GroupInviteView = { 
/**
 * Hex.
 */
public_key: string, 
/**
 * "https://chat.example.org/#/g/…"; only on the device that made it.
 */
link: string | null, 
/**
 * Uses that are left; 0: without limit.
 */
uses: number, 
/**
 * 0: never.
 */
expires_ms: number, 
/**
 * Joining only asks; an admin adds.
 */
approval: boolean, };

export type GroupView = { group: GroupId, 
/**
 * None until somebody gave this device the key.
 */
title: string | null, description: string | null, 
/**
 * Base64.
 */
picture: string | null, 
/**
 * "image/webp", "image/jpeg" or "image/png".
 */
picture_type: string | null, 
/**
 * Of the last operation known here.
 */
revision: number, 
/**
 * In the order they joined.
 */
members: Array<GroupMemberView>, fanout: GroupFanout, 
/**
 * Who may write messages.
 */
post: GroupPermission, 
/**
 * Who may add members.
 */
add: GroupPermission, 
/**
 * Who may change title, description and picture.
 */
change_details: GroupPermission, invites: Array<GroupInviteView>, 
/**
 * Who asked to join by a link, and waits for an admin.
 */
requests: Array<ContactView>, 
/**
 * None: not a member (any more).
 */
my_role: GroupRole | null, 
/**
 * This account asked to join, and waits for an admin.
 */
waiting: boolean, deleted: boolean, 
/**
 * Why the list of members cannot be trusted any more, for people.
 */
alarm: string | null, };

/**
 * A group in the list of conversations.
 */
export type GroupSummary = { group: GroupId, 
/**
 * None until somebody gave this device the key.
 */
title: string | null, 
/**
 * Base64.
 */
picture: string | null, 
/**
 * "image/webp", "image/jpeg" or "image/png".
 */
picture_type: string | null, 
/**
 * How many.
 */
members: number, 
/**
 * None: not a member (any more).
 */
my_role: GroupRole | null, may_post: boolean, 
/**
 * Who asked to join and waits for this person, who may let them in.
 */
requests: number, deleted: boolean, 
/**
 * Why the list of members cannot be trusted any more, for people.
 */
alarm: string | null, };

/**
 * A group as an invite link shows it.
 */
export type GroupInvitation = { group: GroupId, 
/**
 * None: the title was changed after the link was copied.
 */
title: string | null, description: string | null, 
/**
 * Base64.
 */
picture: string | null, 
/**
 * "image/webp", "image/jpeg" or "image/png".
 */
picture_type: string | null, 
/**
 * How many.
 */
members: number, 
/**
 * Joining only asks; an admin adds.
 */
approval: boolean, standing: GroupStanding, };

/**
 * What somebody with a link is to the group.
 */
export type GroupStanding = "stranger" | "waiting" | "member";

/**
 * Somebody in a line: as much as it takes to name them.
 */
export type PersonView = { account: AccountId, 
/**
 * Display name, username, or the beginning of the id.
 */
name: string, is_me: boolean, };

/**
 * How far a member is with an own message in a group.
 */
export type MemberReceipt = { person: PersonView, 
/**
 * The server's clock.
 */
delivered_ms: number | null, 
/**
 * The server's clock.
 */
read_ms: number | null, };

/**
 * A part of a text that names somebody. Counted in UTF-16 code units, as JavaScript does.
 */
export type Mention = { start: number, 
/**
 * At least 1.
 */
length: number, 
/**
 * None: everybody in the group; in one of more than 32 members only admins can.
 */
account: AccountId | null, };

/**
 * A group to be made.
 */
export type NewGroup = { 
/**
 * 1 to 100 characters.
 */
title: string, 
/**
 * At most 2,048 characters.
 */
description: string, 
/**
 * Base64, at most 48 KiB of it decoded.
 */
picture: string | null, 
/**
 * "image/webp", "image/jpeg" or "image/png".
 */
picture_type: string | null, 
/**
 * At most 1,023.
 */
members: Array<Who>, post: GroupPermission, add: GroupPermission, change_details: GroupPermission, 
/**
 * For good. `Pairwise`: at most 128 members, the owner included.
 */
fanout: GroupFanout, };

/**
 * What is to be changed about a group.
 */
export type GroupChange = { "kind": "add", members: Array<Who>, } | { "kind": "remove", members: Array<Who>, } | { "kind": "set_role", member: AccountId, role: GroupRole, } | { "kind": "set_details", title: string, description: string, picture: string | null, picture_type: string | null, } | { "kind": "set_permissions", post: GroupPermission, add: GroupPermission, change_details: GroupPermission, } | { "kind": "open_invite", 
/**
 * 0: never.
 */
expires_ms: number, 
/**
 * How many may join by it; 0: without limit.
 */
uses: number, 
/**
 * Joining only asks; an admin's `Add` lets in, `Decline` does not.
 */
approval: boolean, } | { "kind": "close_invite", 
/**
 * `GroupInviteView::public_key`.
 */
public_key: string, } | { "kind": "decline", members: Array<AccountId>, } | { "kind": "leave" } | { "kind": "succeed" } | { "kind": "delete" };

/**
 * What was changed about a group. Who did it is the message's author. Of many people the first 16 are named.
 */
export type GroupChangeView = { "what": "created", members: Array<PersonView>, more: number, } | { "what": "added", members: Array<PersonView>, more: number, } | { "what": "removed", members: Array<PersonView>, more: number, } | { "what": "left" } | { "what": "role_set", member: PersonView, role: GroupRole, } | { "what": "details_set" } | { "what": "permissions_set" } | { "what": "invite_opened" } | { "what": "invite_closed" } | { "what": "joined", asked: boolean, } | { "what": "declined", members: Array<PersonView>, more: number, } | { "what": "succeeded" } | { "what": "deleted" };

export type ConversationView = { conversation: Conversation, 
/**
 * The person; none: it is a group's.
 */
contact: ContactView | null, 
/**
 * The group; none: it is a person's.
 */
group: GroupSummary | null, 
/**
 * What it is called: the name of the person (display name, username or the beginning of the id) or of the group.
 */
title: string, is_me: boolean, last: MessageView | null, unread: number, 
/**
 * An unread message names this account, or everybody.
 */
mentioned: boolean, 
/**
 * Message id read up to by this person.
 */
read_up_to: MessageId, pinned: boolean, archived: boolean, 
/**
 * No notification before this time; 0: not muted.
 */
muted_until_ms: number, marked_unread: boolean, 
/**
 * Text not sent yet.
 */
draft: string | null, folder: string | null, 
/**
 * Somebody new: they get no receipts, and see nothing of this person, until `AcceptRequest` or an answer.
 */
is_request: boolean, 
/**
 * What is sent now disappears so many seconds after it was read; 0: stays.
 */
timer_s: number, };

/**
 * What a person arranges about a conversation, the same on all their devices.
 */
export type ConversationChanges = { pinned?: boolean, archived?: boolean, 
/**
 * No notification before this time; 0: notify again.
 */
muted_until_ms?: number, 
/**
 * Shown as unread without a count, until it is opened.
 */
marked_unread?: boolean, 
/**
 * Text not sent yet; empty: none.
 */
draft?: string, 
/**
 * At most 32 characters; empty: in none.
 */
folder?: string, 
/**
 * What this person calls the other one, at most 64 characters; empty: by their own name.
 */
nickname?: string, };

/**
 * Where a page of history lies. Positions are those of `MessageView::position`.
 */
export type HistoryPlace = "newest" | { "before": string } | { "after": string } | { "around": string };

export type SearchHit = { message: MessageView, 
/**
 * The person of the conversation; none: it is a group's.
 */
contact: ContactView | null, 
/**
 * What the conversation is called.
 */
title: string, 
/**
 * The body around the match, with the matching words between U+0001 and U+0002.
 */
snippet: string, };

export type DeviceView = { device: DeviceId, name: string, current: boolean, suspended: boolean, created_ms: number, last_seen_ms: number, };

export type ConnectionView = { "state": "disconnected" } | { "state": "connecting" } | { "state": "connected", drained: boolean, } | { "state": "reconnecting", retry_at_ms: number, attempt: number, };

export type StatusView = { connection: ConnectionView, me: Me | null, 
/**
 * Messages not yet accepted by the server.
 */
outbox: number, 
/**
 * What else was done here and is still to be told to the server, to contacts or to the own other devices; 0: all is told.
 */
untold: number, undecryptable: number, repaired: number, clock_off_ms: number, 
/**
 * Set when signed out for good: why, for people.
 */
signed_out: string | null, };

/**
 * What happened without being asked for.
 */
export type Event = { "event": "connection", connection: ConnectionView, } | { "event": "message_added", message: MessageView, backlog: boolean, } | { "event": "message_changed", message: MessageView, } | { "event": "message_removed", name: ClientMsgId, conversation: Conversation, } | { "event": "conversation_changed", conversation: Conversation, } | { "event": "conversation_removed", conversation: Conversation, } | { "event": "contact_changed", contact: ContactView, } | { "event": "key_changed", contact: ContactView, was_verified: boolean, } | { "event": "queue_drained" } | { "event": "linked", me: Me, } | { "event": "link_failed", error: CommandError, } | { "event": "history_received", done: number, total: number, } | { "event": "history_sent", device: DeviceId, done: number, total: number, } | { "event": "group_keys", group: GroupId, done: number, total: number, } | { "event": "devices_changed" } | { "event": "presence_changed", people: Array<PresenceView>, } | { "event": "typing", conversation: Conversation, person: PersonView, state: TypingState, } | { "event": "preferences_changed", preferences: Preferences, } | { "event": "signed_out", error: CommandError, } | { "event": "profile_changed", profile: ProfileView, } | { "event": "clock_off", by_ms: number, } | { "event": "repairing", contact: AccountId, reason: string, } | { "event": "notice", text: string, };
