//! Two subjects, one random history, everything visible compared after each step. The history comes from a seed, so a
//! failure is repeated by its number; a generator of our own keeps test libraries out of this crate.

use super::people::{contact, profile};
use super::world::*;
use super::{Subject, World};
use crate::QueuedItem;
use crate::{
    Audience, ContactChange, EntryFeed, GroupCommit, GroupSettle, OperationCommit, PreKeyUpload, Privacy, Recovery,
    SendCommit, Settle, StoredFailure, WatermarkKind,
};
use sotto_types::{Conversation, DeviceAddress, EntryId, MessageId, SendId, Timestamp, limits};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

const ACCOUNTS: u64 = 4;
const DEVICES: u64 = 3;
const GROUPS: u64 = 3;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    fn small(&mut self, n: u64) -> u8 {
        u8::try_from(self.below(n)).expect("small ranges")
    }

    fn account(&mut self) -> u8 {
        self.small(ACCOUNTS) + 1
    }

    fn address(&mut self) -> DeviceAddress {
        let account = self.account();
        address(account, 1 + u32::from(self.small(DEVICES)))
    }
}

struct Pair {
    a: World,
    b: World,
    dice: Dice,
    now: Timestamp,
    /// Ids seen so far, to ack and to fail.
    ids: Vec<MessageId>,
}

/// Does the same with both and compares the answers. The call is evaluated twice: no dice inside.
macro_rules! both {
    ($pair:expr, $subject:ident => $call:expr) => {{
        let $subject = &$pair.a.subject;
        let a = $call.await;
        let $subject = &$pair.b.subject;
        let b = $call.await;
        same(stringify!($call), &a, &b);
        a
    }};
}

fn same(what: &str, a: &impl Debug, b: &impl Debug) {
    let (a, b) = (format!("{a:?}"), format!("{b:?}"));
    if a != b {
        // Histories are long: show where they part.
        let at = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
        let around = |text: &str| text.get(at.saturating_sub(200)..text.len().min(at + 200)).map(str::to_owned);
        panic!("{what} differs:\n{:?}\n{:?}", around(&a), around(&b));
    }
}

/// Runs `steps` random operations from `seed` on both.
pub async fn same_history(
    a: impl FnOnce(Arc<dyn EntryFeed>) -> Subject,
    b: impl FnOnce(Arc<dyn EntryFeed>) -> Subject,
    seed: u64,
    steps: usize,
) {
    let mut pair = Pair { a: World::new(a), b: World::new(b), dice: Dice(seed), now: T0, ids: vec![MessageId::new(1)] };
    for _ in 0..steps {
        let now_ms = pair.now.as_ms() + pair.dice.below(5_000) - pair.dice.below(2_000);
        pair.now = Timestamp::from_ms(now_ms);
        pair.step().await;
    }
    pair.compare().await;
}

impl Pair {
    async fn step(&mut self) {
        match self.dice.below(28) {
            0..=6 => self.send().await,
            7..=11 => self.settle().await,
            12 => self.create().await,
            13 | 14 => self.change().await,
            15 => self.keys().await,
            16 => self.take().await,
            17 => self.flags().await,
            18 => self.bury().await,
            19 | 20 => self.operate().await,
            21 | 22 => self.post().await,
            23 | 24 => self.settle_groups().await,
            25 | 26 => self.meet().await,
            _ => self.rare().await,
        }
        same("feed", &self.a.feed.all().last(), &self.b.feed.all().last());
    }

    fn any_id(&mut self) -> MessageId {
        let place = self.dice.below(self.ids.len() as u64);
        self.ids[usize::try_from(place).expect("a place in a list")]
    }

    fn group(&mut self) -> u8 {
        self.dice.small(GROUPS) + 1
    }

    fn kind(&mut self) -> WatermarkKind {
        if self.dice.below(2) == 0 { WatermarkKind::Read } else { WatermarkKind::Delivered }
    }

    /// The roster of a group, now and then another one.
    async fn roster(&mut self, g: u8) -> u64 {
        let facts = both!(self, s => s.groups.group_facts(group(g))).unwrap();
        facts.map_or(1, |facts| facts.roster) + u64::from(self.dice.below(4) == 0)
    }

    async fn versions(&self, n: u8) -> u32 {
        self.a.subject.directory.routing(account(n)).await.unwrap().map_or(0, |routing| routing.list_version)
    }

