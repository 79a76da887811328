use super::MemoryStore;
use crate::{ContactChange, PeopleStore, Privacy, Profile, Step, StoreError, WatermarkKind};
use async_trait::async_trait;
use sotto_types::AccountId;
use std::sync::Arc;

#[async_trait]
impl PeopleStore for MemoryStore {
    async fn set_contact(&self, change: ContactChange) -> Result<bool, StoreError> {
        let mut state = self.state.lock();
        let ContactChange { owner, other, is_contact, tell, tell_read, at } = change;
        if !is_contact {
            return Ok(state.contacts.remove(&(owner, other)));
        }
        if !state.accounts.contains_key(&owner) || !state.contacts.insert((owner, other)) {
            return Ok(false);
        }
        let kinds = [Some(WatermarkKind::Delivered), tell_read.then_some(WatermarkKind::Read)];
        let mark = |kind| Some((kind, *state.watermarks.get(&(other, owner, kind))?));
        let steps: Vec<(WatermarkKind, Step)> = kinds.into_iter().flatten().filter_map(mark).collect();
        if !steps.is_empty() {
            for (to, conversation) in tell {
                state.tell_steps(to, conversation, owner, &steps, at);
            }
        }
        state.tell(&*self.feed);
        Ok(true)
    }

    async fn is_contact(&self, owner: AccountId, other: AccountId) -> Result<bool, StoreError> {
        Ok(self.state.lock().contacts.contains(&(owner, other)))
    }

    async fn contacts(&self, owner: AccountId) -> Result<Vec<AccountId>, StoreError> {
        Ok(self.state.lock().contacts.iter().filter(|(of, _)| *of == owner).map(|(_, other)| *other).collect())
    }

    async fn privacy(&self, of: AccountId) -> Result<Arc<Privacy>, StoreError> {
        Ok(self.state.lock().privacy.get(&of).cloned().unwrap_or_default())
    }

    async fn set_privacy(&self, of: AccountId, privacy: Privacy) -> Result<bool, StoreError> {
        let mut state = self.state.lock();
        let current = state.privacy.get(&of).map_or(0, |privacy| privacy.version);
        if !state.accounts.contains_key(&of) || current.checked_add(1) != Some(privacy.version) {
            return Ok(false);
        }
        state.privacy.insert(of, Arc::new(privacy));
        Ok(true)
    }

    async fn profile(&self, of: AccountId) -> Result<Option<Profile>, StoreError> {
        Ok(self.state.lock().profiles.get(&of).cloned())
    }

    async fn put_profile(&self, of: AccountId, profile: Profile) -> Result<bool, StoreError> {
        let mut state = self.state.lock();
        if !state.accounts.contains_key(&of) {
            return Ok(false);
        }
        if let Some(stored) = state.profiles.get(&of)
            && stored.version >= profile.version
        {
            return Ok(*stored == profile);
        }
        state.profiles.insert(of, profile);
        Ok(true)
    }
}
