use super::Kind;
use super::groups;
use super::prekeys::{put_keys, weight};
use super::reports;
use crate::EmbeddedStore;
use crate::keys::{self, Ending};
use crate::records::{self, Name};
use crate::tables::{Table, Tables, failed};
use crate::txn::Txn;
use async_trait::async_trait;
use fjall::Slice;
use sotto_ports::{
    Account, AccountSummary, CreateAccount, CreateOutcome, Device, DeviceChange, DeviceChangeOutcome, DirectoryStore,
    Invite, ListedDevice, NAME_HELD, NewDevice, Recovery, Routing, SignedDeviceList, StoreError,
};
use sotto_types::{AccountId, DeviceAddress, DeviceId, Timestamp, Username};
use std::ops::Bound;
use std::sync::Arc;

#[async_trait]
impl DirectoryStore for EmbeddedStore {
    async fn create_account(&self, create: CreateAccount) -> Result<CreateOutcome, StoreError> {
        let weight = weight(&create.device.keys);
        self.submit(Kind::GROWS.weighing(weight), move |txn| create_account(txn, create)).await
    }

    async fn account(&self, id: AccountId) -> Result<Option<Arc<Account>>, StoreError> {
        self.accounts.get(id, || load_account(self.tables.get(Table::Accounts, &keys::short(id))?, id))
    }

    async fn find_username(&self, username: &Username) -> Result<Option<AccountId>, StoreError> {
        let record = self.tables.get(Table::Names, username.as_str().as_bytes())?;
        Ok(match record.map(|record| records::name(&record)).transpose()? {
            Some(Name::Of(account)) => Some(account),
            Some(Name::Held(_)) | None => None,
        })
    }

    async fn routing(&self, id: AccountId) -> Result<Option<Arc<Routing>>, StoreError> {
        self.routing.get(id, || {
            let record = self.tables.get(Table::Routing, id.as_bytes())?;
            record.map(|record| records::routing(id, &record)).transpose()
        })
    }

    async fn signed_list(&self, id: AccountId) -> Result<Option<SignedDeviceList>, StoreError> {
        self.tables.get(Table::Lists, id.as_bytes())?.map(|record| records::list(&record)).transpose()
    }

    async fn device(&self, of: DeviceAddress) -> Result<Option<Device>, StoreError> {
        self.tables.get(Table::Devices, &keys::device(of))?.map(|record| records::device(&record)).transpose()
    }

    async fn devices(&self, of: AccountId) -> Result<Vec<Device>, StoreError> {
        devices(&self.tables, of)
    }

    async fn change_devices(&self, change: DeviceChange) -> Result<DeviceChangeOutcome, StoreError> {
        // Unlinking must work on a full disk, adding need not.
        let kind = if change.add.is_empty() { Kind::SHRINKS } else { Kind::GROWS };
        let uploads = change.add.iter().map(|new| &new.keys).chain(change.rekey.iter().map(|rekey| &rekey.keys));
        let weight = uploads.map(weight).sum::<usize>() + 4096;
        self.submit(kind.weighing(weight).scans(), move |txn| change_devices(txn, change)).await
    }

    async fn touch_device(&self, of: DeviceAddress, seen: Timestamp) -> Result<(), StoreError> {
        if self.device(of).await?.is_none_or(|device| device.last_seen >= seen) {
            return Ok(());
        }
        let touch = move |txn: &mut Txn| {
            if let Some(mut device) = read_device(txn, of)?
                && device.last_seen < seen
            {
                device.last_seen = seen;
                put_device(txn, of, &device);
            }
            Ok(())
        };
        self.submit(Kind::SHRINKS, touch).await
    }

    async fn note_last_seen(&self, people: &[(AccountId, Timestamp)]) -> Result<(), StoreError> {
        let people = people.to_vec();
        let kind = Kind::SHRINKS.weighing(64 * people.len() + 256);
        self.submit(kind, move |txn| people.into_iter().try_for_each(|(of, seen)| note_last_seen(txn, of, seen))).await
    }

