//! This device's sender key of each group, and that every device of every member has it.
//! Flow: `prepare` -> stale? fetch -> the key still good, or a new one -> devices that lack it -> sessions -> SendKeys, some at
//!       once -> Accepted: noted -> ready for this roster.
//! Always true:
//! - a key that a device has which is no target any more is replaced before the next message;
//! - a device counts as having the key once the server has stored it for the device;
//! - members whose pinned key is not the one this device knows, or waits for the person, get none.

use super::{details, fetch, known};
use crate::api::Event;
use crate::core::Cx;
use crate::keys::Protocol;
use crate::{connection, devices, trust};
use bytes::Bytes;
use sotto_crypto::group::GroupState;
use sotto_crypto::session::{self, EncryptError};
use sotto_crypto::{DistributionId, SignedDeviceList, sender_keys};
use sotto_engine_store::{Group, KeyHolder, OwnDistribution, StoreError};
use sotto_types::{AccountId, ClientMsgId, DeviceAddress, DeviceId, ErrorCode, GroupId, Timestamp};
use sotto_wire::pb;
use std::time::Duration;

/// A sender key is replaced after so many messages, or so long.
const MESSAGES_MAX: u32 = 1_000;
const AGE_MAX: Duration = Duration::from_secs(14 * 86_400);
/// Accounts in one `SendKeys`, and how many of those are under way for a group.
const ACCOUNTS_AT_ONCE: usize = 64;
const FRAMES_AT_ONCE: usize = 4;
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Everybody has this key, as of this roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ready {
    roster: u64,
    distribution: [u8; 16],
}

/// Keys that the server has not answered for yet.
#[derive(Debug)]
pub(crate) struct KeysSent {
    pub group: GroupId,
    distribution: [u8; 16],
    holders: Vec<KeyHolder>,
    pub since: Timestamp,
}

pub(super) enum Prepared {
    /// The key to encrypt with, and the roster it is for.
    Ready {
        distribution: DistributionId,
        roster: u64,
    },
    /// Something is on its way, or must be waited for.
    Wait,
    Never(&'static str),
}

/// A device that messages go to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub device: DeviceAddress,
    registration_id: u32,
    list_version: u32,
}

pub(super) enum Targets {
    These(Vec<Target>),
    /// Lists of these are missing or old.
    Unknown(Vec<AccountId>),
}

/// Every device that a message to the group is for, but this one; ordered by account.
pub(super) fn targets(cx: &mut Cx<'_, '_>, state: &GroupState) -> Result<Targets, StoreError> {
    let Some(own) = cx.own() else { return Ok(Targets::These(Vec::new())) };
    let (mut targets, mut unknown) = (Vec::new(), Vec::new());
    for member in state.members() {
        let Some(contact) = cx.tx.contact(member.account)? else {
            unknown.push(member.account);
            continue;
        };
        let is_pinned = contact.identity_key.as_deref() == Some(&member.identity_key.as_bytes()[..]);
        if !is_pinned || contact.pending_key.is_some() {
            continue;
        }
        if contact.stale || contact.list.is_none() {
            unknown.push(member.account);
            continue;
        }
        let Some(list) = devices::list_of(cx, member.account)? else {
            unknown.push(member.account);
            continue;
        };
        for listed in list.devices() {
            let device = DeviceAddress::new(member.account, listed.id);
            let bundleless = cx.core.bundleless.get(&device) == Some(&list.version());
            if device != own.address && !bundleless {
                let (registration_id, list_version) = (listed.registration_id, list.version());
                targets.push(Target { device, registration_id, list_version });
            }
        }
    }
    Ok(if unknown.is_empty() { Targets::These(targets) } else { Targets::Unknown(unknown) })
}

fn is_worn(distribution: &OwnDistribution, now: Timestamp) -> bool {
    distribution.messages >= MESSAGES_MAX || distribution.created.plus(AGE_MAX) <= now
}

/// Why this account cannot write to the group, as its list has it.
pub(super) fn not_a_member(cx: &Cx<'_, '_>, state: &GroupState) -> Option<&'static str> {
    let own = cx.core.own.as_ref()?;
    match state.member(own.account()) {
        None => Some("you are not a member of this group any more"),
        Some(member) if member.identity_key != own.identity.public() => {
            Some("your identity key changed: an admin must add you to this group again")
        }
        Some(_) => None,
    }
}

/// What is known of the group may not be what the server has, or is being asked for.
pub(super) fn must_wait(cx: &mut Cx<'_, '_>, row: &Group) -> Result<bool, StoreError> {
    if cx.core.groups.unsure || cx.core.groups.live(row.id).give_back.is_some() {
        return Ok(true);
    }
    if row.stale {
        fetch::refresh(cx, row.id)?;
        return Ok(true);
    }
    let now = cx.now;
    let live = cx.core.groups.live(row.id);
    Ok(live.fetch.is_some() || live.not_before > now)
}

