//! A message to a group, and keys to its members.
//! Always true, as for direct sends: the dedup look-up outranks every other check, and what was checked is what holds at the
//! commit, through the roster (messages) or the versions of the device lists (keys).

use super::unknown_group;
use crate::inbox::{check_ciphertexts, check_sender, fits, push_entries};
use crate::limiter::Subject;
use crate::sign_in::authenticate::unlinked;
use crate::{DirectCiphertext, Domain, Refusal, SendRefused};
use bytes::Bytes;
use sotto_crypto::group::{Fanout, GroupState};
use sotto_ports::{CommitRefused, Committed, EnvelopeClass, Group, GroupCommit, SendCommit};
use sotto_types::{AccountId, ClientMsgId, DeviceAddress, ErrorCode, GroupId, MessageId, SendId, limits};
use std::collections::HashMap;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountCiphertexts {
    pub account: AccountId,
    pub list_version: u32,
    pub devices: Vec<DirectCiphertext>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSend {
    pub client_msg_id: ClientMsgId,
    pub group: GroupId,
    pub class: EnvelopeClass,
    pub seen: MessageId,
    pub roster: u64,
    /// For the log, in a group with that fan-out.
    pub ciphertext: Bytes,
    /// For every member's devices, in a pairwise group.
    pub to: Vec<AccountCiphertexts>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysSend {
    pub client_msg_id: ClientMsgId,
    pub group: GroupId,
    pub to: Vec<AccountCiphertexts>,
}

/// What the group is now, for who encrypted for something older.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaleGroup {
    pub group: GroupId,
    pub roster: u64,
    pub revision: u32,
    pub head: [u8; 32],
}

impl StaleGroup {
    fn of(group: &Group) -> Self {
        Self { group: group.id, roster: group.roster, revision: group.revision, head: group.head }
    }
}

impl Domain {
    pub async fn send_group(&self, from: DeviceAddress, send: GroupSend) -> Result<Committed, SendRefused> {
        let id = SendId { from, client_msg_id: send.client_msg_id };
        let result = self.check_and_commit_group(id, send).await;
        self.or_first_answer(id, result).await
    }

    async fn check_and_commit_group(&self, id: SendId, send: GroupSend) -> Result<Committed, SendRefused> {
        let from = id.from;
        let own = self.parts.directory.routing(from.account).await?.ok_or_else(unlinked)?;
        check_sender(&own, from.device)?;
        check_group_shape(&send)?;
        let now = self.now();
        self.limiter.check(Subject::Sends(from), now)?;
        let (group, state) = self.group_of(send.group, from.account).await?;
        self.check_pinned(&state, from.account).await?;
        if send.class == EnvelopeClass::Message && !state.may_post(from.account) {
            return Err(Refusal::new(ErrorCode::GroupPostRefused, "only admins may post to this group").into());
        }
        if group.roster != send.roster {
            return self.stale(send.group).await;
        }
        let class = send.class;
        let committed = match state.settings().fanout {
            Fanout::Log => {
                if send.ciphertext.is_empty() || !send.to.is_empty() {
                    return Err(bad("this group takes one ciphertext for all").into());
                }
                let GroupSend { group, class, seen, roster, ciphertext, .. } = send;
                let commit = GroupCommit { send: id, group, roster, class, seen, ciphertext, now };
                self.parts.groups.commit_message(commit).await
            }
            Fanout::Pairwise => {
                if !send.ciphertext.is_empty() {
                    return Err(bad("this group takes a ciphertext for each device").into());
                }
                let Some(commit) = self.pairwise_commit(id, send, &state).await? else {
                    return self.stale(group.id).await;
                };
                self.parts.inbox.commit_send(commit).await
            }
        };
        match committed {
            Ok(committed) => {
                self.meters.sent_to_group(class);
                Ok(committed)
            }
            Err(CommitRefused::Repeated(first)) => Ok(self.repeated(first)),
            Err(CommitRefused::ListChanged) => self.stale(group.id).await,
            Err(CommitRefused::Store(error)) => Err(error.into()),
        }
    }

    /// `None`: the ciphertexts are not for exactly the devices that the members have.
    async fn pairwise_commit(
        &self,
        id: SendId,
        send: GroupSend,
        state: &GroupState,
    ) -> Result<Option<SendCommit>, SendRefused> {
        let mut named: HashMap<AccountId, Vec<DirectCiphertext>> = HashMap::with_capacity(send.to.len());
        for to in send.to {
            if named.insert(to.account, to.devices).is_some() {
                return Err(bad("an account is named twice").into());
            }
        }
        let mut entries = Vec::new();
        for member in state.members() {
            let ciphertexts = named.remove(&member.account).unwrap_or_default();
            let Some(routing) = self.parts.directory.routing(member.account).await? else { continue };
            if self.has_other_key(member.account, member.identity_key.as_bytes()).await? {
                // It must be added again first, and nobody can encrypt for it until then.
                continue;
            }
            let sender = (member.account == id.from.account).then_some(id.from.device);
            let devices = check_ciphertexts(&ciphertexts)?;
            if !fits(&routing, &ciphertexts, devices, true, sender) {
                return Ok(None);
            }
            push_entries(&mut entries, &routing, ciphertexts);
        }
        if !named.is_empty() {
            return Ok(None);
        }
        Ok(Some(SendCommit {
            send: id,
            class: send.class,
            seen: send.seen,
            expect: Vec::new(),
            group: Some((send.group, Some(send.roster))),
            entries,
            failed: None,
            now: self.now(),
        }))
    }

    pub async fn send_keys(&self, from: DeviceAddress, send: KeysSend) -> Result<Committed, SendRefused> {
        let id = SendId { from, client_msg_id: send.client_msg_id };
        let result = self.check_and_commit_keys(id, send).await;
        self.or_first_answer(id, result).await
    }

    async fn check_and_commit_keys(&self, id: SendId, send: KeysSend) -> Result<Committed, SendRefused> {
        let from = id.from;
        let own = self.parts.directory.routing(from.account).await?.ok_or_else(unlinked)?;
        check_sender(&own, from.device)?;
        if send.to.is_empty() || send.to.len() > limits::KEYS_ACCOUNTS {
            return Err(bad("keys go to 1 to 256 accounts at once").into());
        }
        let now = self.now();
        let cost = u32::try_from(send.to.len().div_ceil(16)).unwrap_or(u32::MAX);
        self.limiter.check_cost(Subject::Sends(from), cost, now)?;
        let (group, state) = self.group_of(send.group, from.account).await?;
        let (mut entries, mut expect, mut mismatched) = (Vec::new(), Vec::with_capacity(send.to.len()), Vec::new());
        for to in send.to {
            if expect.iter().any(|(account, _)| *account == to.account) {
                return Err(bad("an account is named twice").into());
            }
            let devices = check_ciphertexts(&to.devices)?;
            if to.account == from.account && devices.has(from.device) {
                return Err(bad("it names the sending device").into());
            }
            if state.member(to.account).is_none() {
                // Removed while the keys were made: it must get none.
                let detail = format!("{} is no member of the group", to.account);
                return Err(Refusal::new(ErrorCode::UnknownRecipient, detail).into());
            }
            let Some(routing) = self.parts.directory.routing(to.account).await? else {
                let detail = format!("{} has no account any more", to.account);
                return Err(Refusal::new(ErrorCode::UnknownRecipient, detail).into());
            };
            if routing.list_version != to.list_version || !fits(&routing, &to.devices, devices, false, None) {
                mismatched.push(Some(to.account));
                continue;
            }
            expect.push((to.account, routing.list_version));
            push_entries(&mut entries, &routing, to.devices);
        }
        if !mismatched.is_empty() {
            return self.mismatch(mismatched).await;
        }
        let commit = SendCommit {
            send: id,
            class: EnvelopeClass::Control,
            seen: MessageId::ZERO,
            expect,
            // Whoever is removed from here on gets none.
            group: Some((send.group, Some(group.roster))),
            entries,
            failed: None,
            now,
        };
        match self.parts.inbox.commit_send(commit).await {
            Ok(committed) => {
                self.meters.sent(EnvelopeClass::Control);
                Ok(committed)
            }
            Err(CommitRefused::Repeated(first)) => Ok(self.repeated(first)),
            Err(CommitRefused::Store(error)) => Err(error.into()),
            Err(CommitRefused::ListChanged) => {
                let wait = std::time::Duration::from_millis(100);
                Err(Refusal::unavailable("the group or a device list changed just now", wait).into())
            }
        }
    }

    async fn stale<T>(&self, id: GroupId) -> Result<T, SendRefused> {
        self.meters.sends_stale.increment(1);
        let group = self.parts.groups.group(id).await?.ok_or_else(unknown_group)?;
        Err(SendRefused::StaleGroup(StaleGroup::of(&group)))
    }

    /// Who has another identity key than the group knows must be added again before it may speak.
    async fn check_pinned(&self, state: &GroupState, account: AccountId) -> Result<(), Refusal> {
        let member = state.member(account).ok_or_else(unknown_group)?;
        if self.has_other_key(account, member.identity_key.as_bytes()).await? {
            let detail = "the account's identity key changed: an admin must add it to the group again";
            return Err(Refusal::new(ErrorCode::GroupPostRefused, detail));
        }
        Ok(())
    }

    async fn has_other_key(&self, account: AccountId, pinned: &[u8]) -> Result<bool, Refusal> {
        let account = self.parts.directory.account(account).await?;
        Ok(account.is_some_and(|account| account.identity_key[..] != *pinned))
    }
}

fn bad(detail: &str) -> Refusal {
    Refusal::new(ErrorCode::BadRequest, detail)
}

fn check_group_shape(send: &GroupSend) -> Result<(), Refusal> {
    if send.class == EnvelopeClass::Resend {
        return Err(bad("what is sent again goes to its device directly"));
    }
    if send.ciphertext.len() > limits::CIPHERTEXT_BYTES {
        let detail = format!("the ciphertext is over {} bytes", limits::CIPHERTEXT_BYTES);
        return Err(Refusal::new(ErrorCode::TooLarge, detail));
    }
    Ok(())
}
