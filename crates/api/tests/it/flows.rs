use crate::bed::*;
use axum::body::Body;
use axum::response::IntoResponse as _;
use futures_util::{FutureExt as _, stream};
use http::{Method, StatusCode, header};
use http_body_util::BodyExt as _;
use sotto_api::ApiConfig;
use sotto_crypto::IdentityKeyPair;
use sotto_domain::{Rate, RateLimits};
use sotto_types::{ClientIp, ErrorCode};
use sotto_wire::http as body;
use std::time::Duration;
use tower_service::Service as _;

#[tokio::test]
async fn register_sign_in_find_and_take_prekeys() {
    let bed = Bed::new().await;
    let info: body::ServerInfo = bed.send(bare(Method::GET, "/v1/server", None)).await.json();
    assert_eq!((info.registration.as_str(), info.generation, info.server_time_ms), ("open", 1, START.as_ms()));
    assert_eq!(info.source_url, None);
    let (ann, bob) = (bed.register("ann").await, bed.register("bob").await);
    let registered: body::Registered = bed.post("/v1/accounts", &ann.registration()).await.json();
    assert_eq!((registered.account_id, registered.device_id), (ann.account, 1));
    let token = bed.token(&ann, 0).await;

    let found: body::Found = bed.get(&token, "/v1/usernames/%40Bob").await.json();
    assert_eq!((found.account_id, found.username.as_str()), (bob.account, "bob"));
    let devices: body::AccountDevices = bed.get(&token, &format!("/v1/accounts/{}/devices", bob.account)).await.json();
    assert_eq!(devices.username, "bob");
    sotto_crypto::device_list::verify_device_list(&devices.list.payload.0, &devices.list.signature.0).unwrap();

    let path = format!("/v1/accounts/{}/prekeys", bob.account);
    let take = body::TakePreKeys { devices: vec![1, 5] };
    let bundles: body::PreKeyBundles = bed.as_device(&token, Method::POST, &path, &take).await.json();
    let [bundle] = &bundles.bundles[..] else { panic!("{bundles:?}") };
    assert_eq!((bundle.device_id, bundle.registration_id, bundle.kyber_prekey.id), (1, 7, 2));
    assert!(bundle.one_time_ec.is_some());

    let own: body::OwnAccount = bed.get(&token, "/v1/accounts/me").await.json();
    assert_eq!((own.username.as_str(), own.devices.len(), own.devices[0].current), ("ann", 1, true));
    let counts: body::KeyCounts = bed.get(&token, "/v1/keys").await.json();
    assert_eq!((counts.one_time_ec, counts.signed_prekey_id), (2, 1));
    let upload = body::UploadKeys {
        signed_prekey: Some(ann.keys().signed_prekey),
        last_resort_kyber: None,
        one_time_ec: Vec::new(),
        one_time_kyber: Vec::new(),
        replace: true,
    };
    let counts: body::KeyCounts = bed.as_device(&token, Method::PUT, "/v1/keys", &upload).await.json();
    assert_eq!((counts.one_time_ec, counts.last_resort_kyber_id), (0, 1));

    let reply = bed.send(bare(Method::DELETE, "/v1/accounts/me", Some(&token))).await;
    assert_eq!((reply.status, reply.bytes.len()), (StatusCode::NO_CONTENT, 0));
    assert_eq!(bed.get(&token, "/v1/keys").await.problem().code, ErrorCode::DeviceUnlinked.number());
}

#[tokio::test]
async fn link_and_unlink_a_device() {
    let bed = Bed::new().await;
    let mut ann = bed.register("ann").await;
    let token = bed.token(&ann, 0).await;
    let session = bed.send(bare(Method::POST, "/v1/links", None)).await;
    assert_eq!(session.status, StatusCode::CREATED);
    let link = format!("/v1/links/{}", session.json::<body::LinkSession>().link);
    let empty: body::LinkAnswer = bed.send(bare(Method::GET, &link, None)).await.json();
    assert_eq!(empty.provisioning, None);
    let (router, poll) = (bed.router.clone(), bare(Method::GET, &format!("{link}?wait_s=20"), None));
    let waiting = tokio::spawn(async move {
        let response = tower_service::Service::call(&mut router.clone(), poll).await.unwrap();
        http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes()
    });
    let code: body::LinkCode = bed.send(bare(Method::POST, "/v1/devices/link-codes", Some(&token))).await.json();
    assert_eq!(code.device_id, 2);
    let answer = body::LinkAnswer { provisioning: Some(b"sealed".to_vec().into()) };
    assert_eq!(bed.as_device(&token, Method::PUT, &link, &answer).await.status, StatusCode::NO_CONTENT);
    let polled = tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("woken").unwrap();
    assert_eq!(serde_json::from_slice::<body::LinkAnswer>(&polled).unwrap(), answer);

    ann.add_device();
    let add = body::AddDevice {
        account_id: ann.account,
        link_code: code.link_code,
        device_id: 2,
        list: ann.list(2),
        keys: ann.keys(),
        encrypted_name: b"laptop".to_vec().into(),
    };
    let added = bed.post("/v1/devices", &add).await;
    assert_eq!(added.status, StatusCode::CREATED);
    assert_eq!(added.json::<body::DeviceAdded>().username, "ann");
    let second = bed.token(&ann, 1).await;
    assert_eq!(bed.as_device(&second, Method::PUT, "/v1/devices/list", &ann.list(3)).await.status, 204);

    let gone = bed.as_device(&token, Method::DELETE, "/v1/devices/2", &ann.list_of(4, 1)).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(bed.get(&second, "/v1/keys").await.problem().code, ErrorCode::DeviceUnlinked.number());
}