pub(super) fn prepare(cx: &mut Cx<'_, '_>, group: GroupId) -> Result<Prepared, StoreError> {
    let Some((row, state)) = known(cx, group)? else { return Ok(Prepared::Never("there is no such group here")) };
    if let Some(why) = not_a_member(cx, &state) {
        return Ok(Prepared::Never(why));
    }
    if must_wait(cx, &row)? {
        return Ok(Prepared::Wait);
    }
    let now = cx.now;
    let current = cx.tx.distribution(group)?.filter(|current| !is_worn(current, now));
    if cx.core.groups.keys_sent.values().filter(|sent| sent.group == group).count() >= FRAMES_AT_ONCE {
        // Looking at all members again is of no use before one of them is answered.
        return Ok(Prepared::Wait);
    }
    let live = cx.core.groups.live(group);
    if let (Some(ready), Some(current)) = (live.ready, &current)
        && (Ready { roster: row.roster, distribution: current.id }) == ready
    {
        let distribution = DistributionId::from_bytes(current.id);
        return Ok(Prepared::Ready { distribution, roster: row.roster });
    }
    let targets = match targets(cx, &state)? {
        Targets::These(targets) => targets,
        Targets::Unknown(accounts) => {
            fetch::lists(cx, group, accounts)?;
            return Ok(Prepared::Wait);
        }
    };
    let holders = match &current {
        Some(current) => cx.tx.key_holders(&current.id)?,
        None => Vec::new(),
    };
    let holds = |target: &Target| {
        let holder = KeyHolder { device: target.device, registration_id: target.registration_id };
        holders
            .binary_search_by_key(&holder.device, |known| known.device)
            .is_ok_and(|at| holders.get(at) == Some(&holder))
    };
    let mut wanted: Vec<_> = targets.iter().map(|target| (target.device, target.registration_id)).collect();
    wanted.sort_unstable();
    let is_known_to_others =
        holders.iter().any(|holder| wanted.binary_search(&(holder.device, holder.registration_id)).is_err());
    let current = match current.filter(|_| !is_known_to_others) {
        Some(current) => current,
        None => make(cx, group, &state)?,
    };
    let fresh = holders.is_empty() || is_known_to_others;
    let total = targets.len();
    let lacking: Vec<Target> = targets.into_iter().filter(|target| fresh || !holds(target)).collect();
    tell_progress(cx, group, total.saturating_sub(lacking.len()), total);
    if lacking.is_empty() {
        let live = cx.core.groups.live(group);
        live.ready = Some(Ready { roster: row.roster, distribution: current.id });
        no_context_due(cx, group)?;
        return Ok(Prepared::Ready { distribution: DistributionId::from_bytes(current.id), roster: row.roster });
    }
    give(cx, &row, &state, &current, lacking)?;
    Ok(Prepared::Wait)
}

/// Of few devices nothing is said: they have it before anybody could read that.
fn tell_progress(cx: &mut Cx<'_, '_>, group: GroupId, done: usize, total: usize) {
    let progress = (total > ACCOUNTS_AT_ONCE && done < total).then_some((done, total));
    let before = std::mem::replace(&mut cx.core.groups.live(group).keys_told, progress);
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    if progress != before {
        cx.event(Event::GroupKeys { group, done: count(done), total: count(total) });
    }
}

/// A new key under a fresh id.
fn make(cx: &mut Cx<'_, '_>, group: GroupId, state: &GroupState) -> Result<OwnDistribution, StoreError> {
    let distribution = OwnDistribution {
        id: rand::Rng::random(&mut cx.core.rng),
        created: cx.now,
        messages: 0,
        membership_revision: state.membership_revision(),
    };
    cx.tx.put_distribution(group, &distribution)?;
    // Where nobody is to be given it, this is what makes it.
    let Some(own) = cx.own() else { return Ok(distribution) };
    let mut store = Protocol::new(cx.tx, &own);
    let id = DistributionId::from_bytes(distribution.id);
    if let Err(sender_keys::GroupError::Store(failure)) =
        sender_keys::create_distribution(&mut store, id, &mut cx.core.rng)
    {
        return Err(store.failure(&failure));
    }
    // What was under way is of the old key.
    cx.core.groups.keys_sent.retain(|_, sent| sent.group != group);
    Ok(distribution)
}

