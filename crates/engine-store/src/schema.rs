//! The tables, and the way from older versions to this one.
//! Always true: a version's SQL never changes once released; a new version is one more entry in `MIGRATIONS`.

use crate::{Journal, StoreError};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior};

/// The format this build writes; kept in SQLite's `user_version`.
pub const VERSION: u32 = 6;

/// Marks the file as a Sotto profile ("Sott").
const APPLICATION_ID: i64 = 0x536f_7474;

pub(crate) const MIGRATIONS: &[&str] = &[V1, V2, V3, V4, V5, V6];

const V1: &str = "
-- Not sealed: how to get at the data key.
CREATE TABLE vault(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
-- Small facts by name; sealed.
CREATE TABLE setting(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

-- kind: 1 signed EC, 2 last-resort Kyber, 3 one-time EC, 4 one-time Kyber. record is sealed.
CREATE TABLE prekey(
  kind INTEGER NOT NULL, id INTEGER NOT NULL, record BLOB NOT NULL, created_ms INTEGER NOT NULL, replaced_ms INTEGER,
  PRIMARY KEY(kind, id)) WITHOUT ROWID;
CREATE TABLE base_key(
  kyber INTEGER NOT NULL, signed INTEGER NOT NULL, base_key BLOB NOT NULL,
  PRIMARY KEY(kyber, signed, base_key)) WITHOUT ROWID;
CREATE TABLE session(
  account BLOB NOT NULL, device INTEGER NOT NULL, record BLOB NOT NULL, renewed_ms INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY(account, device)) WITHOUT ROWID;
CREATE TABLE sender_key(
  account BLOB NOT NULL, device INTEGER NOT NULL, distribution BLOB NOT NULL, record BLOB NOT NULL,
  PRIMARY KEY(account, device, distribution)) WITHOUT ROWID;

CREATE TABLE contact(
  account BLOB PRIMARY KEY, username TEXT, display_name TEXT, identity_key BLOB, verified INTEGER NOT NULL DEFAULT 0,
  pending_key BLOB, list_version INTEGER NOT NULL DEFAULT 0, list_payload BLOB, list_signature BLOB,
  blocked INTEGER NOT NULL DEFAULT 0, stale INTEGER NOT NULL DEFAULT 1, listed INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;

CREATE TABLE conversation(
  peer BLOB PRIMARY KEY, read_up_to INTEGER NOT NULL DEFAULT 0, read_told INTEGER NOT NULL DEFAULT 0,
  seen INTEGER NOT NULL DEFAULT 0, active_ms INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;

-- place orders a conversation: the message id, or above 2^62 while unsent. content is sealed.
CREATE TABLE message(
  id INTEGER PRIMARY KEY, author BLOB NOT NULL, name BLOB NOT NULL, author_device INTEGER NOT NULL,
  conversation BLOB NOT NULL, place INTEGER NOT NULL, message_id INTEGER, kind INTEGER NOT NULL, content BLOB NOT NULL,
  written_ms INTEGER NOT NULL, server_ms INTEGER, delivered_ms INTEGER, read_ms INTEGER, failed INTEGER NOT NULL DEFAULT 0,
  note TEXT, resends INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0, copies BLOB,
  UNIQUE(author, name), UNIQUE(conversation, place));
CREATE INDEX message_by_id ON message(message_id) WHERE message_id IS NOT NULL;
CREATE INDEX message_unticked ON message(conversation, message_id) WHERE read_ms IS NULL;

CREATE TABLE outbox(
  id INTEGER PRIMARY KEY AUTOINCREMENT, client_msg_id BLOB NOT NULL UNIQUE, recipient BLOB NOT NULL, class INTEGER NOT NULL,
  devices BLOB NOT NULL, content BLOB NOT NULL, message INTEGER, created_ms INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, not_before_ms INTEGER NOT NULL DEFAULT 0, keep INTEGER NOT NULL DEFAULT 0);
CREATE INDEX outbox_lane ON outbox(class, recipient, id);
CREATE TABLE sent_control(
  message_id INTEGER PRIMARY KEY, recipient BLOB NOT NULL, name BLOB NOT NULL, content BLOB NOT NULL, at_ms INTEGER NOT NULL);
CREATE TABLE resend(
  message_id INTEGER NOT NULL, account BLOB NOT NULL, device INTEGER NOT NULL, count INTEGER NOT NULL, at_ms INTEGER NOT NULL,
  PRIMARY KEY(message_id, account, device)) WITHOUT ROWID;

CREATE TABLE seen_entry(entry_id INTEGER PRIMARY KEY, undecryptable INTEGER NOT NULL, at_ms INTEGER NOT NULL);
CREATE TABLE placeholder(
  message_id INTEGER PRIMARY KEY, account BLOB NOT NULL, device INTEGER NOT NULL, class INTEGER NOT NULL,
  ratchet_key BLOB NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, next_ms INTEGER NOT NULL, message INTEGER,
  at_ms INTEGER NOT NULL);
-- kind: 1 delivered, 2 read.
CREATE TABLE receipt_step(
  conversation BLOB NOT NULL, kind INTEGER NOT NULL, message_id INTEGER NOT NULL, at_ms INTEGER NOT NULL,
  PRIMARY KEY(conversation, kind, message_id)) WITHOUT ROWID;
CREATE TABLE history_job(
  device INTEGER PRIMARY KEY, request_id BLOB NOT NULL, since_ms INTEGER NOT NULL, after_place INTEGER NOT NULL,
  after_id INTEGER NOT NULL, next_index INTEGER NOT NULL, done INTEGER NOT NULL, total INTEGER NOT NULL, in_flight BLOB);
";

const V2: &str = "
-- The name that the server says this account has, while another account known here has it; open: the person has not decided.
ALTER TABLE contact ADD COLUMN claims TEXT;
ALTER TABLE contact ADD COLUMN claim_open INTEGER NOT NULL DEFAULT 0;

-- The id of the resend that made a message readable: later than its place says.
ALTER TABLE message ADD COLUMN late_id INTEGER;
CREATE INDEX message_late ON message(conversation, late_id) WHERE late_id IS NOT NULL;

DROP INDEX outbox_lane;
CREATE INDEX outbox_lane ON outbox(class, recipient, id, not_before_ms);
CREATE INDEX outbox_due ON outbox(not_before_ms);
CREATE INDEX outbox_recipient ON outbox(recipient, id);

CREATE INDEX placeholder_open ON placeholder(attempts, next_ms);
CREATE INDEX placeholder_sender ON placeholder(account, attempts);
";

const V3: &str = "
-- What the person arranged. pinned: rises with every pinning; none: not pinned. draft is sealed.
ALTER TABLE conversation ADD COLUMN pinned INTEGER;
ALTER TABLE conversation ADD COLUMN archived INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversation ADD COLUMN muted_until_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversation ADD COLUMN marked_unread INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversation ADD COLUMN draft BLOB;

-- This device's clock: sealed and handed over; known to be accepted; arrived here.
ALTER TABLE message ADD COLUMN sent_ms INTEGER;
ALTER TABLE message ADD COLUMN accepted_ms INTEGER;
ALTER TABLE message ADD COLUMN received_ms INTEGER;
-- What the server stored of a message, one part per entry of message.copies; sealed.
CREATE TABLE ciphertext(message INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, copies BLOB NOT NULL);
CREATE INDEX ciphertext_at ON ciphertext(at_ms);

-- Its row in the search index, which rises with time: see search.rs. Without a passphrase the index is made anew when the
-- store is opened; with one it is made at every first search anyway.
DROP TABLE IF EXISTS message_fts;
ALTER TABLE message ADD COLUMN search_key INTEGER;
UPDATE message SET search_key = (made.ms << 20) + made.n - 1 FROM (
  SELECT id, ms, row_number() OVER (PARTITION BY ms ORDER BY place, id) AS n
  FROM (SELECT id, place, max(0, min(coalesce(server_ms, written_ms), (1 << 42) - 1)) AS ms FROM message WHERE kind = 1)
) AS made WHERE made.id = message.id;
CREATE UNIQUE INDEX message_search ON message(search_key) WHERE search_key IS NOT NULL;

-- To find the newest and the unread ones of somebody else without a look at all of them.
CREATE INDEX message_in_conversation ON message(conversation, message_id) WHERE message_id IS NOT NULL;
-- With the author, so that a receipt does not look at all that was ever received.
DROP INDEX message_unticked;
CREATE INDEX message_unticked ON message(conversation, author, message_id) WHERE read_ms IS NULL;
";

const V4: &str = "
-- From here on a conversation, or the recipient of an outbox entry, is an account (16 bytes) or a group (32).

-- roster: unsigned, kept as the signed number of the same bits. state, details and details_key are sealed; sealed_details is what
-- the server gave, until its key comes. cursor: the last log entry stored; delivered: the last one that could be read.
CREATE TABLE chat_group(
  group_id BLOB PRIMARY KEY, revision INTEGER NOT NULL, head BLOB NOT NULL, roster INTEGER NOT NULL, state BLOB NOT NULL,
  details BLOB, details_hash BLOB, sealed_details BLOB, details_key BLOB,
  cursor INTEGER NOT NULL DEFAULT 0, delivered INTEGER NOT NULL DEFAULT 0, alarm TEXT, stale INTEGER NOT NULL DEFAULT 0,
  context_due INTEGER NOT NULL DEFAULT 0, is_left INTEGER NOT NULL DEFAULT 0);
-- payload is sealed.
CREATE TABLE group_operation(
  group_id BLOB NOT NULL, revision INTEGER NOT NULL, payload BLOB NOT NULL, signature BLOB NOT NULL, hash BLOB NOT NULL,
  message_id INTEGER, server_ms INTEGER NOT NULL, PRIMARY KEY(group_id, revision));
-- The own sender key of each group, and who has it.
CREATE TABLE distribution(
  group_id BLOB PRIMARY KEY, distribution BLOB NOT NULL UNIQUE, created_ms INTEGER NOT NULL, messages INTEGER NOT NULL,
  membership_revision INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE key_holder(
  distribution BLOB NOT NULL, account BLOB NOT NULL, device INTEGER NOT NULL, registration_id INTEGER NOT NULL,
  PRIMARY KEY(distribution, account, device)) WITHOUT ROWID;
-- kind: 1 delivered, 2 read. newest: the highest of its member and kind, to count without a look at the others.
CREATE TABLE group_mark(
  group_id BLOB NOT NULL, member BLOB NOT NULL, kind INTEGER NOT NULL, message_id INTEGER NOT NULL, at_ms INTEGER NOT NULL,
  newest INTEGER NOT NULL, PRIMARY KEY(group_id, member, kind, message_id)) WITHOUT ROWID;
CREATE INDEX group_mark_newest ON group_mark(group_id, kind, message_id) WHERE newest = 1;
-- What a link of an invite needs; seed and details_key are sealed.
CREATE TABLE invite_seed(
  group_id BLOB NOT NULL, public_key BLOB NOT NULL, seed BLOB NOT NULL, details_key BLOB,
  PRIMARY KEY(group_id, public_key)) WITHOUT ROWID;

-- Message ids of group logs and of inboxes come from one sequence: the key stays.
ALTER TABLE placeholder ADD COLUMN group_id BLOB;
";

const V5: &str = "
-- The newest message that names this account.
ALTER TABLE conversation ADD COLUMN mention INTEGER NOT NULL DEFAULT 0;
";

const V6: &str = "
-- Reactions, edits, votes, pins, deletes: by what they are about, which may not be here yet. kind: the number of the content's
-- body; 0: the first version of a text that was edited. content is sealed.
CREATE TABLE action(
  id INTEGER PRIMARY KEY, author BLOB NOT NULL, name BLOB NOT NULL, author_device INTEGER NOT NULL, conversation BLOB NOT NULL,
  kind INTEGER NOT NULL, target_author BLOB NOT NULL, target_name BLOB NOT NULL, message_id INTEGER, content BLOB NOT NULL,
  written_ms INTEGER NOT NULL, server_ms INTEGER, allowed INTEGER NOT NULL, UNIQUE(author, name));
CREATE INDEX action_target ON action(target_author, target_name);
CREATE INDEX action_by_id ON action(message_id) WHERE message_id IS NOT NULL;
CREATE INDEX action_pin ON action(conversation) WHERE kind = 29;
-- Never to be shown again: deleted by this person for themselves, or disappeared.
CREATE TABLE forgotten(author BLOB NOT NULL, name BLOB NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY(author, name)) WITHOUT ROWID;

-- Disappears so long after it was read, and when. deleted_by: for everyone.
ALTER TABLE message ADD COLUMN expires_after_s INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN expires_ms INTEGER;
ALTER TABLE message ADD COLUMN deleted_by BLOB;
CREATE INDEX message_expires ON message(expires_ms) WHERE expires_ms IS NOT NULL;
CREATE INDEX message_unread_timer ON message(conversation) WHERE expires_after_s > 0 AND expires_ms IS NULL;
CREATE INDEX message_timer ON message(conversation, place) WHERE kind = 8;

-- What the person arranged, the same on all own devices. set_at: the id that the newest known value has there; changed: not sent
-- yet; sending: in the send of this name; rival: what another device said meanwhile. value and rival are sealed.
CREATE TABLE fact(
  about BLOB NOT NULL, name TEXT NOT NULL, value BLOB NOT NULL, set_at INTEGER NOT NULL, changed_ms INTEGER, sending BLOB,
  rival BLOB, PRIMARY KEY(about, name));
CREATE INDEX fact_changed ON fact(changed_ms) WHERE changed_ms IS NOT NULL;
CREATE INDEX fact_sending ON fact(sending) WHERE sending IS NOT NULL;
CREATE INDEX fact_named ON fact(name);

-- A chunk of history, which holds copies of messages.
ALTER TABLE sent_control ADD COLUMN history INTEGER NOT NULL DEFAULT 0;
CREATE INDEX sent_history ON sent_control(history) WHERE history;

-- The name that this person gave a contact; which folder a conversation is in.
ALTER TABLE contact ADD COLUMN nickname TEXT;
-- What they show of themselves, as of this version; their picture, sealed, and its name.
ALTER TABLE contact ADD COLUMN about TEXT;
ALTER TABLE contact ADD COLUMN picture TEXT;
ALTER TABLE contact ADD COLUMN profile_version INTEGER NOT NULL DEFAULT 0;
CREATE TABLE picture(account BLOB PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
ALTER TABLE conversation ADD COLUMN folder TEXT;
-- The person takes what the other one says: so with everybody before there were message requests.
ALTER TABLE conversation ADD COLUMN accepted INTEGER NOT NULL DEFAULT 0;
UPDATE conversation SET accepted = 1;
";

pub(crate) fn configure(sql: &Connection, journal: Journal) -> Result<(), StoreError> {
    let mode = match journal {
        Journal::Wal => "WAL",
        Journal::Truncate => "TRUNCATE",
    };
    // A newer store must stay as it is: look before anything is written.
    check_version(sql)?;
    sql.pragma_update(None, "journal_mode", mode)?;
    sql.pragma_update(None, "synchronous", "FULL")?;
    sql.pragma_update(None, "secure_delete", "ON")?;
    sql.pragma_update(None, "temp_store", "MEMORY")?;
    sql.pragma_update(None, "trusted_schema", "OFF")?;
    // A statement keeps its first plan. Otherwise most of ours would be compiled anew for each new value they are given, which
    // took longer than running them.
    sql.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    sql.set_prepared_statement_cache_capacity(128);
    Ok(())
}

fn check_version(sql: &Connection) -> Result<u32, StoreError> {
    let found: u32 = sql.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > VERSION {
        return Err(StoreError::Newer { found, known: VERSION });
    }
    Ok(found)
}

pub(crate) fn migrate(sql: &mut Connection) -> Result<(), StoreError> {
    let tx = sql.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = check_version(&tx)?;
    for migration in MIGRATIONS.iter().skip(found as usize) {
        tx.execute_batch(migration)?;
    }
    if found < VERSION {
        tx.pragma_update(None, "user_version", VERSION)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    tx.commit()?;
    Ok(())
}
