//! The operator's side. Whoever can call these owns the machine: no limits, no proof.

use super::register::{fold_invite, parse_username};
use crate::secrets::hash_code;
use crate::sign_in::authenticate::unknown_account;
use crate::{Domain, Refusal};
use sotto_ports::{AccountSummary, Invite};
use sotto_types::{AccountId, DeviceAddress, ErrorCode};
use std::time::Duration;

/// Letters and digits that people do not confuse.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

impl Domain {
    /// A code good for `uses` registrations. Only its hash is kept.
    pub async fn create_invite(&self, uses: u32, ttl: Duration) -> Result<String, Refusal> {
        if uses == 0 || ttl.is_zero() {
            return Err(Refusal::new(ErrorCode::BadRequest, "an invite needs at least one use and some time"));
        }
        let code = invite_code(rand::random());
        let invite = Invite { hash: hash_code(&fold_invite(&code)), uses_left: uses, expires: self.now().plus(ttl) };
        self.parts.directory.put_invite(invite).await?;
        Ok(code)
    }

    /// Ascending by id, following `after`.
    pub async fn list_accounts(&self, after: Option<AccountId>, limit: usize) -> Result<Vec<AccountSummary>, Refusal> {
        Ok(self.parts.directory.list_accounts(after, limit).await?)
    }

    /// Disabled: nobody signs in, what is sent to it is dropped; nothing is deleted. `disabled = false` ends that.
    pub async fn disable_account(&self, name: &str, disabled: bool) -> Result<AccountId, Refusal> {
        let id = self.account_named(name).await?;
        if !self.parts.directory.set_disabled(id, disabled).await? {
            return Err(unknown_account());
        }
        self.people.account_changed(id);
        if disabled && let Some(routing) = self.parts.directory.routing(id).await? {
            for (device, ..) in &routing.devices {
                self.parts.connections.close(DeviceAddress::new(id, *device), ErrorCode::AccountDisabled);
            }
        }
        Ok(id)
    }

    pub async fn delete_account_by_name(&self, name: &str) -> Result<AccountId, Refusal> {
        let id = self.account_named(name).await?;
        self.remove_account(id).await?;
        Ok(id)
    }

    async fn account_named(&self, name: &str) -> Result<AccountId, Refusal> {
        self.parts.directory.find_username(&parse_username(name)?).await?.ok_or_else(unknown_account)
    }
}

/// 100 bits in groups of five: "abcde-fghij-kmnpq-rstuv".
fn invite_code(random: [u8; 20]) -> String {
    let letter = |byte: u8| char::from(ALPHABET.get(usize::from(byte & 31)).copied().unwrap_or(b'a'));
    let groups = random.chunks(5).map(|group| group.iter().map(|byte| letter(*byte)).collect::<String>());
    groups.collect::<Vec<_>>().join("-")
}
