use crate::bed::*;
use sotto_domain::*;
use sotto_ports::{DirectoryStore, Recovery};
use sotto_types::{ErrorCode, limits};

async fn recover(bed: &Bed, ann: &Person) -> Result<Recovered, Refusal> {
    let challenge = bed.domain.recovery_challenge(&ann.name, ip()).await?.challenge;
    bed.domain.recover(&ann.name, &challenge, &ann.recovery.sign(&challenge), ip()).await
}

#[tokio::test]
async fn the_code_alone_lets_a_person_back_in() {
    let bed = Bed::new().await;
    let mut ann = bed.register("ann").await;
    let recovered = recover(&bed, &ann).await.unwrap();
    assert_eq!((recovered.account, recovered.username.as_str()), (ann.account, "ann"));
    assert_eq!((&recovered.backup[..], recovered.device, recovered.list.version), (&b"sealed"[..], dev(2), 1));
    ann.devices.push(TestDevice::new(recovered.device));
    ann.version = 2;
    bed.domain.add_device(ann.addition(1, recovered.link_code), ip()).await.unwrap();
    bed.sign_in(&ann, 1).await;
    bed.sign_in(&ann, 0).await;
}

#[tokio::test]
async fn recovery_outranks_devices_even_when_there_is_no_room() {
    let bed = Bed::new().await;
    let mut ann = bed.register("ann").await;
    while ann.devices.len() < limits::DEVICES_PER_ACCOUNT {
        bed.link(&mut ann).await;
    }
    let recovered = recover(&bed, &ann).await.unwrap();
    assert_eq!(recovered.device, dev(11));
    ann.devices = vec![TestDevice::new(recovered.device)];
    ann.version += 1;
    bed.connections.drain();
    bed.domain.add_device(ann.addition(0, recovered.link_code), ip()).await.unwrap();
    assert_eq!(bed.connections.closed().len(), 10);
    bed.sign_in(&ann, 0).await;
}

#[tokio::test]
async fn what_an_old_code_began_ends_with_it() {
    let bed = Bed::new().await;
    let mut ann = bed.register("ann").await;
    let recovered = recover(&bed, &ann).await.unwrap();
    let who = bed.sign_in(&ann, 0).await;
    let challenge = bed.domain.recovery_challenge("ann", ip()).await.unwrap().challenge;
    let recovery = Person::new("ann").recovery_keys();
    let recovery_signature = ann.recovery.sign(&challenge).to_vec();
    let replace = ReplaceRecovery { challenge, recovery_signature, recovery };
    bed.domain.set_recovery(&who, replace, ip()).await.unwrap();
    ann.devices.push(TestDevice::new(recovered.device));
    ann.version = 2;
    let addition = ann.addition(1, recovered.link_code);
    assert_eq!(code(bed.domain.add_device(addition, ip()).await), ErrorCode::LinkCodeInvalid);
}

#[tokio::test]
async fn recovery_does_not_tell_who_exists() {
    let bed = Bed::new().await;
    let ann = bed.register("ann").await;
    let nobody = Person::new("nobody");
    let refused = recover(&bed, &nobody).await.unwrap_err();
    let mut wrong = Person::new("ann");
    wrong.account = ann.account;
    let wrong = recover(&bed, &wrong).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::RecoveryRefused);
    assert_eq!((refused.code, refused.detail), (wrong.code, wrong.detail));
    assert_eq!(code(bed.domain.recovery_challenge("a b", ip()).await), ErrorCode::UsernameInvalid);
}

#[tokio::test]
async fn recovery_challenges_are_for_one_name_once_and_not_for_sign_in() {
    let bed = Bed::new().await;
    let (ann, bob) = (bed.register("ann").await, bed.register("bob").await);
    let challenge = bed.domain.recovery_challenge("ann", ip()).await.unwrap().challenge;
    let signature = ann.recovery.sign(&challenge);
    let bobs = bed.domain.recover("bob", &challenge, &bob.recovery.sign(&challenge), ip()).await;
    assert_eq!(code(bobs), ErrorCode::ChallengeInvalid);
    let as_device = bed.domain.sign_in(ann.address(0), &challenge, &ann.devices[0].auth.sign(&challenge), ip()).await;
    assert_eq!(code(as_device), ErrorCode::ChallengeInvalid);
    bed.domain.recover("ann", &challenge, &signature, ip()).await.unwrap();
    assert_eq!(code(bed.domain.recover("ann", &challenge, &signature, ip()).await), ErrorCode::ChallengeInvalid);
    bed.domain.disable_account("ann", true).await.unwrap();
    assert_eq!(code(recover(&bed, &ann).await), ErrorCode::AccountDisabled);
}

/// Asks for Ann's next code, proven by her current one.
async fn replacement(bed: &Bed, ann: &Person, next: &Person) -> ReplaceRecovery {
    let challenge = bed.domain.recovery_challenge(&ann.name, ip()).await.unwrap().challenge;
    ReplaceRecovery {
        recovery_signature: ann.recovery.sign(&challenge).to_vec(),
        challenge,
        recovery: next.recovery_keys(),
    }
}

