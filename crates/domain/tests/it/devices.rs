use crate::bed::*;
use sotto_crypto::IdentityKeyPair;
use sotto_domain::*;
use sotto_ports::DirectoryStore;
use sotto_types::{DeviceId, ErrorCode, limits};

#[tokio::test]
async fn an_unlinked_device_is_out_at_once() {
    let bed = Bed::new().await;
    let mut ann = bed.register("ann").await;
    let second = bed.link(&mut ann).await;
    let second_token = bed.token(&ann, 1).await.unwrap().token;
    let who = bed.sign_in(&ann, 0).await;
    bed.connections.drain();

    bed.domain.remove_device(&who, second.address.device, ann.list_without(1)).await.unwrap();
    let told = bed.connections.drain();
    assert_eq!(told[0], Told::Closed(second.address, ErrorCode::DeviceUnlinked));
    assert_eq!(told[1], Told::Changed { to: who.address, account: ann.account, version: 3, low: false });
    assert_eq!(code(bed.domain.authenticate(&second_token).await), ErrorCode::DeviceUnlinked);
    assert_eq!(code(bed.token(&ann, 1).await), ErrorCode::DeviceUnlinked);
    assert_eq!(code(bed.domain.connected(&second).await), ErrorCode::DeviceUnlinked);
    assert_eq!(send_code(bed.send(second.address, ann.message(1, &ann)).await), ErrorCode::DeviceUnlinked);
}

#[tokio::test]
async fn a_token_does_not_pass_to_the_next_device_of_its_id() {
    let bed = Bed::new().await;
    let mut ann = bed.register("ann").await;
    bed.link(&mut ann).await;
    let old = bed.token(&ann, 1).await.unwrap().token;
    let who = bed.sign_in(&ann, 0).await;
    // Unlink device 2 and link another device 2, as a store would have it after 127 links.
    bed.domain.remove_device(&who, dev(2), ann.list_without(1)).await.unwrap();
    ann.devices[1] = TestDevice::new(dev(2));
    ann.version = 4;
    let list = ann.list();
    let listed = |device: &TestDevice| ListedDevice {
        id: device.id,
        registration_id: device.registration_id,
        auth_key: *device.auth.public().as_bytes(),
    };
    let change = sotto_ports::DeviceChange {
        account: ann.account,
        expect_version: 3,
        list: SignedDeviceList {
            version: 4,
            devices: ann.devices.iter().map(listed).collect(),
            payload: list.payload,
            signature: list.signature,
        },
        add: vec![sotto_ports::NewDevice::nameless(dev(2))],
        rekey: Vec::new(),
        identity: None,
    };
    bed.store.change_devices(change).await.unwrap();
    assert_eq!(code(bed.domain.authenticate(&old).await), ErrorCode::DeviceUnlinked);
    bed.sign_in(&ann, 1).await;
}

#[tokio::test]
async fn a_removal_changes_only_what_it_names() {
    let bed = Bed::new().await;
    let mut ann = bed.register("ann").await;
    bed.link(&mut ann).await;
    bed.link(&mut ann).await;
    let who = bed.sign_in(&ann, 0).await;
    let next = ann.version + 1;
    let [first, second, third] = &ann.devices[..] else { unreachable!() };
    let altered = TestDevice::new(third.id);
    let stranger = IdentityKeyPair::generate(&mut rand::rng());
    for (name, list, want) in [
        ("old version", ann.list_of(ann.version, &[first, third]), ErrorCode::ListVersionConflict),
        ("drops another", ann.list_of(next, &[first]), ErrorCode::ListInvalid),
        ("drops none", ann.list_of(next, &[first, second, third]), ErrorCode::ListInvalid),
        ("drops the wrong one", ann.list_of(next, &[first, second]), ErrorCode::ListInvalid),
        ("alters one", ann.list_of(next, &[first, &altered]), ErrorCode::ListInvalid),
        ("adds one", ann.list_of(next, &[first, third, &TestDevice::new(dev(9))]), ErrorCode::ListInvalid),
        ("another account", Person::new("x").list_of(next, &[first, third]), ErrorCode::ListInvalid),
        ("another identity", sign(&stranger, ann.account, next, &[first, third]), ErrorCode::ListSignatureInvalid),
    ] {
        assert_eq!(code(bed.domain.remove_device(&who, second.id, list).await), want, "{name}");
    }
    let unknown = bed.domain.remove_device(&who, dev(50), ann.list_without(1)).await;
    assert_eq!(code(unknown), ErrorCode::UnknownDevice);
    assert_eq!(bed.version_of(&ann).await, ann.version);
    assert!(bed.connections.closed().is_empty());
}

