use super::*;
use crate::fuzzing;
use proptest::prelude::*;

const MAX: usize = 70_000;
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame as a client writes it, with the shortest length.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// What frames come to: owned, so that many can be compared.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Message(Vec<u8>),
    Fragment,
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
    Refused(Violation),
    /// The rest is no whole frame.
    Waiting(usize),
}

fn decode(bytes: &[u8]) -> Vec<Seen> {
    let mut decoder = Decoder::new(MAX);
    let mut rest = bytes.to_vec();
    let mut seen = Vec::new();
    loop {
        let length = rest.len();
        let (taken, item) = match decoder.next(&mut rest) {
            Ok(Some((taken, item))) => (taken, item),
            Ok(None) => {
                if length > 0 {
                    seen.push(Seen::Waiting(length));
                }
                return seen;
            }
            Err(violation) => {
                seen.push(Seen::Refused(violation));
                return seen;
            }
        };
        seen.push(match item {
            Item::Message(payload) => Seen::Message(payload.into_owned()),
            Item::Fragment => Seen::Fragment,
            Item::Ping(payload) => Seen::Ping(payload.to_vec()),
            Item::Pong => Seen::Pong,
            Item::Close(code) => Seen::Close(code),
        });
        rest.drain(..taken);
    }
}

#[test]
fn what_the_rfc_allows() {
    let long = vec![7; 126];
    let longer = vec![8; 65_536];
    let cases: &[(&str, Vec<u8>, Vec<Seen>)] = &[
        ("empty message", frame(0x82, b""), vec![Seen::Message(vec![])]),
        ("short message", frame(0x82, b"hello"), vec![Seen::Message(b"hello".to_vec())]),
        ("125 bytes", frame(0x82, &long[..125]), vec![Seen::Message(long[..125].to_vec())]),
        ("16-bit length", frame(0x82, &long), vec![Seen::Message(long.clone())]),
        ("64-bit length", frame(0x82, &longer), vec![Seen::Message(longer.clone())]),
        ("the largest message", frame(0x82, &vec![1; MAX]), vec![Seen::Message(vec![1; MAX])]),
        ("ping", frame(0x89, b"are you there"), vec![Seen::Ping(b"are you there".to_vec())]),
        ("pong nobody asked for", frame(0x8a, b"x"), vec![Seen::Pong]),
        (
            "two frames in one read",
            [frame(0x82, b"a"), frame(0x82, b"b")].concat(),
            vec![Seen::Message(b"a".to_vec()), Seen::Message(b"b".to_vec())],
        ),
        (
            "fragments",
            [frame(0x02, b"ab"), frame(0x00, b"c"), frame(0x80, b"d")].concat(),
            vec![Seen::Fragment, Seen::Fragment, Seen::Message(b"abcd".to_vec())],
        ),
        (
            "control frames between fragments",
            [frame(0x02, b"ab"), frame(0x89, b"!"), frame(0x8a, b""), frame(0x80, b"cd")].concat(),
            vec![Seen::Fragment, Seen::Ping(b"!".to_vec()), Seen::Pong, Seen::Message(b"abcd".to_vec())],
        ),
        (
            "empty fragments",
            [frame(0x02, b""), frame(0x00, b""), frame(0x80, b"")].concat(),
            vec![Seen::Fragment, Seen::Fragment, Seen::Message(vec![])],
        ),
        (
            "a message after a fragmented one",
            [frame(0x02, b"a"), frame(0x80, b"b"), frame(0x82, b"c")].concat(),
            vec![Seen::Fragment, Seen::Message(b"ab".to_vec()), Seen::Message(b"c".to_vec())],
        ),
        (
            "close between fragments",
            [frame(0x02, b"a"), frame(0x88, b"")].concat(),
            vec![Seen::Fragment, Seen::Close(None)],
        ),
        ("close without a code", frame(0x88, b""), vec![Seen::Close(None)]),
        ("close with a code", frame(0x88, &1000u16.to_be_bytes()), vec![Seen::Close(Some(1000))]),
        ("close with a reason", frame(0x88, b"\x03\xe9tsch\xc3\xbcss"), vec![Seen::Close(Some(1001))]),
        ("close, application's code", frame(0x88, &4999u16.to_be_bytes()), vec![Seen::Close(Some(4999))]),
        ("half a header", vec![0x82], vec![Seen::Waiting(1)]),
        ("a length cut off", vec![0x82, 0xfe, 0x01], vec![Seen::Waiting(3)]),
        ("a mask cut off", vec![0x82, 0x81, 1, 2, 3], vec![Seen::Waiting(5)]),
        ("a payload cut off", frame(0x82, b"hello")[..10].to_vec(), vec![Seen::Waiting(10)]),
    ];
    for (name, bytes, want) in cases {
        assert_eq!(&decode(bytes), want, "{name}");
    }
}

