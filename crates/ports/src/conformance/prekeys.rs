//! Promises of `PreKeyStore`.

use super::world::*;
use super::{Subject, World};
use crate::{EntryFeed, KeyCounts, ONE_TIME_MAX, PreKeyUpload, StoredBundle};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::task::JoinSet;

impl World {
    async fn take(&self, n: u8) -> StoredBundle {
        let mut bundles = self.subject.prekeys.take_bundles(account(n), &[device(1)]).await.unwrap();
        assert_eq!(bundles.len(), 1);
        bundles.remove(0)
    }
}

pub async fn bundles_hand_out_the_lowest_ids_then_the_last_resort(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    let counts = w.subject.prekeys.put_keys(address(1, 1), upload([9, 4])).await.unwrap();
    let want = KeyCounts {
        one_time_ec: 2,
        one_time_kyber: 2,
        signed_id: 1,
        last_resort_id: 2,
        highest_ec_id: 9,
        highest_kyber_id: 9,
    };
    assert_eq!(counts, want);
    for (id, left) in [(4, 1), (9, 0)] {
        let bundle = w.take(1).await;
        assert_eq!((bundle.device, bundle.registration_id, &bundle.signed), (device(1), 101, &signed_key(1, 1)));
        assert_eq!((&bundle.one_time_ec, &bundle.kyber), (&Some(ec_key(id)), &signed_key(id, 3)));
        assert!(!bundle.kyber_is_last_resort);
        assert_eq!((bundle.left.one_time_ec, bundle.left.one_time_kyber), (left, left));
        assert_eq!((bundle.left.highest_ec_id, bundle.left.highest_kyber_id), (9, 9), "handed out or not");
    }
    let bundle = w.take(1).await;
    assert_eq!((bundle.one_time_ec, bundle.kyber_is_last_resort, bundle.kyber), (None, true, signed_key(2, 2)));
}

pub async fn racing_takers_never_share_a_one_time_key(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    w.subject.prekeys.put_keys(address(1, 1), upload(0..30)).await.unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..40 {
        let w = w.clone();
        tasks.spawn(async move { w.take(1).await });
    }
    let bundles = tasks.join_all().await;
    let ec: Vec<u32> = bundles.iter().filter_map(|bundle| bundle.one_time_ec.as_ref().map(|key| key.id)).collect();
    let one_time = bundles.iter().filter(|bundle| !bundle.kyber_is_last_resort);
    let kyber: Vec<u32> = one_time.map(|bundle| bundle.kyber.id).collect();
    for ids in [ec, kyber] {
        assert_eq!(ids.len(), 30);
        assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), (0..30).collect());
    }
}

pub async fn only_complete_listed_active_devices_have_bundles(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 3).await;
    let p = &w.subject.prekeys;
    let asked = [device(3), device(1), device(9), device(3), device(2)];
    let devices = |bundles: Vec<StoredBundle>| bundles.iter().map(|b| b.device.get()).collect::<Vec<_>>();
    assert_eq!(devices(p.take_bundles(account(1), &asked).await.unwrap()), [3, 1, 2], "as asked, each once");
    assert!(p.take_bundles(account(2), &asked).await.unwrap().is_empty());
    w.subject.directory.touch_device(address(1, 1), T0.plus(std::time::Duration::from_secs(9))).await.unwrap();
    w.subject.directory.suspend_absent(T0.plus(std::time::Duration::from_secs(5)), 9).await.unwrap();
    assert_eq!(devices(p.take_bundles(account(1), &asked).await.unwrap()), [1]);
    let mut create = new_account(5);
    create.device.keys.last_resort = None;
    w.subject.directory.create_account(create).await.unwrap();
    assert!(p.take_bundles(account(5), &[device(1)]).await.unwrap().is_empty());
    let last_resort = PreKeyUpload { last_resort: Some(signed_key(2, 2)), ..PreKeyUpload::default() };
    p.put_keys(address(5, 1), last_resort).await.unwrap();
    assert_eq!(devices(p.take_bundles(account(5), &[device(1)]).await.unwrap()), [1]);
}

