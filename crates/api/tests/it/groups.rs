//! Groups over HTTP: what goes in and comes out, and a problem for whatever is malformed.

use crate::bed::*;
use http::{Method, StatusCode};
use serde_json::json as value_of;
use sotto_crypto::group::{
    Change, Fanout, GroupSettings, GroupState, Invite, InviteSeed, MemberKey, Permission, details_hash, prove_join,
    sign_operation, verify_operation,
};
use sotto_types::{DeviceAddress, DeviceId, ErrorCode, limits};
use sotto_wire::http as body;

const DETAILS: &[u8] = b"encrypted title";

fn signed(actor: &Person, state: Option<&GroupState>, change: &Change) -> (body::PostOperation, GroupState) {
    let device = DeviceAddress::new(actor.account, DeviceId::FIRST);
    let made = sign_operation(&actor.identity, device, state, change, START, &mut rand::rng()).unwrap();
    let post = body::PostOperation {
        payload: made.signed.payload.to_vec().into(),
        signature: made.signed.signature.to_vec().into(),
        details: state.is_none().then(|| DETAILS.to_vec().into()),
    };
    (post, made.state)
}

fn create(members: &[&Person]) -> Change {
    let members = members
        .iter()
        .map(|member| MemberKey { account: member.account, identity_key: member.identity.public() })
        .collect();
    let permission = Permission::Members;
    let settings = GroupSettings { post: permission, add: permission, change_details: permission, fanout: Fanout::Log };
    Change::Create { members, settings, details_hash: details_hash(DETAILS) }
}

/// A group of Ann and Bob.
struct Scene {
    bed: Bed,
    ann: Person,
    bob: Person,
    ann_token: String,
    bob_token: String,
    state: GroupState,
    made: body::OperationAccepted,
    path: String,
}

async fn scene() -> Scene {
    let bed = Bed::new().await;
    let (ann, bob) = (bed.register("ann").await, bed.register("bob").await);
    let (ann_token, bob_token) = (bed.token(&ann, 0).await, bed.token(&bob, 0).await);
    let (post, state) = signed(&ann, None, &create(&[&bob]));
    let reply = bed.as_device(&ann_token, Method::POST, "/v1/groups", &post).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", String::from_utf8_lossy(&reply.bytes));
    let made: body::OperationAccepted = reply.json();
    let path = format!("/v1/groups/{}", made.group);
    Scene { bed, ann, bob, ann_token, bob_token, state, made, path }
}

