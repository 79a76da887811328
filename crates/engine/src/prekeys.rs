//! Prekeys: what this device publishes so that others can write to it while it is away.
//! Flow: `new_device_keys` (registration, linking, restore) -> `on_welcome` and once a day: counts -> refill, rotate, replace.
//! Always true:
//! - a private half is stored before its public half leaves;
//! - ids rise and are never reused; prekeys count as replaced when the server has the new ones, and are kept 45 days more for
//!   first messages under way;
//! - a replacement or rotation is stored until the server is known to have it, so no crash and no exit loses one;
//! - a restored server gets all one-time keys anew, since it may hand old ones out again; so does a server that knows prekeys
//!   of this device which the device does not (its profile is an old copy). What other people say is a reason to ask the
//!   server, no more.

use crate::api::{Event, HttpMethod};
use crate::core::Cx;
use crate::http::{self, Call, Failure, Then};
use crate::{blocks, recovery};
use sotto_crypto::prekeys::{
    DevicePreKeyIds, generate_device_prekeys, generate_kyber_prekey, generate_one_time_ec_prekey,
    generate_signed_prekey,
};
use sotto_crypto::session::PreKeyRef;
use sotto_crypto::{EcPreKeyId, IdentityKeyPair, KyberPreKeyId, SignedPreKeyId};
use sotto_engine_store::{MessageKind, NewMessage, PreKeyKind, StoreError, Tx};
use sotto_types::{AccountId, Conversation, Secret, Timestamp, limits};
use sotto_wire::http::{DeviceKeys, KeyCounts, UploadKeys};
use sotto_wire::pb;
use std::time::Duration;

const ROTATE_AFTER: Duration = Duration::from_secs(7 * 86_400);
const KEEP_REPLACED: Duration = Duration::from_secs(45 * 86_400);
const KEEP_SENT: Duration = Duration::from_secs(30 * 86_400);
/// What the server stored of a message, for those who look at it.
const KEEP_CIPHERTEXTS: Duration = Duration::from_secs(30 * 86_400);
/// Longer than the server keeps anything for redelivery.
const KEEP_SEEN: Duration = Duration::from_secs(45 * 86_400);
const DAY: Duration = Duration::from_secs(86_400);
/// A jump for ids after a restore from an old copy: beyond whatever the lost time used.
const RESTORED_JUMP: u64 = 100_000;

const NEXT_EC: &str = "prekey.next_ec";
const NEXT_KYBER: &str = "prekey.next_kyber";
const NEXT_SIGNED: &str = "prekey.next_signed";

/// A replacement or rotation that the server may not have.
const PENDING: &str = "keys.pending";
/// Prekeys for a restored server that has forgotten this device, made once for all tries.
const AGAIN: &str = "keys.again";
const HINTED: &str = "keys.hinted_ms";
/// Between two looks at the server's key ids because of what somebody else sent.
const HINT_EVERY: Duration = Duration::from_secs(3600);

#[derive(Debug)]
pub(crate) enum Step {
    /// With the signed prekey of the upload that was pending when it was asked.
    Counts {
        pending: Option<u32>,
    },
    Uploaded,
}

/// Reserves `count` ids, from 1 on.
fn reserve(cx: &Cx<'_, '_>, counter: &str, count: u32) -> Result<u32, StoreError> {
    let end = cx.tx.count(counter, u64::from(count))?;
    // 2^32 keys at a hundred a day outlast everything; wrapping keeps it a number.
    Ok(u32::try_from(end.saturating_sub(u64::from(count)).saturating_add(1) % 0xff_ffff).unwrap_or(1).max(1))
}