    async fn last_seen(&self, of: AccountId) -> Result<Option<Timestamp>, StoreError> {
        self.tables.get(Table::Meta, &keys::last_seen(of))?.map(|record| records::last_seen(&record)).transpose()
    }

    async fn suspend_absent(&self, before: Timestamp, limit: usize) -> Result<Vec<DeviceAddress>, StoreError> {
        let absent = self.scan(move |tables| absent(tables, before, limit)).await?;
        if absent.is_empty() {
            return Ok(absent);
        }
        self.submit(Kind::SHRINKS.scans(), move |txn| suspend(txn, absent, before)).await
    }

    async fn set_recovery(&self, of: AccountId, current: &Recovery, new: Recovery) -> Result<bool, StoreError> {
        let current = current.clone();
        let change = move |txn: &mut Txn| match read_account(txn, of)? {
            Some(account) if account.recovery == current => change_account(txn, of, |account| account.recovery = new),
            _ => Ok(false),
        };
        self.submit(Kind::GROWS, change).await
    }

    async fn set_disabled(&self, of: AccountId, disabled: bool) -> Result<bool, StoreError> {
        let change = move |txn: &mut Txn| {
            let Some(routing) = txn.routing(of)? else { return Ok(false) };
            let there = change_account(txn, of, |account| account.disabled = disabled)?;
            if routing.disabled != disabled {
                groups::raise_rosters(txn, of)?;
            }
            put_routing(txn, &Routing { disabled, ..Routing::clone(&routing) });
            Ok(there)
        };
        self.submit(Kind::SHRINKS.scans(), change).await
    }

    async fn delete_account(&self, id: AccountId, now: Timestamp) -> Result<bool, StoreError> {
        // Collected here, since there may be many of everybody's. One that is made meanwhile goes when its time is over.
        let letters = self.scan(move |tables| dead_letters(tables, id)).await?;
        self.submit(Kind::SHRINKS.scans(), move |txn| delete_account(txn, id, now, &letters)).await
    }

    async fn list_accounts(&self, after: Option<AccountId>, limit: usize) -> Result<Vec<AccountSummary>, StoreError> {
        self.scan(move |tables| list_accounts(tables, after, limit)).await
    }

    async fn set_block(&self, owner: AccountId, other: AccountId, blocked: bool) -> Result<(), StoreError> {
        let change = move |txn: &mut Txn| {
            txn.must_be_durable();
            let pair = keys::pair(owner, other);
            txn.changed_tie(owner, other);
            if !blocked {
                txn.remove(Table::Blocks, &pair);
            } else if txn.routing(owner)?.is_some() {
                txn.put(Table::Blocks, &pair, &[crate::codec::V1]);
            }
            Ok(())
        };
        self.submit(Kind::SHRINKS, change).await
    }

    async fn blocks(&self, owner: AccountId) -> Result<Vec<AccountId>, StoreError> {
        others(&self.tables, Table::Blocks, owner)
    }

    async fn is_blocked(&self, owner: AccountId, other: AccountId) -> Result<bool, StoreError> {
        Ok(self.tie(owner, other)?.is_blocked)
    }

    async fn put_invite(&self, invite: Invite) -> Result<(), StoreError> {
        let change = move |txn: &mut Txn| {
            txn.must_be_durable();
            txn.put(Table::Invites, &invite.hash, &records::put_invite(&invite));
            txn.put(Table::Expiry, &keys::ending(invite.expires, Ending::Invite, &invite.hash), &[]);
            Ok(())
        };
        self.submit(Kind::GROWS, change).await
    }
}

/// The others in pairs of this owner.
pub(super) fn others(tables: &Tables, table: Table, owner: AccountId) -> Result<Vec<AccountId>, StoreError> {
    let keys = tables.fixed(table).prefix(owner.as_bytes());
    keys.map(|guard| guard.key().map_err(failed).and_then(|key| keys::second_of_pair(&key))).collect()
}

fn load_account(record: Option<Slice>, id: AccountId) -> Result<Option<Account>, StoreError> {
    let account = record.map(|record| records::account(&record)).transpose()?;
    Ok(account.filter(|account| account.id == id))
}

