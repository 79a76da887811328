use crate::bed::*;
use bytes::Bytes;
use sotto_domain::*;
use sotto_ports::DirectoryStore;
use sotto_types::{ErrorCode, limits};
use std::time::Duration;

#[tokio::test]
async fn the_same_registration_again_gets_the_same_answer() {
    let bed = Bed::new().await;
    let ann = Person::new("Ann");
    let first = bed.domain.register(ann.registration(), ip()).await.unwrap();
    assert_eq!((first.username.as_str(), first.generation), ("ann", 1));
    let again = bed.domain.register(ann.registration(), ip()).await.unwrap();
    assert_eq!(first, again);

    // Another name, another recovery code or another identity under the same id is somebody else.
    let mut renamed = ann.registration();
    renamed.username = "anna".into();
    let mut recovery = ann.registration();
    recovery.recovery = Person::new("x").recovery_keys();
    let mut thief = Person::new("ann");
    thief.account = ann.account;
    for other in [renamed, recovery, thief.registration()] {
        assert_eq!(code(bed.domain.register(other, ip()).await), ErrorCode::AccountExists);
    }
    assert_eq!(bed.domain.list_accounts(None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn of_two_racing_for_a_name_one_wins() {
    let bed = Bed::new().await;
    let (one, other) = (Person::new("ann"), Person::new("ANN"));
    let (a, b) =
        tokio::join!(bed.domain.register(one.registration(), ip()), bed.domain.register(other.registration(), ip()));
    let winners = [&a, &b].iter().filter(|result| result.is_ok()).count();
    assert_eq!(winners, 1);
    assert_eq!(a.err().or(b.err()).unwrap().code, ErrorCode::UsernameTaken);
}

#[tokio::test]
async fn every_bad_registration_is_refused_and_leaves_nothing() {
    type Spoil = fn(&mut Register, &Person);
    let table: &[(&str, Spoil, ErrorCode)] = &[
        ("name", |r, _| r.username = "a b".into(), ErrorCode::UsernameInvalid),
        ("list of another account", |r, _| r.list = Person::new("x").list(), ErrorCode::ListInvalid),
        ("device not in the list", |r, _| r.device = dev(2), ErrorCode::ListInvalid),
        (
            "forged list",
            |r, _| {
                let mut signature = r.list.signature.to_vec();
                signature[7] ^= 1;
                r.list.signature = signature.into();
            },
            ErrorCode::ListSignatureInvalid,
        ),
        ("no list", |r, _| r.list.payload = Bytes::from_static(&[0xff]), ErrorCode::ListInvalid),
        (
            "two devices",
            |r, p| r.list = p.list_of(1, &[&p.devices[0], &TestDevice::new(dev(2))]),
            ErrorCode::ListInvalid,
        ),
        ("recovery key", |r, _| r.recovery.auth_key = [0; 32], ErrorCode::KeyRejected),
        ("no backup", |r, _| r.recovery.backup = Bytes::new(), ErrorCode::BadRequest),
        ("large backup", |r, _| r.recovery.backup = vec![0; 5000].into(), ErrorCode::TooLarge),
        ("large name", |r, _| r.encrypted_name = vec![0; 257].into(), ErrorCode::TooLarge),
        ("prekey of another identity", |r, _| r.keys.signed = Person::new("x").keys().signed, ErrorCode::KeyRejected),
        (
            "low-order prekey",
            |r, _| {
                let mut low = [0u8; 33];
                low[0] = 5;
                r.keys.one_time_ec[0].public_key = Bytes::copy_from_slice(&low);
            },
            ErrorCode::KeyRejected,
        ),
        ("kyber signature", |r, _| r.keys.one_time_kyber[1].signature = Bytes::new(), ErrorCode::KeyRejected),
        ("repeated prekey id", |r, _| r.keys.one_time_ec[1].id = r.keys.one_time_ec[0].id, ErrorCode::BadRequest),
        ("too many prekeys", |r, _| r.keys.one_time_ec = vec![r.keys.one_time_ec[0].clone(); 201], ErrorCode::TooLarge),
    ];
    let bed = Bed::new().await;
    for (name, spoil, want) in table {
        let ann = Person::new("ann");
        let mut registration = ann.registration();
        spoil(&mut registration, &ann);
        assert_eq!(code(bed.domain.register(registration, ip()).await), *want, "{name}");
    }
    assert!(bed.domain.list_accounts(None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn invites_are_needed_used_up_and_expire() {
    let bed = Bed::with(DomainConfig { registration: RegistrationPolicy::Invite, ..open() }).await;
    let with = |name: &str, invite: Option<&str>| {
        let mut registration = Person::new(name).registration();
        registration.invite = invite.map(str::to_owned);
        bed.domain.register(registration, ip())
    };
    assert_eq!(code(with("ann", None).await), ErrorCode::InviteInvalid);
    assert_eq!(code(with("ann", Some("  ")).await), ErrorCode::InviteInvalid);
    assert_eq!(code(with("ann", Some("abcde-fghij")).await), ErrorCode::InviteInvalid);

    let invite = bed.domain.create_invite(2, Duration::from_secs(60)).await.unwrap();
    with("ann", Some(&invite)).await.unwrap();
    let typed = invite.replace('-', " ").to_uppercase();
    with("bob", Some(&typed)).await.unwrap();
    assert_eq!(code(with("carl", Some(&invite)).await), ErrorCode::InviteInvalid);

    let late = bed.domain.create_invite(1, Duration::from_secs(60)).await.unwrap();
    bed.clock.advance(Duration::from_secs(60));
    assert_eq!(code(with("carl", Some(&late)).await), ErrorCode::InviteInvalid);
    assert_eq!(code(bed.domain.create_invite(0, DAY).await), ErrorCode::BadRequest);
}

#[tokio::test]
async fn a_closed_server_takes_nobody() {
    let bed = Bed::with(DomainConfig { registration: RegistrationPolicy::Closed, ..open() }).await;
    let refused = bed.domain.register(Person::new("ann").registration(), ip()).await;
    assert_eq!(code(refused), ErrorCode::RegistrationClosed);
}

#[tokio::test]
async fn registrations_are_limited_by_address() {
    let limits = RateLimits { registrations: Rate::new(2, 60), ..RateLimits::default() };
    let bed = Bed::with(DomainConfig { limits, ..open() }).await;
    bed.register("ann").await;
    bed.register("bob").await;
    let refusal = bed.domain.register(Person::new("carl").registration(), ip()).await.unwrap_err();
    assert_eq!((refusal.code, refusal.retry_after), (ErrorCode::RateLimited, Some(Duration::from_secs(1))));
    bed.clock.advance(Duration::from_secs(1));
    bed.register("carl").await;
}

#[tokio::test]
async fn names_are_found_exactly_and_slowly() {
    let limits = RateLimits { look_ups: Rate::new(3, 1), ..RateLimits::default() };
    let bed = Bed::with(DomainConfig { limits, ..open() }).await;
    let (ann, bob) = (bed.register("ann").await, bed.register("bob").await);
    let who = bed.sign_in(&ann, 0).await;
    let (found, name) = bed.domain.find_username(&who, "@BOB").await.unwrap();
    assert_eq!((found, name.as_str()), (bob.account, "bob"));
    assert_eq!(code(bed.domain.find_username(&who, "bo").await), ErrorCode::UsernameInvalid);
    assert_eq!(code(bed.domain.find_username(&who, "bobb").await), ErrorCode::NotFound);
    assert_eq!(code(bed.domain.find_username(&who, "bob").await), ErrorCode::RateLimited);

    let devices = bed.domain.account_devices(&who, bob.account).await.unwrap();
    assert_eq!((devices.username.as_str(), devices.list.version), ("bob", 1));
    assert_eq!(code(bed.domain.account_devices(&who, Person::new("x").account).await), ErrorCode::UnknownAccount);
}

#[tokio::test]
async fn a_deleted_account_is_gone_and_its_name_held() {
    let bed = Bed::new().await;
    let mut ann = bed.register("ann").await;
    let second = bed.link(&mut ann).await;
    bed.connections.drain();
    let who = bed.sign_in(&ann, 0).await;
    bed.domain.delete_account(&who).await.unwrap();
    let gone = [(ann.address(0), ErrorCode::DeviceUnlinked), (second.address, ErrorCode::DeviceUnlinked)];
    assert_eq!(bed.connections.closed(), gone);
    assert_eq!(code(bed.token(&ann, 0).await), ErrorCode::DeviceUnlinked);
    assert_eq!(code(bed.domain.delete_account(&who).await), ErrorCode::UnknownAccount);
    let again = Person::new("ann");
    assert_eq!(code(bed.domain.register(again.registration(), ip()).await), ErrorCode::UsernameTaken);
    bed.clock.advance(limits::UNDELIVERED_RETENTION + DAY);
    bed.domain.register(again.registration(), ip()).await.unwrap();
}

#[tokio::test]
async fn operators_disable_and_delete_by_name() {
    let bed = Bed::new().await;
    let ann = bed.register("ann").await;
    let token = bed.token(&ann, 0).await.unwrap();
    assert_eq!(bed.domain.disable_account("Ann", true).await.unwrap(), ann.account);
    assert_eq!(bed.connections.closed(), [(ann.address(0), ErrorCode::AccountDisabled)]);
    assert_eq!(code(bed.domain.authenticate(&token.token).await), ErrorCode::AccountDisabled);
    assert_eq!(code(bed.token(&ann, 0).await), ErrorCode::AccountDisabled);
    assert!(bed.domain.list_accounts(None, 10).await.unwrap()[0].disabled);
    bed.domain.disable_account("ann", false).await.unwrap();
    bed.domain.authenticate(&token.token).await.unwrap();

    bed.domain.delete_account_by_name("ann").await.unwrap();
    assert!(bed.store.account(ann.account).await.unwrap().is_none());
    assert_eq!(code(bed.domain.delete_account_by_name("ann").await), ErrorCode::UnknownAccount);
}
