//! Promises of `PeopleStore`, and of an `Advance` that only contacts hear of.

use super::world::*;
use super::{Subject, World};
use crate::{Advance, Audience, ContactChange, EntryFeed, Privacy, PrivacyRule, Profile, StoredReceipt, WatermarkKind};
use sotto_types::{Conversation, DeviceAddress, ProfileKeyId};
use std::sync::Arc;
use tokio::task::JoinSet;

use WatermarkKind::{Delivered, Read};

/// `owner` makes `other` a contact or not, and these devices are told.
pub fn contact(owner: u8, other: u8, is_contact: bool, tell: &[DeviceAddress]) -> ContactChange {
    let (owner, other) = (account(owner), account(other));
    let tell = tell.iter().map(|to| (*to, Conversation::Peer(owner))).collect();
    ContactChange { owner, other, is_contact, tell, tell_read: true, at: T0 }
}

fn for_contacts(advance: Advance) -> Advance {
    Advance { if_contact: true, ..advance }
}

pub fn profile(version: u64, byte: u8) -> Profile {
    Profile { version, key_id: ProfileKeyId::from_bytes([byte; 16]), ciphertext: vec![byte; 100].into() }
}

/// (kind, up to) of each step.
fn steps(receipt: &StoredReceipt) -> Vec<(WatermarkKind, u64)> {
    let of = |kind, steps: &[crate::Step]| steps.iter().map(|step| (kind, step.up_to.get())).collect::<Vec<_>>();
    [of(Delivered, &receipt.delivered), of(Read, &receipt.read)].concat()
}

pub async fn contacts_are_kept_per_owner(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    w.person(2, 1).await;
    let p = &w.subject.people;
    for (owner, other, is_contact, changes) in [
        (1, 3, true, true),
        (1, 2, true, true),
        (1, 2, true, false),
        (2, 9, true, true),
        (1, 4, true, true),
        (1, 4, false, true),
        (1, 4, false, false),
        (7, 1, true, false),
    ] {
        let changed = p.set_contact(contact(owner, other, is_contact, &[])).await.unwrap();
        assert_eq!(changed, changes, "{owner} {other} {is_contact}");
    }
    assert_eq!(p.contacts(account(1)).await.unwrap(), [account(2), account(3)], "whether they exist or not");
    for (owner, other, want) in [(1, 2, true), (2, 1, false), (1, 4, false), (2, 9, true), (7, 1, false)] {
        assert_eq!(p.is_contact(account(owner), account(other)).await.unwrap(), want, "{owner} {other}");
    }
}

pub async fn only_contacts_are_told_of_watermarks(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 2).await;
    w.person(2, 2).await;
    let notify = [address(1, 1), address(1, 2), address(2, 2)];
    w.settle(address(2, 1), &[], vec![for_contacts(advance(1, 2, Read, 10, &notify))]).await;
    assert!(w.read(address(1, 1)).await.is_empty() && w.read(address(1, 2)).await.is_empty());
    assert_eq!(w.receipts(address(2, 2)).await.len(), 1, "own devices are always told");
    let mark = w.subject.inbox.watermark(account(1), account(2), Read).await.unwrap().unwrap();
    assert_eq!(mark.up_to.get(), 10, "it moves all the same");
    // The other way round is nothing to it.
    w.subject.people.set_contact(contact(1, 2, true, &[])).await.unwrap();
    w.settle(address(2, 1), &[], vec![for_contacts(advance(1, 2, Read, 11, &notify))]).await;
    assert!(w.read(address(1, 1)).await.is_empty());
    w.subject.people.set_contact(contact(2, 1, true, &[])).await.unwrap();
    w.settle(address(2, 1), &[], vec![for_contacts(advance(1, 2, Read, 12, &notify))]).await;
    for to in [address(1, 1), address(1, 2)] {
        let [(_, receipt)] = &w.receipts(to).await[..] else { panic!("one receipt expected") };
        assert_eq!(steps(receipt), [(Read, 12)]);
    }
    w.subject.people.set_contact(contact(2, 1, false, &[])).await.unwrap();
    w.settle(address(2, 1), &[], vec![for_contacts(advance(1, 2, Read, 13, &notify))]).await;
    let [(_, receipt)] = &w.receipts(address(1, 1)).await[..] else { panic!("one receipt expected") };
    assert_eq!(steps(receipt), [(Read, 12)]);
}

