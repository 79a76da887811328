//! Connection: one WebSocket, driven by one hand-written poll. No task, channel or timer of its own, and while idle no
//! buffer: reads and writes go through buffers of the thread, and only what a partial frame or a full socket leaves over is
//! kept, until it is done.
//! Flow of a poll: mailbox -> running work -> socket in (`codec`, `session`) -> deliveries -> socket out, all frames of a
//!       round in one write.
//! Always true:
//! - while the socket takes nothing, no delivery is encoded and the store is not read; what is queued for it stays below
//!   `OUT_BYTES_MAX` and one frame;
//! - a poll ends after `ROUNDS`, so that a flood starves neither its own pushes nor the other connections;
//! - after an error the peer gets the bytes that say so: the socket is shut down for writing first and read to its end.
//!
//! Elsewhere: what frames mean is `session`'s, deadlines are set here and watched by the gateway's sweeper.

use crate::bucket::Bucket;
use crate::codec::{Decoder, Item, Violation};
use crate::encode;
use crate::gateway::{Gateway, Permit};
use crate::handle::Handle;
use crate::session::{BoxFuture, End, Session};
use bytes::Bytes;
use sotto_domain::Refusal;
use sotto_types::{ErrorCode, limits};
use std::cell::RefCell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const READ_BYTES: usize = 64 * 1024;
/// Above this, frames are not read and entries not encoded until the socket took some.
const OUT_BYTES_MAX: usize = 64 * 1024;
/// A thread's write buffer that grew beyond this is freed.
const OUT_BYTES_KEPT: usize = 256 * 1024;
const ROUNDS: usize = 16;
const LARGE_MESSAGES_AGAIN: Duration = Duration::from_secs(10);
/// Before Welcome a frame holds a token and a name.
const HELLO_FRAME_BYTES_MAX: usize = 8 * 1024;
/// What is read and thrown away after a close.
const LINGER_BYTES_MAX: usize = 8 * 1024 * 1024;