fn devices(tables: &Tables, of: AccountId) -> Result<Vec<Device>, StoreError> {
    let records = tables.fixed(Table::Devices).prefix(of.as_bytes());
    records.map(|guard| records::device(&guard.value().map_err(failed)?)).collect()
}

fn read_account(txn: &Txn, id: AccountId) -> Result<Option<Account>, StoreError> {
    load_account(txn.get(Table::Accounts, &keys::short(id))?, id)
}

fn read_device(txn: &Txn, of: DeviceAddress) -> Result<Option<Device>, StoreError> {
    txn.get(Table::Devices, &keys::device(of))?.map(|record| records::device(&record)).transpose()
}

fn put_device(txn: &mut Txn, of: DeviceAddress, device: &Device) {
    txn.put(Table::Devices, &keys::device(of), &records::put_device(device));
}

fn put_account(txn: &mut Txn, account: &Account) {
    txn.put(Table::Accounts, &keys::short(account.id), &records::put_account(account));
    txn.changed(account.id);
}

fn put_routing(txn: &mut Txn, routing: &Routing) {
    txn.put(Table::Routing, routing.account.as_bytes(), &records::put_routing(routing));
    txn.changed(routing.account);
}

fn change_account(txn: &mut Txn, id: AccountId, change: impl FnOnce(&mut Account)) -> Result<bool, StoreError> {
    txn.must_be_durable();
    let Some(mut account) = read_account(txn, id)? else { return Ok(false) };
    change(&mut account);
    put_account(txn, &account);
    Ok(true)
}

fn new_device(listed: ListedDevice, new: Option<NewDevice>) -> (Device, Option<NewDevice>) {
    let (name, now) = new.as_ref().map_or_else(Default::default, |new| (new.encrypted_name.clone(), new.now));
    (Device { listed, encrypted_name: name, created: now, last_seen: now, suspended: false }, new)
}

/// Writes the record and the keys of a device that is new in a list.
fn add_device(
    txn: &mut Txn,
    account: AccountId,
    listed: ListedDevice,
    new: Option<NewDevice>,
) -> Result<Device, StoreError> {
    let of = keys::of(account, listed.id);
    let (device, new) = new_device(listed, new);
    put_device(txn, of, &device);
    if let Some(new) = new {
        put_keys(txn, of, new.keys)?;
    }
    Ok(device)
}

fn create_account(txn: &mut Txn, create: CreateAccount) -> Result<CreateOutcome, StoreError> {
    let CreateAccount { account, list, device, invite } = create;
    let (id, now) = (account.id, device.now);
    if txn.get(Table::Accounts, &keys::short(id))?.is_some() {
        return Ok(CreateOutcome::AccountExists);
    }
    let invite = match invite {
        None => None,
        Some(hash) => {
            let record = txn.get(Table::Invites, &hash)?;
            match record.map(|record| records::invite(hash, &record)).transpose()? {
                Some(invite) if invite.uses_left > 0 && invite.expires > now => Some(invite),
                _ => return Ok(CreateOutcome::InviteInvalid),
            }
        }
    };
    let name = account.username.as_str().as_bytes();
    match txn.get(Table::Names, name)?.map(|record| records::name(&record)).transpose()? {
        Some(Name::Of(_)) => return Ok(CreateOutcome::UsernameTaken),
        Some(Name::Held(until)) if until > now => return Ok(CreateOutcome::UsernameTaken),
        Some(Name::Held(_)) | None => {}
    }
    txn.must_be_durable();
    if let Some(invite) = invite {
        let invite = Invite { uses_left: invite.uses_left - 1, ..invite };
        txn.put(Table::Invites, &invite.hash, &records::put_invite(&invite));
    }
    txn.put(Table::Names, name, &records::put_name(Name::Of(id)));
    let mut new = Some(device);
    let mut devices = Vec::with_capacity(list.devices.len());
    for listed in &list.devices {
        let named = new.take_if(|new| new.id == listed.id);
        let mut device = add_device(txn, id, *listed, named)?;
        if device.last_seen < now {
            // A sibling, of an account that a restored server had forgotten: it is not absent, it just has not come yet.
            (device.created, device.last_seen) = (now, now);
            put_device(txn, keys::of(id, listed.id), &device);
        }
        devices.push(device);
    }
    txn.put(Table::Lists, id.as_bytes(), &records::put_list(&list));
    put_routing(txn, &records::routing_of(&account, list.version, &devices));
    put_account(txn, &account);
    Ok(CreateOutcome::Created)
}

