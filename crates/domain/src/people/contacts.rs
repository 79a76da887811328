use crate::limiter::Subject;
use crate::{Domain, Refusal, SignedIn};
use sotto_ports::ContactChange;
use sotto_types::{AccountId, Conversation, ErrorCode};

impl Domain {
    /// Ascending.
    pub async fn contacts(&self, who: &SignedIn) -> Result<Vec<AccountId>, Refusal> {
        Ok(self.people.store.contacts(who.address.account).await?)
    }

    /// The person accepted `other`, or wrote first; or takes that back. The answer is the same whoever `other` is, and whether
    /// anybody. Who is accepted now is told how far the person received (and read) what was sent before.
    pub async fn set_contact(&self, who: &SignedIn, other: AccountId, is_contact: bool) -> Result<(), Refusal> {
        let own = who.address.account;
        self.limiter.check(Subject::Contacts(own), self.now())?;
        if other == own {
            return Err(Refusal::new(ErrorCode::BadRequest, "an account is no contact of itself"));
        }
        let people = &self.people;
        if is_contact
            && !people.store.is_contact(own, other).await?
            && people.store.contacts(own).await?.len() >= self.config.contacts_max
        {
            let detail = format!("an account has at most {} contacts", self.config.contacts_max);
            return Err(Refusal::new(ErrorCode::TooManyContacts, detail));
        }
        let directory = &self.parts.directory;
        // Where strangers get receipts too, there is nothing left to tell.
        let tells = is_contact && people.requests() && !directory.is_blocked(own, other).await?;
        let tell = if tells { self.notices(other, Conversation::Peer(own), None).await? } else { Vec::new() };
        let tell_read = tells && people.show_reading(own, other).await? && !directory.is_blocked(other, own).await?;
        let change = ContactChange { owner: own, other, is_contact, tell, tell_read, at: self.now() };
        if people.store.set_contact(change).await? {
            people.pair_changed(own, other);
        }
        Ok(())
    }
}
