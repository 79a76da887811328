use crate::people::People;
use async_trait::async_trait;
use sotto_ports::StoreError;
use sotto_types::AccountId;

/// Who may see whom. It is asked when somebody subscribes, and again after `Presence::visibility_changed`. About an account that
/// does not exist the answer is no.
#[async_trait]
pub trait Visibility: Send + Sync {
    async fn may_see_online(&self, viewer: AccountId, subject: AccountId) -> Result<bool, StoreError>;
    async fn may_see_last_seen(&self, viewer: AccountId, subject: AccountId) -> Result<bool, StoreError>;
    async fn may_type_to(&self, from: AccountId, to: AccountId) -> Result<bool, StoreError>;
}

/// What the settings and the contacts of both say. Whether somebody is there is looked up in any case, so that the time taken
/// does not tell it.
#[async_trait]
impl Visibility for People {
    async fn may_see_online(&self, viewer: AccountId, subject: AccountId) -> Result<bool, StoreError> {
        Ok(self.is_there(subject).await? & Self::may_see_online(self, viewer, subject).await?)
    }

    async fn may_see_last_seen(&self, viewer: AccountId, subject: AccountId) -> Result<bool, StoreError> {
        Ok(self.is_there(subject).await? & Self::may_see_last_seen(self, viewer, subject).await?)
    }

    async fn may_type_to(&self, from: AccountId, to: AccountId) -> Result<bool, StoreError> {
        Ok(self.is_there(to).await? & Self::may_type_to(self, from, to).await?)
    }
}
