//! Promises of `DirectoryStore`.

use super::world::*;
use super::{Subject, World};
use crate::{
    CreateAccount, CreateOutcome, DeviceChange, DeviceChangeOutcome, EntryFeed, Invite, NAME_HELD, Recovery, Rekey,
    WatermarkKind,
};
use sotto_types::{SendId, Timestamp};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

const DAY: Duration = Duration::from_secs(86_400);

pub async fn a_new_account_reads_back(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    let d = &w.subject.directory;
    assert_eq!(d.account(account(1)).await.unwrap(), None);
    assert_eq!(d.routing(account(1)).await.unwrap(), None);
    let create = new_account(1);
    assert_eq!(d.create_account(create.clone()).await.unwrap(), CreateOutcome::Created);
    assert_eq!(d.account(account(1)).await.unwrap().as_deref(), Some(&create.account));
    assert_eq!(d.find_username(&username(1)).await.unwrap(), Some(account(1)));
    assert_eq!(d.find_username(&username(2)).await.unwrap(), None);
    assert_eq!(d.signed_list(account(1)).await.unwrap(), Some(create.list));
    let routing = d.routing(account(1)).await.unwrap().unwrap();
    assert_eq!((routing.account, routing.disabled, routing.list_version), (account(1), false, 1));
    assert_eq!(routing.devices, [(device(1), 101, false)]);
    let stored = d.device(address(1, 1)).await.unwrap().unwrap();
    assert_eq!((stored.listed, stored.created, stored.last_seen, stored.suspended), (listed(1), T0, T0, false));
    assert_eq!(&stored.encrypted_name[..], b"device 1");
    assert_eq!(d.devices(account(1)).await.unwrap(), [stored]);
    assert_eq!(d.device(address(1, 2)).await.unwrap(), None);
    assert!(d.devices(account(2)).await.unwrap().is_empty());
    assert_eq!(w.subject.prekeys.key_counts(address(1, 1)).await.unwrap().signed_id, 1);
}

pub async fn of_racing_registrations_of_a_name_one_wins(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    let mut tasks = JoinSet::new();
    for n in 1..=16 {
        let d = w.subject.directory.clone();
        tasks.spawn(async move {
            let mut create = new_account(n);
            create.account.username = username(100);
            (n, d.create_account(create).await.unwrap())
        });
    }
    let outcomes = tasks.join_all().await;
    let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|(_, o)| *o == CreateOutcome::Created);
    let [(winner, _)] = won[..] else { panic!("one must win, not {won:?}") };
    assert_eq!(w.subject.directory.find_username(&username(100)).await.unwrap(), Some(account(winner)));
    for (loser, outcome) in lost {
        assert_eq!(outcome, CreateOutcome::UsernameTaken);
        assert_eq!(w.subject.directory.account(account(loser)).await.unwrap(), None);
        assert_eq!(w.subject.directory.signed_list(account(loser)).await.unwrap(), None);
    }
}

pub async fn an_account_id_is_used_once(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    let mut again = new_account(1);
    again.account.username = username(2);
    assert_eq!(w.subject.directory.create_account(again).await.unwrap(), CreateOutcome::AccountExists);
    assert_eq!(w.subject.directory.find_username(&username(2)).await.unwrap(), None);
}