/// All prekeys of a device that begins (or begins again), stored.
pub(crate) fn new_device_keys(cx: &mut Cx<'_, '_>, identity: &IdentityKeyPair) -> Result<DeviceKeys, StoreError> {
    let count = cx.core.config.one_time_prekeys;
    let ids = DevicePreKeyIds {
        signed: SignedPreKeyId(reserve(cx, NEXT_SIGNED, 1)?),
        last_resort: KyberPreKeyId(reserve(cx, NEXT_KYBER, 1)?),
        first_one_time_ec: EcPreKeyId(reserve(cx, NEXT_EC, count)?),
        first_one_time_kyber: KyberPreKeyId(reserve(cx, NEXT_KYBER, count)?),
        one_time_count: count,
    };
    let keys = generate_device_prekeys(identity, ids, cx.now, &mut cx.core.rng);
    let put = |kind, id, record: &Secret<Vec<u8>>| cx.tx.put_prekey(kind, id, record.expose(), cx.now);
    put(PreKeyKind::Signed, keys.signed.id, &keys.signed.record)?;
    put(PreKeyKind::LastResortKyber, keys.last_resort.id, &keys.last_resort.record)?;
    keys.one_time_ec.iter().try_for_each(|key| put(PreKeyKind::OneTimeEc, key.id, &key.record))?;
    keys.one_time_kyber.iter().try_for_each(|key| put(PreKeyKind::OneTimeKyber, key.id, &key.record))?;
    Ok(keys.public())
}

fn as_upload(keys: DeviceKeys) -> UploadKeys {
    UploadKeys {
        signed_prekey: Some(keys.signed_prekey),
        last_resort_kyber: Some(keys.last_resort_kyber),
        one_time_ec: keys.one_time_ec,
        one_time_kyber: keys.one_time_kyber,
        replace: true,
    }
}

/// The server has these now, all that was made before is replaced, and what was still to be uploaded does not matter.
pub(crate) fn published(cx: &Cx<'_, '_>, keys: &DeviceKeys) -> Result<(), StoreError> {
    confirmed(cx, &as_upload(keys.clone()))
}

fn confirmed(cx: &Cx<'_, '_>, keys: &UploadKeys) -> Result<(), StoreError> {
    let firsts = [
        (PreKeyKind::Signed, keys.signed_prekey.as_ref().map(|key| key.id)),
        (PreKeyKind::LastResortKyber, keys.last_resort_kyber.as_ref().map(|key| key.id)),
        (PreKeyKind::OneTimeEc, keys.one_time_ec.first().map(|key| key.id)),
        (PreKeyKind::OneTimeKyber, keys.one_time_kyber.first().map(|key| key.id)),
    ];
    for (kind, first) in firsts {
        if let Some(first) = first {
            cx.tx.replace_prekeys(kind, first, cx.now)?;
        }
    }
    cx.tx.delete_setting(PENDING)
}

/// Prekeys that no server has or will have.
pub(crate) fn forget(tx: &Tx<'_>, keys: &DeviceKeys) -> Result<(), StoreError> {
    tx.remove_prekey(PreKeyKind::Signed, keys.signed_prekey.id)?;
    tx.remove_prekey(PreKeyKind::LastResortKyber, keys.last_resort_kyber.id)?;
    keys.one_time_ec.iter().try_for_each(|key| tx.remove_prekey(PreKeyKind::OneTimeEc, key.id))?;
    keys.one_time_kyber.iter().try_for_each(|key| tx.remove_prekey(PreKeyKind::OneTimeKyber, key.id))
}

/// For a server that has forgotten this device: the same at every try.
pub(crate) fn keys_again(cx: &mut Cx<'_, '_>, identity: &IdentityKeyPair) -> Result<DeviceKeys, StoreError> {
    if let Some(keys) = cx.tx.setting_json(AGAIN)? {
        return Ok(keys);
    }
    let keys = new_device_keys(cx, identity)?;
    cx.tx.put_setting_json(AGAIN, &keys)?;
    Ok(keys)
}

/// The server took this device back, with those keys.
pub(crate) fn taken_back(cx: &Cx<'_, '_>) -> Result<(), StoreError> {
    if let Some(keys) = cx.tx.setting_json(AGAIN)? {
        published(cx, &keys)?;
        cx.tx.delete_setting(AGAIN)?;
    }
    Ok(())
}

/// It never will.
pub(crate) fn not_taken_back(cx: &Cx<'_, '_>) -> Result<(), StoreError> {
    if let Some(keys) = cx.tx.setting_json(AGAIN)? {
        forget(cx.tx, &keys)?;
        cx.tx.delete_setting(AGAIN)?;
    }
    Ok(())
}