    async fn send(&mut self) {
        let from = self.dice.address();
        let to = self.dice.account();
        let devices = 1 + self.dice.below(DEVICES);
        let text = "x".repeat(usize::from(self.dice.small(200)));
        let g = self.group();
        let roster = self.roster(g).await;
        let send = SendCommit {
            group: match self.dice.below(6) {
                0 => Some((group(g), None)),
                1 => Some((group(g), Some(roster))),
                _ => None,
            },
            seen: match self.dice.below(4) {
                0 => MessageId::at(self.now.as_ms() + self.dice.below(120_000)),
                _ => self.any_id(),
            },
            expect: match self.dice.below(4) {
                0 => vec![(account(to), self.dice.below(3) as u32)],
                _ => vec![(account(to), self.versions(to).await)],
            },
            failed: match self.dice.below(4) {
                0 => Some((Conversation::Peer(account(to)), vec![from, address(from.account.as_bytes()[0], 1)])),
                _ => None,
            },
            now: self.now,
            ..commit(
                from,
                u128::from(self.dice.below(40)),
                (1..=devices).map(|id| entry(address(to, id as u32), &text)).collect(),
            )
        };
        if let Ok(committed) = both!(self, s => s.inbox.commit_send(send.clone())) {
            self.ids.push(committed.message_id);
        }
        both!(self, s => s.inbox.find_send(&send.send)).unwrap();
    }

    async fn settle(&mut self) {
        let of = self.dice.address();
        let waiting = self.a.read(of).await;
        let (mut envelopes, mut remove): (Vec<EntryId>, Vec<EntryId>) = (vec![], vec![self.any_id().into()]);
        for queued in &waiting {
            match (self.dice.below(6), &queued.item) {
                (0, QueuedItem::Envelope(_)) => envelopes.push(queued.entry_id),
                (0 | 1, _) => remove.push(queued.entry_id),
                _ => {}
            }
        }
        let mut advances = Vec::new();
        for _ in 0..self.dice.below(4) {
            let kind = self.kind();
            let up_to = self.any_id().get();
            let (author, notify) = (self.dice.account(), [self.dice.address(), self.dice.address()]);
            let notify = if notify[0] == notify[1] { &notify[..1] } else { &notify[..] };
            let mut advance = advance(author, self.dice.account(), kind, up_to, notify);
            advance.at = self.now;
            advance.if_contact = self.dice.below(2) == 0;
            advances.push(advance);
        }
        let settle = Settle { of, envelopes, remove, advance: advances };
        both!(self, s => s.inbox.settle(settle.clone())).unwrap();
        both!(self, s => s.inbox.read(of, EntryId::ZERO, 7usize, 300usize)).unwrap();
    }

    async fn operate(&mut self) {
        let g = self.group();
        let current = both!(self, s => s.groups.group(group(g))).unwrap();
        let revision = current.as_ref().map_or(0, |current| current.revision) + 1;
        // One of them never has an account.
        let members: Vec<u8> = (1..=ACCOUNTS as u8 + 1).filter(|_| self.dice.below(3) > 0).collect();
        let commit = OperationCommit {
            follows: if self.dice.below(6) == 0 { Some([9; 32]) } else { current.map(|current| current.head) },
            sender: self.dice.address(),
            details: (self.dice.below(3) == 0).then(|| vec![self.dice.small(200); 5].into()),
            renewed: members.iter().filter(|_| self.dice.below(5) == 0).map(|member| account(*member)).collect(),
            changes_roster: self.dice.below(3) > 0,
            now: self.now,
            ..operation(g, revision, &members)
        };
        if let Ok(committed) = both!(self, s => s.groups.commit_operation(commit.clone())) {
            self.ids.push(committed.message_id);
        }
    }

    async fn post(&mut self) {
        let g = self.group();
        let commit = GroupCommit {
            send: SendId { from: self.dice.address(), client_msg_id: client_msg_id(u128::from(self.dice.below(40))) },
            seen: self.any_id(),
            now: self.now,
            ..group_message(g, self.roster(g).await, 0)
        };
        if let Ok(committed) = both!(self, s => s.groups.commit_message(commit.clone())) {
            self.ids.push(committed.message_id);
        }
        let (after, up_to) = (self.any_id(), self.any_id());
        both!(self, s => s.groups.read_log(group(g), after, up_to, 5usize, 100usize)).unwrap();
    }

