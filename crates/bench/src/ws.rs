//! The client half of RFC 6455, as little of it as a load generator needs, because it shares the machine with the server:
//! frames are parsed in the buffer they were read into, and written masked into one buffer per connection.
//! Always true: what breaks the protocol (masked or reserved frames, text, over-long messages) is an error, never skipped.
//! Elsewhere: the handshake is in `connect`, what the messages mean in `frames`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sotto_types::limits::FRAME_BYTES;

const CONTINUATION: u8 = 0x0;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
const FIN: u8 = 0x80;

/// What the server did wrong on the WebSocket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WsError {
    #[error("the server broke the WebSocket protocol: {0}")]
    Protocol(&'static str),
    #[error("the server sent a message of {0} bytes")]
    TooLarge(u64),
    #[error("the server closed the connection (code {code}{})", if reason.is_empty() { String::new() } else { format!(": {reason}") })]
    Closed { code: u16, reason: String },
}

/// One thing that the reader found.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    Message(&'a [u8]),
    Ping(&'a [u8]),
}

struct Frame<'a> {
    fin: bool,
    opcode: u8,
    payload: &'a [u8],
}

/// The frame at the start of `bytes` and its length, or `None` while it is not whole.
fn parse(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>, WsError> {
    let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
    if first & 0x70 != 0 {
        return Err(WsError::Protocol("reserved bits are set"));
    }
    if second & 0x80 != 0 {
        return Err(WsError::Protocol("a server's frame is masked"));
    }
    let (len, rest) = match second {
        126 => match rest.split_first_chunk::<2>() {
            Some((len, rest)) => (u64::from(u16::from_be_bytes(*len)), rest),
            None => return Ok(None),
        },
        127 => match rest.split_first_chunk::<8>() {
            Some((len, rest)) => (u64::from_be_bytes(*len), rest),
            None => return Ok(None),
        },
        len => (u64::from(len), rest),
    };
    let len = usize::try_from(len).ok().filter(|len| *len <= FRAME_BYTES).ok_or(WsError::TooLarge(len))?;
    let Some((payload, after)) = rest.split_at_checked(len) else { return Ok(None) };
    let frame = Frame { fin: first & FIN != 0, opcode: first & 0x0F, payload };
    Ok(Some((frame, bytes.len() - after.len())))
}

/// Finds messages in what a socket gives, piece by piece. Keeps bytes only of a frame or message that is not whole yet.
#[derive(Debug, Default)]
pub struct Reader {
    rest: Vec<u8>,
    fragments: Option<Vec<u8>>,
}

impl Reader {
    /// Hands every whole message in `bytes` (and what was left of earlier ones) to `on`.
    pub fn take<E: From<WsError>>(
        &mut self,
        bytes: &[u8],
        mut on: impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.rest.is_empty() {
            let used = self.take_frames(bytes, &mut on)?;
            self.rest.extend_from_slice(bytes.get(used..).unwrap_or_default());
        } else {
            let mut whole = std::mem::take(&mut self.rest);
            whole.extend_from_slice(bytes);
            let used = self.take_frames(&whole, &mut on)?;
            whole.drain(..used);
            self.rest = whole;
        }
        if self.rest.is_empty() && self.rest.capacity() > 0 {
            // An idle connection of ten thousand must not keep a buffer.
            self.rest = Vec::new();
        }
        Ok(())
    }

    fn take_frames<E: From<WsError>>(
        &mut self,
        bytes: &[u8],
        on: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<usize, E> {
        let mut used = 0;
        while let Some((frame, len)) = parse(bytes.get(used..).unwrap_or_default())? {
            used += len;
            match (frame.opcode, self.fragments.as_mut()) {
                (BINARY, None) if frame.fin => on(Event::Message(frame.payload))?,
                (BINARY, None) => self.fragments = Some(frame.payload.to_vec()),
                (CONTINUATION, Some(message)) => {
                    if message.len() + frame.payload.len() > FRAME_BYTES {
                        return Err(WsError::TooLarge((message.len() + frame.payload.len()) as u64).into());
                    }
                    message.extend_from_slice(frame.payload);
                    if frame.fin {
                        let message = self.fragments.take().unwrap_or_default();
                        on(Event::Message(&message))?;
                    }
                }
                (BINARY | CONTINUATION, _) => return Err(WsError::Protocol("fragments are out of order").into()),
                (PING, _) if frame.fin => on(Event::Ping(frame.payload))?,
                (PONG, _) if frame.fin => {}
                (CLOSE, _) => return Err(closed(frame.payload).into()),
                (PING | PONG, _) => return Err(WsError::Protocol("a control frame is fragmented").into()),
                _ => return Err(WsError::Protocol("an unexpected kind of frame").into()),
            }
        }
        Ok(used)
    }
}

fn closed(payload: &[u8]) -> WsError {
    match payload.split_first_chunk::<2>() {
        Some((code, reason)) => {
            WsError::Closed { code: u16::from_be_bytes(*code), reason: String::from_utf8_lossy(reason).into_owned() }
        }
        None => WsError::Closed { code: 1005, reason: String::new() },
    }
}

/// Writes masked frames. Its masks come from a small generator: they guard proxies against crafted bytes, not secrets.
#[derive(Debug)]
pub struct Writer(u64);

impl Writer {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    fn mask(&mut self) -> [u8; 4] {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let [a, b, c, d, ..] = self.0.to_be_bytes();
        [a, b, c, d]
    }

    /// Appends a binary message of `len` bytes that `fill` writes at the end of the buffer.
    pub fn message(&mut self, out: &mut Vec<u8>, len: usize, fill: impl FnOnce(&mut Vec<u8>)) {
        self.frame(out, BINARY, len, fill);
    }

    pub fn pong(&mut self, out: &mut Vec<u8>, payload: &[u8]) {
        self.frame(out, PONG, payload.len(), |out| out.extend_from_slice(payload));
    }

    /// A normal closure (1000).
    pub fn close(&mut self, out: &mut Vec<u8>) {
        self.frame(out, CLOSE, 2, |out| out.extend_from_slice(&1000u16.to_be_bytes()));
    }

    fn frame(&mut self, out: &mut Vec<u8>, opcode: u8, len: usize, fill: impl FnOnce(&mut Vec<u8>)) {
        out.push(FIN | opcode);
        match (u8::try_from(len), u16::try_from(len)) {
            (Ok(short @ ..126), _) => out.push(0x80 | short),
            (_, Ok(medium)) => {
                out.push(0x80 | 126);
                out.extend_from_slice(&medium.to_be_bytes());
            }
            _ => {
                out.push(0x80 | 127);
                out.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
        let mask = self.mask();
        out.extend_from_slice(&mask);
        let start = out.len();
        fill(out);
        debug_assert_eq!(out.len() - start, len, "the length was written before the bytes");
        apply_mask(out.get_mut(start..).unwrap_or_default(), mask);
    }
}

/// Masks and unmasks, eight bytes at a time.
pub fn apply_mask(bytes: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, tail) = bytes.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

/// A `Sec-WebSocket-Key`.
pub fn new_key() -> String {
    STANDARD.encode(rand::random::<[u8; 16]>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            len @ 0..=125 => frame.push(len as u8),
            len @ 126..=65_535 => {
                frame.push(126);
                frame.extend_from_slice(&(len as u16).to_be_bytes());
            }
            len => {
                frame.push(127);
                frame.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(payload);
        frame
    }

    fn read(pieces: &[&[u8]]) -> Result<Vec<String>, WsError> {
        let (mut reader, mut found) = (Reader::default(), Vec::new());
        for piece in pieces {
            reader.take(piece, |event| {
                found.push(match event {
                    Event::Message(bytes) => format!("message {}", bytes.len()),
                    Event::Ping(bytes) => format!("ping {}", String::from_utf8_lossy(bytes)),
                });
                Ok::<_, WsError>(())
            })?;
        }
        Ok(found)
    }

    #[test]
    fn every_split_of_a_stream_gives_the_same_messages() {
        let stream = [
            server_frame(0x82, b"one"),
            server_frame(0x02, &[7; 200]),
            server_frame(0x89, b"are you there"),
            server_frame(0x80, &[8; 300]),
            server_frame(0x82, &vec![9; 70_000]),
            server_frame(0x82, b""),
        ]
        .concat();
        let want = ["message 3", "ping are you there", "message 500", "message 70000", "message 0"];
        assert_eq!(read(&[&stream]).expect("good frames"), want);
        for at in (0..stream.len()).step_by(97).chain(0..230) {
            let (one, two) = stream.split_at(at);
            assert_eq!(read(&[one, two]).expect("good frames"), want, "split at {at}");
        }
        let bytes: Vec<&[u8]> = stream[..600].chunks(1).chain([&stream[600..]]).collect();
        assert_eq!(read(&bytes).expect("good frames"), want);
    }

    #[test]
    fn what_breaks_the_protocol_is_an_error() {
        let protocol = |bytes: &[u8]| matches!(read(&[bytes]), Err(WsError::Protocol(_)));
        assert!(protocol(&server_frame(0xC2, b"compressed")));
        assert!(protocol(&server_frame(0x81, b"text")));
        assert!(protocol(&server_frame(0x80, b"continuation of nothing")));
        assert!(protocol(&[server_frame(0x02, b"a"), server_frame(0x82, b"b")].concat()));
        assert!(protocol(&server_frame(0x09, b"fragmented ping")));
        assert!(protocol(&[0x82, 0x81, 0, 0, 0, 0, 1]));
        let huge = [0x82, 127, 0, 0, 0, 0, 1, 0, 0, 0];
        assert_eq!(read(&[&huge]), Err(WsError::TooLarge(1 << 24)));
        let goodbye = server_frame(0x88, &[&4001u16.to_be_bytes()[..], b"replaced"].concat());
        assert_eq!(read(&[&goodbye]), Err(WsError::Closed { code: 4001, reason: "replaced".into() }));
    }

    #[test]
    fn written_frames_are_masked_and_come_back() {
        let mut writer = Writer::new(3);
        for len in [0usize, 1, 7, 8, 125, 126, 65_535, 65_536] {
            let payload: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let mut out = Vec::new();
            writer.message(&mut out, len, |out| out.extend_from_slice(&payload));
            assert_eq!(out[0], 0x82);
            assert_eq!(out[1] & 0x80, 0x80, "masked");
            let header = match len {
                0..=125 => 2,
                126..=65_535 => 4,
                _ => 10,
            };
            let mask: [u8; 4] = out[header..header + 4].try_into().expect("four bytes");
            let mut body = out.split_off(header + 4);
            apply_mask(&mut body, mask);
            assert_eq!(body, payload, "{len}");
        }
        let (mut one, mut two) = (Vec::new(), Vec::new());
        writer.pong(&mut one, b"x");
        writer.pong(&mut two, b"x");
        assert_ne!(one[2..6], two[2..6], "each frame has its own mask");
    }
}