pub async fn an_invite_is_used_exactly_as_often_as_it_says(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    let d = &w.subject.directory;
    let with = |n: u8, hash: u8| CreateAccount { invite: Some([hash; 32]), ..new_account(n) };
    let invite = |hash: u8, uses_left, expires| Invite { hash: [hash; 32], uses_left, expires };
    d.put_invite(invite(1, 3, T0.plus(DAY))).await.unwrap();
    d.put_invite(invite(2, 3, T0)).await.unwrap();
    d.put_invite(invite(3, 0, T0.plus(DAY))).await.unwrap();
    for hash in [2, 3, 4] {
        assert_eq!(d.create_account(with(50, hash)).await.unwrap(), CreateOutcome::InviteInvalid, "{hash}");
    }
    assert_eq!(d.create_account(with(1, 1)).await.unwrap(), CreateOutcome::Created);
    let mut taken = with(2, 1);
    taken.account.username = username(1);
    assert_eq!(d.create_account(taken).await.unwrap(), CreateOutcome::UsernameTaken, "and no use is counted");
    let mut tasks = JoinSet::new();
    for n in 10..20 {
        let (d, create) = (d.clone(), with(n, 1));
        tasks.spawn(async move { d.create_account(create).await.unwrap() });
    }
    let outcomes = tasks.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == CreateOutcome::Created).count(), 2);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == CreateOutcome::InviteInvalid).count(), 8);
}

pub async fn a_device_change_replaces_list_and_devices(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 3).await;
    let d = &w.subject.directory;
    assert_eq!(w.change(1, 2, 3, &[2, 5]).await, DeviceChangeOutcome::Changed { removed: vec![device(1), device(3)] });
    let routing = d.routing(account(1)).await.unwrap().unwrap();
    assert_eq!(routing.list_version, 3);
    assert_eq!(routing.devices, [(device(2), 102, false), (device(5), 105, false)]);
    assert_eq!(d.signed_list(account(1)).await.unwrap(), Some(list(3, &[2, 5])));
    let devices = d.devices(account(1)).await.unwrap();
    assert_eq!(devices.iter().map(|device| device.listed).collect::<Vec<_>>(), [listed(2), listed(5)]);
    assert_eq!(d.device(address(1, 1)).await.unwrap(), None);
    for (expect, version) in [(2, 4), (4, 5), (3, 3), (3, 2)] {
        assert_eq!(w.change(1, expect, version, &[2]).await, DeviceChangeOutcome::Conflict, "{expect} {version}");
    }
    assert_eq!(d.signed_list(account(1)).await.unwrap(), Some(list(3, &[2, 5])));
    assert_eq!(w.change(9, 0, 1, &[1]).await, DeviceChangeOutcome::UnknownAccount);
    assert_eq!(d.devices(account(9)).await.unwrap(), []);
}

pub async fn of_racing_list_changes_one_wins(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    let mut tasks = JoinSet::new();
    for id in 2..=17 {
        let w = w.clone();
        tasks.spawn(async move { (id, w.change(1, 1, id, &[1, id]).await) });
    }
    let outcomes = tasks.join_all().await;
    let won: Vec<u32> =
        outcomes.iter().filter(|(_, o)| *o != DeviceChangeOutcome::Conflict).map(|(id, _)| *id).collect();
    let [winner] = won[..] else { panic!("one must win, not {won:?}") };
    let routing = w.subject.directory.routing(account(1)).await.unwrap().unwrap();
    assert_eq!((routing.list_version, routing.devices.len()), (winner, 2));
    assert_eq!(w.subject.directory.devices(account(1)).await.unwrap().len(), 2);
}

pub async fn a_device_made_again_begins_empty(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    w.person(2, 2).await;
    let again = address(2, 2);
    w.text(address(1, 1), again, 0).await;
    w.text(address(1, 1), address(2, 1), 1).await;
    w.settle(address(1, 1), &[], vec![advance(2, 1, WatermarkKind::Read, 10, &[again])]).await;
    w.subject.prekeys.put_keys(again, upload([1, 2])).await.unwrap();
    assert_eq!(w.read(again).await.len(), 2);
    w.change(2, 2, 3, &[1]).await;
    assert_eq!(w.read(again).await.len(), 2, "for the domain to bury");
    assert_eq!(w.subject.prekeys.key_counts(again).await.unwrap(), Default::default());
    w.change(2, 3, 4, &[1, 2]).await;
    assert!(w.read(again).await.is_empty());
    assert_eq!(w.subject.prekeys.key_counts(again).await.unwrap().one_time_ec, 0);
    w.settle(address(1, 1), &[], vec![advance(2, 1, WatermarkKind::Read, 11, &[again])]).await;
    let receipts = w.receipts(again).await;
    assert_eq!(receipts[0].1.read.len(), 1, "no step from before");
    assert_eq!(w.read(address(2, 1)).await.len(), 1, "the device that stayed keeps its entries");

    // Made anew within one change: the same id in both lists, named in `add`.
    let change = DeviceChange {
        account: account(2),
        expect_version: 4,
        list: list(5, &[1, 2]),
        add: vec![new_device(2, upload([7]))],
        rekey: Vec::new(),
        identity: None,
    };
    let outcome = w.subject.directory.change_devices(change).await.unwrap();
    assert_eq!(outcome, DeviceChangeOutcome::Changed { removed: vec![] });
    assert!(w.read(again).await.is_empty());
    assert_eq!(w.subject.prekeys.key_counts(again).await.unwrap().one_time_ec, 1);
}

