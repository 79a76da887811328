//! Groups: operations signed by real identity keys, sends, what waits, and what is looked at.

mod delivering;
mod looking;
mod operating;
mod restoring;
mod sending;

use crate::bed::*;
use bytes::Bytes;
use rand::rng;
use sotto_crypto::group::{
    Change, Fanout, GroupSettings, GroupState, Invite, InviteSeed, MadeOperation, MemberKey, Permission, Role,
    details_hash, prove_join, sign_operation,
};
use sotto_domain::*;
use sotto_ports::GroupStore as _;
use sotto_types::{ClientMsgId, ErrorCode, GroupId, MessageId};
use std::num::NonZeroU32;

pub const DETAILS: &[u8] = b"encrypted title";

pub fn key_of(person: &Person) -> MemberKey {
    MemberKey { account: person.account, identity_key: person.identity.public() }
}

pub fn settings(fanout: Fanout) -> GroupSettings {
    GroupSettings { post: Permission::Members, add: Permission::Members, change_details: Permission::Members, fanout }
}

pub fn creating(members: &[&Person], fanout: Fanout) -> Change {
    Change::Create {
        members: members.iter().map(|member| key_of(member)).collect(),
        settings: settings(fanout),
        details_hash: details_hash(DETAILS),
    }
}

pub fn adding(members: &[&Person]) -> Change {
    Change::Add { members: members.iter().map(|member| key_of(member)).collect() }
}

pub fn removing(member: &Person) -> Change {
    Change::Remove { accounts: vec![member.account] }
}

/// Signs as the person's device would, without asking the server.
pub fn made(actor: &Person, state: Option<&GroupState>, change: &Change) -> MadeOperation {
    sign_operation(&actor.identity, actor.address(0), state, change, START, &mut rng()).unwrap()
}

pub fn posting(made: &MadeOperation) -> PostOperation {
    let names_details = matches!(made.operation.change(), Change::Create { .. } | Change::SetDetails { .. });
    PostOperation {
        payload: made.signed.payload.clone(),
        signature: made.signed.signature.clone(),
        details: names_details.then(|| Bytes::from_static(DETAILS)),
    }
}

/// A group as a client that misses nothing knows it.
#[derive(Clone)]
pub struct Circle {
    pub id: GroupId,
    pub state: GroupState,
    pub roster: u64,
    /// Of the last operation.
    pub last: MessageId,
}

impl Circle {
    pub async fn new(bed: &Bed, owner: &Person, members: &[&Person]) -> Self {
        Self::with(bed, owner, members, Fanout::Log).await
    }

    pub async fn with(bed: &Bed, owner: &Person, members: &[&Person], fanout: Fanout) -> Self {
        let first = made(owner, None, &creating(members, fanout));
        let answer = bed.post(owner, None, posting(&first)).await.unwrap();
        Self { id: answer.group, state: first.state, roster: answer.roster, last: answer.message_id }
    }

    pub async fn act(&mut self, bed: &Bed, actor: &Person, change: Change) -> OperationAnswer {
        let made = made(actor, Some(&self.state), &change);
        let answer = bed.post(actor, Some(self.id), posting(&made)).await.unwrap();
        (self.state, self.roster, self.last) = (made.state, answer.roster, answer.message_id);
        answer
    }

    /// What comes of an operation that may be refused; what is known here stays.
    pub async fn attempt(&self, bed: &Bed, actor: &Person, change: &Change) -> Result<OperationAnswer, Refusal> {
        let made = made(actor, Some(&self.state), change);
        bed.post(actor, Some(self.id), posting(&made)).await
    }

    pub fn message(&self, text: &'static [u8]) -> GroupSend {
        GroupSend {
            client_msg_id: message_id(),
            group: self.id,
            class: EnvelopeClass::Message,
            seen: MessageId::ZERO,
            roster: self.roster,
            ciphertext: Bytes::from_static(text),
            to: Vec::new(),
        }
    }

    /// A message for every device of these but the sender's.
    pub fn pairwise(&self, from: &Person, members: &[&Person]) -> GroupSend {
        let to = members.iter().map(|member| {
            let own = (member.account == from.account).then_some(from.devices[0].id);
            AccountCiphertexts { devices: member.ciphertexts(own), ..keys_for(member) }
        });
        GroupSend { ciphertext: Bytes::new(), to: to.collect(), ..self.message(b"") }
    }

    pub fn keys(&self, members: &[&Person]) -> KeysSend {
        KeysSend {
            client_msg_id: message_id(),
            group: self.id,
            to: members.iter().map(|member| keys_for(member)).collect(),
        }
    }

    pub async fn say(&self, bed: &Bed, from: &Person, text: &'static [u8]) -> MessageId {
        bed.domain.send_group(from.address(0), self.message(text)).await.unwrap().message_id
    }

    /// Ids of what waits for a device, as they are pushed.
    pub async fn waiting(&self, bed: &Bed, of: sotto_types::DeviceAddress) -> Vec<MessageId> {
        let mut ids = Vec::new();
        for waiting in bed.domain.waiting_groups(of).await.unwrap() {
            if waiting.group == self.id {
                let entries = bed.domain.read_log(waiting, 1000, usize::MAX).await.unwrap();
                ids.extend(entries.into_iter().map(|entry| entry.id));
            }
        }
        ids
    }
}

pub fn keys_for(member: &Person) -> AccountCiphertexts {
    AccountCiphertexts { account: member.account, list_version: member.version, devices: member.ciphertexts(None) }
}

pub fn message_id() -> ClientMsgId {
    ClientMsgId::from_uuid(uuid::Uuid::now_v7())
}

pub fn ack(circle: &Circle, up_to: MessageId, pushed: bool) -> GroupAcked {
    GroupAcked { group: circle.id, up_to, delivered: up_to, pushed }
}

pub fn stale(result: Result<Committed, SendRefused>) -> StaleGroup {
    match result {
        Err(SendRefused::StaleGroup(stale)) => stale,
        other => panic!("expected a stale group, got {other:?}"),
    }
}

pub fn seen(person: &Person) -> SignedIn {
    SignedIn { address: person.address(0), expires: START }
}

impl Bed {
    pub async fn post(
        &self,
        actor: &Person,
        to: Option<GroupId>,
        post: PostOperation,
    ) -> Result<OperationAnswer, Refusal> {
        self.domain.post_operation(&seen(actor), to, post).await
    }

    pub async fn people<const N: usize>(&self) -> [Person; N] {
        let mut people = Vec::new();
        for n in 0..N {
            people.push(self.register(&format!("person{n}")).await);
        }
        people.try_into().unwrap_or_else(|_| unreachable!("as many as asked for"))
    }

    /// The group's head and roster as stored.
    pub async fn facts(&self, circle: &Circle) -> ([u8; 32], u64) {
        let group = self.store.group(circle.id).await.unwrap().unwrap();
        (group.head, group.roster)
    }
}
