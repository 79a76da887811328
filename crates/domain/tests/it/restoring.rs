use crate::bed::*;
use sotto_domain::*;
use sotto_ports::DirectoryStore;
use sotto_types::ErrorCode;

async fn restoration(bed: &Bed, person: &Person, device: usize) -> RestoreDevice {
    let challenge = bed.domain.challenge(person.address(device), ip()).await.unwrap().challenge;
    RestoreDevice {
        account: person.account,
        device: person.devices[device].id,
        signature: person.devices[device].auth.sign(&challenge).to_vec(),
        challenge,
        list: person.list(),
        keys: keys_of(&person.identity, 200, 3),
        encrypted_name: b"name"[..].into(),
    }
}

#[tokio::test]
async fn a_forgotten_account_comes_back_with_its_receipt_and_its_devices() {
    let before = Bed::with(DomainConfig { registration: RegistrationPolicy::Invite, ..open() }).await;
    let invite = before.domain.create_invite(1, DAY).await.unwrap();
    let mut ann = Person::new("ann");
    let registration = Register { invite: Some(invite), ..ann.registration() };
    let receipt = before.domain.register(registration, ip()).await.unwrap().receipt;
    before.link(&mut ann).await;

    let after = before.restored_empty().await;
    let closed = DomainConfig { registration: RegistrationPolicy::Closed, ..open() };
    let after = Bed::over(after.store.clone(), 2, closed).await;
    assert_eq!(code(after.token(&ann, 0).await), ErrorCode::UnknownAccount);
    let with = |receipt: &str| Register { receipt: Some(receipt.into()), ..ann.registration() };
    for wrong in ["", "x", &receipt[1..]] {
        assert!(after.domain.register(with(wrong), ip()).await.is_err(), "{wrong}");
    }
    let back = after.domain.register(with(&receipt), ip()).await.unwrap();
    assert_eq!((back.generation, after.version_of(&ann).await), (2, 2));
    // The sibling is in the list: it signs in and uploads its keys; a sweep does not take it for absent.
    assert_eq!(after.domain.sweep().await.unwrap().suspended, 0);
    let who = after.sign_in(&ann, 1).await;
    let restored = restoration(&after, &ann, 1).await;
    after.domain.restore_device(restored, ip()).await.unwrap();
    assert_eq!(after.domain.key_counts(&who).await.unwrap().signed_id, 200);
}

#[tokio::test]
async fn a_receipt_is_worth_nothing_without_a_restore() {
    let bed = Bed::with(DomainConfig { registration: RegistrationPolicy::Invite, ..open() }).await;
    let invite = bed.domain.create_invite(1, DAY).await.unwrap();
    let ann = Person::new("ann");
    let registration = Register { invite: Some(invite), ..ann.registration() };
    let receipt = bed.domain.register(registration, ip()).await.unwrap().receipt;
    bed.domain.delete_account_by_name("ann").await.unwrap();
    let again = Register { receipt: Some(receipt), username: "ann2".into(), ..ann.registration() };
    assert_eq!(code(bed.domain.register(again, ip()).await), ErrorCode::InviteInvalid);
}

/// A server that knows only the first device of a person who linked more since the backup.
async fn forgot_devices() -> (Bed, Person) {
    let bed = Bed::new().await;
    let mut ann = Person::new("ann");
    let first = ann.registration();
    bed.domain.register(first.clone(), ip()).await.unwrap();
    bed.link(&mut ann).await;
    bed.link(&mut ann).await;
    let after = bed.restored_empty().await;
    after.domain.register(first, ip()).await.unwrap();
    (after, ann)
}

#[tokio::test]
async fn a_forgotten_device_proves_itself_by_the_newer_list() {
    let (bed, ann) = forgot_devices().await;
    assert_eq!(code(bed.token(&ann, 1).await), ErrorCode::UnknownDevice, "may have been forgotten");
    bed.domain.restore_device(restoration(&bed, &ann, 1).await, ip()).await.unwrap();
    assert_eq!(bed.version_of(&ann).await, 3);
    let who = bed.sign_in(&ann, 1).await;
    assert_eq!(bed.domain.key_counts(&who).await.unwrap().one_time_ec, 3);
    // Its sibling, forgotten too, is listed now: the same request brings its keys.
    assert!(bed.domain.take_prekeys(&who, ann.account, &[dev(3)]).await.unwrap().bundles.is_empty());
    bed.domain.restore_device(restoration(&bed, &ann, 2).await, ip()).await.unwrap();
    assert_eq!(bed.domain.take_prekeys(&who, ann.account, &[dev(3)]).await.unwrap().bundles.len(), 1);
    bed.sign_in(&ann, 0).await;
}