/// Sends the key to devices that lack it, as many as may be under way.
fn give(
    cx: &mut Cx<'_, '_>,
    row: &Group,
    state: &GroupState,
    current: &OwnDistribution,
    lacking: Vec<Target>,
) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    let mut under_way: Vec<DeviceAddress> = cx
        .core
        .groups
        .keys_sent
        .values()
        .filter(|sent| sent.distribution == current.id)
        .flat_map(|sent| sent.holders.iter().map(|holder| holder.device))
        .collect();
    under_way.sort_unstable();
    let mut frames = cx.core.groups.keys_sent.values().filter(|sent| sent.group == row.id).count();
    let mut by_account: Vec<(AccountId, Vec<Target>)> = Vec::new();
    for target in lacking.into_iter().filter(|target| under_way.binary_search(&target.device).is_err()) {
        match by_account.last_mut().filter(|(account, _)| *account == target.device.account) {
            Some((_, targets)) => targets.push(target),
            None => by_account.push((target.device.account, vec![target])),
        }
    }
    let mut sessionless: Vec<(AccountId, Vec<DeviceId>)> = Vec::new();
    let mut ready = Vec::new();
    for (account, targets) in by_account {
        let Some(list) = devices::list_of(cx, account)? else { continue };
        let of: Vec<DeviceAddress> = targets.iter().map(|target| target.device).collect();
        let missing = devices::without_session(cx, &list, &of)?;
        let targets: Vec<Target> = targets.into_iter().filter(|t| !missing.contains(&t.device.device)).collect();
        if !missing.is_empty() {
            sessionless.push((account, missing));
        }
        if !targets.is_empty() {
            ready.push((account, targets));
        }
    }
    if !sessionless.is_empty() {
        fetch::bundles(cx, row.id, sessionless);
    }
    let mut store = Protocol::new(cx.tx, &own);
    let id = DistributionId::from_bytes(current.id);
    let bytes = match sender_keys::create_distribution(&mut store, id, &mut cx.core.rng) {
        Ok(bytes) => bytes,
        Err(sender_keys::GroupError::Store(failure)) => return Err(store.failure(&failure)),
        Err(error) => {
            tracing::error!(%error, "no sender key could be made");
            cx.tx.delete_distribution(row.id)?;
            return Ok(());
        }
    };
    let body = pb::content::Body::SenderKeyDistribution(pb::SenderKeyDistribution {
        distribution: Bytes::copy_from_slice(bytes.expose()),
        context: Some(details::context_of(row, state)),
    });
    for batch in ready.chunks(ACCOUNTS_AT_ONCE) {
        if frames >= FRAMES_AT_ONCE {
            break;
        }
        frames += usize::from(send_keys(cx, row.id, current.id, batch, &body)?);
    }
    Ok(())
}

/// One frame. False if nothing could be sealed.
fn send_keys(
    cx: &mut Cx<'_, '_>,
    group: GroupId,
    distribution: [u8; 16],
    batch: &[(AccountId, Vec<Target>)],
    body: &pb::content::Body,
) -> Result<bool, StoreError> {
    let Some(own) = cx.own() else { return Ok(false) };
    let name = cx.new_name();
    let content = pb::Content {
        name: Bytes::copy_from_slice(name.as_bytes()),
        sent_at_ms: cx.now.as_ms(),
        body: Some(body.clone()),
        ..pb::Content::default()
    };
    let (mut to, mut holders) = (Vec::with_capacity(batch.len()), Vec::new());
    for (account, targets) in batch {
        let mut devices = Vec::with_capacity(targets.len());
        for target in targets {
            let mut store = Protocol::new(cx.tx, &own);
            match session::encrypt(&mut store, target.device, content.clone(), cx.now, &mut cx.core.rng) {
                Ok(sealed) => {
                    devices.push(sealed.into_wire(target.device.device));
                    holders.push(KeyHolder { device: target.device, registration_id: target.registration_id });
                }
                Err(EncryptError::Store(failure)) => return Err(store.failure(&failure)),
                Err(EncryptError::UntrustedIdentity { account, .. }) => {
                    cx.tx.mark_contact_stale(account)?;
                    cx.tx.delete_session(target.device)?;
                }
                Err(EncryptError::NoSession | EncryptError::CorruptSession) => cx.tx.delete_session(target.device)?,
                Err(EncryptError::TooLarge | EncryptError::OwnDevice) => {}
            }
        }
        if let Some(list_version) = targets.first().map(|target| target.list_version).filter(|_| !devices.is_empty()) {
            let account_id = Bytes::copy_from_slice(account.as_bytes());
            to.push(pb::AccountCiphertexts { account_id, list_version, devices });
        }
    }
    if to.is_empty() {
        return Ok(false);
    }
    let send = pb::SendKeys {
        client_msg_id: Bytes::copy_from_slice(name.as_bytes()),
        group_id: Bytes::copy_from_slice(group.as_bytes()),
        to,
    };
    cx.core.groups.keys_sent.insert(name, KeysSent { group, distribution, holders, since: cx.now });
    connection::send(cx, pb::client_frame::Body::SendKeys(send));
    Ok(true)
}