pub(crate) fn on_welcome(cx: &mut Cx<'_, '_>, welcome: &pb::Welcome) -> Result<(), StoreError> {
    let Some(mut own) = cx.own() else { return Ok(()) };
    if cx.tx.setting(AGAIN)?.is_some() {
        // Taken back, though nobody heard the answer: the counts show with which keys.
        cx.tx.delete_setting(AGAIN)?;
        cx.core.keys_checked = false;
    }
    // Not only a higher one: a server whose clock was wrong at one of two restores may go back.
    if welcome.generation != own.generation {
        own.generation = welcome.generation;
        own.save(cx.tx)?;
        cx.core.own = Some(own);
        blocks::compare_later(cx)?;
        crate::requests::tell_later(cx)?;
        crate::profiles::after_restore(cx)?;
        cx.core.groups.unsure = true;
        cx.notice("the server was restored from a backup; keys are being replaced");
        return replace_all(cx);
    }
    if !cx.core.keys_checked || cx.tx.setting(PENDING)?.is_some() {
        return check(cx);
    }
    refill(cx, welcome.one_time_ec_left, welcome.one_time_kyber_left)
}

/// Once a day while connected: counts, rotation, forgetting.
pub(crate) fn drive(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    if cx.core.next_housekeeping > cx.now {
        return Ok(());
    }
    let first = cx.core.next_housekeeping.as_ms() == 0;
    cx.core.next_housekeeping = cx.now.plus(DAY);
    cx.tx.forget_prekeys(cx.now.minus(KEEP_REPLACED))?;
    cx.tx.forget_sent(cx.now.minus(KEEP_SENT))?;
    cx.tx.forget_ciphertexts(cx.now.minus(KEEP_CIPHERTEXTS))?;
    cx.tx.forget_seen(cx.now.minus(KEEP_SEEN))?;
    cx.tx.forget_placeholders(cx.now.minus(limits::UNDELIVERED_RETENTION))?;
    if first { Ok(()) } else { check(cx) }
}

pub(crate) fn check(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    if !cx.core.keys_busy {
        cx.core.keys_busy = true;
        let pending = pending(cx)?.as_ref().and_then(signed_id);
        let then = Then::PreKeys(Step::Counts { pending });
        http::send(cx, Call::own(cx, HttpMethod::Get, "/v1/keys", then).in_background());
    }
    Ok(())
}

fn pending(cx: &Cx<'_, '_>) -> Result<Option<UploadKeys>, StoreError> {
    cx.tx.setting_json(PENDING)
}

fn signed_id(keys: &UploadKeys) -> Option<u32> {
    keys.signed_prekey.as_ref().map(|key| key.id)
}

pub(crate) fn on_answer(cx: &mut Cx<'_, '_>, step: Step, answer: Result<Vec<u8>, Failure>) -> Result<(), StoreError> {
    cx.core.keys_busy = false;
    let counts = match http::parse::<KeyCounts>(answer) {
        Ok(counts) => counts,
        Err(failure) => {
            tracing::warn!(?failure, "prekeys");
            return Ok(());
        }
    };
    cx.core.keys_checked = true;
    if let Some(pending) = pending(cx)? {
        if is_there(&pending, &counts) {
            confirmed(cx, &pending)?;
        } else if let Step::Counts { pending: asked_under } = step {
            // One that was made after the question is on its way already.
            if asked_under == signed_id(&pending) {
                upload(cx, &pending);
            }
            return Ok(());
        }
    }
    if let Step::Uploaded = step {
        return Ok(());
    }
    if counts.signed_prekey_id == 0 || counts.last_resort_kyber_id == 0 {
        return replace_all(cx);
    }
    if knows_more(cx, &counts)? {
        let Some(own) = cx.own() else { return Ok(()) };
        return restored(cx, own.account());
    }
    let current = is_current(cx, PreKeyKind::Signed, counts.signed_prekey_id)?
        && is_current(cx, PreKeyKind::LastResortKyber, counts.last_resort_kyber_id)?;
    // While the identity key is being replaced, the newest keys wait together with the new one.
    if !current && !recovery::is_replacing(cx)? {
        tracing::warn!("the server has prekeys that were replaced");
        return replace_all(cx);
    }
    let due = cx.tx.current_prekey(PreKeyKind::Signed)?.is_none_or(|row| row.created.plus(ROTATE_AFTER) <= cx.now);
    if due {
        return rotate(cx);
    }
    refill(cx, counts.one_time_ec, counts.one_time_kyber)
}

