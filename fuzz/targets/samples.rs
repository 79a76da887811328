//! Real messages to start from, the same in every run.
#![allow(dead_code)] // Each target uses a part.

use crate::common::{self, Device};
use sotto_crypto::provisioning::{self, LinkInvitation, LinkKeyPair, Provisioning};
use sotto_crypto::session::SealedMessage;
use sotto_crypto::{DistributionId, SignedDeviceList, sender_keys};
use sotto_types::{DeviceId, Secret, Username};

pub struct Messages {
    pub sender: Device,
    /// Has a session with the sender, and the sender's group key.
    pub receiver: Device,
    pub ratchet: SealedMessage,
    /// Has none: the first message is for this copy.
    pub stranger: Device,
    pub prekey: SealedMessage,
    pub group: Vec<u8>,
}

pub const TEXT: &str = "the text";
pub const GROUP: DistributionId = DistributionId::from_bytes([0xd1; 16]);

pub fn messages() -> Messages {
    let (mut sender, mut receiver, mut rng) = common::friends(1);
    let distribution = sender_keys::create_distribution(&mut sender.store, GROUP, &mut rng).expect("a key");
    sender_keys::process_distribution(&mut receiver.store, sender.address, distribution.expose()).expect("a key");
    let group = sender_keys::encrypt(&mut sender.store, GROUP, TEXT.as_bytes(), &mut rng).expect("a key");
    let ratchet = sender.encrypt(receiver.address, TEXT, &mut rng);
    let (mut other, stranger, mut rng) = common::strangers(1);
    other.start(&stranger, 0, &mut rng);
    let prekey = other.encrypt(stranger.address, TEXT, &mut rng);
    Messages { sender, receiver, ratchet, stranger, prekey, group }
}

pub struct Link {
    pub key: LinkKeyPair,
    pub invitation: LinkInvitation,
    pub sealed: Vec<u8>,
}

pub fn link() -> Link {
    let mut rng = common::rng(2);
    let key = LinkKeyPair::generate(&mut rng);
    let invitation = LinkInvitation::new("https://chat.example.org", "0123456789abcdef", &key).expect("good parts");
    let device = Device::new(0xa1, 0, &mut rng);
    let provisioning = Provisioning {
        account: device.address.account,
        username: Username::parse("ann").expect("a name"),
        identity: device.identity,
        profile_key: Secret::new([7; 32]),
        link_code: Secret::new("code".into()),
        device: DeviceId::FIRST,
        device_list: SignedDeviceList { payload: vec![1].into(), signature: vec![2; 64].into() },
    };
    let sealed = provisioning::seal(&invitation, &provisioning, &mut rng);
    Link { key, invitation, sealed }
}
