//! Blocks: what a blocked account sends to the blocker is dropped without a word; see `inbox::send`. A contact who is
//! blocked counts as none; see `people`.

use crate::limiter::Subject;
use crate::sign_in::authenticate::unknown_account;
use crate::{Domain, Refusal, SignedIn};
use sotto_types::{AccountId, ErrorCode};

impl Domain {
    /// Ascending.
    pub async fn blocks(&self, who: &SignedIn) -> Result<Vec<AccountId>, Refusal> {
        Ok(self.parts.directory.blocks(who.address.account).await?)
    }

    pub async fn set_block(&self, who: &SignedIn, other: AccountId, blocked: bool) -> Result<(), Refusal> {
        let own = who.address.account;
        self.limiter.check(Subject::Changes(own), self.now())?;
        if other == own {
            return Err(Refusal::new(ErrorCode::BadRequest, "an account cannot block itself"));
        }
        if blocked {
            if self.parts.directory.routing(other).await?.is_none() {
                return Err(unknown_account());
            }
            if self.parts.directory.blocks(own).await?.len() >= self.config.blocks_max {
                let detail = format!("at most {} accounts can be blocked", self.config.blocks_max);
                return Err(Refusal::new(ErrorCode::BadRequest, detail));
            }
        }
        self.parts.directory.set_block(own, other, blocked).await?;
        self.people.pair_changed(own, other);
        Ok(())
    }
}