#[tokio::test]
async fn a_group_from_its_first_operation_to_its_last() {
    let Scene { bed, ann, bob, ann_token, bob_token, state, made, path } = scene().await;
    assert_eq!((made.group.as_str(), made.revision, made.roster.as_str()), (&*state.id().to_string(), 0, "1"));
    let (again, _) = signed(&bob, Some(&state), &Change::Leave);
    let operations = format!("{path}/operations");
    let seed = InviteSeed::generate(&mut rand::rng());
    let open = Invite { public_key: seed.public_key(), expires: None, uses: None, approval: false };
    let (post, state) = signed(&ann, Some(&state), &Change::OpenInvite(open));
    let reply = bed.as_device(&ann_token, Method::POST, &operations, &post).await;
    assert_eq!(reply.status, StatusCode::OK);
    let first: body::OperationAccepted = reply.json();
    let second: body::OperationAccepted = bed.as_device(&ann_token, Method::POST, &operations, &post).await.json();
    assert_eq!((&first.message_id, first.revision), (&second.message_id, second.revision));
    let late = bed.as_device(&bob_token, Method::POST, &operations, &again).await.problem();
    assert_eq!((late.code, late.action.as_str()), (ErrorCode::GroupConflict.number(), "retry"));

    let groups: body::Groups = bed.get(&bob_token, "/v1/groups").await.json();
    let [group] = &groups.groups[..] else { panic!("{groups:?}") };
    assert_eq!((&group.group, group.revision, &group.newest), (&made.group, 1, &first.message_id));
    assert_eq!((&group.head.0[..], &group.until, &*group.read_up_to), (&state.head()[..], &None, "0"));
    let page: body::GroupPage = bed.get(&bob_token, &path).await.json();
    assert_eq!((page.operations.len(), page.more, page.members.len()), (2, false, 2));
    assert_eq!(page.details.unwrap().0, DETAILS);
    for operation in &page.operations {
        verify_operation(&operation.payload.0, &operation.signature.0).unwrap();
    }
    let page: body::GroupPage = bed.get(&bob_token, &format!("{path}?from=1")).await.json();
    assert_eq!(page.operations.iter().map(|operation| operation.revision).collect::<Vec<_>>(), [1]);

    let cleo = bed.register("cleo").await;
    let cleo_token = bed.token(&cleo, 0).await;
    let key: String = seed.public_key().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let link = format!("/v1/group-invites/{key}?group={}", made.group);
    let page: body::GroupPage = bed.get(&cleo_token, &link).await.json();
    assert_eq!((page.operations.len(), page.members.len(), page.details.unwrap().0), (2, 0, DETAILS.to_vec()));
    let proof = prove_join(&seed, state.id(), cleo.account, &cleo.identity.public());
    let join = Change::Join { public_key: seed.public_key(), proof };
    let (post, state) = signed(&cleo, Some(&state), &join);
    let joined: body::OperationAccepted = bed.as_device(&cleo_token, Method::POST, &operations, &post).await.json();
    assert_eq!((joined.revision, joined.roster.as_str()), (2, "2"));

    let asked = body::GroupAccounts { accounts: vec![cleo.account, bob.account] };
    let path_of = |name: &str| format!("{path}/{name}");
    let devices: body::GroupDevices = bed.as_device(&ann_token, Method::POST, &path_of("devices"), &asked).await.json();
    let names: Vec<&str> = devices.accounts.iter().map(|account| account.username.as_str()).collect();
    assert_eq!(names, ["cleo", "bob"]);
    let members = vec![body::MemberDevices { account: cleo.account, devices: vec![1] }];
    let asked = body::GroupTakePreKeys { members };
    let taken: body::GroupPreKeys = bed.as_device(&ann_token, Method::POST, &path_of("prekeys"), &asked).await.json();
    assert_eq!((taken.members.len(), taken.members[0].bundles[0].device_id), (1, 1));
    let marks: body::GroupMarks = bed.get(&ann_token, &path_of("marks")).await.json();
    assert!(marks.marks.is_empty());

    let (post, _) = signed(&ann, Some(&state), &Change::Delete);
    bed.as_device(&ann_token, Method::POST, &operations, &post).await.json::<body::OperationAccepted>();
    let groups: body::Groups = bed.get(&bob_token, "/v1/groups").await.json();
    assert!(groups.groups[0].until.is_some());
    assert_eq!(bed.get(&bob_token, &path_of("marks")).await.problem().code, ErrorCode::UnknownGroup.number());
}