pub async fn a_new_identity_brings_new_keys(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 2).await;
    w.subject.prekeys.put_keys(address(1, 1), upload([1, 2, 3])).await.unwrap();
    let recovery = Recovery { auth_key: [9; 32], backup: vec![9; 9].into() };
    let mut keys = upload([10]);
    keys.replace = true;
    let change = DeviceChange {
        account: account(1),
        expect_version: 2,
        list: list(3, &[1]),
        add: Vec::new(),
        rekey: vec![
            Rekey { device: device(1), keys, encrypted_name: Some(vec![7; 7].into()) },
            Rekey { device: device(2), keys: upload([1]), encrypted_name: None },
        ],
        identity: Some((vec![9; 33].into(), recovery.clone())),
    };
    w.subject.directory.change_devices(change).await.unwrap();
    let stored = w.subject.directory.account(account(1)).await.unwrap().unwrap();
    assert_eq!((&stored.identity_key[..], &stored.recovery), (&[9; 33][..], &recovery));
    let kept = w.subject.directory.device(address(1, 1)).await.unwrap().unwrap();
    assert_eq!(&kept.encrypted_name[..], &[7; 7], "a name for the new identity");
    let [bundle] = &w.subject.prekeys.take_bundles(account(1), &[device(1), device(2)]).await.unwrap()[..] else {
        panic!("one bundle expected")
    };
    assert_eq!(bundle.one_time_ec, Some(ec_key(10)));
    assert_eq!(bundle.left.one_time_ec, 0);
}

pub async fn touching_never_lowers_the_time(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    let d = &w.subject.directory;
    for (seen, want) in [(T0.plus(DAY), T0.plus(DAY)), (T0, T0.plus(DAY)), (T0.plus(DAY * 2), T0.plus(DAY * 2))] {
        d.touch_device(address(1, 1), seen).await.unwrap();
        assert_eq!(d.device(address(1, 1)).await.unwrap().unwrap().last_seen, want);
    }
    d.touch_device(address(1, 2), T0).await.unwrap();
    assert_eq!(d.device(address(1, 2)).await.unwrap(), None);
}

pub async fn last_seen_only_rises_and_goes_with_the_account(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    w.person(2, 1).await;
    let d = &w.subject.directory;
    assert_eq!(d.last_seen(account(1)).await.unwrap(), None);
    let later = T0.plus(DAY);
    d.note_last_seen(&[(account(1), later), (account(2), T0), (account(3), T0), (account(1), T0)]).await.unwrap();
    d.note_last_seen(&[(account(1), T0), (account(2), later)]).await.unwrap();
    for (number, want) in [(1, Some(later)), (2, Some(later)), (3, None)] {
        assert_eq!(d.last_seen(account(number)).await.unwrap(), want, "{number}");
    }
    assert!(d.delete_account(account(1), later).await.unwrap());
    d.note_last_seen(&[(account(1), later)]).await.unwrap();
    assert_eq!(d.last_seen(account(1)).await.unwrap(), None);
}

