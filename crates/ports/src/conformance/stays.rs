//! Promises of `GroupStore` about accounts that come and go: what their devices have not read of earlier stays is kept for them.

use super::groups::membership;
use super::world::*;
use super::{Subject, World};
use crate::{EntryFeed, Membership, OperationCommit, OperationRefused, WatermarkKind};
use sotto_types::{MessageId, limits};
use std::sync::Arc;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// A group of 1 and 2, where 2 comes and goes.
struct Scene {
    w: World,
    revision: u32,
    /// The operations so far: in, out, in and so on.
    turns: Vec<MessageId>,
}

impl Scene {
    async fn new(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject, devices: u32) -> Self {
        let w = World::new(make);
        w.person(1, 1).await;
        w.person(2, devices).await;
        let made = w.found(1, &[1, 2]).await.message_id;
        Self { w, revision: 1, turns: vec![made] }
    }

    /// 2 goes, if it is in, or comes; `days` after the beginning.
    async fn try_turn(&mut self, days: u32) -> Result<MessageId, OperationRefused> {
        let members: &[u8] = if self.turns.len() % 2 == 1 { &[1] } else { &[1, 2] };
        let commit = OperationCommit { now: T0.plus(DAY * days), ..operation(1, self.revision + 1, members) };
        let id = self.w.operate(commit).await?.message_id;
        self.revision += 1;
        self.turns.push(id);
        Ok(id)
    }

    async fn turn(&mut self, days: u32) -> MessageId {
        self.try_turn(days).await.unwrap()
    }

    /// Out and in again.
    async fn again(&mut self) {
        self.turn(0).await;
        self.turn(0).await;
    }

    async fn read(&self, device: u32, up_to: MessageId) {
        self.w.settle_group(address(2, device), 1, up_to, vec![]).await;
    }

    async fn stays(&self) -> Vec<Membership> {
        self.w.subject.groups.memberships(account(2)).await.unwrap()
    }

    /// The stays there were, from the one with this number on.
    fn from(&self, first: usize) -> Vec<Membership> {
        let stays = self.turns.chunks(2).map(|stay| membership(1, stay[0], stay.get(1).copied()));
        stays.skip(first).collect()
    }
}

pub async fn earlier_stays_wait_for_every_device(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let mut s = Scene::new(make, 2).await;
    s.again().await;
    assert_eq!(s.stays().await, s.from(0), "nobody has read it");
    s.read(1, MessageId::MAX).await;
    s.again().await;
    assert_eq!(s.stays().await, s.from(0), "its sibling has not");
    s.read(2, MessageId::new(s.turns[1].get() - 1)).await;
    s.again().await;
    assert_eq!(s.stays().await, s.from(0), "not to its end");
    s.read(2, s.turns[1]).await;
    assert_eq!(s.stays().await, s.from(0), "until the next begins");
    s.turn(0).await;
    assert_eq!(s.stays().await, s.from(0), "begins, not ends");
    s.turn(0).await;
    assert_eq!(s.stays().await, s.from(1), "all have it");
    assert_eq!(s.w.subject.groups.memberships(account(1)).await.unwrap(), [membership(1, s.turns[0], None)]);

    // Whoever is unlinked waits for nothing, and a new device begins now.
    s.w.change(2, 2, 3, &[1, 3]).await;
    assert_eq!(s.w.cursor(address(2, 3), 1).await, s.turns.last().copied());
    s.again().await;
    let last = s.from(4);
    assert_eq!(last.len(), 2);
    assert_eq!(s.stays().await, last, "the new device has yet to read that it went");
    // An absent one may come back.
    s.w.subject.directory.touch_device(address(2, 1), T0.plus(DAY)).await.unwrap();
    s.w.subject.directory.touch_device(address(1, 1), T0.plus(DAY)).await.unwrap();
    assert_eq!(s.w.subject.directory.suspend_absent(T0.plus(DAY), 10).await.unwrap(), [address(2, 3)]);
    s.again().await;
    assert_eq!(s.stays().await, s.from(4));
    // The count of groups counts each once.
    s.turn(0).await;
    assert!(s.w.subject.directory.delete_account(account(2), T0).await.unwrap());
    assert_eq!(s.stays().await, []);
}

