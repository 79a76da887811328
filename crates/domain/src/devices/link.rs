//! Linking: how an existing device hands a new one the account, through a server that cannot read it.
//! Flow: the new device opens a link session and polls it -> an existing device scans its code, asks for a link code, and
//!       answers the session with the encrypted provisioning message -> the new device adds itself (`add`).
//! Always true:
//! - a poll waits for an event, never in a loop; when the wait is over it looks once more, which is how an answer that came
//!   through another node is seen;
//! - a session is answered once; the answer can be read again until it expires, since an answer may be lost on the way;
//! - codes are kept as hashes.

use super::Current;
use crate::limiter::{AddressLimit, Subject};
use crate::secrets::{hash_code, random_word};
use crate::sign_in::authenticate::unlinked;
use crate::{Domain, Refusal, SignedIn, proof};
use bytes::Bytes;
use parking_lot::Mutex;
use sotto_types::{AccountId, DeviceId, ErrorCode, Timestamp, limits};
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

pub(crate) const PROVISIONING_BYTES: usize = 8 * 1024;
/// Longer waits are cut to this.
pub(crate) const POLL_MAX: Duration = Duration::from_secs(25);
const LINK_WORD_BYTES: usize = 32;

#[derive(Clone, PartialEq, Eq)]
pub struct NewLinkSession {
    pub link: String,
    pub expires: Timestamp,
}

#[derive(Clone, PartialEq, Eq)]
pub struct NewLinkCode {
    pub link_code: String,
    pub device: DeviceId,
    pub expires: Timestamp,
}

macro_rules! hide_secrets {
    ($($name:ident)*) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("expires", &self.expires).finish_non_exhaustive()
            }
        })*
    };
}

hide_secrets!(NewLinkSession NewLinkCode);

/// Polls waiting in this process, by link.
#[derive(Debug)]
pub(crate) struct LinkWaiters {
    max: usize,
    waiting: Mutex<HashMap<String, (Arc<Notify>, usize)>>,
}

/// One waiting poll; leaving forgets the link when it was the last.
struct Waiter<'a> {
    waiters: &'a LinkWaiters,
    link: &'a str,
    answered: Arc<Notify>,
}

impl LinkWaiters {
    pub fn new(max: usize) -> Self {
        Self { max, waiting: Mutex::default() }
    }

    fn wait<'a>(&'a self, link: &'a str) -> Option<Waiter<'a>> {
        let mut waiting = self.waiting.lock();
        if waiting.len() >= self.max && !waiting.contains_key(link) {
            return None;
        }
        let (answered, count) = waiting.entry(link.to_owned()).or_default();
        *count += 1;
        Some(Waiter { waiters: self, link, answered: Arc::clone(answered) })
    }

    fn answered(&self, link: &str) {
        if let Some((answered, _)) = self.waiting.lock().get(link) {
            answered.notify_waiters();
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut waiting = self.waiters.waiting.lock();
        if let Some((_, count)) = waiting.get_mut(self.link) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(self.link);
            }
        }
    }
}

impl Domain {
    /// For a device that has no account yet.
    pub async fn open_link(&self, ip: IpAddr) -> Result<NewLinkSession, Refusal> {
        let now = self.now();
        self.limiter.check_address(AddressLimit::Link, ip, now)?;
        self.limiter.check(Subject::AllLinks, now)?;
        let link = random_word();
        let expires = now.plus(limits::LINK);
        if !self.parts.ephemeral.put_new(&link_key(&link)?, Bytes::new(), expires, now).await? {
            return Err(Refusal::new(ErrorCode::Internal, "a random word came twice"));
        }
        Ok(NewLinkSession { link, expires })
    }

    /// The encrypted provisioning message, as soon as it is there; `None` if it did not come within `wait`.
    pub async fn poll_link(&self, link: &str, wait: Duration, ip: IpAddr) -> Result<Option<Bytes>, Refusal> {
        self.limiter.check_address(AddressLimit::LinkPoll, ip, self.now())?;
        let busy = || Refusal::unavailable("too many link sessions are waiting", Duration::from_secs(5));
        let waiter = self.link_waiters.wait(link).ok_or_else(busy)?;
        let answered = waiter.answered.notified();
        tokio::pin!(answered);
        // Before the look: an answer between the look and the wait must wake it.
        answered.as_mut().enable();
        let there = self.link_answer(link).await?;
        if there.is_some() || wait.is_zero() {
            return Ok(there);
        }
        tokio::time::timeout(wait.min(POLL_MAX), answered).await.ok();
        self.link_answer(link).await
    }

