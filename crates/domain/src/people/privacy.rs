use crate::limiter::Subject;
use crate::{Domain, Refusal, SignedIn};
use sotto_ports::{Privacy, PrivacyRule, StoreError};
use sotto_types::{AccountId, ErrorCode, limits};
use std::sync::Arc;

#[derive(Debug, Clone, thiserror::Error)]
pub enum PrivacyRefused {
    /// What is in force: another device changed it meanwhile.
    #[error("the settings were changed meanwhile")]
    Conflict(Arc<Privacy>),
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl From<StoreError> for PrivacyRefused {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

impl Domain {
    pub async fn privacy(&self, who: &SignedIn) -> Result<Arc<Privacy>, Refusal> {
        Ok(self.people.store.privacy(who.address.account).await?)
    }

    /// Replaces the settings of this version. The same again, as after a lost answer, is done already.
    pub async fn set_privacy(&self, who: &SignedIn, mut privacy: Privacy) -> Result<Arc<Privacy>, PrivacyRefused> {
        let own = who.address.account;
        self.limiter.check(Subject::Changes(own), self.now())?;
        let Privacy { last_seen, picture, about, group_adds, .. } = &mut privacy;
        for rule in [last_seen, picture, about, group_adds] {
            check_rule(own, rule)?;
        }
        let too_far = || Refusal::new(ErrorCode::BadRequest, "the version is no version of these settings");
        privacy.version = privacy.version.checked_add(1).ok_or_else(too_far)?;
        let store = &self.people.store;
        if store.set_privacy(own, privacy.clone()).await? {
            self.people.account_changed(own);
            return Ok(Arc::new(privacy));
        }
        let current = store.privacy(own).await?;
        if *current == privacy { Ok(current) } else { Err(PrivacyRefused::Conflict(current)) }
    }
}

fn check_rule(own: AccountId, rule: &mut PrivacyRule) -> Result<(), Refusal> {
    if rule.except.len() > limits::PRIVACY_EXCEPTIONS {
        let detail = format!("a setting has at most {} exceptions", limits::PRIVACY_EXCEPTIONS);
        return Err(Refusal::new(ErrorCode::BadRequest, detail));
    }
    rule.except.retain(|account| *account != own);
    rule.except.sort_unstable();
    rule.except.dedup();
    Ok(())
}