/// Everything of one device that is not its record.
fn clear_device(txn: &mut Txn, of: DeviceAddress) -> Result<(), StoreError> {
    txn.clear(Table::Inbox, &keys::inbox(of))?;
    clear_keys(txn, of)
}

/// The same without what waits in its inbox, which may be much.
fn clear_keys(txn: &mut Txn, of: DeviceAddress) -> Result<(), StoreError> {
    for table in [Table::Receipts, Table::PreKeys] {
        txn.clear(table, &keys::device(of))?;
    }
    Ok(())
}

fn change_devices(txn: &mut Txn, change: DeviceChange) -> Result<DeviceChangeOutcome, StoreError> {
    let id = change.account;
    let (Some(mut account), Some(routing)) = (read_account(txn, id)?, txn.routing(id)?) else {
        return Ok(DeviceChangeOutcome::UnknownAccount);
    };
    if routing.list_version != change.expect_version || change.list.version <= change.expect_version {
        return Ok(DeviceChangeOutcome::Conflict);
    }
    txn.must_be_durable();
    let is_listed = |device: &DeviceId| change.list.devices.iter().any(|listed| listed.id == *device);
    let before = routing.devices.iter().map(|(device, _, _)| *device);
    let removed: Vec<DeviceId> = before.filter(|device| !is_listed(device)).collect();
    for device in &removed {
        let of = keys::of(id, *device);
        clear_keys(txn, of)?;
        txn.remove(Table::Devices, &keys::device(of));
        groups::drop_cursors(txn, of)?;
    }
    let mut added = change.add;
    let mut devices = Vec::with_capacity(change.list.devices.len());
    for listed in &change.list.devices {
        let of = keys::of(id, listed.id);
        let new = added.iter().position(|new| new.id == listed.id).map(|place| added.swap_remove(place));
        let device = match (new, read_device(txn, of)?) {
            (None, Some(kept)) => {
                let kept = Device { listed: *listed, ..kept };
                put_device(txn, of, &kept);
                kept
            }
            (new, _) => {
                clear_device(txn, of)?;
                groups::begin_cursors(txn, of)?;
                add_device(txn, id, *listed, new)?
            }
        };
        devices.push(device);
    }
    for rekey in change.rekey {
        let Some(device) = devices.iter_mut().find(|device| device.listed.id == rekey.device) else { continue };
        let of = keys::of(id, rekey.device);
        if let Some(name) = rekey.encrypted_name {
            device.encrypted_name = name;
            put_device(txn, of, device);
        }
        put_keys(txn, of, rekey.keys)?;
    }
    if let Some((identity_key, recovery)) = change.identity {
        account.identity_key = identity_key;
        account.recovery = recovery;
        put_account(txn, &account);
    }
    txn.put(Table::Lists, id.as_bytes(), &records::put_list(&change.list));
    put_routing(txn, &records::routing_of(&account, change.list.version, &devices));
    groups::raise_rosters(txn, id)?;
    Ok(DeviceChangeOutcome::Changed { removed })
}

fn note_last_seen(txn: &mut Txn, of: AccountId, seen: Timestamp) -> Result<(), StoreError> {
    if txn.routing(of)?.is_none() {
        return Ok(());
    }
    let key = keys::last_seen(of);
    let noted = txn.get(Table::Meta, &key)?.map(|record| records::last_seen(&record)).transpose()?;
    if noted.is_none_or(|noted| noted < seen) {
        txn.put(Table::Meta, &key, &records::put_last_seen(seen));
    }
    Ok(())
}

fn absent(tables: &Tables, before: Timestamp, limit: usize) -> Result<Vec<DeviceAddress>, StoreError> {
    let mut absent = Vec::new();
    for guard in tables.fixed(Table::Devices).iter() {
        if absent.len() >= limit {
            break;
        }
        let (key, record) = guard.into_inner().map_err(failed)?;
        let device = records::device(&record)?;
        if !device.suspended && device.last_seen < before {
            absent.push(keys::address(&key)?);
        }
    }
    Ok(absent)
}