    async fn settle_groups(&mut self) {
        let mut settle = GroupSettle::default();
        for _ in 0..self.dice.below(4) {
            settle.cursors.push((self.dice.address(), group(self.group()), self.any_id()));
        }
        for _ in 0..self.dice.below(4) {
            let (g, member, kind) = (self.group(), self.dice.account(), self.kind());
            settle.advance.push(group_advance(g, member, kind, self.any_id()));
        }
        both!(self, s => s.groups.settle_groups(settle.clone())).unwrap();
    }

    async fn create(&mut self) {
        let mut create = new_account(self.dice.account());
        create.account.username = username(self.dice.account());
        create.device.now = self.now;
        create.invite = (self.dice.below(4) == 0).then_some([self.dice.small(2); 32]);
        both!(self, s => s.directory.create_account(create.clone())).unwrap();
    }

    async fn change(&mut self) {
        let n = self.dice.account();
        let expect = self.versions(n).await;
        let devices: Vec<u32> = (1..=DEVICES as u32).filter(|_| self.dice.below(3) > 0).collect();
        let (a, b) = (
            self.a.change(n, expect, expect + 1, &devices).await,
            self.b.change(n, expect, expect + 1, &devices).await,
        );
        same("change_devices", &a, &b);
    }

    async fn keys(&mut self) {
        let of = self.dice.address();
        let first = u32::from(self.dice.small(30));
        let keys = PreKeyUpload { replace: self.dice.below(5) == 0, ..upload(first..first + 5) };
        both!(self, s => s.prekeys.put_keys(of, keys.clone())).unwrap();
    }

    async fn take(&mut self) {
        let of = self.dice.account();
        let devices: Vec<_> = (1..=DEVICES as u32).map(device).collect();
        both!(self, s => s.prekeys.take_bundles(account(of), &devices[..])).unwrap();
    }

    async fn flags(&mut self) {
        let (n, other) = (self.dice.account(), self.dice.account());
        let (yes, of) = (self.dice.below(2) == 0, self.dice.address());
        match self.dice.below(5) {
            0 => drop(both!(self, s => s.directory.set_disabled(account(n), yes)).unwrap()),
            1 => {
                let new = Recovery { auth_key: [self.dice.small(200); 32], backup: vec![n].into() };
                let stored = both!(self, s => s.directory.account(account(n))).unwrap();
                // Now and then from one that it never was.
                let current = stored.filter(|_| yes).map_or_else(|| new.clone(), |stored| stored.recovery.clone());
                both!(self, s => s.directory.set_recovery(account(n), &current, new.clone())).unwrap();
            }
            2 => both!(self, s => s.directory.set_block(account(n), account(other), yes)).unwrap(),
            3 => {
                let invite = crate::Invite {
                    hash: [self.dice.small(2); 32],
                    uses_left: u32::from(self.dice.small(3)),
                    expires: self.now.plus(Duration::from_secs(3_600)),
                };
                both!(self, s => s.directory.put_invite(invite)).unwrap();
            }
            _ => both!(self, s => s.directory.touch_device(of, self.now)).unwrap(),
        }
    }

    async fn meet(&mut self) {
        let (n, other, yes) = (self.dice.account(), self.dice.account(), self.dice.below(3) > 0);
        match self.dice.below(5) {
            0 => {
                let current = both!(self, s => s.people.privacy(account(n))).unwrap();
                let version = current.version + u32::from(yes);
                let audience = [Audience::Everyone, Audience::Contacts, Audience::Nobody];
                let read_receipts = audience[usize::from(self.dice.small(3))];
                let privacy = Privacy { version, read_receipts, ..Privacy::clone(&current) };
                both!(self, s => s.people.set_privacy(account(n), privacy.clone())).unwrap();
            }
            1 => {
                let profile = profile(self.dice.below(9), other);
                both!(self, s => s.people.put_profile(account(n), profile.clone())).unwrap();
            }
            _ => {
                let tell = [address(other, 1), address(other, 2)];
                let change = ContactChange { tell_read: yes, at: self.now, ..contact(n, other, yes, &tell) };
                both!(self, s => s.people.set_contact(change.clone())).unwrap();
            }
        }
    }