#[tokio::test]
async fn recover_replace_the_code_and_the_identity_and_block() {
    let bed = Bed::new().await;
    let (mut ann, bob) = (bed.register("ann").await, bed.register("bob").await);
    let token = bed.token(&ann, 0).await;
    let named = body::RecoveryFor { username: "ann".into() };
    let challenge: body::Challenge = bed.post("/v1/recovery/challenge", &named).await.json();
    let recover = body::Recover {
        username: "Ann".into(),
        signature: ann.recovery.sign(&challenge.challenge.0).to_vec().into(),
        challenge: challenge.challenge,
    };
    let recovered: body::Recovered = bed.post("/v1/recovery", &recover).await.json();
    assert_eq!((recovered.device_id, recovered.backup.0.as_slice()), (2, &b"sealed"[..]));

    let challenge: body::Challenge = bed.post("/v1/recovery/challenge", &named).await.json();
    let next = Person::new("x").recovery;
    let old = std::mem::replace(&mut ann.recovery, next);
    let replace = body::ReplaceRecovery {
        recovery_signature: old.sign(&challenge.challenge.0).to_vec().into(),
        challenge: challenge.challenge,
        recovery: ann.recovery_keys(),
    };
    assert_eq!(bed.as_device(&token, Method::PUT, "/v1/recovery", &replace).await.status, 204);
    assert_eq!(bed.as_device(&token, Method::PUT, "/v1/recovery", &replace).await.status, 204, "asked again");

    let challenge: body::Challenge = bed.post("/v1/recovery/challenge", &named).await.json();
    let new = IdentityKeyPair::generate(&mut rand::rng());
    let replace = body::ReplaceIdentity {
        recovery_signature: ann.recovery.sign(&challenge.challenge.0).to_vec().into(),
        challenge: challenge.challenge,
        list: sign(&new, ann.account, 2, &ann.devices),
        keys: keys(&new),
        encrypted_name: b"new name".to_vec().into(),
        recovery: ann.recovery_keys(),
    };
    assert_eq!(bed.as_device(&token, Method::POST, "/v1/devices/stolen", &replace).await.status, 204);

    let block = format!("/v1/blocks/{}", bob.account);
    assert_eq!(bed.send(bare(Method::PUT, &block, Some(&token))).await.status, 204);
    assert_eq!(bed.get(&token, "/v1/blocks").await.json::<body::Blocks>().accounts, [bob.account]);
    assert_eq!(bed.send(bare(Method::DELETE, &block, Some(&token))).await.status, 204);
    assert!(bed.get(&token, "/v1/blocks").await.json::<body::Blocks>().accounts.is_empty());
}

