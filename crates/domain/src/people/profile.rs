use crate::limiter::Subject;
use crate::{Domain, Refusal, SignedIn};
use sotto_ports::Profile;
use sotto_types::{AccountId, ErrorCode, ProfileKeyId, limits};

/// JavaScript's numbers are exact up to here.
const VERSION_MAX: u64 = (1 << 53) - 1;

impl Domain {
    /// Replaces an older profile. The same again, as after a lost answer, is done already.
    pub async fn put_profile(&self, who: &SignedIn, profile: Profile) -> Result<(), Refusal> {
        let own = who.address.account;
        self.limiter.check(Subject::Changes(own), self.now())?;
        if profile.ciphertext.is_empty() || !(1..=VERSION_MAX).contains(&profile.version) {
            let detail = format!("a profile has a ciphertext and a version from 1 to {VERSION_MAX}");
            return Err(Refusal::new(ErrorCode::BadRequest, detail));
        }
        if profile.ciphertext.len() > limits::PROFILE_BYTES {
            return Err(Refusal::new(ErrorCode::TooLarge, "the profile is over 66 KiB"));
        }
        if !self.people.store.put_profile(own, profile).await? {
            return Err(Refusal::new(ErrorCode::ProfileConflict, "the stored profile is not older than this one"));
        }
        Ok(())
    }

    /// For devices that do not know the version or the key any more.
    pub async fn own_profile(&self, who: &SignedIn) -> Result<Profile, Refusal> {
        self.people.store.profile(who.address.account).await?.ok_or_else(no_profile)
    }

    /// For who names its key. No account, no profile, another key and being blocked are one answer.
    pub async fn profile(&self, who: &SignedIn, of: AccountId, key_id: ProfileKeyId) -> Result<Profile, Refusal> {
        let own = who.address.account;
        self.limiter.check(Subject::DeviceLists(own), self.now())?;
        let profile = self.people.store.profile(of).await?;
        let blocked = self.parts.directory.is_blocked(of, own).await?;
        profile.filter(|profile| profile.key_id == key_id && !blocked).ok_or_else(no_profile)
    }
}

fn no_profile() -> Refusal {
    Refusal::new(ErrorCode::NotFound, "there is no profile of this account under this key")
}
