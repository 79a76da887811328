/** What is said of requests, reports, privacy and profiles; loaded with what says it. */
import { chat } from "./chat";
import { gate } from "./gate";
import { speaker } from "./speaker";

const people = {
  "request.label": "Message request",
  "request.title": "{name} is new to you",
  "request.body": "They do not see that you read this, nor whether you are online or what you look like, until you accept.",
  "request.accept": "Accept",
  "request.block": "Block",
  "request.report": "Report",
  "request.delete": "Delete",

  "block.title": "Block {name}?",
  "block.body": "Their messages no longer reach you. They are not told: what they send keeps one tick.",
  "block.verb": "Block",

  "forget.title": "Delete the chat with {name}?",
  "forget.title_group": "Delete the chat of {name}?",
  "forget.body": "It goes from all your devices, with all its messages. Others keep theirs.",
  "forget.body_request": "It goes from all your devices. If they write again, it is a new request.",
  "forget.body_self": "All your notes go from all your devices. Nobody else has them.",
  "forget.verb": "Delete chat",

  "report.title": "Report {name}",
  "report.body": "The operator of this server reads your report as your word: nothing proves it. {name} hears nothing of it.",
  "report.reason": "Why",
  "report.reason.spam": "Spam",
  "report.reason.abuse": "Abuse",
  "report.reason.other": "Something else",
  "report.comment": "What happened",
  "report.comment.hint": "In your own words. You may leave it empty.",
  "report.messages": "Their messages to include",
  "report.messages.hint": "The operator gets the ones you choose as readable text; all others stay encrypted.",
  "report.messages.none": "There are no texts of theirs on this device.",
  "report.count": "{count, plural, =0 {No messages chosen} one {# message chosen} other {# messages chosen}}",
  "report.full": "At most 20.",
  "report.and_block": "Also block {name}",
  "report.verb": "Send the report",
  "report.done": "Your report was sent to the operator of this server.",
  "report.done_title": "Reported",
  "report.close": "Done",

  "see.title": "What others see",
  "see.last_seen": "Last seen",
  "see.last_seen.hint": "When you were here last. If you hide your last seen, you will not see that of others.",
  "see.online": "Online",
  "see.online.hint": "That you are here now. If you hide it, you will not see who is online.",
  "see.picture": "Picture",
  "see.picture.hint": "Encrypted: the server does not see it either.",
  "see.about": "About",
  "see.about.hint": "The line under your name. Encrypted as well.",
  "see.read_receipts": "Read receipts",
  "see.read_receipts.hint": "That you read a message. If you turn them off, you will not see those of others.",
  "see.group_adds": "Who may add you to groups",
  "see.group_adds.hint": "All others can send you an invite link.",
  "see.everyone": "Everyone",
  "see.contacts": "People you accepted",
  "see.nobody": "Nobody",
  "see.except": "{count, plural, =0 {Except…} one {Except # person} other {Except # people}}",
  "see.except.title": "{what}: except",
  "see.except.body": "People chosen here are left out, whatever else holds.",
  "see.except.verb": "Save",
  "see.offline": "The server keeps these settings and cannot be reached now. They can be changed once you are connected.",
  "see.failed": "These settings could not be read: {reason}",
  "see.again": "Try again",

  "me.who": "People you accepted see this, as your privacy settings allow. It is encrypted: the server cannot read it.",
  "me.who_link": "Privacy settings",
  "me.name": "Display name",
  "me.name.hint": "Empty: they see @{username}.",
  "me.about": "About",
  "me.about.hint": "A line about you.",
  "me.left": "{count, plural, one {# character left} other {# characters left}}",
  "me.save": "Save",
  "me.saved": "Saved",
} as const;

export type PeopleKey = keyof typeof people;

export const t = speaker({ ...chat, ...gate, ...people });
