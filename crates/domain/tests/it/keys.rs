use crate::bed::*;
use sotto_domain::*;
use sotto_types::{DeviceId, ErrorCode};
use std::collections::HashSet;

#[tokio::test]
async fn racing_takers_never_get_the_same_one_time_key() {
    let bed = Bed::new().await;
    let (ann, bob) = (bed.register("ann").await, bed.register("bob").await);
    let who = bed.sign_in(&bob, 0).await;
    let takes = (0..5).map(|_| {
        let (domain, of) = (bed.domain.clone(), ann.account);
        tokio::spawn(async move { domain.take_prekeys(&who, of, &[DeviceId::FIRST]).await.unwrap().bundles })
    });
    let (mut ec, mut kyber, mut last_resort) = (HashSet::new(), HashSet::new(), 0);
    for take in takes.collect::<Vec<_>>() {
        for bundle in take.await.unwrap() {
            bundle.one_time_ec.into_iter().for_each(|key| assert!(ec.insert(key.id)));
            if bundle.kyber_is_last_resort {
                last_resort += 1;
            } else {
                assert!(kyber.insert(bundle.kyber.id));
            }
        }
    }
    assert_eq!((ec.len(), kyber.len(), last_resort), (3, 3, 2));
    let low = Told::Changed { to: ann.address(0), account: ann.account, version: 1, low: true };
    assert!(bed.connections.drain().contains(&low));
}

#[tokio::test]
async fn one_account_cannot_drain_anothers_keys() {
    let limits = RateLimits { bundles_of_one: Rate::new(2, 1), ..RateLimits::default() };
    let bed = Bed::with(DomainConfig { limits, ..open() }).await;
    let (ann, bob) = (bed.register("ann").await, bed.register("bob").await);
    let (a, b) = (bed.sign_in(&ann, 0).await, bed.sign_in(&bob, 0).await);
    let take = |who: SignedIn, of: &Person| {
        let (domain, of) = (bed.domain.clone(), of.account);
        async move { domain.take_prekeys(&who, of, &[DeviceId::FIRST]).await }
    };
    take(b, &ann).await.unwrap();
    take(b, &ann).await.unwrap();
    assert_eq!(code(take(b, &ann).await), ErrorCode::RateLimited);
    take(a, &ann).await.expect("others still can");
    assert_eq!(bed.domain.key_counts(&a).await.unwrap().one_time_ec, 0);
}

#[tokio::test]
async fn bundles_are_asked_for_properly() {
    let bed = Bed::new().await;
    let ann = bed.register("ann").await;
    let who = bed.sign_in(&ann, 0).await;
    let take = |devices: Vec<u32>| {
        let (domain, of) = (bed.domain.clone(), ann.account);
        let devices: Vec<_> = devices.into_iter().map(dev).collect();
        async move { domain.take_prekeys(&who, of, &devices).await }
    };
    assert_eq!(code(take(vec![]).await), ErrorCode::BadRequest);
    assert_eq!(code(take(vec![1, 1]).await), ErrorCode::BadRequest);
    assert_eq!(code(take((1..=11).collect()).await), ErrorCode::BadRequest);
    assert!(take(vec![9]).await.unwrap().bundles.is_empty(), "not listed: left out");
    let unknown = bed.domain.take_prekeys(&who, Person::new("x").account, &[dev(1)]).await;
    assert_eq!(code(unknown), ErrorCode::UnknownAccount);
    assert_eq!(bed.domain.key_counts(&who).await.unwrap().one_time_ec, 3);
}

#[tokio::test]
async fn uploads_are_verified_and_all_or_nothing() {
    let bed = Bed::new().await;
    let ann = bed.register("ann").await;
    let who = bed.sign_in(&ann, 0).await;
    let fresh = keys_of(&ann.identity, 50, 5);
    let mut upload = NewPreKeys { one_time_ec: fresh.one_time_ec, ..NewPreKeys::default() };
    assert_eq!(bed.domain.upload_keys(&who, upload.clone()).await.unwrap().one_time_ec, 8);
    upload.signed = Some(Person::new("x").keys().signed);
    assert_eq!(code(bed.domain.upload_keys(&who, upload.clone()).await), ErrorCode::KeyRejected);
    upload.signed = Some(fresh.signed);
    upload.last_resort = Some(fresh.last_resort);
    upload.one_time_kyber = fresh.one_time_kyber;
    upload.replace = true;
    let counts = bed.domain.upload_keys(&who, upload).await.unwrap();
    assert_eq!((counts.one_time_ec, counts.one_time_kyber), (5, 5));
    assert_eq!((counts.signed_id, counts.last_resort_id), (50, 50));
    assert_eq!(bed.domain.key_counts(&who).await.unwrap(), counts);
}

#[tokio::test]
async fn uploads_are_limited_by_device() {
    let limits = RateLimits { key_uploads: Rate::new(1, 1), ..RateLimits::default() };
    let bed = Bed::with(DomainConfig { limits, ..open() }).await;
    let ann = bed.register("ann").await;
    let who = bed.sign_in(&ann, 0).await;
    bed.domain.upload_keys(&who, NewPreKeys::default()).await.unwrap();
    assert_eq!(code(bed.domain.upload_keys(&who, NewPreKeys::default()).await), ErrorCode::RateLimited);
}