pub async fn a_new_contact_is_told_where_the_watermarks_are(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    w.person(2, 1).await;
    let (to, gone) = (address(1, 1), address(1, 2));
    let p = &w.subject.people;
    // Nothing to tell yet.
    p.set_contact(contact(2, 1, true, &[to, gone])).await.unwrap();
    assert!(w.read(to).await.is_empty());
    p.set_contact(contact(2, 1, false, &[to])).await.unwrap();
    for (kind, up_to) in [(Delivered, 10), (Delivered, 12), (Read, 11)] {
        w.settle(address(2, 1), &[], vec![for_contacts(advance(1, 2, kind, up_to, &[to]))]).await;
    }
    assert!(w.read(to).await.is_empty());
    p.set_contact(contact(2, 1, true, &[to, gone])).await.unwrap();
    let [(id, receipt)] = &w.receipts(to).await[..] else { panic!("one receipt expected") };
    assert_eq!((receipt.conversation, receipt.member), (Conversation::Peer(account(2)), account(2)));
    assert_eq!(steps(receipt), [(Delivered, 12), (Read, 11)]);
    assert_eq!(receipt.delivered[0].at, T0.plus(std::time::Duration::from_millis(12)), "when it was");
    assert!(w.feed.of(to).iter().any(|queued| queued.entry_id == *id), "the feed hears of it");
    assert!(w.read(gone).await.is_empty());
    // A repeat tells nothing, and without reads only the half is told.
    w.settle(to, &[*id], vec![]).await;
    p.set_contact(contact(2, 1, true, &[to])).await.unwrap();
    assert!(w.read(to).await.is_empty());
    p.set_contact(contact(2, 1, false, &[])).await.unwrap();
    p.set_contact(ContactChange { tell_read: false, ..contact(2, 1, true, &[to]) }).await.unwrap();
    let [(_, receipt)] = &w.receipts(to).await[..] else { panic!("one receipt expected") };
    assert_eq!(steps(receipt), [(Delivered, 12)]);
    // It merges with what comes after.
    w.settle(address(2, 1), &[], vec![for_contacts(advance(1, 2, Delivered, 13, &[to]))]).await;
    let [(_, receipt)] = &w.receipts(to).await[..] else { panic!("one receipt expected") };
    assert_eq!(steps(receipt), [(Delivered, 12), (Delivered, 13)]);
}

pub async fn a_contact_made_while_acks_run_misses_nothing(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    w.person(2, 1).await;
    let to = address(1, 1);
    let mut tasks = JoinSet::new();
    for up_to in 1..=40 {
        let w = w.clone();
        tasks.spawn(async move {
            if up_to == 20 {
                w.subject.people.set_contact(contact(2, 1, true, &[to])).await.unwrap();
            }
            w.settle(address(2, 1), &[], vec![for_contacts(advance(1, 2, Delivered, up_to, &[to]))]).await;
        });
    }
    tasks.join_all().await;
    let [(_, receipt)] = &w.receipts(to).await[..] else { panic!("one receipt expected") };
    assert_eq!(steps(receipt).last(), Some(&(Delivered, 40)));
}