#[test]
fn what_the_rfc_forbids() {
    use Violation::*;
    let unmasked = |first: u8| vec![first, 5, b'h', b'e', b'l', b'l', b'o'];
    // (name, bytes, violation, close code)
    let cases: &[(&str, Vec<u8>, Violation, u16)] = &[
        ("unmasked message", unmasked(0x82), Unmasked, 1002),
        ("unmasked ping", unmasked(0x89), Unmasked, 1002),
        ("unmasked close", vec![0x88, 0], Unmasked, 1002),
        ("text", frame(0x81, b"hi"), Text, 1003),
        ("fragmented text", frame(0x01, b"hi"), Text, 1003),
        ("RSV1 (compression was not agreed)", frame(0xc2, b"x"), ReservedBits, 1002),
        ("RSV2", frame(0xa2, b"x"), ReservedBits, 1002),
        ("RSV3", frame(0x92, b"x"), ReservedBits, 1002),
        ("RSV on a control frame", frame(0xc9, b"x"), ReservedBits, 1002),
        ("reserved data opcode 3", frame(0x83, b"x"), ReservedOpcode, 1002),
        ("reserved data opcode 7", frame(0x87, b"x"), ReservedOpcode, 1002),
        ("reserved control opcode 11", frame(0x8b, b"x"), ReservedOpcode, 1002),
        ("reserved control opcode 15", frame(0x8f, b"x"), ReservedOpcode, 1002),
        ("fragmented ping", frame(0x09, b"x"), FragmentedControl, 1002),
        ("fragmented close", frame(0x08, b""), FragmentedControl, 1002),
        ("ping of 126 bytes", frame(0x89, &[0; 126]), LongControl, 1002),
        ("ping with a 64-bit length", vec![0x89, 0xff, 0, 0, 0, 0, 0, 1, 0, 0], LongControl, 1002),
        ("16-bit length for 125 bytes", vec![0x82, 0xfe, 0, 125], LengthEncoding, 1002),
        ("64-bit length for 65535 bytes", vec![0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff], LengthEncoding, 1002),
        ("64-bit length, highest bit", vec![0x82, 0xff, 0x80, 0, 0, 0, 0, 1, 0, 0], LengthEncoding, 1002),
        ("continuation of nothing", frame(0x80, b"x"), UnexpectedContinuation, 1002),
        ("fragment of nothing", frame(0x00, b"x"), UnexpectedContinuation, 1002),
        ("a message within a message", [frame(0x02, b"a"), frame(0x82, b"b")].concat(), InterruptedMessage, 1002),
        ("one byte too large, from its header alone", vec![0x82, 0xff, 0, 0, 0, 0, 0, 1, 0x11, 0x71], TooLarge, 1009),
        (
            "2^63 - 1 bytes, from its header alone",
            vec![0x82, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255],
            TooLarge,
            1009,
        ),
        ("fragments too large together", [frame(0x02, &vec![0; MAX]), frame(0x00, b"x")].concat(), TooLarge, 1009),
        ("close of one byte", frame(0x88, b"\x03"), ClosePayload, 1002),
        ("close code 0", frame(0x88, &0u16.to_be_bytes()), CloseCode, 1002),
        ("close code 999", frame(0x88, &999u16.to_be_bytes()), CloseCode, 1002),
        ("close code 1004", frame(0x88, &1004u16.to_be_bytes()), CloseCode, 1002),
        ("close code 1005", frame(0x88, &1005u16.to_be_bytes()), CloseCode, 1002),
        ("close code 1006", frame(0x88, &1006u16.to_be_bytes()), CloseCode, 1002),
        ("close code 1015", frame(0x88, &1015u16.to_be_bytes()), CloseCode, 1002),
        ("close code 2999", frame(0x88, &2999u16.to_be_bytes()), CloseCode, 1002),
        ("close code 5000", frame(0x88, &5000u16.to_be_bytes()), CloseCode, 1002),
        ("close reason that is not UTF-8", frame(0x88, b"\x03\xe8\xff\xfe"), CloseReason, 1007),
    ];
    for (name, bytes, violation, close_code) in cases {
        assert_eq!(decode(bytes).last(), Some(&Seen::Refused(*violation)), "{name}");
        assert_eq!(violation.close_code(), *close_code, "{name}");
    }
}

#[test]
fn nothing_is_kept_between_messages() {
    let mut decoder = Decoder::new(MAX);
    let mut bytes = [frame(0x02, b"abc"), frame(0x80, b"def")].concat();
    let (taken, _) = decoder.next(&mut bytes).unwrap().unwrap();
    assert!(decoder.assembly.is_some());
    decoder.next(&mut bytes[taken..]).unwrap().unwrap();
    assert!(decoder.assembly.is_none());
}

fn message() -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
    (prop::collection::vec(any::<u8>(), 0..400), prop::collection::vec(0..400usize, 0..4))
}

/// A message in fragments, with a ping in between.
fn in_fragments(payload: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| (*cut).min(payload.len())).collect();
    cuts.sort_unstable();
    let mut bytes = Vec::new();
    let mut from = 0;
    for (index, end) in cuts.iter().chain([&payload.len()]).enumerate() {
        let fin = if index == cuts.len() { 0x80 } else { 0 };
        let opcode = if index == 0 { BINARY } else { CONTINUATION };
        bytes.extend(frame(fin | opcode, &payload[from..*end]));
        bytes.extend(frame(0x89, b"ping"));
        from = *end;
    }
    bytes
}

proptest! {
    #[test]
    fn however_a_stream_is_split_its_messages_are_the_same(
        messages in prop::collection::vec(message(), 1..6),
        mut splits in prop::collection::vec(0..4000usize, 0..12),
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(|(payload, cuts)| in_fragments(payload, cuts)).collect();
        let want: Vec<Vec<u8>> = messages.into_iter().map(|(payload, _)| payload).collect();
        splits.sort_unstable();
        prop_assert_eq!(fuzzing::websocket_frames(&bytes, &splits), (want, false));
    }

    #[test]
    fn any_bytes_give_the_same_in_one_piece_and_byte_by_byte(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let every: Vec<usize> = (0..bytes.len()).collect();
        prop_assert_eq!(fuzzing::websocket_frames(&bytes, &every), fuzzing::websocket_frames(&bytes, &[]));
    }

    #[test]
    fn any_message_is_a_frame_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzzing::client_frame(&bytes);
    }
}
