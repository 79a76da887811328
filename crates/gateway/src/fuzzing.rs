//! Entries for fuzz targets and property tests: any bytes in, no panic out.

use crate::codec::{Decoder, Item};
use crate::parse;
use std::borrow::Cow;

/// What a decoder made of bytes: the messages, and whether it refused what came after them.
pub type Decoded = (Vec<Vec<u8>>, bool);

/// Bytes as a socket gives them, split at `splits`. However they are split, the result is the same.
pub fn websocket_frames(bytes: &[u8], splits: &[usize]) -> Decoded {
    let mut decoder = Decoder::new(64 * 1024);
    let mut messages = Vec::new();
    let mut rest: Vec<u8> = Vec::new();
    let mut from = 0;
    let ends = splits.iter().map(|end| (*end).min(bytes.len())).chain([bytes.len()]);
    for end in ends {
        rest.extend_from_slice(bytes.get(from..end.max(from)).unwrap_or_default());
        from = end.max(from);
        loop {
            match decoder.next(&mut rest) {
                Ok(None) => break,
                Ok(Some((taken, item))) => {
                    let closed = matches!(item, Item::Close(_));
                    if let Item::Message(payload) = item {
                        messages.push(payload.into_owned());
                    }
                    rest.drain(..taken);
                    if closed {
                        return (messages, false);
                    }
                }
                Err(_) => return (messages, true),
            }
        }
    }
    (messages, false)
}

/// A WebSocket message of a client, up to the values that the domain gets.
pub fn client_frame(bytes: &[u8]) {
    use sotto_wire::pb::client_frame::Body;
    if let Ok(parse::Parsed::Known(_, body)) = parse::client_frame(Cow::Borrowed(bytes)) {
        match body {
            Body::SendDirect(send) => drop(parse::direct_send(send)),
            Body::Read(read) => drop(parse::conversation(read.conversation)),
            Body::SendGroup(send) => drop(parse::group_send(send)),
            Body::SendKeys(send) => drop(parse::keys_send(send)),
            Body::GroupAck(ack) => drop(parse::group_ack(&ack)),
            Body::Typing(typing) => drop(parse::typing(typing)),
            Body::SubscribePresence(subscribe) => drop(parse::accounts_named(&subscribe.accounts, 256)),
            Body::UnsubscribePresence(unsubscribe) => drop(parse::accounts_named(&unsubscribe.accounts, 512)),
            Body::Hello(_) | Body::Ack(_) | Body::Heartbeat(_) => {}
        }
    }
}