/// True if the answer was to keys.
pub(crate) fn on_keys_accepted(cx: &mut Cx<'_, '_>, name: ClientMsgId) -> Result<bool, StoreError> {
    let Some(sent) = cx.core.groups.keys_sent.remove(&name) else { return Ok(false) };
    cx.tx.put_key_holders(&sent.distribution, &sent.holders)?;
    cx.core.groups.live(sent.group).refused = 0;
    Ok(true)
}

pub(crate) fn on_keys_mismatch(cx: &mut Cx<'_, '_>, mismatch: &pb::DeviceMismatch) -> Result<bool, StoreError> {
    let Ok(name) = ClientMsgId::try_from(&mismatch.client_msg_id[..]) else { return Ok(false) };
    let Some(sent) = cx.core.groups.keys_sent.remove(&name) else { return Ok(false) };
    for list in &mismatch.lists {
        let account = <pb::DeviceList as prost::Message>::decode(list.payload.clone())
            .ok()
            .and_then(|list| AccountId::try_from(&list.account_id[..]).ok());
        if let Some(account) = account {
            trust::offer_list(cx, account, SignedDeviceList::from(list.clone()))?;
        }
    }
    // The roster is another one too.
    cx.tx.set_group_stale(sent.group, true)?;
    Ok(true)
}

pub(crate) fn on_keys_refused(
    cx: &mut Cx<'_, '_>,
    name: ClientMsgId,
    code: Option<ErrorCode>,
) -> Result<bool, StoreError> {
    let Some(sent) = cx.core.groups.keys_sent.remove(&name) else { return Ok(false) };
    tracing::info!(?code, "keys were refused");
    cx.tx.set_group_stale(sent.group, true)?;
    fetch::delay(cx, sent.group);
    Ok(true)
}

/// Who came gets key and context without waiting for a message, also after a restart.
pub(super) fn context_due(cx: &mut Cx<'_, '_>, group: GroupId) -> Result<(), StoreError> {
    cx.core.groups.contexts_due.insert(group, ());
    set_context_due(cx, group, true)
}

fn no_context_due(cx: &mut Cx<'_, '_>, group: GroupId) -> Result<(), StoreError> {
    if cx.core.groups.contexts_due.remove(&group).is_some() { set_context_due(cx, group, false) } else { Ok(()) }
}

fn set_context_due(cx: &mut Cx<'_, '_>, group: GroupId, due: bool) -> Result<(), StoreError> {
    match cx.tx.group(group)?.filter(|row| row.context_due != due) {
        Some(row) => cx.tx.put_group(&Group { context_due: due, ..row }),
        None => Ok(()),
    }
}

/// Another device's key.
pub(crate) fn on_distribution(
    cx: &mut Cx<'_, '_>,
    from: DeviceAddress,
    given: &pb::SenderKeyDistribution,
) -> Result<(), StoreError> {
    let Some(own) = cx.own() else { return Ok(()) };
    let mut store = Protocol::new(cx.tx, &own);
    match sender_keys::process_distribution(&mut store, from, &given.distribution) {
        Ok(_) => {}
        Err(sender_keys::GroupError::Store(failure)) => return Err(store.failure(&failure)),
        Err(error) => {
            tracing::warn!(%from, %error, "a sender key is unusable");
            cx.tx.count("count.dropped", 1)?;
        }
    }
    match &given.context {
        Some(context) => details::on_context(cx, from.account, context),
        None => Ok(()),
    }
}

/// A device says that it lacks the key.
pub(super) fn lost_by(cx: &mut Cx<'_, '_>, group: GroupId, device: DeviceAddress) -> Result<(), StoreError> {
    if let Some(current) = cx.tx.distribution(group)? {
        cx.tx.delete_key_holder(&current.id, device)?;
        cx.core.groups.live(group).ready = None;
        cx.core.groups.contexts_due.insert(group, ());
    }
    Ok(())
}

/// Members who were just added, or whose title changed, get key and context without waiting for a message.
pub(super) fn drive(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    if !cx.core.link.is_up() {
        return Ok(());
    }
    let now = cx.now;
    if cx.core.groups.keys_sent.values().any(|sent| sent.since.plus(ANSWER_TIMEOUT) <= now) {
        connection::lost(cx, None);
        return Ok(());
    }
    for (group, ()) in cx.core.groups.contexts_due.clone() {
        if let Prepared::Never(_) = prepare(cx, group)? {
            no_context_due(cx, group)?;
        }
    }
    Ok(())
}