    pub async fn answer_link(&self, who: &SignedIn, link: &str, provisioning: Bytes) -> Result<(), Refusal> {
        self.limiter.check(Subject::Changes(who.address.account), self.now())?;
        if provisioning.is_empty() {
            return Err(Refusal::new(ErrorCode::BadRequest, "the provisioning message is missing"));
        }
        if provisioning.len() > PROVISIONING_BYTES {
            let detail = format!("the provisioning message is over {PROVISIONING_BYTES} bytes");
            return Err(Refusal::new(ErrorCode::TooLarge, detail));
        }
        match self.link_answer(link).await? {
            Some(same) if same == provisioning => return Ok(()),
            Some(_) => return Err(Refusal::new(ErrorCode::BadRequest, "the link session is answered already")),
            None => {}
        }
        if !self.parts.ephemeral.replace(&link_key(link)?, provisioning, self.now()).await? {
            return Err(expired());
        }
        self.link_waiters.answered(link);
        Ok(())
    }

    /// A code with which one new device may add itself.
    pub async fn make_link_code(&self, who: &SignedIn) -> Result<NewLinkCode, Refusal> {
        let account = who.address.account;
        self.limiter.check(Subject::Changes(account), self.now())?;
        let Current { list, .. } = self.current(account).await?;
        if list.devices.len() >= limits::DEVICES_PER_ACCOUNT {
            return Err(proof::too_many_devices());
        }
        let device = self.free_device_id(account, &list).await?;
        let maker = list.devices.iter().find(|listed| listed.id == who.address.device).ok_or_else(unlinked)?;
        self.grant_link_code(account, device, maker.auth_key, false).await
    }

    pub(crate) async fn grant_link_code(
        &self,
        account: AccountId,
        device: DeviceId,
        by: [u8; 32],
        recovery: bool,
    ) -> Result<NewLinkCode, Refusal> {
        let now = self.now();
        let link_code = random_word();
        let expires = now.plus(limits::LINK);
        let grant = Grant { account, device, by, expires, state: GrantState::Open { recovery } };
        if !self.parts.ephemeral.put_new(&code_key(&link_code), grant.to_bytes(), expires, now).await? {
            return Err(Refusal::new(ErrorCode::Internal, "a random word came twice"));
        }
        Ok(NewLinkCode { link_code, device, expires })
    }

    async fn link_answer(&self, link: &str) -> Result<Option<Bytes>, Refusal> {
        let answer = self.parts.ephemeral.get(&link_key(link)?, self.now()).await?.ok_or_else(expired)?;
        Ok(Some(answer).filter(|answer| !answer.is_empty()))
    }
}

fn link_key(link: &str) -> Result<Vec<u8>, Refusal> {
    if link.len() != LINK_WORD_BYTES {
        return Err(expired());
    }
    Ok([b"link/", link.as_bytes()].concat())
}

pub(super) fn code_key(code: &str) -> Vec<u8> {
    [&b"code/"[..], &hash_code(code)].concat()
}

fn expired() -> Refusal {
    Refusal::new(ErrorCode::LinkExpired, "the link session is gone; begin again with a new code")
}

/// What a link code allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grant {
    pub account: AccountId,
    pub device: DeviceId,
    /// The auth key of the device that made it, or of the recovery code: it is good only as long as that is.
    pub by: [u8; 32],
    pub expires: Timestamp,
    pub state: GrantState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GrantState {
    Open {
        /// From the recovery code, which outranks devices: others may be dropped along the way.
        recovery: bool,
    },
    /// Used for the list with this hash: its sender may ask again, should the answer be lost.
    Used { list: [u8; 32] },
}

impl Grant {
    pub fn to_bytes(self) -> Bytes {
        let mut bytes = Vec::with_capacity(90);
        bytes.extend_from_slice(self.account.as_bytes());
        bytes.push(self.device.get());
        bytes.extend_from_slice(&self.by);
        bytes.extend_from_slice(&self.expires.as_ms().to_be_bytes());
        match self.state {
            GrantState::Open { recovery } => bytes.push(u8::from(recovery)),
            GrantState::Used { list } => {
                bytes.push(2);
                bytes.extend_from_slice(&list);
            }
        }
        bytes.into()
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (account, rest) = bytes.split_first_chunk::<16>()?;
        let (device, rest) = rest.split_first()?;
        let (by, rest) = rest.split_first_chunk::<32>()?;
        let (expires, rest) = rest.split_first_chunk::<8>()?;
        let state = match rest.split_first()? {
            (0, []) => GrantState::Open { recovery: false },
            (1, []) => GrantState::Open { recovery: true },
            (2, list) => GrantState::Used { list: list.try_into().ok()? },
            _ => return None,
        };
        Some(Self {
            account: AccountId::from_bytes(*account),
            device: DeviceId::try_from(u32::from(*device)).ok()?,
            by: *by,
            expires: Timestamp::from_ms(u64::from_be_bytes(*expires)),
            state,
        })
    }
}