#[tokio::test]
async fn a_known_device_tells_the_restored_server_about_its_siblings() {
    let (bed, ann) = forgot_devices().await;
    let who = bed.sign_in(&ann, 0).await;
    bed.domain.resign_list(&who, ann.list()).await.unwrap();
    bed.sign_in(&ann, 2).await;
    assert_eq!(bed.domain.sweep().await.unwrap().suspended, 0);
}

#[tokio::test]
async fn bad_restorations_are_refused_and_change_nothing() {
    let (bed, ann) = forgot_devices().await;
    type Spoil = fn(&mut RestoreDevice, &Person);
    let table: &[(&str, Spoil, ErrorCode)] = &[
        ("challenge", |r, _| r.challenge[12] ^= 1, ErrorCode::ChallengeInvalid),
        ("another device's challenge", |r, _| r.device = dev(3), ErrorCode::ChallengeInvalid),
        ("signature", |r, _| r.signature[3] ^= 1, ErrorCode::SignatureInvalid),
        (
            "signature of a sibling",
            |r, ann| r.signature = ann.devices[0].auth.sign(&r.challenge).to_vec(),
            ErrorCode::SignatureInvalid,
        ),
        ("list without it", |r, ann| r.list = ann.list_of(5, &[&ann.devices[0]]), ErrorCode::ListInvalid),
        (
            "old list",
            |r, ann| r.list = ann.list_of(1, &[&ann.devices[0], &ann.devices[1]]),
            ErrorCode::ListVersionConflict,
        ),
        (
            "another identity",
            |r, ann| {
                let thief = Person::new("x");
                r.list = sign(&thief.identity, ann.account, 9, &[&ann.devices[1]]);
            },
            ErrorCode::ListSignatureInvalid,
        ),
        ("keys of another", |r, _| r.keys = Person::new("x").keys(), ErrorCode::KeyRejected),
        ("account", |r, _| r.account = Person::new("x").account, ErrorCode::ChallengeInvalid),
    ];
    for (name, spoil, want) in table {
        let mut restore = restoration(&bed, &ann, 1).await;
        spoil(&mut restore, &ann);
        assert_eq!(code(bed.domain.restore_device(restore, ip()).await), *want, "{name}");
    }
    assert_eq!(bed.version_of(&ann).await, 1);
    let good = restoration(&bed, &ann, 1).await;
    bed.domain.restore_device(good.clone(), ip()).await.unwrap();
    assert_eq!(code(bed.domain.restore_device(good, ip()).await), ErrorCode::ChallengeInvalid, "replayed");
}

#[tokio::test]
async fn an_unlinked_device_cannot_use_the_restore_to_come_back() {
    // On a server that was never restored, not at all.
    let bed = Bed::new().await;
    let mut ann = bed.register("ann").await;
    bed.link(&mut ann).await;
    let who = bed.sign_in(&ann, 0).await;
    bed.domain.remove_device(&who, dev(2), ann.list_without(1)).await.unwrap();
    ann.version = 9;
    let back = restoration(&bed, &ann, 1).await;
    assert_eq!(code(bed.domain.restore_device(back, ip()).await), ErrorCode::DeviceUnlinked);

    // On a restored one, not once the account's devices were brought up to date, and not after 30 days.
    let (bed, mut ann) = forgot_devices().await;
    let who = bed.sign_in(&ann, 0).await;
    let current = ann.list_of(4, &[&ann.devices[0], &ann.devices[1]]);
    bed.domain.resign_list(&who, current).await.unwrap();
    assert_eq!(code(bed.token(&ann, 2).await), ErrorCode::DeviceUnlinked);
    ann.version = 9;
    let back = restoration(&bed, &ann, 2).await;
    assert_eq!(code(bed.domain.restore_device(back, ip()).await), ErrorCode::DeviceUnlinked);
    assert_eq!(bed.version_of(&ann).await, 4);

    let (bed, ann) = forgot_devices().await;
    bed.clock.advance(31 * DAY);
    let back = restoration(&bed, &ann, 1).await;
    assert_eq!(code(bed.domain.restore_device(back, ip()).await), ErrorCode::DeviceUnlinked);
    assert_eq!(bed.store.devices(ann.account).await.unwrap().len(), 1);
}
