use crate::bed::*;
use sotto_domain::*;
use sotto_types::{Clock, DeviceAddress, ErrorCode, limits};
use std::time::Duration;

#[tokio::test]
async fn a_signed_challenge_gives_a_token_that_names_the_device() {
    let bed = Bed::new().await;
    let ann = bed.register("ann").await;
    let token = bed.token(&ann, 0).await.unwrap();
    assert_eq!(token.expires, bed.now().plus(limits::ACCESS_TOKEN));
    let who = bed.domain.authenticate(&token.token).await.unwrap();
    assert_eq!((who.address, who.expires), (ann.address(0), token.expires));
    assert!(!format!("{token:?}").contains(&token.token));
}

#[tokio::test]
async fn a_challenge_works_once_for_one_device_until_it_expires() {
    let bed = Bed::new().await;
    let (ann, bob) = (bed.register("ann").await, bed.register("bob").await);
    let challenge = bed.domain.challenge(ann.address(0), ip()).await.unwrap().challenge;
    let signature = ann.devices[0].auth.sign(&challenge);
    let sign_in = |of: DeviceAddress, challenge: Vec<u8>, signature: Vec<u8>| {
        let domain = bed.domain.clone();
        async move { domain.sign_in(of, &challenge, &signature, ip()).await }
    };
    let bobs = bob.devices[0].auth.sign(&challenge);

    // None of these uses it up.
    assert_eq!(code(sign_in(ann.address(0), challenge.clone(), bobs.to_vec()).await), ErrorCode::SignatureInvalid);
    assert_eq!(code(sign_in(bob.address(0), challenge.clone(), bobs.to_vec()).await), ErrorCode::ChallengeInvalid);
    for at in [0, 7, 8, 23, 24, 55] {
        let mut forged = challenge.clone();
        forged[at] ^= 1;
        let signature = ann.devices[0].auth.sign(&forged);
        assert_eq!(code(sign_in(ann.address(0), forged, signature.to_vec()).await), ErrorCode::ChallengeInvalid);
    }
    for cut in [0, 23, 55] {
        let short = challenge[..cut].to_vec();
        assert_eq!(code(sign_in(ann.address(0), short, signature.to_vec()).await), ErrorCode::ChallengeInvalid);
    }

    sign_in(ann.address(0), challenge.clone(), signature.to_vec()).await.unwrap();
    let replayed = sign_in(ann.address(0), challenge, signature.to_vec()).await;
    assert_eq!(code(replayed), ErrorCode::ChallengeInvalid);

    let late = bed.domain.challenge(ann.address(0), ip()).await.unwrap();
    bed.clock.set(late.expires);
    let signature = ann.devices[0].auth.sign(&late.challenge);
    assert_eq!(code(sign_in(ann.address(0), late.challenge, signature.to_vec()).await), ErrorCode::ChallengeInvalid);
}