#[tokio::test]
async fn what_is_malformed_is_a_problem() {
    let Scene { bed, ann, ann_token, state, made, path, .. } = scene().await;
    let (good, _) = signed(&ann, Some(&state), &Change::Delete);
    let (other, _) = signed(&ann, None, &create(&[]));
    let (post, get) = (Method::POST, Method::GET);
    let nothing = value_of!({});
    let value_with = |name: &str, spoiled: serde_json::Value| {
        let mut body = value(&good);
        body[name] = spoiled;
        body
    };
    let (operations, devices) = (format!("{path}/operations"), format!("{path}/devices"));
    let (prekeys, short) = (format!("{path}/prekeys"), "/v1/groups/abc".to_owned());
    let nowhere = format!("/v1/groups/{}", "ab".repeat(32));
    let many = vec![ann.account; limits::KEYS_ACCOUNTS + 1];
    let key = "ab".repeat(32);
    let large = body::PostOperation { details: Some(vec![0; limits::GROUP_DETAILS_BYTES + 1].into()), ..other.clone() };
    use ErrorCode::*;
    for (name, method, path, body, want) in [
        ("no body", &post, "/v1/groups".to_owned(), nothing.clone(), BadRequest),
        ("no base64", &post, operations.clone(), value_with("payload", value_of!("?")), BadRequest),
        ("no operation", &post, operations.clone(), value_with("payload", value_of!("AAAA")), GroupOperationRefused),
        ("no signature", &post, operations.clone(), value_with("signature", value_of!("")), GroupOperationRefused),
        ("details of nothing", &post, operations.clone(), value_with("details", value_of!("AAAA")), BadRequest),
        ("of another group", &post, operations.clone(), value(&other), BadRequest),
        ("large details", &post, "/v1/groups".to_owned(), value(&large), TooLarge),
        ("a short id", &post, format!("{short}/operations"), value(&good), BadRequest),
        ("a short id", &get, short.clone(), nothing.clone(), BadRequest),
        ("a short id", &get, format!("{short}/marks"), nothing.clone(), BadRequest),
        ("a short id", &post, format!("{short}/devices"), value_of!({ "accounts": [] }), BadRequest),
        ("a short id", &post, format!("{short}/prekeys"), value_of!({ "members": [] }), BadRequest),
        ("no such group", &get, nowhere.clone(), nothing.clone(), UnknownGroup),
        ("no such group", &get, format!("{nowhere}/marks"), nothing.clone(), UnknownGroup),
        ("no such group", &post, format!("{nowhere}/devices"), value_of!({ "accounts": [] }), UnknownGroup),
        ("no such group", &post, format!("{nowhere}/prekeys"), value_of!({ "members": [] }), UnknownGroup),
        ("no number", &get, format!("{path}?from=x"), nothing.clone(), BadRequest),
        ("a negative number", &get, format!("{path}?from=-1"), nothing.clone(), BadRequest),
        ("a large number", &get, format!("{path}?from=4294967296"), nothing.clone(), BadRequest),
        ("no account id", &post, devices.clone(), value_of!({ "accounts": ["x"] }), BadRequest),
        ("too many accounts", &post, devices.clone(), value_of!({ "accounts": many }), BadRequest),
        (
            "no device id",
            &post,
            prekeys.clone(),
            value_of!({ "members": [{ "account": ann.account, "devices": [0] }] }),
            BadRequest,
        ),
        (
            "no devices",
            &post,
            prekeys.clone(),
            value_of!({ "members": [{ "account": ann.account, "devices": [] }] }),
            BadRequest,
        ),
        ("a short key", &get, format!("/v1/group-invites/ab?group={}", made.group), nothing.clone(), BadRequest),
        ("no group", &get, format!("/v1/group-invites/{key}"), nothing.clone(), BadRequest),
        ("a short group", &get, format!("/v1/group-invites/{key}?group=ab"), nothing.clone(), BadRequest),
    ] {
        let reply = if *method == get {
            bed.get(&ann_token, &path).await
        } else {
            bed.as_device(&ann_token, post.clone(), &path, &body).await
        };
        let problem = reply.problem();
        assert_eq!(problem.code, want.number(), "{name} {path}: {}", problem.detail);
        if *method == get {
            assert_eq!(bed.send(bare(get.clone(), &path, None)).await.problem().status, 401, "{path}");
        }
    }
    let seed = InviteSeed::generate(&mut rand::rng());
    let key: String = seed.public_key().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let closed = bed.get(&ann_token, &format!("/v1/group-invites/{key}?group={}", made.group)).await.problem();
    assert_eq!(closed.code, GroupInviteClosed.number());
    let page: body::GroupPage = bed.get(&ann_token, &path).await.json();
    assert_eq!(page.operations.len(), 1, "nothing came of it");
}

#[tokio::test]
async fn the_largest_operation_fits() {
    let bed = Bed::new().await;
    let ann = bed.register("ann").await;
    let token = bed.token(&ann, 0).await;
    let details = vec![7; limits::GROUP_DETAILS_BYTES];
    let strangers: Vec<Person> = (0..limits::GROUP_MEMBERS - 1).map(|n| Person::new(&n.to_string())).collect();
    let Change::Create { members, settings, .. } = create(&strangers.iter().collect::<Vec<_>>()) else {
        unreachable!("made so")
    };
    let change = Change::Create { members, settings, details_hash: details_hash(&details) };
    let (post, _) = signed(&ann, None, &change);
    let post = body::PostOperation { details: Some(details.into()), ..post };
    let refused = bed.as_device(&token, Method::POST, "/v1/groups", &post).await.problem();
    assert_eq!(refused.code, ErrorCode::GroupAddRefused.number(), "strangers, not the size: {}", refused.detail);
    assert_eq!(refused.accounts.len(), limits::GROUP_MEMBERS - 1);
}