fn is_there(pending: &UploadKeys, counts: &KeyCounts) -> bool {
    signed_id(pending) == Some(counts.signed_prekey_id)
        && pending.last_resort_kyber.as_ref().is_some_and(|key| key.id == counts.last_resort_kyber_id)
}

fn is_current(cx: &Cx<'_, '_>, kind: PreKeyKind, id: u32) -> Result<bool, StoreError> {
    Ok(cx.tx.current_prekey(kind)?.is_some_and(|row| row.id == id))
}

/// The server has, or handed out, prekeys of this device that the profile has not made: it is an old copy of itself.
fn knows_more(cx: &Cx<'_, '_>, counts: &KeyCounts) -> Result<bool, StoreError> {
    let signed_known = cx.tx.prekey(PreKeyKind::Signed, counts.signed_prekey_id)?.is_some();
    let last_resort_known = cx.tx.prekey(PreKeyKind::LastResortKyber, counts.last_resort_kyber_id)?.is_some();
    Ok(!signed_known
        || !last_resort_known
        || u64::from(counts.highest_one_time_ec_id) > cx.tx.count(NEXT_EC, 0)?
        || u64::from(counts.highest_one_time_kyber_id) > cx.tx.count(NEXT_KYBER, 0)?)
}

/// Stored first: a process that ends before the answer does not know whether the server has them.
fn upload_surely(cx: &mut Cx<'_, '_>, keys: &UploadKeys) -> Result<(), StoreError> {
    cx.tx.put_setting_json(PENDING, keys)?;
    upload(cx, keys);
    Ok(())
}

fn upload(cx: &mut Cx<'_, '_>, keys: &UploadKeys) {
    cx.core.keys_busy = true;
    let call = Call::own(cx, HttpMethod::Put, "/v1/keys", Then::PreKeys(Step::Uploaded)).json(keys).in_background();
    http::send(cx, call);
}

fn refill(cx: &mut Cx<'_, '_>, ec_left: u32, kyber_left: u32) -> Result<(), StoreError> {
    let full = cx.core.config.one_time_prekeys;
    let low = u32::try_from(limits::ONE_TIME_PREKEYS_LOW).unwrap_or(20).min(full);
    if cx.core.keys_busy || (ec_left >= low && kyber_left >= low) {
        return Ok(());
    }
    let Some(own) = cx.own() else { return Ok(()) };
    let (ec, kyber) = (full.saturating_sub(ec_left), full.saturating_sub(kyber_left));
    let (first_ec, first_kyber) = (reserve(cx, NEXT_EC, ec)?, reserve(cx, NEXT_KYBER, kyber)?);
    let mut keys = UploadKeys {
        signed_prekey: None,
        last_resort_kyber: None,
        one_time_ec: vec![],
        one_time_kyber: vec![],
        replace: false,
    };
    for id in first_ec..first_ec.saturating_add(ec) {
        let key = generate_one_time_ec_prekey(EcPreKeyId(id), &mut cx.core.rng);
        cx.tx.put_prekey(PreKeyKind::OneTimeEc, id, key.record.expose(), cx.now)?;
        keys.one_time_ec.push(key.public);
    }
    for id in first_kyber..first_kyber.saturating_add(kyber) {
        let key = generate_kyber_prekey(&own.identity, KyberPreKeyId(id), cx.now, &mut cx.core.rng);
        cx.tx.put_prekey(PreKeyKind::OneTimeKyber, id, key.record.expose(), cx.now)?;
        keys.one_time_kyber.push(key.public);
    }
    upload(cx, &keys);
    Ok(())
}