#[tokio::test]
async fn of_two_changes_from_one_version_one_wins() {
    let bed = Bed::new().await;
    let mut ann = bed.register("ann").await;
    bed.link(&mut ann).await;
    bed.link(&mut ann).await;
    let (one, two) = (bed.sign_in(&ann, 0).await, bed.sign_in(&ann, 1).await);
    let (a, b) = tokio::join!(
        bed.domain.remove_device(&one, dev(3), ann.list_without(2)),
        bed.domain.remove_device(&two, dev(3), ann.list_without(2)),
    );
    assert_eq!([&a, &b].iter().filter(|result| result.is_ok()).count(), 1);
    let lost = a.err().or(b.err()).unwrap().code;
    assert!(matches!(lost, ErrorCode::ListVersionConflict | ErrorCode::UnknownDevice), "{lost:?}");
}

#[tokio::test]
async fn a_device_may_unlink_itself_but_not_the_last() {
    let bed = Bed::new().await;
    let mut ann = bed.register("ann").await;
    let second = bed.link(&mut ann).await;
    bed.domain.remove_device(&second, second.address.device, ann.list_without(1)).await.unwrap();
    assert_eq!(code(bed.token(&ann, 1).await), ErrorCode::DeviceUnlinked);
}

#[tokio::test]
async fn ids_are_not_reused_while_others_are_free() {
    let bed = Bed::new().await;
    let mut ann = bed.register("ann").await;
    for expected in 2..=6 {
        let linked = bed.link(&mut ann).await;
        assert_eq!(linked.address.device, dev(expected));
        let who = bed.sign_in(&ann, 0).await;
        bed.domain.remove_device(&who, linked.address.device, ann.list_without(1)).await.unwrap();
        ann.devices.pop();
        ann.version += 1;
    }
    for expected in 7..=15 {
        assert_eq!(bed.link(&mut ann).await.address.device, dev(expected));
    }
    let who = bed.sign_in(&ann, 0).await;
    assert_eq!(ann.devices.len(), limits::DEVICES_PER_ACCOUNT);
    assert_eq!(code(bed.domain.make_link_code(&who).await), ErrorCode::TooManyDevices);
}

#[tokio::test]
async fn absent_devices_are_suspended_and_come_back_only_by_linking() {
    let bed = Bed::new().await;
    let mut ann = bed.register("ann").await;
    bed.link(&mut ann).await;
    let who = bed.sign_in(&ann, 0).await;
    let token = bed.token(&ann, 1).await.unwrap().token;
    bed.clock.advance(limits::ABSENT_DEVICE / 2);
    bed.domain.connected(&who).await.unwrap();
    bed.clock.advance(limits::ABSENT_DEVICE / 2);
    bed.connections.drain();
    assert_eq!(bed.domain.sweep().await.unwrap().suspended, 0, "30 days to the millisecond are not over");
    bed.clock.advance(DAY);
    assert_eq!(bed.domain.sweep().await.unwrap().suspended, 1);
    let told = bed.connections.drain();
    assert_eq!(told[0], Told::Closed(ann.address(1), ErrorCode::DeviceSuspended));
    assert_eq!(told[1], Told::Changed { to: ann.address(0), account: ann.account, version: 2, low: false });

    assert_eq!(code(bed.token(&ann, 1).await), ErrorCode::DeviceSuspended);
    assert_eq!(code(bed.domain.authenticate(&token).await), ErrorCode::TokenExpired);
    assert_eq!(send_code(bed.send(ann.address(1), ann.message(1, &ann)).await), ErrorCode::DeviceSuspended);
    assert_eq!(bed.domain.connected(&who).await.unwrap().suspended, [dev(2)]);
    assert!(bed.domain.own_account(&who).await.unwrap().devices[1].suspended);

    // A sibling signs a list without it.
    bed.domain.resign_list(&who, ann.list_without(1)).await.unwrap();
    assert_eq!(bed.domain.connected(&who).await.unwrap().suspended, [] as [DeviceId; 0]);
}

#[tokio::test]
async fn resigning_adds_alters_and_drops_the_signer_never() {
    let bed = Bed::new().await;
    let mut ann = bed.register("ann").await;
    bed.link(&mut ann).await;
    let who = bed.sign_in(&ann, 0).await;
    let [first, second] = &ann.devices[..] else { unreachable!() };
    for (name, list, want) in [
        ("adds", ann.list_of(9, &[first, second, &TestDevice::new(dev(3))]), ErrorCode::ListInvalid),
        ("alters", ann.list_of(9, &[first, &TestDevice::new(dev(2))]), ErrorCode::ListInvalid),
        ("drops the signer", ann.list_of(9, &[second]), ErrorCode::ListInvalid),
        ("old", ann.list_of(2, &[first]), ErrorCode::ListVersionConflict),
    ] {
        assert_eq!(code(bed.domain.resign_list(&who, list).await), want, "{name}");
    }
    bed.domain.resign_list(&who, ann.list()).await.expect("the list the server has already");
    assert_eq!(bed.version_of(&ann).await, 2);
    bed.domain.resign_list(&who, ann.list_of(9, &[first, second])).await.unwrap();
    assert_eq!(bed.version_of(&ann).await, 9);
}