pub async fn a_handed_out_id_does_not_come_back(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    let p = &w.subject.prekeys;
    p.put_keys(address(1, 1), upload([1, 2, 3])).await.unwrap();
    w.take(1).await;
    w.take(1).await;
    let counts = p.put_keys(address(1, 1), upload([1, 2, 3, 4])).await.unwrap();
    assert_eq!((counts.one_time_ec, counts.one_time_kyber), (2, 2), "3 was there, 4 is new");
    assert_eq!(w.take(1).await.one_time_ec, Some(ec_key(3)));
    assert_eq!(w.take(1).await.one_time_ec, Some(ec_key(4)));
    assert_eq!(w.take(1).await.one_time_ec, None);
}

pub async fn an_upload_changes_only_what_it_has(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    let p = &w.subject.prekeys;
    p.put_keys(address(1, 1), upload([1])).await.unwrap();
    let rotation = PreKeyUpload { signed: Some(signed_key(8, 8)), ..PreKeyUpload::default() };
    let want = KeyCounts {
        one_time_ec: 1,
        one_time_kyber: 1,
        signed_id: 8,
        last_resort_id: 2,
        highest_ec_id: 1,
        highest_kyber_id: 1,
    };
    assert_eq!(p.put_keys(address(1, 1), rotation).await.unwrap(), want);
    assert_eq!(p.key_counts(address(1, 1)).await.unwrap(), want);
    let mut other_key = upload([]);
    other_key.signed = None;
    other_key.one_time_ec = vec![crate::StoredEcPreKey { id: 1, public_key: vec![99].into() }];
    p.put_keys(address(1, 1), other_key).await.unwrap();
    let bundle = w.take(1).await;
    assert_eq!((bundle.signed, bundle.one_time_ec), (signed_key(8, 8), Some(ec_key(1))), "a stored id keeps its key");
}

pub async fn at_most_200_of_a_kind_are_kept(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    let p = &w.subject.prekeys;
    p.put_keys(address(1, 1), upload(1000..1150)).await.unwrap();
    let counts = p.put_keys(address(1, 1), upload((0..100).rev())).await.unwrap();
    let max = u32::try_from(ONE_TIME_MAX).unwrap();
    assert_eq!((counts.one_time_ec, counts.one_time_kyber), (max, max));
    let mut ids = Vec::new();
    while let Some(key) = w.take(1).await.one_time_ec {
        ids.push(key.id);
    }
    assert_eq!(ids, (0..50).chain(1000..1150).collect::<Vec<_>>());
}

pub async fn a_replacing_upload_begins_anew(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    let p = &w.subject.prekeys;
    p.put_keys(address(1, 1), upload([1, 2, 3])).await.unwrap();
    w.take(1).await;
    let counts = p.put_keys(address(1, 1), PreKeyUpload { replace: true, ..upload([1, 7]) }).await.unwrap();
    assert_eq!((counts.one_time_ec, counts.one_time_kyber), (2, 2));
    for id in [1, 7] {
        let bundle = w.take(1).await;
        assert_eq!((bundle.one_time_ec, bundle.kyber), (Some(ec_key(id)), signed_key(id, 3)));
    }
    assert!(w.take(1).await.kyber_is_last_resort);
}

pub async fn an_unlisted_device_stores_nothing(make: impl FnOnce(Arc<dyn EntryFeed>) -> Subject) {
    let w = World::new(make);
    w.person(1, 1).await;
    for of in [address(1, 2), address(2, 1)] {
        assert_eq!(w.subject.prekeys.put_keys(of, upload([1])).await.unwrap(), KeyCounts::default());
        assert_eq!(w.subject.prekeys.key_counts(of).await.unwrap(), KeyCounts::default());
    }
    w.change(1, 1, 2, &[1, 2]).await;
    assert_eq!(w.subject.prekeys.key_counts(address(1, 2)).await.unwrap().one_time_ec, 0);
}