fn rotate(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    let (signed_id, kyber_id) = (reserve(cx, NEXT_SIGNED, 1)?, reserve(cx, NEXT_KYBER, 1)?);
    let signed = generate_signed_prekey(&own.identity, SignedPreKeyId(signed_id), cx.now, &mut cx.core.rng);
    let last_resort = generate_kyber_prekey(&own.identity, KyberPreKeyId(kyber_id), cx.now, &mut cx.core.rng);
    cx.tx.put_prekey(PreKeyKind::Signed, signed_id, signed.record.expose(), cx.now)?;
    cx.tx.put_prekey(PreKeyKind::LastResortKyber, kyber_id, last_resort.record.expose(), cx.now)?;
    let keys = UploadKeys {
        signed_prekey: Some(signed.public),
        last_resort_kyber: Some(last_resort.public),
        one_time_ec: vec![],
        one_time_kyber: vec![],
        replace: false,
    };
    upload_surely(cx, &keys)
}

/// Everything anew, and the server forgets the old.
pub(crate) fn replace_all(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    let keys = new_device_keys(cx, &own.identity)?;
    upload_surely(cx, &as_upload(keys))
}

/// Somebody used a prekey that is not here. Used ones are gone; one this profile has not made yet was made in its future, or
/// by whoever wants it to believe so: nothing in a first message proves where it got its key ids.
pub(crate) fn on_unknown(cx: &mut Cx<'_, '_>, prekey: PreKeyRef) -> Result<(), StoreError> {
    let (counter, id) = match prekey {
        PreKeyRef::Signed(id) => (NEXT_SIGNED, id.0),
        PreKeyRef::OneTimeEc(id) => (NEXT_EC, id.0),
        PreKeyRef::Kyber(id) => (NEXT_KYBER, id.0),
    };
    if u64::from(id) > cx.tx.count(counter, 0)? { on_hint(cx) } else { Ok(()) }
}

/// Others seem to know more of this device than it does: the server's key ids tell, asked at most once an hour.
pub(crate) fn on_hint(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    let last = Timestamp::from_ms(cx.tx.setting_json::<u64>(HINTED)?.unwrap_or(0));
    if last.plus(HINT_EVERY) > cx.now && last <= cx.now {
        return Ok(());
    }
    cx.tx.put_setting_json(HINTED, &cx.now.as_ms())?;
    check(cx)
}

/// This profile is an old copy of itself: the server, or an own device, knows things of it that it does not. Replaces all prekeys (their private halves
/// are lost) and says so. Sessions repair themselves one by one. At most once a day.
pub(crate) fn restored(cx: &mut Cx<'_, '_>, noticed_by: AccountId) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    let last = cx.tx.setting_json::<u64>("restored_ms")?.unwrap_or(0);
    if last > 0 && cx.now.as_ms().saturating_sub(last) < 86_400_000 {
        return Ok(());
    }
    cx.tx.put_setting_json("restored_ms", &cx.now.as_ms())?;
    for counter in [NEXT_EC, NEXT_KYBER, NEXT_SIGNED] {
        cx.tx.count(counter, RESTORED_JUMP)?;
    }
    replace_all(cx)?;
    let reason = "this profile was restored from an old copy; keys and sessions are being renewed".to_owned();
    cx.event(Event::Repairing { contact: noticed_by, reason });
    let rows = cx.tx.conversations()?;
    let mut conversations: Vec<Conversation> = rows.into_iter().map(|row| row.conversation).collect();
    if conversations.is_empty() {
        conversations.push(own.account().into());
    }
    for conversation in conversations {
        let name = cx.new_name();
        let line = cx.tx.insert_message(&NewMessage {
            author: own.account(),
            author_device: own.address.device,
            name,
            conversation,
            message_id: None,
            after: Some(cx.tx.seen(conversation)?),
            kind: MessageKind::ProfileRestored,
            content: Secret::new(Vec::new()),
            written: cx.now,
            server_time: None,
            note: None,
            expires_after_s: 0,
        })?;
        if let Some(line) = line {
            cx.message_added(line)?;
        }
    }
    // What was received and acknowledged in the lost time is with the own other devices, if anywhere.
    crate::history::ask(cx)
}
