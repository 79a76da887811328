use super::register::parse_username;
use crate::limiter::Subject;
use crate::prekeys::AccountDevices;
use crate::sign_in::authenticate::unknown_account;
use crate::{Domain, Refusal, SignedIn};
use sotto_types::{AccountId, ErrorCode, Username};

impl Domain {
    /// Exact look-up only, for signed-in devices, slowly: nobody lists the users of a server.
    pub async fn find_username(&self, who: &SignedIn, name: &str) -> Result<(AccountId, Username), Refusal> {
        self.limiter.check(Subject::LookUps(who.address.account), self.now())?;
        let name = parse_username(name)?;
        let found = self.parts.directory.find_username(&name).await?;
        let account = found.ok_or_else(|| Refusal::new(ErrorCode::NotFound, format!("nobody is called {name}")))?;
        Ok((account, name))
    }

    /// Who an account is, and its signed list.
    pub async fn account_devices(&self, who: &SignedIn, of: AccountId) -> Result<AccountDevices, Refusal> {
        self.limiter.check(Subject::DeviceLists(who.address.account), self.now())?;
        let account = self.parts.directory.account(of).await?.ok_or_else(unknown_account)?;
        let list = self.parts.directory.signed_list(of).await?.ok_or_else(unknown_account)?;
        Ok(AccountDevices { username: account.username.clone(), list })
    }
}