pub async fn absent_devices_are_suspended_once(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 3).await;
    w.person(2, 1).await;
    let d = &w.subject.directory;
    d.touch_device(address(1, 2), T0.plus(DAY)).await.unwrap();
    w.text(address(2, 1), address(1, 1), 0).await;
    w.text(address(2, 1), address(1, 2), 1).await;
    let before = T0.plus(Duration::from_secs(1));
    assert!(d.suspend_absent(T0, 10).await.unwrap().is_empty());
    let mut suspended = d.suspend_absent(before, 2).await.unwrap();
    assert_eq!(suspended.len(), 2);
    suspended.extend(d.suspend_absent(before, 2).await.unwrap());
    suspended.sort();
    assert_eq!(suspended, [address(1, 1), address(1, 3), address(2, 1)]);
    assert!(d.suspend_absent(before, 2).await.unwrap().is_empty());
    assert_eq!(w.read(address(1, 1)).await.len(), 1, "for the domain to bury");
    assert_eq!(w.read(address(1, 2)).await.len(), 1);
    let routing = d.routing(account(1)).await.unwrap().unwrap();
    assert_eq!(routing.devices.iter().map(|(_, _, off)| *off).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(routing.list_version, 2, "the list is the account's");
    assert!(d.device(address(1, 1)).await.unwrap().unwrap().suspended);
    assert!(w.subject.prekeys.take_bundles(account(2), &[device(1)]).await.unwrap().is_empty());
    w.change(1, 2, 3, &[1, 2]).await;
    assert!(d.routing(account(1)).await.unwrap().unwrap().devices[0].2, "staying listed does not wake it");
}

pub async fn recovery_and_disabling_change_what_is_there(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    let d = &w.subject.directory;
    let recovery = Recovery { auth_key: [9; 32], backup: vec![9; 9].into() };
    let first = d.account(account(1)).await.unwrap().unwrap().recovery.clone();
    let other_backup = Recovery { backup: recovery.backup.clone(), ..first.clone() };
    for (of, current) in [(1, &recovery), (1, &other_backup), (2, &first)] {
        assert!(!d.set_recovery(account(of), current, recovery.clone()).await.unwrap(), "{of} {current:?}");
    }
    assert_eq!(d.account(account(1)).await.unwrap().unwrap().recovery, first);
    assert!(d.set_recovery(account(1), &first, recovery.clone()).await.unwrap());
    assert!(!d.set_recovery(account(1), &first, first.clone()).await.unwrap(), "of two that start from one, one wins");
    for disabled in [true, false] {
        assert!(d.set_disabled(account(1), disabled).await.unwrap());
        let stored = d.account(account(1)).await.unwrap().unwrap();
        assert_eq!((stored.disabled, &stored.recovery), (disabled, &recovery));
        assert_eq!(d.routing(account(1)).await.unwrap().unwrap().disabled, disabled);
    }
    assert!(!d.set_disabled(account(2), true).await.unwrap());
}

