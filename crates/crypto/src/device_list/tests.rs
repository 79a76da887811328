use super::*;
use crate::device_auth::DeviceAuthKey;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

struct Fixture {
    identity: IdentityKeyPair,
    account: AccountId,
    rng: ChaCha20Rng,
}

impl Fixture {
    fn new() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        Self { identity: IdentityKeyPair::generate(&mut rng), account: AccountId::from_bytes([9; 16]), rng }
    }

    fn device(&mut self, id: u32) -> ListedDevice {
        ListedDevice {
            id: DeviceId::try_from(id).expect("a device id"),
            registration_id: 1000 + id,
            auth_key: DeviceAuthKey::generate(&mut self.rng).public(),
        }
    }

    fn sign(&mut self, version: u32, devices: &[ListedDevice]) -> SignedDeviceList {
        sign_device_list(&self.identity, self.account, version, devices, &mut self.rng).expect("a good list")
    }

    fn verified(&mut self, version: u32, devices: &[ListedDevice]) -> VerifiedDeviceList {
        let list = self.sign(version, devices);
        verify_device_list(&list.payload, &list.signature).expect("our own list")
    }
}

#[test]
fn a_signed_list_verifies_and_reads_back() {
    let mut fixture = Fixture::new();
    let devices = [1, 2, 127].map(|id| fixture.device(id));
    let list = fixture.verified(3, &devices);
    assert_eq!((list.account(), list.version()), (fixture.account, 3));
    assert_eq!(list.identity_key(), fixture.identity.public());
    assert_eq!(list.devices(), devices);
    assert_eq!(list.device(devices[1].id), Some(&devices[1]));
    assert_eq!(list.device(DeviceId::try_from(3).expect("an id")), None);
}

#[test]
fn every_changed_bit_is_refused() {
    let mut fixture = Fixture::new();
    let device = fixture.device(1);
    let list = fixture.sign(1, &[device]);
    for bit in 0..list.payload.len() * 8 {
        let mut payload = list.payload.to_vec();
        payload[bit / 8] ^= 1 << (bit % 8);
        assert!(verify_device_list(&payload, &list.signature).is_err(), "payload bit {bit}");
    }
    for bit in 0..list.signature.len() * 8 {
        let mut signature = list.signature.to_vec();
        signature[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(verify_device_list(&list.payload, &signature), Err(DeviceListError::Signature), "bit {bit}");
    }
}

#[test]
fn each_rule_is_checked_behind_a_good_signature() {
    type Spoil = fn(&mut pb::DeviceList);
    let invalid = DeviceListError::Invalid;
    let table: [(Spoil, DeviceListError); 11] = [
        (|list| list.account_id.truncate(15), invalid("the account id is not one")),
        (|list| list.account_id = vec![0; 16].into(), invalid("the account id is not one")),
        (|list| list.version = 0, invalid("versions begin at 1")),
        (|list| list.devices.clear(), invalid("it has no device")),
        (|list| list.devices.reverse(), invalid("device ids must ascend, each once")),
        (|list| list.devices[1].device_id = 1, invalid("device ids must ascend, each once")),
        (|list| list.devices[0].device_id = 0, invalid("a device id is outside 1 to 127")),
        (|list| list.devices[1].device_id = 128, invalid("a device id is outside 1 to 127")),
        (|list| list.devices[0].registration_id = 0, invalid("a registration id is outside 1 to 16380")),
        (|list| list.devices[0].registration_id = 16_381, invalid("a registration id is outside 1 to 16380")),
        (|list| list.devices[0].auth_key = vec![0; 32].into(), invalid("an auth key is unusable")),
    ];
    for (at, (spoil, want)) in table.into_iter().enumerate() {
        let mut fixture = Fixture::new();
        let devices = [1, 2].map(|id| fixture.device(id));
        let good = fixture.sign(1, &devices);
        let mut list = pb::DeviceList::decode(good.payload).expect("our own list");
        spoil(&mut list);
        let payload = list.encode_to_vec();
        let signature = fixture.identity.sign(DEVICE_LIST_DOMAIN, &payload, &mut fixture.rng);
        assert_eq!(verify_device_list(&payload, &signature), Err(want), "case {at}");
    }
}

#[test]
fn eleven_devices_are_too_many() {
    let mut fixture = Fixture::new();
    let devices: Vec<_> = (1..=11).map(|id| fixture.device(id)).collect();
    let signed = sign_device_list(&fixture.identity, fixture.account, 1, &devices, &mut fixture.rng);
    assert_eq!(signed, Err(DeviceListError::Invalid("it has more than 10 devices")));
    assert_eq!(fixture.verified(1, &devices[..10]).devices().len(), 10);
}

#[test]
fn a_signature_for_something_else_is_no_list() {
    let mut fixture = Fixture::new();
    let device = fixture.device(1);
    let list = fixture.sign(1, &[device]);
    let other_domain = fixture.identity.sign(b"something else\0", &list.payload, &mut fixture.rng);
    assert_eq!(verify_device_list(&list.payload, &other_domain), Err(DeviceListError::Signature));
    assert_eq!(verify_device_list(b"\xff\xff", &list.signature), Err(DeviceListError::Malformed));
}

#[test]
fn clients_accept_only_what_follows() {
    let mut fixture = Fixture::new();
    let devices = [1, 2].map(|id| fixture.device(id));
    let (account, key) = (fixture.account, fixture.identity.public());
    let (one, two, three) =
        (fixture.verified(1, &devices[..1]), fixture.verified(2, &devices), fixture.verified(3, &devices[1..]));
    let fork = fixture.verified(2, &devices[..1]);
    let other_key = IdentityKeyPair::generate(&mut fixture.rng).public();
    let other = AccountId::from_bytes([8; 16]);

    let accept = |known: Option<&VerifiedDeviceList>, new: &VerifiedDeviceList, trusted| {
        accept_list(account, known, new.clone(), trusted)
    };
    assert_eq!(accept(None, &one, None), Ok(one.clone()), "first contact");
    assert_eq!(accept(Some(&one), &two, Some(&key)), Ok(two.clone()));
    assert_eq!(accept(Some(&one), &three, Some(&key)), Ok(three.clone()), "versions may skip");
    assert_eq!(accept(Some(&two), &two, Some(&key)), Ok(two.clone()), "the same again");
    assert_eq!(accept(Some(&two), &one, Some(&key)), Err(AcceptListError::LowerVersion { known: 2, got: 1 }));
    assert_eq!(accept(Some(&two), &fork, Some(&key)), Err(AcceptListError::Forked { version: 2 }));
    assert_eq!(
        accept(Some(&one), &two, Some(&other_key)),
        Err(AcceptListError::IdentityChanged { trusted: other_key, got: key })
    );
    assert_eq!(
        accept_list(other, None, one, Some(&key)),
        Err(AcceptListError::OtherAccount { wanted: other, got: account })
    );
}
