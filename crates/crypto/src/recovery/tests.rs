use super::*;
use crate::device_auth::AuthPublicKey;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

fn contents(rng: &mut ChaCha20Rng) -> RecoveryContents {
    RecoveryContents {
        account: AccountId::from_bytes([3; 16]),
        username: Username::parse("ann").expect("a name"),
        identity: IdentityKeyPair::generate(rng),
        profile_key: Secret::new([7; 32]),
    }
}

#[test]
fn codes_are_groups_of_four_and_read_back_as_people_type_them() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for _ in 0..200 {
        let code = RecoveryCode::generate(&mut rng);
        let text = code.to_text().expose().clone();
        assert_eq!(text.split('-').map(str::len).collect::<Vec<_>>(), [4; 7]);
        for typed in [
            text.clone(),
            text.to_lowercase(),
            text.replace('-', " "),
            text.replace('-', ""),
            text.replace('0', "o").replace('1', "l"),
            text.replace('0', "O").replace('1', "i"),
            format!("  {}\n", text.replace('-', " – ")),
        ] {
            assert!(RecoveryCode::parse(&typed) == Ok(code.clone()), "a way to type it is refused");
        }
    }
}

#[test]
fn mistakes_are_named() {
    let text = RecoveryCode::generate(&mut ChaCha20Rng::seed_from_u64(2)).to_text().expose().clone();
    let parse = |text: &str| RecoveryCode::parse(text).map(|_| ());
    assert_eq!(parse(""), Err(RecoveryCodeError::Length(0)));
    assert_eq!(parse(&text[..33]), Err(RecoveryCodeError::Length(27)));
    assert_eq!(parse(&format!("{text}0")), Err(RecoveryCodeError::Length(29)));
    assert_eq!(parse(&"0".repeat(100_000)), Err(RecoveryCodeError::Length(100_000)));
    assert_eq!(parse(&text.replacen(&text[..1], "u", 1)), Err(RecoveryCodeError::Character('u')));
    assert_eq!(parse(&text.replacen(&text[..1], "é", 1)), Err(RecoveryCodeError::Character('é')));
}

#[test]
fn nearly_every_single_mistake_is_a_typo() {
    let code = RecoveryCode::generate(&mut ChaCha20Rng::seed_from_u64(3));
    let text = code.to_text().expose().replace('-', "");
    let mut missed = 0;
    let mut tried = 0;
    for at in 0..text.len() {
        for other in ALPHABET {
            let mut typed = text.clone().into_bytes();
            if typed[at] == *other {
                continue;
            }
            typed[at] = *other;
            tried += 1;
            match RecoveryCode::parse(std::str::from_utf8(&typed).expect("ASCII")) {
                Err(error) => assert_eq!(error, RecoveryCodeError::Typo),
                Ok(wrong) => {
                    assert!(wrong != code, "another code, not the same");
                    missed += 1;
                }
            }
        }
    }
    assert!(missed * 100 < tried, "{missed} of {tried} single mistakes passed");
}

#[test]
fn a_backup_opens_with_its_code_only() {
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let (code, other) = (RecoveryCode::generate(&mut rng), RecoveryCode::generate(&mut rng));
    let contents = contents(&mut rng);
    let sealed = code.seal(&contents, &mut rng);
    assert!(sealed.len() < 4096);
    let back = code.open(&sealed).expect("its own code");
    assert_eq!((back.account, back.username), (contents.account, contents.username));
    assert_eq!(back.identity.public(), contents.identity.public());
    assert_eq!(back.profile_key, contents.profile_key);
    assert_eq!(other.open(&sealed).map(|_| ()), Err(RecoveryError::WrongCode));

    let mut newer = sealed.clone();
    newer[0] = 2;
    assert_eq!(code.open(&newer).map(|_| ()), Err(RecoveryError::Newer(2)));
    for end in 0..sealed.len() {
        assert!(code.open(&sealed[..end]).is_err(), "cut at {end}");
    }
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 0x10;
        assert!(code.open(&changed).is_err(), "changed at {at}");
    }
}

#[test]
fn a_backup_with_wrong_contents_is_damaged() {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let code = RecoveryCode::generate(&mut rng);
    let backup = pb::RecoveryBackup { username: "ann".into(), ..Default::default() }.encode_to_vec();
    for plaintext in [&backup[..], b"\xff", b""] {
        let sealed = secretbox::seal(&code.backup_key(), BACKUP_PURPOSE, plaintext, &mut rng);
        assert_eq!(code.open(&sealed).map(|_| ()), Err(RecoveryError::Damaged));
    }
}

#[test]
fn the_next_code_opens_with_the_one_before_only() {
    let mut rng = ChaCha20Rng::seed_from_u64(8);
    let [current, next, other] = [(); 3].map(|()| RecoveryCode::generate(&mut rng));
    let sealed = current.seal_next(&next, &mut rng);
    assert_eq!(current.open_next(&sealed), Some(next.clone()));
    for wrong in [&next, &other] {
        assert_eq!(wrong.open_next(&sealed), None);
    }
    assert_eq!(current.open_next(&sealed[1..]), None);
    assert!(current.open(&sealed).is_err(), "it is no backup");
}

#[test]
fn the_auth_key_comes_from_the_code_alone() {
    let mut rng = ChaCha20Rng::seed_from_u64(6);
    let code = RecoveryCode::generate(&mut rng);
    let again = RecoveryCode::parse(code.to_text().expose()).expect("its own text");
    assert_eq!(code.auth_key().public(), again.auth_key().public());
    assert_ne!(code.auth_key().public(), RecoveryCode::generate(&mut rng).auth_key().public());
    let public = AuthPublicKey::parse(code.auth_key().public().as_bytes()).expect("a real key");
    assert_eq!(public.verify_recovery(b"challenge", &again.auth_key().sign(b"challenge")), Ok(()));
    assert_eq!(format!("{code:?}"), "RecoveryCode(Secret)");
}

#[test]
fn all_characters_occur() {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..50 {
        seen.extend(RecoveryCode::generate(&mut rng).0.expose().iter().copied());
    }
    assert_eq!(seen.len(), 32);
}
