//! One device's WebSocket: polled by hand, so that one task can serve both ends of a conversation and an idle connection
//! costs little more than its socket.
//! Flow: `poll_incoming` (read until the socket is empty; what one read brought is acknowledged in one frame) -> the caller
//!       -> `send` -> `poll_flush`.
//! Always true: every entry that was handed out is acknowledged, those of group logs by a cursor per group and gathered a
//! moment, as the engine does it (who polls the link sees to it that this happens at `acks_due_ns`); what waits to be written
//! is bounded by the callers, who stop sending at `OUT_FULL`.

use crate::clock::now_ns;
use crate::frames::group::Cursors;
use crate::frames::{self, Incoming, SendTemplate};
use crate::target::Target;
use crate::ws::{Event, Reader, Writer};
use anyhow::{Context as _, Result, bail};
use prost::Message as _;
use sotto_types::{ClientMsgId, ErrorCode};
use sotto_wire::pb;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

const READ_BYTES: usize = 64 * 1024;
const WELCOME_TIMEOUT: Duration = Duration::from_secs(30);
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(5);
/// No new sends are encoded while so much waits to be written.
pub const OUT_FULL: usize = 128 * 1024;
/// Under the server's 30 s, so that a late timer is no missed heartbeat.
pub const HEARTBEAT: Duration = Duration::from_secs(25);
/// How long acks of group logs are gathered, and how many entries at most: the engine's numbers.
const GATHER_NS: std::ops::Range<u64> = 50_000_000..250_000_000;
const GATHER_MAX: u32 = 64;
pub const WS_PATH: &str = "/v1/ws";