#[tokio::test]
async fn a_new_code_ends_the_old_one() {
    let bed = Bed::new().await;
    let mut ann = bed.register("ann").await;
    let who = bed.sign_in(&ann, 0).await;
    let next = Person::new("x");
    let replace = replacement(&bed, &ann, &next).await;
    bed.domain.set_recovery(&who, replace.clone(), ip()).await.unwrap();
    assert_eq!(code(recover(&bed, &ann).await), ErrorCode::RecoveryRefused);
    bed.domain.set_recovery(&who, replace, ip()).await.expect("after a lost answer the same is asked again");
    ann.recovery = next.recovery;
    recover(&bed, &ann).await.unwrap();
}

#[tokio::test]
async fn a_new_code_needs_the_current_one() {
    let bed = Bed::new().await;
    let mut ann = bed.register("ann").await;
    bed.register("bob").await;
    // A thief has everything that is on a device.
    let thief = bed.link(&mut ann).await;
    let next = Person::new("x");
    let good = replacement(&bed, &ann, &next).await;
    let bobs = bed.domain.recovery_challenge("bob", ip()).await.unwrap().challenge;
    type Spoil<'a> = &'a dyn Fn(&mut ReplaceRecovery);
    let signed = |signature: [u8; 64]| move |r: &mut ReplaceRecovery| r.recovery_signature = signature.to_vec();
    let table: &[(&str, Spoil<'_>, ErrorCode)] = &[
        ("no signature", &|r| r.recovery_signature.clear(), ErrorCode::RecoveryRefused),
        ("the new code's", &signed(next.recovery.sign(&good.challenge)), ErrorCode::RecoveryRefused),
        ("the device's", &signed(ann.devices[1].auth.sign(&good.challenge)), ErrorCode::RecoveryRefused),
        ("a changed challenge", &|r| r.challenge[30] ^= 1, ErrorCode::ChallengeInvalid),
        (
            "another's challenge",
            &|r| {
                r.recovery_signature = ann.recovery.sign(&bobs).to_vec();
                r.challenge = bobs.clone();
            },
            ErrorCode::ChallengeInvalid,
        ),
        ("a weak key", &|r| r.recovery.auth_key = [0; 32], ErrorCode::KeyRejected),
        ("no backup", &|r| r.recovery.backup = Default::default(), ErrorCode::BadRequest),
    ];
    for (name, spoil, want) in table {
        let mut replace = good.clone();
        spoil(&mut replace);
        assert_eq!(code(bed.domain.set_recovery(&thief, replace, ip()).await), *want, "{name}");
    }
    assert_eq!(bed.store.account(ann.account).await.unwrap().unwrap().recovery, ann.recovery_keys());
    bed.domain.set_recovery(&thief, good, ip()).await.expect("the challenge was not used up");
}

#[tokio::test]
async fn a_proof_replaces_one_code_once() {
    let bed = Bed::new().await;
    let ann = bed.register("ann").await;
    let who = bed.sign_in(&ann, 0).await;
    let (first, second) = (Person::new("x"), Person::new("y"));
    // The same code for another backup, so that the signature stays good.
    let mut replace = replacement(&bed, &ann, &first).await;
    replace.recovery = Recovery { backup: b"sealed again"[..].into(), ..ann.recovery_keys() };
    bed.domain.set_recovery(&who, replace.clone(), ip()).await.unwrap();
    replace.recovery = second.recovery_keys();
    assert_eq!(code(bed.domain.set_recovery(&who, replace, ip()).await), ErrorCode::ChallengeInvalid, "replayed");
    // Used for a recovery, it is used for this too.
    let replace = replacement(&bed, &ann, &first).await;
    bed.domain.recover("ann", &replace.challenge, &replace.recovery_signature, ip()).await.unwrap();
    assert_eq!(code(bed.domain.set_recovery(&who, replace, ip()).await), ErrorCode::ChallengeInvalid);
    let late = replacement(&bed, &ann, &first).await;
    bed.clock.advance(limits::CHALLENGE);
    assert_eq!(code(bed.domain.set_recovery(&who, late, ip()).await), ErrorCode::ChallengeInvalid, "expired");
    recover(&bed, &ann).await.expect("the code is what it was");
}

#[tokio::test]
async fn recovery_attempts_are_limited_by_address() {
    let limits = RateLimits { recoveries: Rate::new(2, 1), ..RateLimits::default() };
    let bed = Bed::with(DomainConfig { limits, ..open() }).await;
    let nobody = Person::new("nobody");
    for _ in 0..2 {
        assert_eq!(code(recover(&bed, &nobody).await), ErrorCode::RecoveryRefused);
    }
    assert_eq!(code(recover(&bed, &nobody).await), ErrorCode::RateLimited);
}

#[tokio::test]
async fn attempts_to_replace_the_code_are_limited_by_address() {
    let limits = RateLimits { recoveries: Rate::new(2, 1), ..RateLimits::default() };
    let bed = Bed::with(DomainConfig { limits, ..open() }).await;
    let ann = bed.register("ann").await;
    let who = bed.sign_in(&ann, 0).await;
    let good = replacement(&bed, &ann, &Person::new("x")).await;
    for _ in 0..2 {
        let guess = ReplaceRecovery { recovery_signature: vec![0; 64], ..good.clone() };
        assert_eq!(code(bed.domain.set_recovery(&who, guess, ip()).await), ErrorCode::RecoveryRefused);
    }
    assert_eq!(code(bed.domain.set_recovery(&who, good, ip()).await), ErrorCode::RateLimited);
}