thread_local! {
    static READ: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static WRITE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

enum Stage {
    Open,
    /// The last bytes are on their way out.
    Flushing,
    /// All is written and shut down; waiting for the peer's end.
    Lingering {
        left: usize,
    },
    Leaving(Option<BoxFuture<()>>),
}

pub(crate) struct Connection<S> {
    stream: S,
    decoder: Decoder,
    /// Bytes that arrived and are not parsed: a partial frame, or frames while `session` wants none.
    rest: Vec<u8>,
    /// `rest` may hold whole frames.
    rest_ready: bool,
    /// Bytes on their way out, and how many of them the socket took.
    out: Vec<u8>,
    written: usize,
    blocked: bool,
    bucket: Bucket,
    session: Session,
    stage: Stage,
    /// Counts the connection until it is gone.
    permit: Permit,
}

enum Flush {
    Done,
    Blocked,
    Gone,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// `read_ahead`: what came behind the handshake.
    pub(crate) fn new(
        stream: S,
        read_ahead: &[u8],
        gateway: Arc<Gateway>,
        handle: Arc<Handle>,
        permit: Permit,
    ) -> Self {
        Self {
            stream,
            decoder: Decoder::new(HELLO_FRAME_BYTES_MAX),
            rest: read_ahead.to_vec(),
            rest_ready: !read_ahead.is_empty(),
            out: Vec::new(),
            written: 0,
            blocked: false,
            bucket: Bucket::full(gateway.config.frames_burst, Instant::now()),
            session: Session::new(gateway, handle),
            stage: Stage::Open,
            permit,
        }
    }

    fn drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let given_up = self.session.receive(cx.waker(), &mut self.out);
        if given_up && !matches!(self.stage, Stage::Leaving(_)) {
            self.leave();
        }
        for _ in 0..ROUNDS {
            match &mut self.stage {
                Stage::Open => {
                    if !self.round(cx) {
                        return Poll::Pending;
                    }
                }
                Stage::Flushing => {
                    match self.flush(cx) {
                        Flush::Blocked => return Poll::Pending,
                        Flush::Gone => self.leave(),
                        Flush::Done => {
                            // TLS says goodbye here, TCP sends FIN: the peer reads the close frame before the end.
                            match ready!(Pin::new(&mut self.stream).poll_shutdown(cx)) {
                                Ok(()) => self.stage = Stage::Lingering { left: LINGER_BYTES_MAX },
                                Err(_) => self.leave(),
                            }
                        }
                    }
                }
                Stage::Lingering { left } => {
                    let read = ready!(read_some(&mut self.stream, cx, |bytes| bytes.len()));
                    match read {
                        Ok(count @ 1..) if *left > count => *left -= count,
                        _ => self.leave(),
                    }
                }
                Stage::Leaving(work) => {
                    if let Some(work) = work {
                        ready!(work.as_mut().poll(cx));
                    }
                    return Poll::Ready(());
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// One round of an open connection. False: nothing more to do until woken.
    fn round(&mut self, cx: &mut Context<'_>) -> bool {
        let mut moved = self.session.poll_work(cx, &mut self.out);
        if self.session.end().is_none() {
            moved |= match self.read(cx) {
                Ok(moved) => moved,
                Err(()) => {
                    self.session.finish(End::Drop);
                    true
                }
            };
        }
        if !self.blocked {
            let socket_free = self.pending_bytes() < OUT_BYTES_MAX;
            moved |= self.session.deliver(cx, &mut self.out, socket_free);
        }
        match self.session.end() {
            None => {}
            Some(End::Drop) => {
                self.leave();
                return true;
            }
            Some(End::Close(code, reason)) => {
                encode::close(&mut self.out, code, reason);
                self.rest = Vec::new();
                let gateway = self.session.gateway();
                self.session.handle().set_deadline(gateway.ticks_from_now(gateway.config.close_timeout));
                self.stage = Stage::Flushing;
                return true;
            }
        }
        // What was held back while so much waited is looked at again once it is out.
        moved |= self.pending_bytes() >= OUT_BYTES_MAX;
        match self.flush(cx) {
            Flush::Gone => {
                self.leave();
                true
            }
            Flush::Blocked => moved && self.wants_input(),
            Flush::Done => moved,
        }
    }

    fn pending_bytes(&self) -> usize {
        self.out.len() - self.written
    }

    fn wants_input(&self) -> bool {
        self.session.wants_frames() && self.pending_bytes() < OUT_BYTES_MAX
    }

    /// Parses what is there, else reads once. True if there may be more.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, ()> {
        if !self.wants_input() {
            return Ok(false);
        }
        if self.rest_ready {
            let mut rest = std::mem::take(&mut self.rest);
            let taken = self.parse(&mut rest, cx);
            self.keep_rest(rest, taken);
            self.count_unfinished();
            return Ok(true);
        }
        let mut buffer = READ.take();
        if buffer.len() < READ_BYTES {
            buffer = vec![0; READ_BYTES];
        }
        let mut into = ReadBuf::new(&mut buffer);
        let result = Pin::new(&mut self.stream).poll_read(cx, &mut into);
        let moved = match result {
            Poll::Pending => Ok(false),
            Poll::Ready(Err(_)) => Err(()),
            Poll::Ready(Ok(())) if into.filled().is_empty() => Err(()),
            Poll::Ready(Ok(())) => {
                self.on_bytes(into.filled_mut(), cx);
                Ok(true)
            }
        };
        READ.replace(buffer);
        moved
    }

    fn on_bytes(&mut self, bytes: &mut [u8], cx: &mut Context<'_>) {
        let gateway = self.session.gateway();
        let config = &gateway.config;
        self.bucket.refill(config.frames_per_second, config.frames_burst, Instant::now());
        if self.session.is_live() {
            self.session.handle().set_deadline(gateway.ticks_from_now(config.idle_timeout));
        }
        if self.rest.is_empty() {
            let taken = self.parse(bytes, cx);
            if let Some(left @ [_, ..]) = bytes.get(taken..) {
                self.rest = left.to_vec();
            }
        } else {
            let mut rest = std::mem::take(&mut self.rest);
            rest.extend_from_slice(bytes);
            let taken = self.parse(&mut rest, cx);
            self.keep_rest(rest, taken);
        }
        self.count_unfinished();
    }

    fn count_unfinished(&mut self) {
        let holds = self.rest.capacity() + self.decoder.assembled();
        if !self.permit.may_hold(if holds > READ_BYTES { holds } else { 0 }) && self.session.end().is_none() {
            let refusal = Refusal::unavailable("too many large messages are under way", LARGE_MESSAGES_AGAIN);
            self.session.fail(&mut self.out, 0, &refusal, Bytes::new());
        }
    }

    fn keep_rest(&mut self, mut rest: Vec<u8>, taken: usize) {
        if taken < rest.len() {
            rest.drain(..taken);
            // A large frame may be behind us.
            if rest.capacity() > READ_BYTES && rest.len() < rest.capacity() / 4 {
                rest.shrink_to_fit();
            }
            self.rest = rest;
        }
    }

    /// Hands whole frames to the session, as many as it wants: how many bytes they had.
    fn parse(&mut self, bytes: &mut [u8], cx: &mut Context<'_>) -> usize {
        let mut taken = 0;
        let mut frames = 0;
        self.rest_ready = false;
        while let Some(left @ [_, ..]) = bytes.get_mut(taken..) {
            if !self.wants_input() {
                self.rest_ready = true;
                break;
            }
            if self.session.is_live() {
                self.decoder.set_message_bytes_max(limits::FRAME_BYTES);
            }
            match self.decoder.next(left) {
                Ok(None) => break,
                Ok(Some((frame_bytes, item))) => {
                    taken += frame_bytes;
                    frames += 1;
                    if !self.bucket.take() {
                        let refusal = Refusal::rate_limited(std::time::Duration::from_secs(1));
                        self.session.fail(&mut self.out, 0, &refusal, Bytes::new());
                        break;
                    }
                    match item {
                        Item::Message(payload) => self.session.on_message(payload, cx, &mut self.out),
                        Item::Fragment | Item::Pong => {}
                        Item::Ping(payload) => encode::pong(&mut self.out, payload),
                        Item::Close(code) => self.session.finish(End::Close(code, "")),
                    }
                }
                Err(violation) => {
                    self.refuse(violation);
                    break;
                }
            }
        }
        self.session.gateway().stats.frames_in.increment(frames);
        taken
    }

    fn refuse(&mut self, violation: Violation) {
        let code = match violation {
            Violation::TooLarge => ErrorCode::FrameTooLarge,
            _ => ErrorCode::BadFrame,
        };
        let refusal = Refusal::new(code, violation.detail());
        self.session.fail_with(&mut self.out, 0, &refusal, Bytes::new(), violation.close_code());
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Flush {
        let before = self.written;
        let result = loop {
            let Some(left @ [_, ..]) = self.out.get(self.written..) else {
                self.out.clear();
                self.written = 0;
                break Flush::Done;
            };
            match Pin::new(&mut self.stream).poll_write(cx, left) {
                Poll::Pending => break Flush::Blocked,
                Poll::Ready(Ok(0) | Err(_)) => break Flush::Gone,
                Poll::Ready(Ok(count)) => self.written += count,
            }
        };
        let blocked = matches!(result, Flush::Blocked);
        if blocked && (!self.blocked || self.written > before) {
            // Began to block, or took something and blocks again: the time counts from now.
            self.session.handle().set_blocked(self.session.gateway().tick().max(1));
        } else if !blocked && self.blocked {
            self.session.handle().set_blocked(0);
            // What the feed did not take meanwhile must be noticed.
            cx.waker().wake_by_ref();
        }
        self.blocked = blocked;
        if let Flush::Done = result {
            // A TLS stream may hold the last record.
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Ready(Ok(())) | Poll::Pending => {}
                Poll::Ready(Err(_)) => return Flush::Gone,
            }
        }
        result
    }

    fn leave(&mut self) {
        if self.session.end().is_none() {
            self.session.finish(End::Drop);
        }
        self.out = Vec::new();
        self.written = 0;
        self.rest = Vec::new();
        self.stage = Stage::Leaving(self.session.farewell());
    }

    /// Gives an idle connection the thread's buffer for this poll.
    fn borrow_out(&mut self) {
        if self.out.capacity() == 0 {
            self.out = WRITE.take();
        }
    }

    /// Gives the buffer back, keeping only what the socket did not take.
    fn return_out(&mut self) {
        if self.written > 0 {
            self.out.drain(..self.written);
            self.written = 0;
        }
        let mut buffer = std::mem::take(&mut self.out);
        if !buffer.is_empty() {
            if buffer.capacity() <= buffer.len().saturating_mul(2) {
                self.out = buffer;
                return;
            }
            self.out = buffer.as_slice().to_vec();
            buffer.clear();
        }
        if buffer.capacity() <= OUT_BYTES_KEPT {
            WRITE.replace(buffer);
        }
    }
}

/// Reads once into the thread's buffer. `Ok(0)` is the end.
fn read_some<S: AsyncRead + Unpin>(
    stream: &mut S,
    cx: &mut Context<'_>,
    then: impl FnOnce(&[u8]) -> usize,
) -> Poll<std::io::Result<usize>> {
    let mut buffer = READ.take();
    if buffer.len() < READ_BYTES {
        buffer = vec![0; READ_BYTES];
    }
    let mut into = ReadBuf::new(&mut buffer);
    let result = Pin::new(stream).poll_read(cx, &mut into).map_ok(|()| then(into.filled()));
    READ.replace(buffer);
    result
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Connection<S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.borrow_out();
        let result = this.drive(cx);
        this.return_out();
        result
    }
}
