use parking_lot::RwLock;
use sotto_ports::{Audience, DirectoryStore, PeopleStore, Privacy, PrivacyRule, StoreError};
use sotto_types::AccountId;
use std::fmt;
use std::sync::{Arc, Weak};

/// Hears when it may have changed who sees whom. Called after the change is stored; it must not block or wait.
pub trait PeopleObserver: Send + Sync {
    /// Ask again what `viewer` (`None`: anybody) may see of `subject`. Of a pair both directions are told, one call each. With
    /// `None` also what `subject` may see of others is to be asked again, since hiding goes both ways.
    fn visibility_changed(&self, subject: AccountId, viewer: Option<AccountId>);
}

/// Answers who may see what of whom.
pub struct People {
    pub(super) store: Arc<dyn PeopleStore>,
    directory: Arc<dyn DirectoryStore>,
    requests: bool,
    observers: RwLock<Vec<Weak<dyn PeopleObserver>>>,
}

impl fmt::Debug for People {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("People").field("requests", &self.requests).finish_non_exhaustive()
    }
}

impl People {
    pub(crate) fn new(store: Arc<dyn PeopleStore>, directory: Arc<dyn DirectoryStore>, requests: bool) -> Self {
        Self { store, directory, requests, observers: RwLock::default() }
    }

    /// It is told as long as it is there.
    pub fn observe(&self, observer: Weak<dyn PeopleObserver>) {
        self.observers.write().push(observer);
    }

    /// Whether strangers wait until they are accepted; else everybody counts as accepting everybody.
    pub(crate) const fn requests(&self) -> bool {
        self.requests
    }

    /// `owner` takes messages of `other` for wanted.
    pub async fn accepts(&self, owner: AccountId, other: AccountId) -> Result<bool, StoreError> {
        if self.directory.is_blocked(owner, other).await? {
            return Ok(false);
        }
        Ok(!self.requests || self.store.is_contact(owner, other).await?)
    }

    /// Also to oneself. "Everyone" means contacts: only who is accepted may look.
    pub async fn may_see_online(&self, viewer: AccountId, subject: AccountId) -> Result<bool, StoreError> {
        self.both_show(viewer, subject, |privacy| (privacy.online, &[])).await
    }

    pub async fn may_see_last_seen(&self, viewer: AccountId, subject: AccountId) -> Result<bool, StoreError> {
        self.both_show(viewer, subject, |privacy| (privacy.last_seen.audience, &privacy.last_seen.except)).await
    }

    /// Whether `to` is told that `from` is typing: both accept each other.
    pub async fn may_type_to(&self, from: AccountId, to: AccountId) -> Result<bool, StoreError> {
        Ok(from == to || (self.accepts(from, to).await? && self.accepts(to, from).await?))
    }

    /// Neither deleted nor disabled.
    pub(crate) async fn is_there(&self, account: AccountId) -> Result<bool, StoreError> {
        Ok(self.directory.routing(account).await?.is_some_and(|routing| !routing.disabled))
    }

    async fn both_show(
        &self,
        one: AccountId,
        other: AccountId,
        rule: impl Fn(&Privacy) -> (Audience, &[AccountId]) + Send + Sync,
    ) -> Result<bool, StoreError> {
        if one == other {
            return Ok(true);
        }
        for (owner, viewer) in [(one, other), (other, one)] {
            let privacy = self.store.privacy(owner).await?;
            let (audience, except) = rule(&privacy);
            let hidden = audience == Audience::Nobody || except.contains(&viewer);
            if hidden || !self.accepts(owner, viewer).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether two accounts show each other how far they have read.
    pub(crate) async fn show_reading(&self, one: AccountId, other: AccountId) -> Result<bool, StoreError> {
        Ok(self.shows_reading(one, other).await? && self.shows_reading(other, one).await?)
    }

    async fn shows_reading(&self, owner: AccountId, viewer: AccountId) -> Result<bool, StoreError> {
        let audience = self.reading_audience(owner).await?;
        self.is_in(audience, owner, viewer).await
    }

    pub(crate) async fn reading_audience(&self, owner: AccountId) -> Result<Audience, StoreError> {
        Ok(self.store.privacy(owner).await?.read_receipts)
    }

    pub(crate) async fn is_in(
        &self,
        audience: Audience,
        owner: AccountId,
        viewer: AccountId,
    ) -> Result<bool, StoreError> {
        match audience {
            Audience::Everyone => Ok(true),
            Audience::Contacts => self.accepts(owner, viewer).await,
            Audience::Nobody => Ok(false),
        }
    }

    /// Whether `by` may put `member` into a group.
    pub(crate) async fn may_add(&self, by: AccountId, member: AccountId) -> Result<bool, StoreError> {
        let privacy = self.store.privacy(member).await?;
        let PrivacyRule { audience, except } = &privacy.group_adds;
        Ok(!except.contains(&by) && self.is_in(*audience, member, by).await?)
    }

    pub(crate) fn pair_changed(&self, one: AccountId, other: AccountId) {
        self.tell(one, Some(other));
        self.tell(other, Some(one));
    }

    pub(crate) fn account_changed(&self, account: AccountId) {
        self.tell(account, None);
    }

    fn tell(&self, subject: AccountId, viewer: Option<AccountId>) {
        let observers = self.observers.read();
        observers.iter().filter_map(Weak::upgrade).for_each(|observer| observer.visibility_changed(subject, viewer));
    }
}