/// What "unlink as stolen" sends.
async fn replacement(bed: &Bed, ann: &Person, identity: &IdentityKeyPair) -> ReplaceIdentity {
    let challenge = bed.domain.recovery_challenge(&ann.name, ip()).await.unwrap().challenge;
    ReplaceIdentity {
        recovery_signature: ann.recovery.sign(&challenge).to_vec(),
        challenge,
        list: sign(identity, ann.account, ann.version + 1, &[&ann.devices[0]]),
        keys: keys_of(identity, 100, 3),
        encrypted_name: bytes::Bytes::from_static(b"new name"),
        recovery: ann.recovery_keys(),
    }
}

#[tokio::test]
async fn unlink_as_stolen_leaves_one_device_and_a_new_identity() {
    let bed = Bed::new().await;
    let mut ann = bed.register("ann").await;
    let stolen = bed.link(&mut ann).await;
    let who = bed.sign_in(&ann, 0).await;
    let new = IdentityKeyPair::generate(&mut rand::rng());
    bed.connections.drain();
    let replace = replacement(&bed, &ann, &new).await;
    bed.domain.replace_identity(&who, replace.clone()).await.unwrap();
    assert_eq!(bed.connections.closed(), [(stolen.address, ErrorCode::DeviceUnlinked)]);
    let account = bed.store.account(ann.account).await.unwrap().unwrap();
    assert_eq!(account.identity_key, new.public().as_bytes()[..]);
    assert_eq!(code(bed.token(&ann, 1).await), ErrorCode::DeviceUnlinked);
    bed.sign_in(&ann, 0).await;
    let bundles = bed.domain.take_prekeys(&who, ann.account, &[dev(1)]).await.unwrap().bundles;
    assert_eq!(bundles[0].signed.id, 100, "the old keys were signed by the old identity");

    // The thief still has the old identity key, and a link code made before: neither is worth anything.
    let back = ann.list_of(9, &[&ann.devices[0], &ann.devices[1]]);
    assert_eq!(code(bed.domain.resign_list(&who, back).await), ErrorCode::ListSignatureInvalid);
    assert_eq!(code(bed.domain.replace_identity(&who, replace).await), ErrorCode::ListInvalid);
}

#[tokio::test]
async fn unlink_as_stolen_needs_the_code_and_changes_nothing_else() {
    let bed = Bed::new().await;
    let mut ann = bed.register("ann").await;
    bed.link(&mut ann).await;
    let who = bed.sign_in(&ann, 0).await;
    let new = IdentityKeyPair::generate(&mut rand::rng());
    let good = replacement(&bed, &ann, &new).await;
    let spoiled = |spoil: &dyn Fn(&mut ReplaceIdentity)| {
        let mut replace = good.clone();
        spoil(&mut replace);
        bed.domain.replace_identity(&who, replace)
    };
    let mut anns_key = [0; 64];
    anns_key.copy_from_slice(&ann.devices[0].auth.sign(&good.challenge));
    let [first, second] = &ann.devices[..] else { unreachable!() };
    let list = |identity, version, devices: &[&TestDevice]| sign(identity, ann.account, version, devices);
    assert_eq!(
        code(spoiled(&|r| r.recovery_signature = anns_key.to_vec()).await),
        ErrorCode::RecoveryRefused,
        "a device's key is not the recovery key"
    );
    assert_eq!(code(spoiled(&|r| r.challenge[30] ^= 1).await), ErrorCode::ChallengeInvalid);
    assert_eq!(code(spoiled(&|r| r.list = list(&ann.identity, 3, &[first])).await), ErrorCode::ListInvalid);
    assert_eq!(code(spoiled(&|r| r.list = list(&new, 2, &[first])).await), ErrorCode::ListVersionConflict);
    assert_eq!(code(spoiled(&|r| r.list = list(&new, 3, &[first, second])).await), ErrorCode::ListInvalid);
    assert_eq!(code(spoiled(&|r| r.list = list(&new, 3, &[second])).await), ErrorCode::ListInvalid);
    assert_eq!(code(spoiled(&|r| r.keys = ann.keys()).await), ErrorCode::KeyRejected);
    assert_eq!(bed.version_of(&ann).await, 2);
    bed.domain.replace_identity(&who, good.clone()).await.expect("the challenge was not used up");
}
