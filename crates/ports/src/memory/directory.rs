use super::{MemoryStore, State, prekeys::Keys};
use crate::directory::NAME_HELD;
use crate::{
    Account, AccountSummary, CreateAccount, CreateOutcome, Device, DeviceChange, DeviceChangeOutcome, DirectoryStore,
    Invite, ListedDevice, NewDevice, Recovery, Routing, SignedDeviceList, StoreError,
};
use async_trait::async_trait;
use bytes::Bytes;
use sotto_types::{AccountId, DeviceAddress, DeviceId, Timestamp, Username};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

pub(super) struct AccountState {
    account: Account,
    pub list: SignedDeviceList,
    pub devices: BTreeMap<DeviceId, DeviceState>,
}

pub(super) struct DeviceState {
    pub device: Device,
    pub keys: Keys,
}

/// Who has a username.
pub(super) enum Name {
    Of(AccountId),
    /// Its account was deleted; nobody may have it before this time.
    Held(Timestamp),
}

impl Name {
    pub fn lapsed(&self, now: Timestamp) -> bool {
        matches!(self, Self::Held(until) if State::past(*until, now))
    }
}

impl DeviceState {
    fn new(listed: ListedDevice, new: NewDevice) -> Self {
        let device = Device {
            listed,
            encrypted_name: new.encrypted_name,
            created: new.now,
            last_seen: new.now,
            suspended: false,
        };
        let mut keys = Keys::default();
        keys.put(new.keys);
        Self { device, keys }
    }
}

impl State {
    fn change_devices(&mut self, change: DeviceChange) -> DeviceChangeOutcome {
        let Some(account) = self.accounts.get_mut(&change.account) else { return DeviceChangeOutcome::UnknownAccount };
        if account.list.version != change.expect_version || change.list.version <= change.expect_version {
            return DeviceChangeOutcome::Conflict;
        }
        if let Some((identity_key, recovery)) = change.identity {
            account.account.identity_key = identity_key;
            account.account.recovery = recovery;
        }
        let mut before = std::mem::take(&mut account.devices);
        let mut added: BTreeMap<DeviceId, NewDevice> = change.add.into_iter().map(|new| (new.id, new)).collect();
        let mut emptied = Vec::new();
        for listed in &change.list.devices {
            let kept = before.remove(&listed.id);
            let device = match (added.remove(&listed.id), kept) {
                (None, Some(mut kept)) => {
                    kept.device.listed = *listed;
                    kept
                }
                (new, _) => {
                    emptied.push(listed.id);
                    DeviceState::new(*listed, new.unwrap_or_else(|| NewDevice::nameless(listed.id)))
                }
            };
            account.devices.insert(listed.id, device);
        }
        for rekey in change.rekey {
            if let Some(device) = account.devices.get_mut(&rekey.device) {
                device.keys.put(rekey.keys);
                if let Some(name) = rekey.encrypted_name {
                    device.device.encrypted_name = name;
                }
            }
        }
        account.list = change.list;
        let removed: Vec<DeviceId> = before.into_keys().collect();
        for id in &removed {
            self.drop_cursors(DeviceAddress::new(change.account, *id));
        }
        for id in &emptied {
            let of = DeviceAddress::new(change.account, *id);
            self.inboxes.remove(&of);
            self.begin_cursors(of);
        }
        self.raise_rosters(change.account);
        DeviceChangeOutcome::Changed { removed }
    }
}

#[async_trait]
impl DirectoryStore for MemoryStore {
    async fn create_account(&self, create: CreateAccount) -> Result<CreateOutcome, StoreError> {
        let mut state = self.state.lock();
        let CreateAccount { account, list, device, invite } = create;
        let now = device.now;
        if state.accounts.contains_key(&account.id) {
            return Ok(CreateOutcome::AccountExists);
        }
        if let Some(hash) = &invite
            && !state.invites.get(hash).is_some_and(|i| i.uses_left > 0 && !State::past(i.expires, now))
        {
            return Ok(CreateOutcome::InviteInvalid);
        }
        if state.names.get(&account.username).is_some_and(|name| !name.lapsed(now)) {
            return Ok(CreateOutcome::UsernameTaken);
        }
        if let Some(invite) = invite.and_then(|hash| state.invites.get_mut(&hash)) {
            invite.uses_left -= 1;
        }
        state.names.insert(account.username.clone(), Name::Of(account.id));
        let mut new = Some(device);
        let devices = list.devices.iter().map(|listed| {
            let device = new.take_if(|new| new.id == listed.id).unwrap_or_else(|| NewDevice::nameless(listed.id));
            (listed.id, DeviceState::new(*listed, device))
        });
        let devices = devices.collect();
        state.accounts.insert(account.id, AccountState { account, list, devices });
        Ok(CreateOutcome::Created)
    }

    async fn account(&self, id: AccountId) -> Result<Option<Arc<Account>>, StoreError> {
        Ok(self.state.lock().accounts.get(&id).map(|state| Arc::new(state.account.clone())))
    }

    async fn find_username(&self, username: &Username) -> Result<Option<AccountId>, StoreError> {
        Ok(self.state.lock().names.get(username).and_then(|name| match name {
            Name::Of(account) => Some(*account),
            Name::Held(_) => None,
        }))
    }

    async fn routing(&self, id: AccountId) -> Result<Option<Arc<Routing>>, StoreError> {
        Ok(self.state.lock().accounts.get(&id).map(|state| {
            let devices = state.devices.values().map(|d| &d.device);
            Arc::new(Routing {
                account: id,
                disabled: state.account.disabled,
                list_version: state.list.version,
                devices: devices.map(|d| (d.listed.id, d.listed.registration_id, d.suspended)).collect(),
            })
        }))
    }