#[tokio::test]
async fn of_racing_uses_of_one_challenge_one_wins() {
    let bed = Bed::new().await;
    let ann = bed.register("ann").await;
    let challenge = bed.domain.challenge(ann.address(0), ip()).await.unwrap().challenge;
    let signature = ann.devices[0].auth.sign(&challenge);
    let tries = (0..8).map(|_| {
        let (domain, challenge, of) = (bed.domain.clone(), challenge.clone(), ann.address(0));
        tokio::spawn(async move { domain.sign_in(of, &challenge, &signature, ip()).await.is_ok() })
    });
    let mut won = 0;
    for attempt in tries.collect::<Vec<_>>() {
        won += usize::from(attempt.await.unwrap());
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn challenges_do_not_outlive_the_memory_of_used_ones() {
    let bed = Bed::new().await;
    let ann = bed.register("ann").await;
    let challenge = bed.domain.challenge(ann.address(0), ip()).await.unwrap().challenge;
    let restarted = Bed::over(bed.store.clone(), 1, open()).await;
    let signature = ann.devices[0].auth.sign(&challenge);
    let refused = restarted.domain.sign_in(ann.address(0), &challenge, &signature, ip()).await;
    assert_eq!(code(refused), ErrorCode::ChallengeInvalid);
}

#[tokio::test]
async fn forged_foreign_and_expired_tokens_are_refused() {
    let bed = Bed::new().await;
    let ann = bed.register("ann").await;
    let token = bed.token(&ann, 0).await.unwrap().token;
    let elsewhere = Bed::new().await;
    elsewhere.domain.register(ann.registration(), ip()).await.unwrap();
    let foreign = elsewhere.token(&ann, 0).await.unwrap().token;
    assert_eq!(token.split('.').next(), foreign.split('.').next(), "same day, same header, another key");

    let (head, rest) = token.split_once('.').unwrap();
    let none = format!("eyJhbGciOiJub25lIn0.{}.", rest.split('.').next().unwrap());
    let mut flipped = token.clone().into_bytes();
    let last = flipped.len() - 10;
    flipped[last] = if flipped[last] == b'A' { b'B' } else { b'A' };
    let flipped = String::from_utf8(flipped).unwrap();
    for bad in ["", "a.b.c", head, rest, &foreign, &none, &flipped, &"x".repeat(5000), &format!("{token}.x")] {
        assert_eq!(code(bed.domain.authenticate(bad).await), ErrorCode::TokenInvalid, "{bad:.40}");
    }
    bed.clock.advance(limits::ACCESS_TOKEN);
    assert_eq!(code(bed.domain.authenticate(&token).await), ErrorCode::TokenExpired);
    bed.clock.advance(5 * DAY);
    assert_eq!(code(bed.domain.authenticate(&token).await), ErrorCode::TokenExpired);
}

#[tokio::test]
async fn keys_rotate_daily_and_log_nobody_out() {
    let bed = Bed::new().await;
    let ann = bed.register("ann").await;
    let midnight = START.as_ms() / 86_400_000 * 86_400_000 + 86_400_000;
    bed.clock.set(sotto_types::Timestamp::from_ms(midnight - 60_000));
    let before = bed.token(&ann, 0).await.unwrap().token;
    bed.clock.advance(Duration::from_secs(120));
    bed.domain.sweep().await.unwrap();
    let after = bed.token(&ann, 0).await.unwrap().token;
    assert_ne!(before.split('.').next(), after.split('.').next(), "another kid");
    bed.domain.authenticate(&before).await.unwrap();
    bed.domain.authenticate(&after).await.unwrap();

    // A node that starts now finds both days' keys in the store.
    let other = Bed::over(bed.store.clone(), 1, open()).await;
    other.clock.set(bed.clock.now());
    other.domain.authenticate(&before).await.unwrap();

    // Two days later the first key is wiped from the store.
    let first_day = format!("token-key/{}", midnight / 86_400_000 - 1);
    assert_eq!(bed.parts.meta.get(&first_day).await.unwrap().unwrap().len(), 32);
    bed.clock.advance(DAY);
    bed.domain.sweep().await.unwrap();
    assert!(bed.parts.meta.get(&first_day).await.unwrap().unwrap().is_empty());
    assert_eq!(code(bed.domain.authenticate(&before).await), ErrorCode::TokenExpired);

    // A clock that jumps back over wiped days does not end sign-in.
    bed.clock.set(START);
    let back = bed.token(&ann, 0).await.unwrap().token;
    bed.domain.authenticate(&back).await.unwrap();
}

#[tokio::test]
async fn sign_in_tells_what_became_of_a_device() {
    let bed = Bed::new().await;
    let mut ann = bed.register("ann").await;
    assert_eq!(code(bed.token(&Person::new("x"), 0).await), ErrorCode::UnknownAccount);
    let bob = bed.register("bob").await;
    bed.domain.delete_account_by_name("bob").await.unwrap();
    assert_eq!(code(bed.token(&bob, 0).await), ErrorCode::DeviceUnlinked, "deleted is for good");
    let forgotten = code(bed.restored_empty().await.token(&ann, 0).await);
    assert_eq!(forgotten, ErrorCode::UnknownAccount, "it may come back with its receipt");
    ann.devices.push(TestDevice::new(dev(2)));
    assert_eq!(code(bed.token(&ann, 1).await), ErrorCode::DeviceUnlinked, "never linked, or not any more");
}

#[tokio::test]
async fn sign_ins_are_limited_by_address() {
    let limits = RateLimits { sign_ins: Rate::new(1, 1), ..RateLimits::default() };
    let bed = Bed::with(DomainConfig { limits, ..open() }).await;
    let ann = bed.register("ann").await;
    bed.token(&ann, 0).await.unwrap();
    assert_eq!(code(bed.token(&ann, 0).await), ErrorCode::RateLimited);
}
