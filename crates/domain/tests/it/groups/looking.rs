use super::*;
use sotto_types::limits;

#[tokio::test]
async fn own_groups_are_those_of_now_and_of_the_last_month() {
    let bed = Bed::new().await;
    let [ann, bob] = bed.people().await;
    let (mut left, stays) = (Circle::new(&bed, &ann, &[&bob]).await, Circle::new(&bed, &ann, &[&bob]).await);
    let ended = left.act(&bed, &bob, Change::Leave).await.message_id;
    let newest = stays.say(&bed, &ann, b"hello").await;
    let mut own: Vec<_> = bed.domain.own_groups(&seen(&bob)).await.unwrap();
    own.sort_by_key(|group| group.group.id != left.id);
    let shown: Vec<_> = own.iter().map(|own| (own.group.id, own.membership.until, own.newest)).collect();
    assert_eq!(shown, [(left.id, Some(ended), ended), (stays.id, None, newest)]);
    assert_eq!(own[1].group.head, stays.state.head());
}

#[tokio::test]
async fn a_members_page_has_everything_to_encrypt_for() {
    let bed = Bed::new().await;
    let [ann, mut bob, cleo] = bed.people().await;
    let mut circle = Circle::new(&bed, &ann, &[&bob, &cleo]).await;
    bed.link(&mut bob).await;
    circle.act(&bed, &ann, Change::SetRole { account: bob.account, role: sotto_crypto::group::Role::Admin }).await;
    bed.domain.delete_account_by_name("person2").await.unwrap();
    let page = bed.domain.group_page(&seen(&bob), circle.id, 1).await.unwrap();
    assert_eq!((page.operations.len(), page.more, page.roster), (1, false, bed.facts(&circle).await.1));
    assert_eq!(page.details.as_deref(), Some(DETAILS));
    let versions: Vec<_> = page.members.iter().map(|member| (member.account, member.list_version)).collect();
    assert_eq!(versions, [(ann.account, 1), (bob.account, 2), (cleo.account, 0)]);
    let page = bed.domain.group_page(&seen(&bob), circle.id, 7).await.unwrap();
    assert_eq!((page.operations.len(), page.more), (0, false));
    let eve = bed.register("eve").await;
    assert_eq!(code(bed.domain.group_page(&seen(&eve), circle.id, 0).await), ErrorCode::UnknownGroup);
}

#[tokio::test]
async fn devices_and_bundles_are_for_members_and_of_members() {
    let bed = Bed::new().await;
    let [ann, bob, eve] = bed.people().await;
    let circle = Circle::new(&bed, &ann, &[&bob]).await;
    let lists = bed.domain.group_devices(&seen(&ann), circle.id, &[eve.account, bob.account]).await.unwrap();
    let [list] = &lists[..] else { panic!("{lists:?}") };
    assert_eq!((list.username.as_str(), list.list.version), ("person1", 1));
    let of = |person: &Person, devices: &[u32]| MemberDevices {
        account: person.account,
        devices: devices.iter().map(|id| dev(*id)).collect(),
    };
    let asked = [of(&bob, &[1]), of(&eve, &[1])];
    let taken = bed.domain.group_prekeys(&seen(&ann), circle.id, &asked).await.unwrap();
    let [bundles] = &taken[..] else { panic!("{taken:?}") };
    assert_eq!((bundles.list.version, bundles.bundles.len()), (1, 1));

    let many = vec![bob.account; limits::KEYS_ACCOUNTS + 1];
    assert_eq!(code(bed.domain.group_devices(&seen(&ann), circle.id, &many).await), ErrorCode::BadRequest);
    let many = vec![of(&bob, &[1]); 65];
    assert_eq!(code(bed.domain.group_prekeys(&seen(&ann), circle.id, &many).await), ErrorCode::BadRequest);
    let left = async || bed.domain.key_counts(&seen(&bob)).await.unwrap().one_time_ec;
    let before = left().await;
    for broken in [of(&ann, &[]), of(&ann, &[1, 1]), of(&bob, &[1])] {
        let asked = [of(&bob, &[1]), broken];
        let taken = bed.domain.group_prekeys(&seen(&ann), circle.id, &asked).await;
        assert_eq!(code(taken), ErrorCode::BadRequest);
    }
    assert_eq!(left().await, before, "none was taken for nothing");
    for stranger in [&eve] {
        let devices = bed.domain.group_devices(&seen(stranger), circle.id, &[bob.account]).await;
        assert_eq!(code(devices), ErrorCode::UnknownGroup);
        let bundles = bed.domain.group_prekeys(&seen(stranger), circle.id, &[of(&bob, &[1])]).await;
        assert_eq!(code(bundles), ErrorCode::UnknownGroup);
        assert_eq!(code(bed.domain.group_marks(&seen(stranger), circle.id).await), ErrorCode::UnknownGroup);
    }
}

#[tokio::test]
async fn an_invite_shows_the_group_while_it_is_open() {
    let bed = Bed::new().await;
    let [ann, eve] = bed.people().await;
    let mut circle = Circle::new(&bed, &ann, &[]).await;
    let seed = InviteSeed::generate(&mut rng());
    let public_key = seed.public_key();
    let look = async |key: &[u8]| bed.domain.invite_page(&seen(&eve), circle.id, key, 0).await;
    assert_eq!(code(look(public_key.as_bytes()).await), ErrorCode::GroupInviteClosed);
    let open = Invite { public_key, expires: None, uses: None, approval: false };
    let mut opened = circle.clone();
    opened.act(&bed, &ann, Change::OpenInvite(open)).await;
    let page = look(public_key.as_bytes()).await.unwrap();
    assert_eq!((page.operations.len(), page.more, page.members.len()), (2, false, 0));
    assert_eq!(page.details.as_deref(), Some(DETAILS));
    for key in [&b"short"[..], &[0; 32]] {
        assert_eq!(code(look(key).await), ErrorCode::BadRequest);
    }
    let other = InviteSeed::generate(&mut rng()).public_key();
    assert_eq!(code(look(other.as_bytes()).await), ErrorCode::GroupInviteClosed);
    let nowhere = GroupId::from_bytes([3; 32]);
    let page = bed.domain.invite_page(&seen(&eve), nowhere, public_key.as_bytes(), 0).await;
    assert_eq!(code(page), ErrorCode::GroupInviteClosed, "a stranger does not learn which groups there are");
    opened.act(&bed, &ann, Change::CloseInvite { public_key }).await;
    assert_eq!(code(look(public_key.as_bytes()).await), ErrorCode::GroupInviteClosed);
    circle.last = opened.last;
}