fn suspend(txn: &mut Txn, absent: Vec<DeviceAddress>, before: Timestamp) -> Result<Vec<DeviceAddress>, StoreError> {
    txn.must_be_durable();
    let mut suspended = Vec::with_capacity(absent.len());
    for of in absent {
        // Looked at again: it may have come back, or be gone, since the scan.
        let Some(mut device) = read_device(txn, of)?.filter(|d| !d.suspended && d.last_seen < before) else { continue };
        let Some(routing) = txn.routing(of.account)? else { continue };
        device.suspended = true;
        put_device(txn, of, &device);
        let mut routing = Routing::clone(&routing);
        for (id, _, flag) in &mut routing.devices {
            *flag |= *id == of.device;
        }
        put_routing(txn, &routing);
        groups::raise_rosters(txn, of.account)?;
        suspended.push(of);
    }
    Ok(suspended)
}

/// The dead letters of what waited for an account.
fn dead_letters(tables: &Tables, of: AccountId) -> Result<Vec<Slice>, StoreError> {
    let mut letters = Vec::new();
    for guard in tables.fixed(Table::Expiry).iter() {
        let key = guard.key().map_err(failed)?;
        let (_, kind, rest) = keys::parse_ending(&key)?;
        if kind == Ending::DeadLetter && keys::parse_entry(rest)?.0 == keys::short(of) {
            letters.push(Slice::from(&*key));
        }
    }
    Ok(letters)
}

fn delete_account(txn: &mut Txn, id: AccountId, now: Timestamp, letters: &[Slice]) -> Result<bool, StoreError> {
    let Some(account) = read_account(txn, id)? else { return Ok(false) };
    txn.must_be_durable();
    let until = now.plus(NAME_HELD);
    let name = account.username.as_str().as_bytes();
    txn.put(Table::Names, name, &records::put_name(Name::Held(until)));
    txn.put(Table::Expiry, &keys::ending(until, Ending::HeldName, name), &[]);
    // Every key of these begins with the account.
    for table in [Table::Receipts, Table::PreKeys, Table::Devices, Table::Watermarks, Table::Privacy, Table::Profiles] {
        txn.clear(table, id.as_bytes())?;
    }
    for table in [Table::Blocks, Table::Contacts] {
        for key in txn.scan(table, id.as_bytes())? {
            txn.changed_tie(id, keys::second_of_pair(&key)?);
            txn.remove(table, &key);
        }
    }
    let short = keys::short(id);
    let sends = txn.tables.dedup_generations().into_iter().map(Table::Dedup);
    for table in sends.chain([Table::Inbox]) {
        txn.clear(table, &short)?;
    }
    for letter in letters {
        txn.remove(Table::Expiry, letter);
    }
    reports::forget_reporter(txn, id)?;
    groups::leave_groups(txn, id)?;
    txn.remove(Table::Meta, &keys::last_seen(id));
    txn.remove(Table::Accounts, &short);
    for table in [Table::Lists, Table::Routing] {
        txn.remove(table, id.as_bytes());
    }
    txn.changed(id);
    Ok(true)
}

fn list_accounts(tables: &Tables, after: Option<AccountId>, limit: usize) -> Result<Vec<AccountSummary>, StoreError> {
    let following = after.map_or(Bound::Unbounded, |id| Bound::Excluded(keys::short(id)));
    let mut summaries = Vec::new();
    for guard in tables.fixed(Table::Accounts).range((following, Bound::Unbounded)).take(limit) {
        let account = records::account(&guard.value().map_err(failed)?)?;
        let devices = devices(tables, account.id)?;
        summaries.push(AccountSummary {
            id: account.id,
            username: account.username,
            devices: devices.len(),
            disabled: account.disabled,
            created: account.created,
            last_seen: devices.iter().map(|device| device.last_seen).max().unwrap_or_default(),
        });
    }
    Ok(summaries)
}