    async fn bury(&mut self) {
        let of = self.dice.address();
        let remove: Vec<EntryId> = self.a.read(of).await.iter().take(3).map(|queued| queued.entry_id).collect();
        let told = vec![self.dice.address()];
        let failed: Vec<_> = remove
            .iter()
            .map(|id| {
                let conversation = Conversation::Peer(of.account);
                (told.clone(), StoredFailure { conversation, message_id: MessageId::new(id.get()) })
            })
            .collect();
        both!(self, s => s.inbox.bury(of, remove.clone(), failed.clone(), self.now)).unwrap();
    }

    async fn rare(&mut self) {
        let (n, id) = (self.dice.account(), self.any_id());
        match self.dice.below(8) {
            0 => drop(both!(self, s => s.directory.delete_account(account(n), self.now)).unwrap()),
            1 => {
                let before = self.now.minus(Duration::from_secs(30));
                both!(self, s => s.directory.suspend_absent(before, 3usize)).unwrap();
            }
            2 => {
                // Far enough that every adapter must have forgotten; the counts may differ.
                self.now = self.now.plus(limits::DEDUP_RETENTION * 2 + Duration::from_secs(1));
                for world in [&self.a, &self.b] {
                    while world.subject.inbox.forget_old(self.now, 50).await.unwrap() > 0 {}
                }
            }
            3 => drop(both!(self, s => s.inbox.expired(EntryId::from(id), None, 2usize))),
            4 | 5 => {
                // In steps, because which of a day's go first may differ.
                let before = if n % 2 == 0 { id } else { MessageId::at(self.now.as_ms()) };
                for world in [&self.a, &self.b] {
                    while world.subject.groups.trim_logs(before, 7).await.unwrap() > 0 {}
                }
            }
            _ => self.compare().await,
        }
    }

    /// Everything that can be asked.
    async fn compare(&mut self) {
        for n in 1..=ACCOUNTS as u8 {
            let id = account(n);
            both!(self, s => s.directory.account(id)).unwrap();
            both!(self, s => s.directory.routing(id)).unwrap();
            both!(self, s => s.directory.signed_list(id)).unwrap();
            both!(self, s => s.directory.devices(id)).unwrap();
            both!(self, s => s.directory.blocks(id)).unwrap();
            both!(self, s => s.people.contacts(id)).unwrap();
            both!(self, s => s.people.privacy(id)).unwrap();
            both!(self, s => s.people.profile(id)).unwrap();
            both!(self, s => s.directory.find_username(&username(n))).unwrap();
            both!(self, s => s.groups.memberships(id)).unwrap();
            for m in 1..=ACCOUNTS as u8 {
                both!(self, s => s.directory.is_blocked(id, account(m))).unwrap();
                both!(self, s => s.people.is_contact(id, account(m))).unwrap();
                for kind in [WatermarkKind::Read, WatermarkKind::Delivered] {
                    both!(self, s => s.inbox.watermark(id, account(m), kind)).unwrap();
                }
            }
            for d in 1..=DEVICES as u32 {
                let of = address(n, d);
                both!(self, s => s.inbox.read(of, EntryId::ZERO, 10_000usize, usize::MAX)).unwrap();
                both!(self, s => s.inbox.depth(of, 1_000usize)).unwrap();
                both!(self, s => s.groups.cursors(of, &[group(1), group(2), group(3)])).unwrap();
                both!(self, s => s.prekeys.key_counts(of)).unwrap();
                both!(self, s => s.directory.device(of)).unwrap();
                for c in 0..40 {
                    let send = SendId { from: of, client_msg_id: client_msg_id(c) };
                    both!(self, s => s.inbox.find_send(&send)).unwrap();
                }
            }
        }
        both!(self, s => s.directory.list_accounts(None, 100usize)).unwrap();
        same("feed", &self.a.feed.all(), &self.b.feed.all());
        same("marks told", &self.a.feed.marked(), &self.b.feed.marked());
        for g in 1..=GROUPS as u8 {
            let id = group(g);
            both!(self, s => s.groups.group(id)).unwrap();
            both!(self, s => s.groups.group_facts(id)).unwrap();
            both!(self, s => s.groups.operations(id, 0u32, usize::MAX)).unwrap();
            both!(self, s => s.groups.marks(id)).unwrap();
            same("log", &self.a.log(g).await, &self.b.log(g).await);
            same("entries told", &self.a.feed.logged(id), &self.b.feed.logged(id));
        }
    }
}
