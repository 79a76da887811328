//! Registration: an account with its first device.
//! Always true:
//! - the account's identity key is the one that signed its list and its prekeys; nothing else about a person is asked;
//! - the same registration again gets the same answer and changes nothing, so a lost answer does no harm;
//! - an account that a backup did not have comes back by its receipt, with the list its devices already have; only then may
//!   the first list name more than one device.

use crate::config::RegistrationPolicy;
use crate::limiter::AddressLimit;
use crate::prekeys::DeviceKeys;
use crate::proof::{self, ListBytes, OpenedList};
use crate::secrets::{hash_code, off_thread};
use crate::{Domain, Refusal};
use bytes::Bytes;
use sotto_ports::{Account, CreateAccount, CreateOutcome, NewDevice, Recovery};
use sotto_types::{AccountId, DeviceAddress, DeviceId, ErrorCode, Username};
use std::net::IpAddr;

#[derive(Debug, Clone)]
pub struct Register {
    pub account: AccountId,
    pub username: String,
    pub invite: Option<String>,
    /// From an earlier `Registered`.
    pub receipt: Option<String>,
    pub device: DeviceId,
    pub list: ListBytes,
    pub keys: DeviceKeys,
    pub recovery: Recovery,
    pub encrypted_name: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    pub account: AccountId,
    pub username: Username,
    pub device: DeviceId,
    pub receipt: String,
    pub generation: u32,
}

impl Domain {
    pub async fn register(&self, register: Register, ip: IpAddr) -> Result<Registered, Refusal> {
        let now = self.now();
        self.limiter.check_address(AddressLimit::Registration, ip, now)?;
        let username = parse_username(&register.username)?;
        let opened = proof::open_list(&register.list)?;
        if opened.account != register.account || opened.device(register.device).is_none() {
            return Err(list_invalid("the list must be of this account and name the registering device"));
        }
        proof::check_recovery(&register.recovery)?;
        proof::check_encrypted_name(&register.encrypted_name)?;

        if let Some(account) = self.parts.directory.account(register.account).await? {
            return self.registered_before(&account, &username, &register, &opened).await;
        }
        let comes_back = register.receipt.as_ref().is_some_and(|receipt| {
            self.restored.takes_receipts(now) && self.secret.is_receipt(register.account, receipt)
        });
        if !comes_back && opened.list.devices.len() != 1 {
            return Err(list_invalid("the first list of an account names one device"));
        }
        let invite = if comes_back { None } else { self.invite_to_use(register.invite.as_deref())? };

        let keys = register.keys.check_shape()?;
        let identity = opened.identity;
        let keys = off_thread(move || proof::check_prekeys(&identity, &keys).map(|()| keys)).await?;
        let others: Vec<DeviceId> =
            opened.list.devices.iter().map(|device| device.id).filter(|id| *id != register.device).collect();
        let create = CreateAccount {
            account: Account {
                id: register.account,
                username: username.clone(),
                identity_key: opened.identity_bytes(),
                recovery: register.recovery,
                disabled: false,
                created: now,
            },
            list: opened.list,
            device: NewDevice {
                id: register.device,
                encrypted_name: register.encrypted_name,
                keys: keys.into_upload(),
                now,
            },
            invite,
        };
        match self.parts.directory.create_account(create).await? {
            CreateOutcome::Created => {}
            CreateOutcome::UsernameTaken => {
                return Err(Refusal::new(ErrorCode::UsernameTaken, format!("the username {username} is taken")));
            }
            CreateOutcome::AccountExists => return Err(exists()),
            CreateOutcome::InviteInvalid => return Err(invite_invalid()),
        }
        for device in others {
            // They have no record yet, and must not count as absent since 1970.
            self.parts.directory.touch_device(DeviceAddress::new(register.account, device), now).await?;
        }
        Ok(self.registered(register.account, username, register.device))
    }

    /// A repeat is recognized by what only the registering client knows: the public recovery key was never shown to anyone.
    async fn registered_before(
        &self,
        account: &Account,
        username: &Username,
        register: &Register,
        opened: &OpenedList,
    ) -> Result<Registered, Refusal> {
        let device = self.parts.directory.device(DeviceAddress::new(account.id, register.device)).await?;
        let same = account.identity_key == opened.identity_bytes()
            && account.username == *username
            && account.recovery.auth_key == register.recovery.auth_key
            && device.is_some_and(|device| opened.device(register.device) == Some(&device.listed));
        if !same {
            return Err(exists());
        }
        Ok(self.registered(account.id, username.clone(), register.device))
    }

    fn registered(&self, account: AccountId, username: Username, device: DeviceId) -> Registered {
        let receipt = self.secret.receipt(account);
        Registered { account, username, device, receipt, generation: self.generation() }
    }

    /// The hash of the invite to use up, if the policy asks for one.
    fn invite_to_use(&self, invite: Option<&str>) -> Result<Option<[u8; 32]>, Refusal> {
        match self.config.registration {
            RegistrationPolicy::Open => Ok(None),
            RegistrationPolicy::Invite => {
                let code = invite.map(fold_invite).filter(|code| !code.is_empty()).ok_or_else(invite_invalid)?;
                Ok(Some(hash_code(&code)))
            }
            RegistrationPolicy::Closed => {
                Err(Refusal::new(ErrorCode::RegistrationClosed, "this server takes no new accounts"))
            }
        }
    }
}

/// People type invites: case and separators do not matter.
pub(super) fn fold_invite(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).take(64).collect()
}

pub(crate) fn parse_username(text: &str) -> Result<Username, Refusal> {
    Username::parse(text).map_err(|error| Refusal::new(ErrorCode::UsernameInvalid, error.to_string()))
}

fn list_invalid(detail: &str) -> Refusal {
    Refusal::new(ErrorCode::ListInvalid, detail)
}

fn exists() -> Refusal {
    Refusal::new(ErrorCode::AccountExists, "the account id is registered with other keys or another name")
}

fn invite_invalid() -> Refusal {
    Refusal::new(ErrorCode::InviteInvalid, "the invite is unknown, expired or used up")
}