#[tokio::test]
async fn cors_is_closed_but_for_configured_origins() {
    let ask = |origin: &str, method: Method| {
        let mut request = bare(method, "/v1/server", None);
        request.headers_mut().insert(header::ORIGIN, origin.parse().unwrap());
        request.headers_mut().insert(header::ACCESS_CONTROL_REQUEST_METHOD, "GET".parse().unwrap());
        request
    };
    let closed = Bed::new().await;
    let reply = closed.send(ask("https://chat.example", Method::GET)).await;
    assert!(!reply.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    let reply = closed.send(ask("https://chat.example", Method::OPTIONS)).await;
    assert_eq!(reply.problem().code, ErrorCode::MethodNotAllowed.number());

    let config = ApiConfig { cors_origins: vec!["https://chat.example".into()], ..ApiConfig::default() };
    let bed = Bed::with(config, RateLimits::default()).await;
    let reply = bed.send(ask("https://chat.example", Method::OPTIONS)).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
    assert_eq!(reply.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://chat.example");
    assert_eq!(reply.headers[header::ACCESS_CONTROL_ALLOW_HEADERS], "authorization, content-type");
    let reply = bed.send(ask("https://chat.example", Method::GET)).await;
    assert_eq!(reply.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://chat.example");
    let reply = bed.send(ask("https://evil.example", Method::GET)).await;
    assert!(!reply.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
}

#[tokio::test]
async fn files_are_where_no_route_is() {
    let mut bed = Bed::new().await;
    let config = ApiConfig { cors_origins: vec!["https://chat.example".into()], ..ApiConfig::default() };
    let files = |asked: &http::request::Parts| {
        let has_file = matches!(asked.uri.path(), "/" | "/v1/server" | "/file");
        has_file.then(|| ([(header::VARY, "accept-encoding")], "a file").into_response())
    };
    bed.router = sotto_api::router_and_files(bed.domain.clone(), config, std::sync::Arc::new(files));
    for path in ["/", "/file"] {
        let mut request = bare(Method::GET, path, None);
        request.headers_mut().insert(header::ORIGIN, "https://chat.example".parse().unwrap());
        let reply = bed.send(request).await;
        assert_eq!((reply.status, &*reply.bytes), (StatusCode::OK, &b"a file"[..]));
        assert_eq!(reply.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        let varies: Vec<_> = reply.headers.get_all(header::VARY).iter().collect();
        assert_eq!(varies, ["accept-encoding", "origin"]);
    }
    let server = bed.send(bare(Method::GET, "/v1/server", None)).await;
    assert_eq!(server.json::<body::ServerInfo>().registration, "open", "a route goes first");
    let nothing = bed.send(bare(Method::GET, "/v1/nothing", None)).await;
    assert_eq!(nothing.problem().code, ErrorCode::NotFound.number());
}

#[tokio::test]
async fn floods_count_against_the_client_that_the_listener_names() {
    let limits = RateLimits { links: Rate::new(1, 1), ..RateLimits::default() };
    let bed = Bed::with(ApiConfig::default(), limits).await;
    let open = |client: &str| {
        let mut request = bare(Method::POST, "/v1/links", None);
        request.extensions_mut().insert(ClientIp(client.parse().unwrap()));
        // The listener has heard what proxies say; nobody else is believed.
        request.headers_mut().insert("x-forwarded-for", "192.0.2.99".parse().unwrap());
        bed.send(request)
    };
    assert_eq!(open("198.51.100.1").await.status, 201);
    assert_eq!(open("198.51.100.2").await.status, 201);
    let limited = open("198.51.100.1").await;
    assert_eq!(limited.problem().code, ErrorCode::RateLimited.number());
    assert_eq!(limited.headers[header::RETRY_AFTER], "60");
    assert_eq!(limited.problem().retry_after_ms, Some(60_000));
}

#[tokio::test]
async fn a_change_goes_on_when_its_client_is_gone() {
    let plenty = Rate::new(1_000_000, 1_000_000);
    let limits = RateLimits { look_ups: plenty, ..RateLimits::default() };
    let bed = Bed::with(ApiConfig::default(), limits).await;
    let bob = bed.register("bob").await;
    let token = bed.token(&bob, 0).await;
    let ann = Person::new("ann");
    let mut request = json(Method::POST, "/v1/accounts", None, &ann.registration());
    let (arrive, body) = tokio::sync::oneshot::channel();
    let bytes = std::mem::replace(request.body_mut(), Body::from_stream(stream::once(body)));
    let bytes = bytes.collect().await.unwrap().to_bytes();
    let mut call = Box::pin(bed.router.clone().call(request));
    assert!(call.as_mut().now_or_never().is_none(), "it waits for its body");
    drop(call);
    arrive.send(bytes).unwrap();
    let there = async {
        while bed.get(&token, "/v1/usernames/ann").await.status != StatusCode::OK {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), there).await.expect("the account is made all the same");
}

#[tokio::test]
async fn answers_are_not_cached_and_never_sniffed() {
    let bed = Bed::new().await;
    let reply = bed.send(bare(Method::GET, "/v1/server", None)).await;
    assert_eq!(reply.headers[header::CACHE_CONTROL], "no-store");
    assert_eq!(reply.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    let head = bed.send(bare(Method::HEAD, "/v1/server", None)).await;
    assert_eq!((head.status, head.bytes.len()), (StatusCode::OK, 0));
}