    async fn signed_list(&self, id: AccountId) -> Result<Option<SignedDeviceList>, StoreError> {
        Ok(self.state.lock().accounts.get(&id).map(|state| state.list.clone()))
    }

    async fn device(&self, of: DeviceAddress) -> Result<Option<Device>, StoreError> {
        let state = self.state.lock();
        let device = state.accounts.get(&of.account).and_then(|account| account.devices.get(&of.device));
        Ok(device.map(|device| device.device.clone()))
    }

    async fn devices(&self, of: AccountId) -> Result<Vec<Device>, StoreError> {
        let state = self.state.lock();
        let account = state.accounts.get(&of);
        Ok(account.map_or_else(Vec::new, |a| a.devices.values().map(|d| d.device.clone()).collect()))
    }

    async fn change_devices(&self, change: DeviceChange) -> Result<DeviceChangeOutcome, StoreError> {
        Ok(self.state.lock().change_devices(change))
    }

    async fn touch_device(&self, of: DeviceAddress, seen: Timestamp) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        let device = state.accounts.get_mut(&of.account).and_then(|account| account.devices.get_mut(&of.device));
        if let Some(device) = device {
            device.device.last_seen = device.device.last_seen.max(seen);
        }
        Ok(())
    }

    async fn note_last_seen(&self, people: &[(AccountId, Timestamp)]) -> Result<(), StoreError> {
        let state = &mut *self.state.lock();
        for (account, seen) in people {
            if state.accounts.contains_key(account) {
                let last_seen = state.last_seen.entry(*account).or_default();
                *last_seen = seen.max(last_seen).to_owned();
            }
        }
        Ok(())
    }

    async fn last_seen(&self, of: AccountId) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.state.lock().last_seen.get(&of).copied())
    }

    async fn suspend_absent(&self, before: Timestamp, limit: usize) -> Result<Vec<DeviceAddress>, StoreError> {
        let mut state = self.state.lock();
        let mut suspended = Vec::new();
        for (account, of) in &mut state.accounts {
            for (id, device) in &mut of.devices {
                let device = &mut device.device;
                if suspended.len() < limit && !device.suspended && device.last_seen < before {
                    device.suspended = true;
                    suspended.push(DeviceAddress::new(*account, *id));
                }
            }
        }
        for of in &suspended {
            state.raise_rosters(of.account);
        }
        Ok(suspended)
    }

    async fn set_recovery(&self, of: AccountId, current: &Recovery, new: Recovery) -> Result<bool, StoreError> {
        let mut state = self.state.lock();
        let account = state.accounts.get_mut(&of).filter(|state| state.account.recovery == *current);
        Ok(account.map(|state| state.account.recovery = new).is_some())
    }

    async fn set_disabled(&self, of: AccountId, disabled: bool) -> Result<bool, StoreError> {
        let mut state = self.state.lock();
        let Some(account) = state.accounts.get_mut(&of) else { return Ok(false) };
        if std::mem::replace(&mut account.account.disabled, disabled) != disabled {
            state.raise_rosters(of);
        }
        Ok(true)
    }

    async fn delete_account(&self, id: AccountId, now: Timestamp) -> Result<bool, StoreError> {
        let mut state = self.state.lock();
        let Some(gone) = state.accounts.remove(&id) else { return Ok(false) };
        state.names.insert(gone.account.username, Name::Held(now.plus(NAME_HELD)));
        state.inboxes.retain(|of, _| of.account != id);
        state.sends.retain(|send, _| send.from.account != id);
        state.watermarks.retain(|(author, _, _), _| *author != id);
        state.dead_letters.retain(|letter| letter.of.account != id);
        state.blocks.retain(|(owner, _)| *owner != id);
        state.contacts.retain(|(owner, _)| *owner != id);
        state.privacy.remove(&id);
        state.profiles.remove(&id);
        state.reports.retain(|_, report| report.report.reporter != id);
        state.last_seen.remove(&id);
        state.leave_groups(id);
        Ok(true)
    }

    async fn list_accounts(&self, after: Option<AccountId>, limit: usize) -> Result<Vec<AccountSummary>, StoreError> {
        let state = self.state.lock();
        let following = after.map_or(Bound::Unbounded, Bound::Excluded);
        let accounts = state.accounts.range((following, Bound::Unbounded)).take(limit);
        let summaries = accounts.map(|(id, state)| AccountSummary {
            id: *id,
            username: state.account.username.clone(),
            devices: state.devices.len(),
            disabled: state.account.disabled,
            created: state.account.created,
            last_seen: state.devices.values().map(|d| d.device.last_seen).max().unwrap_or_default(),
        });
        Ok(summaries.collect())
    }

    async fn set_block(&self, owner: AccountId, other: AccountId, blocked: bool) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        if blocked && state.accounts.contains_key(&owner) {
            state.blocks.insert((owner, other));
        } else {
            state.blocks.remove(&(owner, other));
        }
        Ok(())
    }

    async fn blocks(&self, owner: AccountId) -> Result<Vec<AccountId>, StoreError> {
        Ok(self.state.lock().blocks.iter().filter(|(of, _)| *of == owner).map(|(_, other)| *other).collect())
    }

    async fn is_blocked(&self, owner: AccountId, other: AccountId) -> Result<bool, StoreError> {
        Ok(self.state.lock().blocks.contains(&(owner, other)))
    }

    async fn put_invite(&self, invite: Invite) -> Result<(), StoreError> {
        self.state.lock().invites.insert(invite.hash, invite);
        Ok(())
    }
}

impl NewDevice {
    /// What the store knows of a listed device that came without a record: nothing.
    pub fn nameless(id: DeviceId) -> Self {
        Self { id, encrypted_name: Bytes::new(), keys: crate::PreKeyUpload::default(), now: Timestamp::ZERO }
    }
}
