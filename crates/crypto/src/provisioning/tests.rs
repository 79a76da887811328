use super::*;
use crate::keys::tests::low_order_keys;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

const SERVER: &str = "https://chat.example.org:8443";
const LINK: &str = "01989a7b-93d1-7e07-a8d1-5c1b2d3e4f50";

fn provisioning(rng: &mut ChaCha20Rng) -> Provisioning {
    Provisioning {
        account: AccountId::from_bytes([3; 16]),
        username: Username::parse("ann").expect("a name"),
        identity: IdentityKeyPair::generate(rng),
        profile_key: Secret::new([7; 32]),
        link_code: Secret::new("code".into()),
        device: DeviceId::try_from(4).expect("an id"),
        device_list: SignedDeviceList { payload: vec![1, 2].into(), signature: vec![3; 64].into() },
    }
}

#[test]
fn the_account_arrives() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let key = LinkKeyPair::generate(&mut rng);
    let shown = LinkInvitation::new(SERVER, LINK, &key).expect("good parts");
    let scanned = LinkInvitation::parse(&shown.to_text()).expect("its own text");
    assert_eq!(scanned, shown);
    let sent = provisioning(&mut rng);
    let sealed = seal(&scanned, &sent, &mut rng);
    assert!(sealed.len() < 8 * 1024);
    let got = key.open(&shown, &sealed).expect("for this link");
    assert_eq!((got.account, got.username, got.device), (sent.account, sent.username, sent.device));
    assert_eq!(got.identity.public(), sent.identity.public());
    assert_eq!((got.profile_key, got.link_code), (sent.profile_key, sent.link_code));
    assert_eq!(got.device_list, sent.device_list);
}

#[test]
fn it_opens_for_no_other_link_server_or_key_and_not_when_changed() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let (key, other_key) = (LinkKeyPair::generate(&mut rng), LinkKeyPair::generate(&mut rng));
    let invitation = |server, link, key| LinkInvitation::new(server, link, key).expect("good parts");
    let shown = invitation(SERVER, LINK, &key);
    let sealed = seal(&shown, &provisioning(&mut rng), &mut rng);
    let refused = |key: &LinkKeyPair, invitation: &LinkInvitation, sealed: &[u8]| {
        assert_eq!(key.open(invitation, sealed).map(|_| ()), Err(ProvisioningError::Refused));
    };
    refused(&key, &invitation(SERVER, "01989a7b-93d1-7e07-a8d1-5c1b2d3e4f51", &key), &sealed);
    refused(&key, &invitation("https://chat.example.org", LINK, &key), &sealed);
    refused(&other_key, &shown, &sealed);
    for at in 1..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        refused(&key, &shown, &changed);
    }
    for end in 0..sealed.len() {
        assert!(key.open(&shown, &sealed[..end]).is_err(), "cut at {end}");
    }
    let newer = [&[2], &sealed[1..]].concat();
    assert_eq!(key.open(&shown, &newer).map(|_| ()), Err(ProvisioningError::Newer(2)));
}

#[test]
fn low_order_keys_are_refused_in_both_directions() {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let key = LinkKeyPair::generate(&mut rng);
    let shown = LinkInvitation::new(SERVER, LINK, &key).expect("good parts");
    let sealed = seal(&shown, &provisioning(&mut rng), &mut rng);
    for low in low_order_keys() {
        let encapsulated = [&sealed[..1], &low[1..], &sealed[33..]].concat();
        assert_eq!(key.open(&shown, &encapsulated).map(|_| ()), Err(ProvisioningError::Refused));
        let text = shown.to_text();
        let (start, _) = text.rsplit_once('=').expect("a text has parts");
        let text = format!("{start}={}", URL_SAFE_NO_PAD.encode(&low[1..]));
        assert_eq!(LinkInvitation::parse(&text), Err(LinkTextError::Malformed("the key")));
    }
}

#[test]
fn link_texts_are_strict() {
    let key = LinkKeyPair::generate(&mut ChaCha20Rng::seed_from_u64(4));
    let text = LinkInvitation::new(SERVER, LINK, &key).expect("good parts").to_text();
    assert_eq!(
        text.rsplit_once('&').expect("parts").0,
        format!("sotto://link?v=1&s=https%3A%2F%2Fchat.example.org%3A8443&l={LINK}")
    );
    assert!(LinkInvitation::parse(&format!(" {text}\n")).is_ok());
    let malformed = |what| Err(LinkTextError::Malformed(what));
    for (changed, want) in [
        (String::new(), Err(LinkTextError::NotALink)),
        ("https://example.org".into(), Err(LinkTextError::NotALink)),
        (text.replace("sotto:", "SOTTO:"), Err(LinkTextError::NotALink)),
        (text.replace("v=1", "v=2"), Err(LinkTextError::Newer)),
        (text.replace("v=1", "v="), malformed("the version")),
        (text.replace("v=1&", ""), malformed("the version")),
        (text.replace("https%3A", "ftp%3A"), malformed("the server")),
        (text.replace("chat.", "ann@chat."), malformed("the server")),
        (text.replace("%3A8443", "%3A99999"), malformed("the server")),
        (text.replace("%3A8443", "%3A"), malformed("the server")),
        (text.replace("%3A8443", "%2Fpath"), malformed("the server")),
        (text.replace("%3A8443", "%"), malformed("the server")),
        (text.replace("%2F", "%2f"), malformed("the end")),
        (text.replace("chat", "%63hat"), malformed("the end")),
        (text.replace(LINK, "short"), malformed("the link id")),
        (text.replace(LINK, &"x".repeat(129)), malformed("the link id")),
        (text.replace("&l=", "&m="), malformed("the link id")),
        (text.replace("&k=", "&k=="), malformed("the key")),
        (text[..text.len() - 1].to_owned(), malformed("the key")),
        (format!("{text}&x=1"), malformed("the end")),
    ] {
        assert_eq!(LinkInvitation::parse(&changed).map(|_| ()), want, "{changed}");
    }
}

#[test]
fn servers_are_origins() {
    let key = LinkKeyPair::generate(&mut ChaCha20Rng::seed_from_u64(5));
    for (server, good) in [
        ("http://localhost:7070", true),
        ("http://127.0.0.1:7070", true),
        ("http://[::1]:7070", true),
        ("https://[2001:db8::1]", true),
        ("https://example.org", true),
        ("https://example.org/", false),
        ("https://", false),
        ("https://:80", false),
        ("https://[::1", false),
        ("https://[x]", false),
        ("https://a b", false),
        ("example.org", false),
    ] {
        assert_eq!(LinkInvitation::new(server, LINK, &key).is_ok(), good, "{server}");
        if good {
            let text = LinkInvitation::new(server, LINK, &key).expect("good").to_text();
            assert_eq!(LinkInvitation::parse(&text).map(|link| link.server().to_owned()).as_deref(), Ok(server));
        }
    }
}