pub async fn a_renewed_member_keeps_what_it_has_not_read(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let s = Scene::new(make, 1).await;
    let renew = async |revision: u32| {
        let commit = OperationCommit { renewed: vec![account(2)], ..operation(1, revision, &[1, 2]) };
        s.w.operate(commit).await.unwrap().message_id
    };
    let (made, first) = (s.turns[0], renew(2).await);
    assert_eq!(s.stays().await, [membership(1, made, Some(first)), membership(1, first, None)]);
    s.read(1, first).await;
    let second = renew(3).await;
    assert_eq!(s.stays().await, [membership(1, first, Some(second)), membership(1, second, None)]);
    while s.w.subject.groups.trim_logs(MessageId::MAX, 100).await.unwrap() > 0 {}
    assert_eq!(s.stays().await, [membership(1, second, None)]);
    assert_eq!(s.w.cursor(address(2, 1), 1).await, Some(first));
}

pub async fn an_account_has_so_many_unread_stays_at_most(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let mut s = Scene::new(make, 1).await;
    for _ in 0..limits::UNREAD_STAYS {
        s.again().await;
    }
    s.turn(0).await;
    let before = s.w.roster(1).await;
    let refused = s.try_turn(0).await;
    assert!(matches!(refused, Err(OperationRefused::TooManyStays(who)) if who == account(2)), "{refused:?}");
    assert_eq!((s.w.roster(1).await, s.stays().await), (before, s.from(0)), "nothing was stored");
    s.read(1, s.turns[1]).await;
    s.turn(0).await;
    assert_eq!(s.stays().await, s.from(1));
}

pub async fn stays_are_trimmed_one_by_one(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let mut s = Scene::new(make, 1).await;
    let mark = group_advance(1, 2, WatermarkKind::Read, s.turns[0]);
    s.w.settle_group(address(2, 1), 1, s.turns[0], vec![mark]).await;
    // Two end on the first day, one on each after that.
    for days in [0, 0, 0, 0, 1, 1, 2] {
        s.turn(days).await;
    }
    assert_eq!(s.stays().await, s.from(0));
    let w = s.w.clone();
    let trim = async |before: MessageId| while w.subject.groups.trim_logs(before, 3).await.unwrap() > 0 {};
    for (before, left) in [
        (s.turns[1], s.from(0)),
        (MessageId::new(s.turns[1].get() + 1), s.from(1)),
        (s.turns[3], s.from(1)),
        (s.turns[5], s.from(2)),
        (s.turns[6], s.from(3)),
        (s.turns[7], s.from(3)),
    ] {
        trim(before).await;
        assert_eq!(s.stays().await, left, "{before}");
        assert_eq!(s.w.cursor(address(2, 1), 1).await, Some(s.turns[0]));
        assert_eq!(s.w.subject.groups.marks(group(1)).await.unwrap().len(), 1);
    }
    trim(MessageId::MAX).await;
    assert_eq!(s.stays().await, []);
    assert_eq!(s.w.cursor(address(2, 1), 1).await, None);
    assert!(s.w.subject.groups.marks(group(1)).await.unwrap().is_empty());
    // It can come back, and ends as before.
    let again = s.turn(3).await;
    assert_eq!(s.stays().await, [membership(1, again, None)]);
    s.turn(3).await;
    trim(MessageId::MAX).await;
    assert_eq!(s.stays().await, []);
}

pub async fn a_forgotten_account_is_a_member_again(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    let made = w.found(1, &[1, 2]).await.message_id;
    let resume = async |n: u8| w.subject.groups.resume_stay(account(n), group(1)).await.unwrap();
    let stays = async |n: u8| w.subject.groups.memberships(account(n)).await.unwrap();
    let before = w.roster(1).await;
    // Not there yet; goes on already; not named by the group; no such group.
    for n in [2, 1, 3] {
        resume(n).await;
    }
    w.subject.groups.resume_stay(account(1), group(9)).await.unwrap();
    assert_eq!((w.roster(1).await, stays(2).await), (before, vec![]));
    w.person(2, 1).await;
    resume(2).await;
    assert_eq!(stays(2).await, [membership(1, made, None)]);
    assert!(w.roster(1).await > before, "its devices can be reached again");
    let after = w.roster(1).await;
    resume(2).await;
    assert_eq!((w.roster(1).await, stays(2).await), (after, vec![membership(1, made, None)]));
}
