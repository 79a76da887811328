use super::GroupDetailsError::{Damaged, Description, Newer, OtherKey, Picture, Title};
use super::*;
use sotto_types::Secret;
use sotto_types::limits::{GROUP_DETAILS_BYTES, GROUP_PICTURE_BYTES};

fn details(title: &str) -> GroupDetails {
    GroupDetails { title: title.to_owned(), description: String::new(), picture: None }
}

fn key() -> Secret<[u8; 32]> {
    Secret::new([7; 32])
}

#[test]
fn members_read_them_and_nobody_else() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let largest = GroupDetails {
        title: "🎈".repeat(100),
        description: "🎈".repeat(2048),
        picture: Some((PictureType::Webp, vec![9; GROUP_PICTURE_BYTES].into())),
    };
    let two_lines = GroupDetails { description: "two\nlines".to_owned(), ..details("Hiking") };
    for given in [details("x"), two_lines, largest] {
        let sealed = seal_details(&key(), &given, &mut rng).expect("good details");
        assert!(sealed.len() <= GROUP_DETAILS_BYTES);
        assert_eq!(open_details(&key(), &sealed).as_ref(), Ok(&given));
        assert_eq!(open_details(&Secret::new([8; 32]), &sealed), Err(OtherKey));
        let mut changed = sealed.clone();
        *changed.last_mut().expect("not empty") ^= 1;
        assert_eq!(open_details(&key(), &changed), Err(OtherKey));
        assert_ne!(details_hash(&changed), details_hash(&sealed));
        changed[0] = 2;
        assert_eq!(open_details(&key(), &changed), Err(Newer(2)));
        assert_eq!(open_details(&key(), &sealed[..20]), Err(Damaged));
    }
    assert_eq!(open_details(&key(), &vec![1; GROUP_DETAILS_BYTES + 1]), Err(Damaged));
    assert_eq!(open_details(&key(), &[]), Err(Damaged));
}

#[test]
fn the_length_says_little_about_the_title() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let [short, long] = ["a", "a much longer title of a group"]
        .map(|title| seal_details(&key(), &details(title), &mut rng).expect("good details").len());
    assert_eq!(short, long);
}

#[test]
fn what_breaks_a_limit_is_neither_sealed_nor_shown() {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let with = |description: &str, picture: Option<usize>| GroupDetails {
        title: "x".to_owned(),
        description: description.to_owned(),
        picture: picture.map(|len| (PictureType::Png, vec![1; len].into())),
    };
    for (given, expected) in [
        (details(""), Title),
        (details(" \t"), Title),
        (details("two\nlines"), Title),
        (details("\u{7f}x"), Title),
        (details(&"é".repeat(101)), Title),
        (with(&"é".repeat(2049), None), Description),
        (with("bell\u{7}", None), Description),
        (with("", Some(0)), Picture),
        (with("", Some(GROUP_PICTURE_BYTES + 1)), Picture),
    ] {
        assert_eq!(seal_details(&key(), &given, &mut rng), Err(expected), "{given:?}");
        // A hostile member seals what it likes.
        let (kind, picture) = given.picture.map_or(("image/gif", vec![1].into()), |(kind, bytes)| (kind.mime(), bytes));
        let message = pb::GroupDetails {
            title: given.title,
            description: given.description,
            picture,
            picture_type: kind.to_owned(),
        };
        assert!(open_details(&key(), &sealed_by_hand(message.encode_to_vec(), &mut rng)).is_err());
    }
    let untrimmed = pb::GroupDetails { title: " x".to_owned(), ..Default::default() };
    assert_eq!(open_details(&key(), &sealed_by_hand(untrimmed.encode_to_vec(), &mut rng)), Err(Title));
    let no_type = pb::GroupDetails { title: "x".to_owned(), picture: vec![1].into(), ..Default::default() };
    assert_eq!(open_details(&key(), &sealed_by_hand(no_type.encode_to_vec(), &mut rng)), Err(Picture));
    assert_eq!(open_details(&key(), &sealed_by_hand(vec![0xff; 9], &mut rng)), Err(Damaged));
    let trimmed = seal_details(&key(), &details("  x "), &mut rng).expect("good details");
    assert_eq!(open_details(&key(), &trimmed), Ok(details("x")));
}

fn sealed_by_hand(encoded: Vec<u8>, rng: &mut ChaCha20Rng) -> Vec<u8> {
    crate::secretbox::seal(&key(), b"sotto group details v1", &crate::padding::pad(encoded), rng)
}