pub async fn settings_change_from_their_last_version_only(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    let p = &w.subject.people;
    assert_eq!(*p.privacy(account(1)).await.unwrap(), Privacy::default());
    assert_eq!(*p.privacy(account(9)).await.unwrap(), Privacy::default());
    let except = vec![account(3), account(5)];
    let first = Privacy {
        version: 1,
        last_seen: PrivacyRule { audience: Audience::Everyone, except: except.clone() },
        online: Audience::Nobody,
        picture: PrivacyRule { audience: Audience::Contacts, except: vec![account(4)] },
        about: PrivacyRule::of(Audience::Nobody),
        read_receipts: Audience::Contacts,
        group_adds: PrivacyRule { audience: Audience::Nobody, except },
    };
    for (of, privacy, changes) in [
        (1, Privacy { version: 2, ..first.clone() }, false),
        (1, Privacy { version: 0, ..first.clone() }, false),
        (9, first.clone(), false),
        (1, first.clone(), true),
        (1, Privacy { version: 1, ..Privacy::default() }, false),
    ] {
        let text = format!("{of} {privacy:?}");
        assert_eq!(p.set_privacy(account(of), privacy).await.unwrap(), changes, "{text}");
    }
    assert_eq!(*p.privacy(account(1)).await.unwrap(), first);
    let mut tasks = JoinSet::new();
    for n in 0..8 {
        let (p, first) = (p.clone(), first.clone());
        let privacy =
            Privacy { version: 2, about: PrivacyRule { except: vec![account(n)], ..first.about.clone() }, ..first };
        tasks.spawn(async move { p.set_privacy(account(1), privacy).await.unwrap() });
    }
    assert_eq!(tasks.join_all().await.iter().filter(|won| **won).count(), 1);
    assert_eq!(p.privacy(account(1)).await.unwrap().version, 2);
    assert_eq!(*p.privacy(account(9)).await.unwrap(), Privacy::default());
}

pub async fn a_profile_is_replaced_by_a_higher_version_only(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    let p = &w.subject.people;
    assert_eq!(p.profile(account(1)).await.unwrap(), None);
    for (of, given, taken, stored) in [
        (9, profile(1, 1), false, None),
        (1, profile(5, 1), true, Some(profile(5, 1))),
        (1, profile(5, 1), true, Some(profile(5, 1))),
        (1, profile(5, 2), false, Some(profile(5, 1))),
        (1, profile(4, 3), false, Some(profile(5, 1))),
        (1, profile(9, 4), true, Some(profile(9, 4))),
        (1, profile(u64::MAX, 5), true, Some(profile(u64::MAX, 5))),
    ] {
        assert_eq!(p.put_profile(account(of), given.clone()).await.unwrap(), taken, "{given:?}");
        assert_eq!(p.profile(account(of)).await.unwrap(), stored);
    }
}

pub async fn a_deleted_account_leaves_what_others_own(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    for n in [1, 2] {
        w.person(n, 1).await;
    }
    let p = &w.subject.people;
    for (owner, other) in [(1, 2), (1, 3), (2, 1)] {
        p.set_contact(contact(owner, other, true, &[])).await.unwrap();
        assert!(p.is_contact(account(owner), account(other)).await.unwrap());
    }
    for n in [1, 2] {
        let privacy = Privacy { version: 1, online: Audience::Nobody, ..Privacy::default() };
        assert!(p.set_privacy(account(n), privacy).await.unwrap());
        assert_eq!(p.privacy(account(n)).await.unwrap().online, Audience::Nobody);
        assert!(p.put_profile(account(n), profile(1, n)).await.unwrap());
    }
    assert!(w.subject.directory.delete_account(account(1), T0).await.unwrap());
    assert!(p.contacts(account(1)).await.unwrap().is_empty() && !p.is_contact(account(1), account(2)).await.unwrap());
    assert_eq!(*p.privacy(account(1)).await.unwrap(), Privacy::default());
    assert_eq!(p.profile(account(1)).await.unwrap(), None);
    assert_eq!(p.contacts(account(2)).await.unwrap(), [account(1)]);
    assert_eq!(p.privacy(account(2)).await.unwrap().version, 1);
    assert_eq!(p.profile(account(2)).await.unwrap(), Some(profile(1, 2)));
}
