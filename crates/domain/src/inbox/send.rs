//! The hot path: one direct send.
//! Flow: sender, shape, rate -> recipient -> device lists -> block -> one atomic commit, which looks for a repeat first.
//! Always true:
//! - the dedup look-up outranks every other check: a retry gets the first answer, whatever changed since. A send that passes
//!   the checks meets it in the commit, one that does not before it is told so: one look-up each, with the same answers;
//! - a message reaches every listed device of both accounts or none;
//! - a message that no device of the recipient will get, because all are suspended, is accepted and has failed;
//! - a sender cannot tell a blocked or disabled recipient from one that is offline;
//! - the lists that were checked are the lists at the commit, else the send is refused as a mismatch.

use crate::limiter::Subject;
use crate::sign_in::authenticate::{disabled, suspended, unlinked};
use crate::{Domain, Refusal, StaleGroup};
use bytes::Bytes;
use sotto_ports::{
    CiphertextType, CommitRefused, Committed, EnvelopeClass, NewEntry, Routing, SendCommit, SignedDeviceList,
    StoreError,
};
use sotto_types::{
    AccountId, ClientMsgId, Conversation, DeviceAddress, DeviceId, ErrorCode, MessageId, SendId, limits,
};
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectCiphertext {
    pub device: DeviceId,
    /// The registration id it was made for.
    pub registration_id: u32,
    pub ciphertext_type: CiphertextType,
    pub ciphertext: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectSend {
    pub client_msg_id: ClientMsgId,
    /// The own account for note-to-self and own-device sync.
    pub recipient: AccountId,
    pub class: EnvelopeClass,
    pub seen: MessageId,
    pub recipient_list_version: u32,
    pub own_list_version: u32,
    pub to_recipient: Vec<DirectCiphertext>,
    pub to_self: Vec<DirectCiphertext>,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum SendRefused {
    /// The current lists of the accounts whose list did not fit. Nothing was stored.
    #[error("the ciphertexts do not fit the current device lists")]
    DeviceMismatch(Vec<SignedDeviceList>),
    /// The group is another one than the message was encrypted for. Nothing was stored.
    #[error("the group changed meanwhile")]
    StaleGroup(StaleGroup),
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl From<StoreError> for SendRefused {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

/// Which device ids a list of ciphertexts names, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Named(u128);

impl Domain {
    pub async fn send_direct(&self, from: DeviceAddress, send: DirectSend) -> Result<Committed, SendRefused> {
        let id = SendId { from, client_msg_id: send.client_msg_id };
        let result = self.check_and_commit(id, send).await;
        self.or_first_answer(id, result).await
    }

    /// What was refused may be a repeat of what was taken.
    pub(crate) async fn or_first_answer(
        &self,
        id: SendId,
        result: Result<Committed, SendRefused>,
    ) -> Result<Committed, SendRefused> {
        let Err(refused) = result else { return result };
        match self.parts.inbox.find_send(&id).await? {
            Some(first) => Ok(self.repeated(first)),
            None => Err(refused),
        }
    }

    async fn check_and_commit(&self, id: SendId, send: DirectSend) -> Result<Committed, SendRefused> {
        let from = id.from;
        let own = self.parts.directory.routing(from.account).await?.ok_or_else(unlinked)?;
        check_sender(&own, from.device)?;
        let (named_recipient, named_self) = check_shape(from, &send)?;
        let now = self.now();
        self.limiter.check(Subject::Sends(from), now)?;

        let to_other = send.recipient != from.account;
        let recipient = if to_other { self.recipient(send.recipient).await? } else { Arc::clone(&own) };
        let every_device = send.class == EnvelopeClass::Message;
        let fits_recipient = !to_other
            || (send.recipient_list_version == recipient.list_version
                && fits(&recipient, &send.to_recipient, named_recipient, every_device, None));
        // A control envelope to somebody else concerns the own list only if it goes there too.
        let own_matters = every_device || !to_other || !send.to_self.is_empty();
        let fits_own = !own_matters
            || (send.own_list_version == own.list_version
                && fits(&own, &send.to_self, named_self, every_device, Some(from.device)));
        if !fits_recipient || !fits_own {
            let accounts = [(!fits_recipient).then_some(send.recipient), (!fits_own).then_some(from.account)];
            return self.mismatch(accounts).await;
        }

        let dropped =
            to_other && (recipient.disabled || self.parts.directory.is_blocked(send.recipient, from.account).await?);
        let mut entries = Vec::with_capacity(send.to_recipient.len() + send.to_self.len());
        if !dropped {
            push_entries(&mut entries, &recipient, send.to_recipient);
        }
        // All its devices were away for a month: who links one anew will not find this, so it must not look sent for ever.
        let failed = if to_other && every_device && !dropped && entries.is_empty() {
            let conversation = Conversation::Peer(send.recipient);
            let devices = self.notices(from.account, conversation, None).await?.into_iter().map(|(device, _)| device);
            Some((conversation, devices.collect()))
        } else {
            None
        };
        push_entries(&mut entries, &own, send.to_self);
        let checked = [
            to_other.then_some((send.recipient, recipient.list_version)),
            own_matters.then_some((from.account, own.list_version)),
        ];
        let expect = checked.iter().flatten().copied().collect();
        let commit =
            SendCommit { send: id, class: send.class, seen: send.seen, expect, group: None, entries, failed, now };
        match self.parts.inbox.commit_send(commit).await {
            Ok(committed) => {
                self.meters.sent(send.class);
                Ok(committed)
            }
            Err(CommitRefused::Repeated(first)) => Ok(self.repeated(first)),
            Err(CommitRefused::Store(error)) => Err(error.into()),
            Err(CommitRefused::ListChanged) => self.changed_meanwhile(from, checked).await,
        }
    }

    pub(crate) fn repeated(&self, first: Committed) -> Committed {
        self.meters.sends_repeated.increment(1);
        first
    }

    async fn recipient(&self, id: AccountId) -> Result<Arc<Routing>, SendRefused> {
        let unknown = || Refusal::new(ErrorCode::UnknownRecipient, "the recipient has no account on this server");
        Ok(self.parts.directory.routing(id).await?.ok_or_else(unknown)?)
    }

    pub(crate) async fn mismatch<T>(
        &self,
        accounts: impl IntoIterator<Item = Option<AccountId>>,
    ) -> Result<T, SendRefused> {
        self.meters.sends_mismatched.increment(1);
        let mut lists = Vec::with_capacity(2);
        for account in accounts.into_iter().flatten() {
            let unknown = || Refusal::new(ErrorCode::UnknownRecipient, "the account was just deleted");
            lists.push(self.parts.directory.signed_list(account).await?.ok_or_else(unknown)?);
        }
        Err(SendRefused::DeviceMismatch(lists))
    }

    /// A list changed between the check and the commit: tell which.
    async fn changed_meanwhile<T>(
        &self,
        from: DeviceAddress,
        checked: [Option<(AccountId, u32)>; 2],
    ) -> Result<T, SendRefused> {
        let mut changed = [None, None];
        for (slot, (account, version)) in changed.iter_mut().zip(checked.into_iter().flatten()) {
            match self.parts.directory.signed_list(account).await? {
                Some(list) if list.version == version => {}
                None if account == from.account => return Err(unlinked().into()),
                Some(_) | None => *slot = Some(account),
            }
        }
        if changed == [None, None] {
            // This node's copy was old and has been renewed since.
            return Err(Refusal::unavailable("a device list changed just now", Duration::from_millis(100)).into());
        }
        self.mismatch(changed).await
    }
}

pub(crate) fn check_sender(own: &Routing, device: DeviceId) -> Result<(), Refusal> {
    if own.disabled {
        return Err(disabled());
    }
    match own.devices.iter().find(|(id, ..)| *id == device) {
        None => Err(unlinked()),
        Some((.., true)) => Err(suspended()),
        Some((.., false)) => Ok(()),
    }
}

/// What no list can make right.
fn check_shape(from: DeviceAddress, send: &DirectSend) -> Result<(Named, Named), Refusal> {
    let bad = |detail: &str| Err(Refusal::new(ErrorCode::BadRequest, detail));
    if send.recipient == from.account && !send.to_recipient.is_empty() {
        return bad("copies for the own account belong in to_self");
    }
    if send.class != EnvelopeClass::Message {
        let target = if send.recipient == from.account { &send.to_self } else { &send.to_recipient };
        if target.is_empty() {
            return bad("a control envelope or resend needs at least one device");
        }
    }
    let (recipient, own) = (check_ciphertexts(&send.to_recipient)?, check_ciphertexts(&send.to_self)?);
    if own.has(from.device) {
        return bad("to_self names the sending device");
    }
    Ok((recipient, own))
}

/// Ciphertexts for devices of one account, each at most once.
pub(crate) fn check_ciphertexts(ciphertexts: &[DirectCiphertext]) -> Result<Named, Refusal> {
    let bad = |detail: &str| Refusal::new(ErrorCode::BadRequest, detail);
    for ciphertext in ciphertexts {
        if ciphertext.ciphertext.len() > limits::CIPHERTEXT_BYTES {
            let detail = format!("a ciphertext is over {} bytes", limits::CIPHERTEXT_BYTES);
            return Err(Refusal::new(ErrorCode::TooLarge, detail));
        }
        if ciphertext.ciphertext.is_empty() {
            return Err(bad("a ciphertext is empty"));
        }
        if ciphertext.ciphertext_type == CiphertextType::SenderKey {
            return Err(bad("sender key messages go to group logs only"));
        }
    }
    Named::in_list(ciphertexts).ok_or_else(|| bad("a device is named twice"))
}

impl Named {
    /// `None` if a device is named twice.
    fn in_list(ciphertexts: &[DirectCiphertext]) -> Option<Self> {
        ciphertexts.iter().try_fold(Self(0), |named, ciphertext| {
            (!named.has(ciphertext.device)).then(|| Self(named.0 | 1 << ciphertext.device.get()))
        })
    }

    pub(crate) fn has(self, device: DeviceId) -> bool {
        self.0 & (1 << device.get()) != 0
    }
}

/// Every ciphertext is for a listed device as it is now; with `every_device`, no device (but the sender's own) is left out.
/// Suspended devices may be included or not.
pub(crate) fn fits(
    routing: &Routing,
    ciphertexts: &[DirectCiphertext],
    named: Named,
    every_device: bool,
    sender: Option<DeviceId>,
) -> bool {
    let listed = |ciphertext: &DirectCiphertext| {
        let is_target = |(id, registration_id, _): &(DeviceId, u32, bool)| {
            *id == ciphertext.device && *registration_id == ciphertext.registration_id
        };
        routing.devices.iter().any(is_target)
    };
    let reached = |(id, _, suspended): &(DeviceId, u32, bool)| *suspended || Some(*id) == sender || named.has(*id);
    ciphertexts.iter().all(listed) && (!every_device || routing.devices.iter().all(reached))
}

/// Suspended devices get nothing: they must link again anyway.
pub(crate) fn push_entries(entries: &mut Vec<NewEntry>, routing: &Routing, ciphertexts: Vec<DirectCiphertext>) {
    let open = |device: DeviceId| routing.devices.iter().any(|(id, _, suspended)| *id == device && !suspended);
    entries.extend(ciphertexts.into_iter().filter(|ciphertext| open(ciphertext.device)).map(|ciphertext| NewEntry {
        to: DeviceAddress::new(routing.account, ciphertext.device),
        ciphertext_type: ciphertext.ciphertext_type,
        ciphertext: ciphertext.ciphertext,
    }));
}
