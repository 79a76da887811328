//! Every format ever released still opens: `fixtures/vN.db` were written by `examples/write_fixture.rs` of their time.

use sotto_engine_store::{PreKeyKind, Store, StoreError, Target, Tx};
use sotto_types::{AccountId, ClientMsgId, DeviceAddress, DeviceId, EntryId, GroupId, MessageId, Secret, Timestamp};

#[test]
fn stores_of_every_version_open_with_all_they_hold() {
    for version in 1..=sotto_engine_store::VERSION {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("profile.db");
        std::fs::copy(format!("tests/fixtures/v{version}.db"), &path).expect("a fixture for every version");
        assert_eq!(Store::open(&path, None).map(|_| ()), Err(StoreError::NeedsPassphrase));
        let mut store = Store::open(&path, Some(&Secret::new("open sesame".into()))).expect("opens");
        let (ann, bob) = (AccountId::from_bytes([1; 16]), AccountId::from_bytes([2; 16]));
        store
            .transaction(|tx| {
                assert_eq!(tx.setting("profile")?.expect("there").expose(), b"facts");
                assert_eq!(tx.contact_named("bob")?.expect("there").account, bob);
                assert_eq!(tx.prekey(PreKeyKind::Signed, 1)?.expect("there").expose(), b"record");
                assert!(tx.session(DeviceAddress::new(bob, DeviceId::FIRST))?.is_some());
                assert_eq!(tx.seen_entry(EntryId::new(7))?, Some(false));
                let name = ClientMsgId::from_bytes([9; 16]);
                assert_eq!(tx.message_named(ann, name)?.expect("there").message_id, Some(MessageId::new(7)));
                assert_eq!(tx.outbox_heads(1, 10, Timestamp::ZERO)?.len(), 1);
                assert_eq!(tx.search("long", None, 10)?.len(), 1);
                if version >= 4 {
                    groups(tx, bob)?;
                }
                if version >= 5 {
                    assert_eq!(tx.conversation(bob.into())?.expect("there").mention, MessageId::new(7));
                }
                if version >= 6 {
                    messages(tx, Target { author: ann, name }, bob)?;
                }
                Ok::<_, StoreError>(())
            })
            .expect("reads");
    }
}

fn messages(tx: &Tx<'_>, target: Target, bob: AccountId) -> Result<(), StoreError> {
    let actions = tx.actions_on(target)?;
    assert_eq!(actions.first().expect("one").action.content.expose(), b"reaction");
    assert!(tx.is_forgotten(bob, ClientMsgId::from_bytes([11; 16]))?);
    assert_eq!(tx.fact(b"a", "starred")?.expect("there").expose(), b"yes");
    assert_eq!(tx.picture(bob)?.expect("there").expose(), b"picture");
    Ok(())
}

fn groups(tx: &Tx<'_>, bob: AccountId) -> Result<(), StoreError> {
    let group = tx.group(GroupId::from_bytes([3; 32]))?.expect("there");
    let (state, details) = (group.state.expose(), group.details.expect("there"));
    assert_eq!((&state[..], &details.expose()[..]), (&b"state"[..], &b"details"[..]));
    assert_eq!((group.revision, group.cursor), (1, MessageId::new(8)));
    assert_eq!(tx.group_operation(group.id, 1)?.expect("there").payload, b"operation");
    let distribution = tx.distribution(group.id)?.expect("there");
    assert_eq!(tx.key_holders(&distribution.id)?.len(), 1);
    assert_eq!(tx.marks_at(group.id, MessageId::new(8))?.first().expect("one").member, bob);
    assert_eq!(tx.invite_seed(group.id, &[7; 32])?.expect("there").seed.expose(), b"seed");
    Ok(())
}
