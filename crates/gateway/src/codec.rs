//! RFC 6455 framing, server side: bytes of a socket in, messages and control frames out, parsed and unmasked in place.
//! Always true:
//! - whatever can be refused from a header is refused before its payload is waited for, so nothing oversized is buffered;
//! - only the fragments of an unfinished message are kept, and nothing while none is.
//!
//! Elsewhere: bytes of a partial frame are kept by `connection`; what a message means, by `session`.

use std::borrow::Cow;

/// The longest payload of a control frame (RFC 6455 section 5.5).
pub(crate) const CONTROL_BYTES_MAX: usize = 125;

/// Which rule the peer broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Violation {
    Unmasked,
    ReservedBits,
    ReservedOpcode,
    FragmentedControl,
    LongControl,
    LengthEncoding,
    UnexpectedContinuation,
    InterruptedMessage,
    Text,
    TooLarge,
    ClosePayload,
    CloseCode,
    CloseReason,
}

impl Violation {
    /// RFC 6455 section 7.4.1.
    pub(crate) const fn close_code(self) -> u16 {
        match self {
            Self::Text => 1003,
            Self::CloseReason => 1007,
            Self::TooLarge => 1009,
            _ => 1002,
        }
    }

    pub(crate) const fn detail(self) -> &'static str {
        match self {
            Self::Unmasked => "frames from a client must be masked",
            Self::ReservedBits => "reserved bits are set",
            Self::ReservedOpcode => "reserved opcode",
            Self::FragmentedControl => "control frames cannot be fragmented",
            Self::LongControl => "a control frame has at most 125 bytes",
            Self::LengthEncoding => "the length is not in its shortest form",
            Self::UnexpectedContinuation => "a continuation without a message to continue",
            Self::InterruptedMessage => "a new message before the last fragment of another",
            Self::Text => "only binary messages",
            Self::TooLarge => "the message is over the limit",
            Self::ClosePayload => "the payload of a close frame is cut off",
            Self::CloseCode => "not a close code",
            Self::CloseReason => "the close reason is not UTF-8",
        }
    }
}

/// One thing that a frame completed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    /// Borrowed from the socket's buffer, or put together from fragments.
    Message(Cow<'a, [u8]>),
    /// A fragment was kept; nothing is complete.
    Fragment,
    Ping(&'a [u8]),
    Pong,
    /// The code to answer with, if it named one.
    Close(Option<u16>),
}

/// Parses frames; keeps only the fragments of an unfinished message.
#[derive(Debug)]
pub(crate) struct Decoder {
    /// Fragments so far, while a message is unfinished.
    assembly: Option<Vec<u8>>,
    message_bytes_max: usize,
}

struct Header {
    fin: bool,
    opcode: u8,
    mask: [u8; 4],
    header_bytes: usize,
    payload_bytes: usize,
}

const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

impl Decoder {
    pub(crate) const fn new(message_bytes_max: usize) -> Self {
        Self { assembly: None, message_bytes_max }
    }

    /// What was put together of a message in several frames.
    pub(crate) fn assembled(&self) -> usize {
        self.assembly.as_ref().map_or(0, Vec::capacity)
    }

    pub(crate) const fn set_message_bytes_max(&mut self, max: usize) {
        self.message_bytes_max = max;
    }

    /// Takes one whole frame from the start of `buffer`: how many bytes it had, and what it was. `None`: not whole yet.
    pub(crate) fn next<'a>(&mut self, buffer: &'a mut [u8]) -> Result<Option<(usize, Item<'a>)>, Violation> {
        let Some(header) = self.header(buffer)? else { return Ok(None) };
        let Some((frame, _)) = header
            .header_bytes
            .checked_add(header.payload_bytes)
            .and_then(|frame_bytes| buffer.split_at_mut_checked(frame_bytes))
        else {
            return Ok(None);
        };
        let frame_bytes = frame.len();
        let (_, payload) = frame.split_at_mut(header.header_bytes);
        unmask(payload, header.mask);
        let payload: &'a [u8] = payload;
        let item = match header.opcode {
            PING => Item::Ping(payload),
            PONG => Item::Pong,
            CLOSE => Item::Close(close_payload(payload)?),
            _ => match (self.assembly.take(), header.fin) {
                (None, true) => Item::Message(Cow::Borrowed(payload)),
                (kept, fin) => {
                    let mut kept = kept.unwrap_or_default();
                    kept.extend_from_slice(payload);
                    if fin {
                        Item::Message(Cow::Owned(kept))
                    } else {
                        self.assembly = Some(kept);
                        Item::Fragment
                    }
                }
            },
        };
        Ok(Some((frame_bytes, item)))
    }

    /// `None`: not all of the header is there, and what is there breaks no rule.
    fn header(&self, buffer: &[u8]) -> Result<Option<Header>, Violation> {
        let [first, second, rest @ ..] = buffer else { return Ok(None) };
        let (fin, opcode) = (first & 0x80 != 0, first & 0x0f);
        if first & 0x70 != 0 {
            return Err(Violation::ReservedBits);
        }
        let control = opcode & 0x8 != 0;
        match opcode {
            TEXT => return Err(Violation::Text),
            CONTINUATION if self.assembly.is_none() => return Err(Violation::UnexpectedContinuation),
            BINARY if self.assembly.is_some() => return Err(Violation::InterruptedMessage),
            CONTINUATION | BINARY => {}
            CLOSE | PING | PONG if !fin => return Err(Violation::FragmentedControl),
            CLOSE | PING | PONG => {}
            _ => return Err(Violation::ReservedOpcode),
        }
        if second & 0x80 == 0 {
            return Err(Violation::Unmasked);
        }
        let short = second & 0x7f;
        if control && usize::from(short) > CONTROL_BYTES_MAX {
            return Err(Violation::LongControl);
        }
        let (payload, rest, length_bytes) = match short {
            126 => {
                let Some((bytes, rest)) = rest.split_first_chunk::<2>() else { return Ok(None) };
                let length = u16::from_be_bytes(*bytes);
                if length < 126 {
                    return Err(Violation::LengthEncoding);
                }
                (u64::from(length), rest, 2)
            }
            127 => {
                let Some((bytes, rest)) = rest.split_first_chunk::<8>() else { return Ok(None) };
                let length = u64::from_be_bytes(*bytes);
                // The highest bit must be 0; a length that 16 bits hold must use them.
                if length >> 63 != 0 || length <= u64::from(u16::MAX) {
                    return Err(Violation::LengthEncoding);
                }
                (length, rest, 8)
            }
            short => (u64::from(short), rest, 0),
        };
        let kept = if control { 0 } else { self.assembly.as_ref().map_or(0, Vec::len) };
        let payload_bytes = usize::try_from(payload).map_err(|_| Violation::TooLarge)?;
        if kept.checked_add(payload_bytes).is_none_or(|total| total > self.message_bytes_max.max(CONTROL_BYTES_MAX)) {
            return Err(Violation::TooLarge);
        }
        let Some(mask) = rest.first_chunk::<4>() else { return Ok(None) };
        Ok(Some(Header { fin, opcode, mask: *mask, header_bytes: 2 + length_bytes + 4, payload_bytes }))
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, tail) = payload.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

fn close_payload(payload: &[u8]) -> Result<Option<u16>, Violation> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() { Ok(None) } else { Err(Violation::ClosePayload) };
    };
    let code = u16::from_be_bytes(*code);
    // RFC 6455 section 7.4 and the IANA registry; 1005, 1006 and 1015 never travel.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Violation::CloseCode);
    }
    std::str::from_utf8(reason).map_err(|_| Violation::CloseReason)?;
    Ok(Some(code))
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