pub async fn a_deleted_account_leaves_its_name_only(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 2).await;
    w.person(2, 1).await;
    let (d, p, i) = (&w.subject.directory, &w.subject.prekeys, &w.subject.inbox);
    p.put_keys(address(1, 1), upload([1])).await.unwrap();
    w.text(address(2, 1), address(1, 2), 0).await;
    let theirs = w.text(address(1, 1), address(2, 1), 1).await;
    w.settle(address(2, 1), &[], vec![advance(1, 2, WatermarkKind::Read, 10, &[address(1, 1)])]).await;
    w.settle(address(1, 1), &[], vec![advance(2, 1, WatermarkKind::Read, 10, &[])]).await;
    d.set_block(account(1), account(2), true).await.unwrap();
    d.set_block(account(2), account(1), true).await.unwrap();

    assert!(d.delete_account(account(1), T0).await.unwrap());
    assert!(!d.delete_account(account(1), T0).await.unwrap());
    assert_eq!(d.account(account(1)).await.unwrap(), None);
    assert_eq!(d.routing(account(1)).await.unwrap(), None);
    assert_eq!(d.signed_list(account(1)).await.unwrap(), None);
    assert!(d.devices(account(1)).await.unwrap().is_empty());
    assert_eq!(d.find_username(&username(1)).await.unwrap(), None);
    assert!(d.blocks(account(1)).await.unwrap().is_empty());
    for id in [1, 2] {
        assert!(w.read(address(1, id)).await.is_empty());
        assert_eq!(p.key_counts(address(1, id)).await.unwrap(), Default::default());
    }
    let send = SendId { from: address(1, 1), client_msg_id: client_msg_id(1) };
    assert_eq!(i.find_send(&send).await.unwrap(), None);
    assert_eq!(i.watermark(account(1), account(2), WatermarkKind::Read).await.unwrap(), None);
    assert!(d.list_accounts(None, 10).await.unwrap().iter().all(|summary| summary.id == account(2)));
    d.set_block(account(1), account(2), true).await.unwrap();
    assert!(!d.is_blocked(account(1), account(2)).await.unwrap());

    // What others own stays.
    assert_eq!(w.read(address(2, 1)).await[0].entry_id, theirs.message_id.into());
    assert!(i.watermark(account(2), account(1), WatermarkKind::Read).await.unwrap().is_some());
    assert!(d.is_blocked(account(2), account(1)).await.unwrap());

    let register = |now: Timestamp| {
        let mut create = new_account(3);
        create.account.username = username(1);
        create.device.now = now;
        d.create_account(create)
    };
    assert_eq!(register(T0.plus(NAME_HELD - DAY)).await.unwrap(), CreateOutcome::UsernameTaken);
    i.forget_old(T0.plus(NAME_HELD - DAY), 100).await.unwrap();
    assert_eq!(register(T0.plus(NAME_HELD - DAY)).await.unwrap(), CreateOutcome::UsernameTaken);
    assert_eq!(register(T0.plus(NAME_HELD)).await.unwrap(), CreateOutcome::Created);
    while i.forget_old(T0.plus(NAME_HELD * 2), 100).await.unwrap() > 0 {}
    assert_eq!(d.find_username(&username(1)).await.unwrap(), Some(account(3)), "only the hold was forgotten");
}

pub async fn accounts_are_listed_in_pages(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    for n in [3, 1, 2] {
        w.person(n, u32::from(n)).await;
    }
    let d = &w.subject.directory;
    d.touch_device(address(2, 2), T0.plus(DAY)).await.unwrap();
    d.set_disabled(account(2), true).await.unwrap();
    let first = d.list_accounts(None, 2).await.unwrap();
    assert_eq!(first.iter().map(|summary| summary.id).collect::<Vec<_>>(), [account(1), account(2)]);
    let summary = &first[1];
    assert_eq!((summary.devices, summary.disabled, summary.created), (2, true, T0));
    assert_eq!((&summary.username, summary.last_seen), (&username(2), T0.plus(DAY)));
    let second = d.list_accounts(Some(account(2)), 2).await.unwrap();
    assert_eq!(second.iter().map(|summary| summary.id).collect::<Vec<_>>(), [account(3)]);
    assert!(d.list_accounts(Some(account(3)), 2).await.unwrap().is_empty());
}

pub async fn blocks_are_kept_per_owner(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    w.person(2, 1).await;
    let d = &w.subject.directory;
    for (owner, other, blocked) in [(1, 3, true), (1, 2, true), (1, 2, true), (2, 9, true), (1, 4, true), (1, 4, false)]
    {
        d.set_block(account(owner), account(other), blocked).await.unwrap();
    }
    assert_eq!(d.blocks(account(1)).await.unwrap(), [account(2), account(3)]);
    for (owner, other, want) in [(1, 2, true), (2, 1, false), (1, 4, false), (2, 9, true), (8, 8, false)] {
        assert_eq!(d.is_blocked(account(owner), account(other)).await.unwrap(), want, "{owner} {other}");
    }
}