thread_local! {
    /// One buffer for all connections of a thread: it is empty between polls.
    static READ: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

#[derive(Debug)]
pub struct Link {
    stream: TcpStream,
    reader: Reader,
    writer: Writer,
    out: Vec<u8>,
    written: usize,
    unacked: Vec<u64>,
    cursors: Cursors,
    /// Entries behind `cursors`, and when they are acknowledged.
    gathered: u32,
    acks_due_ns: Option<u64>,
    /// Of the WebSocket, frames and all.
    pub bytes_read: u64,
}

impl Link {
    /// Connects, says Hello, waits for Welcome. What came with the Welcome goes to `early`.
    pub async fn open(
        target: &Target,
        source: u32,
        token: String,
        early: impl FnMut(Incoming<'_>) -> Result<()>,
    ) -> Result<Self> {
        Self::open_in(target, source, token, true, early).await
    }

    /// The same, in the foreground or not.
    pub async fn open_in(
        target: &Target,
        source: u32,
        token: String,
        foreground: bool,
        early: impl FnMut(Incoming<'_>) -> Result<()>,
    ) -> Result<Self> {
        let http = target.http(source).await?;
        let opening = tokio::time::timeout(WELCOME_TIMEOUT, async {
            let (stream, bytes) = http.upgrade(WS_PATH).await.context("no WebSocket")?;
            let mut link = Self::new(stream);
            link.send(&frames::hello(token, foreground));
            link.wait_for_welcome(&bytes, early).await?;
            Ok(link)
        });
        opening.await.unwrap_or_else(|_| bail!("no Welcome within {} s", WELCOME_TIMEOUT.as_secs()))
    }

    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            reader: Reader::default(),
            writer: Writer::new(rand::random()),
            out: Vec::new(),
            written: 0,
            unacked: Vec::new(),
            cursors: Cursors::default(),
            gathered: 0,
            acks_due_ns: None,
            bytes_read: 0,
        }
    }

    async fn wait_for_welcome(
        &mut self,
        bytes: &[u8],
        mut early: impl FnMut(Incoming<'_>) -> Result<()>,
    ) -> Result<()> {
        let welcomed = Cell::new(false);
        let mut on = |incoming: Incoming<'_>| match incoming {
            Incoming::Other(frame) if matches!(frame.body, Some(pb::server_frame::Body::Welcome(_))) => {
                welcomed.set(true);
                Ok(())
            }
            Incoming::Other(frame) => unexpected(&frame),
            other => early(other),
        };
        self.take(bytes, &mut on)?;
        poll_fn(|cx| {
            if let Err(error) = self.poll_incoming(cx, &mut on).and_then(|()| self.poll_flush(cx)) {
                return Poll::Ready(Err(error));
            }
            if welcomed.get() { Poll::Ready(Ok(())) } else { Poll::Pending }
        })
        .await
    }

    /// Reads until the socket has no more, and handles everything.
    pub fn poll_incoming(
        &mut self,
        cx: &mut Context<'_>,
        on: &mut impl FnMut(Incoming<'_>) -> Result<()>,
    ) -> Result<()> {
        READ.with_borrow_mut(|buffer| {
            self.ack_if_due();
            loop {
                let mut read = ReadBuf::new(buffer);
                match Pin::new(&mut self.stream).poll_read(cx, &mut read) {
                    Poll::Pending => return Ok(()),
                    Poll::Ready(Err(error)) => return Err(error).context("the connection broke"),
                    Poll::Ready(Ok(())) if read.filled().is_empty() => {
                        bail!("the server dropped the connection without closing it")
                    }
                    Poll::Ready(Ok(())) => self.take(read.filled(), on)?,
                }
            }
        })
    }

    fn take(&mut self, bytes: &[u8], on: &mut impl FnMut(Incoming<'_>) -> Result<()>) -> Result<()> {
        self.bytes_read += bytes.len() as u64;
        let Self { writer, out, unacked, cursors, gathered, .. } = self;
        self.reader.take(bytes, |event| -> Result<()> {
            match event {
                Event::Ping(payload) => writer.pong(out, payload),
                Event::Message(bytes) => {
                    let incoming = frames::scan(bytes)?;
                    match &incoming {
                        Incoming::Envelope(envelope) => unacked.push(envelope.entry_id),
                        Incoming::OtherEntry { entry_id } => unacked.push(*entry_id),
                        Incoming::LogEntry(entry) => {
                            cursors.note(entry.group, entry.message_id);
                            *gathered += 1;
                        }
                        _ => {}
                    }
                    on(incoming)?;
                }
            }
            Ok(())
        })?;
        if !self.unacked.is_empty() {
            for ack in frames::acks(&mut self.unacked) {
                write(&mut self.writer, &mut self.out, &ack);
            }
        }
        if self.gathered >= GATHER_MAX {
            self.ack_gathered();
        } else if self.gathered > 0 && self.acks_due_ns.is_none() {
            self.acks_due_ns = Some(now_ns() + rand::random_range(GATHER_NS));
        }
        Ok(())
    }

    fn ack_gathered(&mut self) {
        self.gathered = 0;
        self.acks_due_ns = None;
        for ack in self.cursors.acks() {
            write(&mut self.writer, &mut self.out, &ack);
        }
    }

    fn ack_if_due(&mut self) {
        if self.acks_due_ns.is_some_and(|due| due <= now_ns()) {
            self.ack_gathered();
        }
    }

    /// When the acks that are gathered are to be said: the link is to be polled then.
    pub const fn acks_due_ns(&self) -> Option<u64> {
        self.acks_due_ns
    }

    pub fn send(&mut self, frame: &pb::ClientFrame) {
        write(&mut self.writer, &mut self.out, frame);
    }

    pub fn send_template(&mut self, template: &SendTemplate, id: &ClientMsgId, seen: u64, ciphertext: [&[u8]; 2]) {
        self.writer.message(&mut self.out, template.len(), |out| template.write(out, id, seen, ciphertext));
    }

    /// Bytes that wait to be written; not zero while something is still to be acknowledged.
    pub fn waiting(&self) -> usize {
        self.out.len() - self.written + self.gathered as usize
    }

    /// Writes what the socket takes; wakes the task when it takes more.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Result<()> {
        while let Some(rest @ [_, ..]) = self.out.get(self.written..) {
            match Pin::new(&mut self.stream).poll_write(cx, rest) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(0)) => bail!("the connection takes no more bytes"),
                Poll::Ready(Ok(wrote)) => self.written += wrote,
                Poll::Ready(Err(error)) => return Err(error).context("the connection broke"),
            }
        }
        self.written = 0;
        self.out.clear();
        Ok(())
    }

    /// Keeps the connection open as a quiet client would: answers, acknowledges, sends a heartbeat in time. Ends only with
    /// an error.
    pub async fn idle(&mut self, first_heartbeat: Duration) -> Result<()> {
        let start = tokio::time::Instant::now() + first_heartbeat;
        let mut heartbeat = tokio::time::interval_at(start, HEARTBEAT);
        // Ten thousand of these: keep no buffer from the opening.
        self.out = Vec::new();
        self.unacked = Vec::new();
        poll_fn(|cx| {
            while heartbeat.poll_tick(cx).is_ready() {
                self.send(&frames::heartbeat(true));
            }
            let mut on = |incoming: Incoming<'_>| match incoming {
                Incoming::Other(frame) => unexpected(&frame),
                _ => Ok(()),
            };
            match self.poll_incoming(cx, &mut on).and_then(|()| self.poll_flush(cx)) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            }
        })
        .await
    }

    /// Says goodbye and closes.
    pub async fn close(mut self) -> io::Result<()> {
        let mut out = self.out.split_off(self.written);
        self.writer.close(&mut out);
        self.stream.write_all(&out).await?;
        self.stream.shutdown().await
    }

    /// Says goodbye and waits until the server has closed too: it has read everything that was said.
    pub async fn close_in_peace(mut self) -> io::Result<()> {
        let mut out = self.out.split_off(self.written);
        self.writer.close(&mut out);
        self.stream.write_all(&out).await?;
        let mut rest = vec![0; 4096];
        let reading = async {
            while self.stream.read(&mut rest).await? > 0 {}
            Ok(())
        };
        tokio::time::timeout(GOODBYE_TIMEOUT, reading).await.unwrap_or(Ok(()))
    }
}

fn write(writer: &mut Writer, out: &mut Vec<u8>, frame: &pb::ClientFrame) {
    writer.message(out, frame.encoded_len(), |out| frame.encode(out).expect("a Vec grows as needed"));
}

/// A frame that is no answer and no entry: fine, or the end of the run with its reason.
pub fn unexpected(frame: &pb::ServerFrame) -> Result<()> {
    use pb::server_frame::Body;
    match &frame.body {
        Some(Body::HeartbeatAck(_) | Body::AccountChanged(_) | Body::Welcome(_) | Body::GroupMarks(_)) => Ok(()),
        Some(Body::Error(error)) => {
            let name = ErrorCode::from_number(error.code).map_or("unknown", ErrorCode::slug);
            let hint = match ErrorCode::from_number(error.code) {
                Some(ErrorCode::RateLimited) => "; raise the server's rate limits for a benchmark",
                Some(ErrorCode::Unavailable) => "; its queue is full: fewer pairs, or a smaller window",
                _ => "",
            };
            bail!("the server refused: {name} (error {}): {}{hint}", error.code, error.detail)
        }
        Some(Body::DeviceMismatch(_)) => bail!("the server says that device lists changed; nobody changed them"),
        Some(Body::Drain(_)) => bail!("the server is shutting down"),
        Some(Body::Unsupported(frame)) => bail!("the server does not know frame {} of this client", frame.field),
        _ => bail!("the server sent a frame that this client does not know"),
    }
}
