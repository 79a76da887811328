use crate::bed::*;
use sotto_domain::*;
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

#[tokio::test]
async fn a_new_code_ends_the_old_one() {
    let bed = Bed::new().await;
    let mut ann = bed.register("ann").await;
    let who = bed.sign_in(&ann, 0).await;
    let old = std::mem::replace(&mut ann.recovery, Person::new("x").recovery);
    bed.domain.set_recovery(&who, ann.recovery_keys()).await.unwrap();
    recover(&bed, &ann).await.unwrap();
    ann.recovery = old;
    assert_eq!(code(recover(&bed, &ann).await), ErrorCode::RecoveryRefused);
    let mut bad = ann.recovery_keys();
    bad.auth_key = [0; 32];
    assert_eq!(code(bed.domain.set_recovery(&who, bad).await), ErrorCode::KeyRejected);
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
