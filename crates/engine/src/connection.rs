//! The connection: Disconnected -> Connecting -> Connected <-> Reconnecting.
//! Flow: `drive` -> sign-in (a valid token is reused) -> `Effect::Connect` -> Hello -> Welcome -> frames go to their features.
//! Always true:
//! - there is at most one transport; whatever was in flight on a lost one is sent again on the next;
//! - waits between tries grow with full jitter to a minute, unless the server named a later time (`Drain`, `retry_after`); they
//!   begin anew once a connection was of use: everything that waited came, or it held for a minute;
//! - a read position counts as told only if a later heartbeat was answered and the position was not refused;
//! - a clock that is set back moves every wait with it;
//! - a connection that says nothing for two heartbeats is given up.
//! Elsewhere: tokens in `sign_in`, what frames mean in `inbox`, `outbox`, `receipts`.

use crate::api::{CommandError, ConnectionView, Effect, Event};
use crate::core::{Core, Cx};
use crate::{backoff, blocks, groups, inbox, outbox, prekeys, presence, sign_in, trust};
use bytes::Bytes;
use prost::Message as _;
use sotto_engine_store::StoreError;
use sotto_types::{AccountId, Conversation, DeviceId, ErrorCode, MessageId, Secret, Timestamp, limits};
use sotto_wire::{PROTOCOL_VERSION, decode_server_frame, pb};
use std::time::Duration;

/// A WebSocket that does not open, or a Hello without answer.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);
/// Silence after which the connection is taken for dead.
const SILENCE_MAX: Duration = Duration::from_secs(70);
/// A connection that held for so long was a good one.
const STABLE: Duration = Duration::from_secs(60);
/// A group of which something came and that cannot be fetched holds up `QueueDrained` for so long at most.
const GROUPS_PATIENCE: Duration = Duration::from_secs(10);
/// Smaller steps of the clock are jitter.
const SET_BACK_MIN: Duration = Duration::from_secs(1);
const CLOCK_OFF: i64 = 5 * 60 * 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Off,
    SigningIn,
    /// `Effect::Connect` was given; then Hello was sent.
    Opening {
        until: Timestamp,
    },
    Up {
        since: Timestamp,
        drained: bool,
        heartbeat: Timestamp,
        heard: Timestamp,
    },
    Waiting {
        until: Timestamp,
    },
}

#[derive(Debug)]
pub(crate) struct Token {
    text: Secret<String>,
    renew_at: Timestamp,
    expires: Timestamp,
}

#[derive(Debug)]
pub(crate) struct Link {
    pub phase: Phase,
    pub want_online: bool,
    foreground: bool,
    /// As the Hello of this connection said it.
    greeted_in_foreground: bool,
    attempt: u32,
    token: Option<Token>,
    pub signing_in: bool,
    /// Server's clock minus ours.
    pub clock_off_ms: i64,
    /// Since when the wire is drained. If entries are parked it is told when they are through.
    drained_on_wire: Option<Timestamp>,
    /// The server knows no strangers.
    pub everybody_accepted: bool,
    /// Sent on this connection; the server has them once it answers a later heartbeat, unless it refuses them before.
    pub reads_told: Vec<ReadTold>,
    /// Names frames on this connection, for answers that name them.
    last_reference: u32,
    /// When refused read positions are told again, and how often in a row they were refused.
    reads_again: Option<Timestamp>,
    reads_refused: u32,
}

/// A read position on its way to the server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadTold {
    pub reference: u32,
    pub conversation: Conversation,
    pub up_to: MessageId,
}

impl Link {
    pub fn new(want_online: bool) -> Self {
        Self {
            phase: Phase::Off,
            want_online,
            foreground: false,
            greeted_in_foreground: false,
            attempt: 0,
            token: None,
            signing_in: false,
            clock_off_ms: 0,
            drained_on_wire: None,
            everybody_accepted: false,
            reads_told: Vec::new(),
            last_reference: 0,
            reads_again: None,
            reads_refused: 0,
        }
    }

    pub fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Up { .. })
    }

    /// Entries that waited on the server are still coming.
    pub fn is_draining(&self) -> bool {
        matches!(self.phase, Phase::Up { drained: false, .. })
    }

    pub fn token(&self, now: Timestamp) -> Option<Secret<String>> {
        self.token.as_ref().filter(|token| token.expires > now).map(|token| token.text.clone())
    }

    /// `lifetime` by the server's clock, so that ours may be wrong.
    pub fn set_token(&mut self, text: String, lifetime: Duration, now: Timestamp) {
        self.token = Some(Token {
            text: Secret::new(text),
            renew_at: now.plus(lifetime.mul_f32(0.8)),
            expires: now.plus(lifetime.saturating_sub(Duration::from_secs(10))),
        });
    }

    /// Renewing failed while the old one still works: not at once again.
    pub fn delay_renewal(&mut self, until: Timestamp) {
        if let Some(token) = &mut self.token {
            token.renew_at = token.renew_at.max(until);
        }
    }

    pub fn drop_token(&mut self) {
        self.token = None;
    }

    fn set_back(&mut self, by: Duration) {
        match &mut self.phase {
            Phase::Off | Phase::SigningIn => (),
            Phase::Opening { until } | Phase::Waiting { until } => *until = until.minus(by),
            Phase::Up { since, heartbeat, heard, .. } => {
                for time in [since, heartbeat, heard] {
                    *time = time.minus(by);
                }
            }
        }
        if let Some(token) = &mut self.token {
            token.renew_at = token.renew_at.minus(by);
            token.expires = token.expires.minus(by);
        }
        self.reads_again = self.reads_again.map(|at| at.minus(by));
        self.drained_on_wire = self.drained_on_wire.map(|at| at.minus(by));
    }

    pub fn wait(&mut self, until: Timestamp) {
        self.phase = Phase::Waiting { until };
        self.signing_in = false;
    }
}

pub(crate) fn view(core: &Core, now: Timestamp) -> ConnectionView {
    match core.link.phase {
        Phase::Off => ConnectionView::Disconnected,
        Phase::Up { drained, .. } => ConnectionView::Connected { drained },
        Phase::Waiting { until } => {
            ConnectionView::Reconnecting { retry_at_ms: until.as_ms(), attempt: core.link.attempt }
        }
        Phase::SigningIn | Phase::Opening { .. } if core.link.attempt == 0 => ConnectionView::Connecting,
        Phase::SigningIn | Phase::Opening { .. } => match core.shown_connection {
            // Trying again is still reconnecting; the time of the try stays what was shown.
            shown @ ConnectionView::Reconnecting { .. } => shown,
            _ => ConnectionView::Reconnecting { retry_at_ms: now.as_ms(), attempt: core.link.attempt },
        },
    }
}

pub(crate) fn next_time(core: &Core) -> Option<Timestamp> {
    let phase = match core.link.phase {
        Phase::Off | Phase::SigningIn => None,
        Phase::Opening { until } | Phase::Waiting { until } => Some(until),
        Phase::Up { heartbeat, heard, .. } => Some(heartbeat.min(heard.plus(SILENCE_MAX))),
    };
    let renew =
        core.link.token.as_ref().filter(|_| core.link.is_up() && !core.link.signing_in).map(|token| token.renew_at);
    // What is parked in the inbox has no end of its patience: it goes on with an answer.
    let waits_for_groups = core.link.is_draining() && core.parked.is_empty();
    let told = core.link.drained_on_wire.filter(|_| waits_for_groups).map(|since| since.plus(GROUPS_PATIENCE));
    phase.into_iter().chain(renew).chain(told).chain(core.link.reads_again.filter(|_| core.link.is_up())).min()
}

/// The time of a step. If the clock was set back since the last one, what waits waits as long as it would have.
pub(crate) fn note_time(core: &mut Core, now: Timestamp) {
    let by = core.last_step.since(now);
    core.last_step = now;
    if by < SET_BACK_MIN {
        return;
    }
    tracing::info!(?by, "the clock was set back");
    core.link.set_back(by);
    core.in_flight.iter_mut().for_each(|(_, sent)| sent.set_back(by));
    core.groups.set_back(by);
    core.presence.set_back(by);
    core.not_before.iter_mut().for_each(|(_, at)| *at = at.minus(by));
    core.calls.set_back(by);
    if let Some(linking) = &mut core.linking {
        linking.set_back(by);
    }
    core.next_housekeeping = core.next_housekeeping.minus(by);
    core.wake = None;
}

pub(crate) fn set_online(cx: &mut Cx<'_, '_>, online: bool) -> Result<(), StoreError> {
    cx.core.link.want_online = online;
    if !online && cx.core.link.phase != Phase::Off {
        groups::send_acks(cx)?;
        cx.effect(Effect::Disconnect);
        forget_transport(cx.core);
        cx.core.link.phase = Phase::Off;
        cx.core.link.attempt = 0;
    }
    Ok(())
}

pub(crate) fn on_network_up(cx: &mut Cx<'_, '_>) {
    if let Phase::Waiting { .. } = cx.core.link.phase {
        cx.core.link.phase = Phase::Off;
    }
}

/// Due timers of the connection, and the next step towards being connected.
pub(crate) fn drive(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    match cx.core.link.phase {
        Phase::Waiting { until } if until <= cx.now => cx.core.link.phase = Phase::Off,
        Phase::Opening { until } if until <= cx.now => lost(cx, None),
        Phase::Up { heard, .. } if heard.plus(SILENCE_MAX) <= cx.now => lost(cx, None),
        Phase::Up { heartbeat, .. } if heartbeat <= cx.now => {
            cx.core.link.phase = match cx.core.link.phase {
                Phase::Up { since, drained, heard, .. } => {
                    Phase::Up { since, drained, heard, heartbeat: cx.now.plus(limits::HEARTBEAT) }
                }
                other => other,
            };
            send_heartbeat(cx);
        }
        _ => (),
    }
    if cx.core.link.is_up() && cx.core.link.reads_again.is_some_and(|at| at <= cx.now) {
        cx.core.link.reads_again = None;
        outbox::tell_reads(cx)?;
    }
    let renew = cx.core.link.token.as_ref().is_some_and(|token| token.renew_at <= cx.now);
    if renew && cx.core.link.is_up() {
        sign_in::begin(cx);
    }
    let wanted = cx.core.link.want_online && cx.core.own.is_some() && cx.core.signed_out.is_none();
    if wanted && cx.core.link.phase == Phase::Off {
        begin(cx);
    }
    told_when_drained(cx)
}

fn begin(cx: &mut Cx<'_, '_>) {
    if cx.core.link.token(cx.now).is_some() {
        connect(cx);
    } else {
        cx.core.link.phase = Phase::SigningIn;
        sign_in::begin(cx);
    }
}

/// A token is there (or was renewed).
pub(crate) fn on_token(cx: &mut Cx<'_, '_>) {
    if cx.core.link.phase == Phase::SigningIn {
        connect(cx);
    }
}

fn connect(cx: &mut Cx<'_, '_>) {
    let Some(own) = cx.own() else { return };
    let url = match own.server.strip_prefix("https://") {
        Some(host) => format!("wss://{host}/v1/ws"),
        None => format!("ws://{}/v1/ws", own.server.trim_start_matches("http://")),
    };
    cx.core.link.phase = Phase::Opening { until: cx.now.plus(OPEN_TIMEOUT) };
    cx.effect(Effect::Connect { url });
}

pub(crate) fn on_opened(cx: &mut Cx<'_, '_>) {
    if !matches!(cx.core.link.phase, Phase::Opening { .. }) {
        return;
    }
    let Some(token) = cx.core.link.token(cx.now) else { return lost(cx, None) };
    let client = cx.core.config.client.clone();
    let foreground = cx.core.link.foreground;
    cx.core.link.greeted_in_foreground = foreground;
    send(
        cx,
        pb::client_frame::Body::Hello(pb::Hello {
            access_token: token.expose().clone(),
            protocol_version: PROTOCOL_VERSION,
            client,
            foreground,
        }),
    );
}

pub(crate) fn on_closed(cx: &mut Cx<'_, '_>, reason: &str) {
    if matches!(cx.core.link.phase, Phase::Opening { .. } | Phase::Up { .. }) {
        tracing::debug!(reason, "the connection is gone");
        lost(cx, None);
    }
}

pub(crate) fn set_foreground(cx: &mut Cx<'_, '_>, foreground: bool) {
    if cx.core.link.foreground != foreground {
        cx.core.link.foreground = foreground;
        if cx.core.link.is_up() {
            send_heartbeat(cx);
        }
    }
}

fn send_heartbeat(cx: &mut Cx<'_, '_>) {
    let foreground = cx.core.link.foreground;
    send_referenced(cx, pb::client_frame::Body::Heartbeat(pb::Heartbeat { foreground }));
}

pub(crate) fn send(cx: &mut Cx<'_, '_>, body: pb::client_frame::Body) {
    send_frame(cx, 0, body);
}

/// A frame whose answer, if there is one, names the number returned.
pub(crate) fn send_referenced(cx: &mut Cx<'_, '_>, body: pb::client_frame::Body) -> u32 {
    cx.core.link.last_reference = cx.core.link.last_reference.saturating_add(1);
    let reference = cx.core.link.last_reference;
    send_frame(cx, reference, body);
    reference
}

fn send_frame(cx: &mut Cx<'_, '_>, reference: u32, body: pb::client_frame::Body) {
    let frame = pb::ClientFrame { r#ref: reference, body: Some(body) };
    cx.effect(Effect::SendFrame(Bytes::from(frame.encode_to_vec())));
}

/// The transport is useless: drop it and try again later.
pub(crate) fn lost(cx: &mut Cx<'_, '_>, after: Option<Duration>) {
    if matches!(cx.core.link.phase, Phase::Opening { .. } | Phase::Up { .. }) {
        cx.effect(Effect::Disconnect);
    }
    if let Phase::Up { since, .. } = cx.core.link.phase
        && since.plus(STABLE) <= cx.now
    {
        cx.core.link.attempt = 0;
    }
    let attempt = cx.core.link.attempt;
    let mut wait = backoff::delay_or(after, attempt, &mut cx.core.rng);
    if after.is_some() && attempt > 0 {
        // "At once", said again and again, is no reason to hurry.
        wait = wait.max(backoff::delay(attempt, &mut cx.core.rng));
    }
    cx.core.link.attempt = cx.core.link.attempt.saturating_add(1);
    forget_transport(cx.core);
    cx.core.link.wait(cx.now.plus(wait));
}

/// What belonged to the connection: unanswered sends go again, parked entries are delivered again.
pub(crate) fn forget_transport(core: &mut Core) {
    core.in_flight.clear();
    core.parked.clear();
    core.groups.forget_transport();
    core.presence.forget_transport();
    core.acks = inbox::Acks::default();
    core.link.drained_on_wire = None;
    core.link.reads_told.clear();
    core.link.last_reference = 0;
    core.link.reads_again = None;
}

/// Out for good: only linking again, or another account, helps.
pub(crate) fn sign_out(cx: &mut Cx<'_, '_>, error: CommandError) -> Result<(), StoreError> {
    if cx.core.signed_out.is_some() {
        return Ok(());
    }
    if cx.core.link.phase != Phase::Off {
        cx.effect(Effect::Disconnect);
    }
    forget_transport(cx.core);
    cx.core.link.phase = Phase::Off;
    cx.core.link.drop_token();
    cx.tx.put_setting_json("signed_out", &error)?;
    cx.core.signed_out = Some(error.clone());
    cx.event(Event::SignedOut { error });
    Ok(())
}

pub(crate) fn on_frame(cx: &mut Cx<'_, '_>, bytes: Bytes) -> Result<(), StoreError> {
    use pb::server_frame::Body;
    if !matches!(cx.core.link.phase, Phase::Opening { .. } | Phase::Up { .. }) {
        return Ok(());
    }
    let Ok(frame) = decode_server_frame(bytes) else {
        tracing::warn!("the server sent something that is not a frame");
        lost(cx, None);
        return Ok(());
    };
    if let Phase::Up { heard, .. } = &mut cx.core.link.phase {
        *heard = cx.now;
    }
    match frame.body {
        Some(Body::Welcome(welcome)) => on_welcome(cx, &welcome),
        Some(Body::Error(error)) => on_error(cx, frame.r#ref, &error),
        Some(Body::Drain(drain)) => {
            lost(cx, Some(Duration::from_millis(u64::from(drain.reconnect_after_ms))));
            Ok(())
        }
        Some(Body::HeartbeatAck(ack)) => {
            note_server_time(cx, ack.server_time_ms);
            on_heard_reads(cx, frame.r#ref)
        }
        _ if !cx.core.link.is_up() => Ok(()),
        Some(Body::Deliver(deliver)) => inbox::on_deliver(cx, deliver),
        Some(Body::QueueDrained(_)) => {
            cx.core.link.drained_on_wire = Some(cx.now);
            cx.core.link.attempt = 0;
            told_when_drained(cx)
        }
        Some(Body::Accepted(accepted)) => outbox::on_accepted(cx, &accepted),
        Some(Body::DeviceMismatch(mismatch)) => outbox::on_mismatch(cx, mismatch),
        Some(Body::AccountChanged(changed)) => on_account_changed(cx, &changed),
        Some(Body::Unsupported(unsupported)) => {
            tracing::warn!(field = unsupported.field, "the server is older and does not know a frame of ours");
            Ok(())
        }
        Some(Body::GroupEntry(entry)) => groups::on_entry(cx, entry),
        Some(Body::StaleGroup(stale)) => groups::on_stale(cx, &stale),
        Some(Body::GroupMarks(marks)) => groups::on_marks(cx, &marks),
        Some(Body::Presence(presence)) => {
            presence::on_presence(cx, &presence);
            Ok(())
        }
        Some(Body::Typing(typing)) => presence::on_typing(cx, &typing),
        // From a newer server: ignored, as the protocol says.
        None => Ok(()),
    }
}

/// Frames are handled in order: what was sent before the answered heartbeat has been handled.
fn on_heard_reads(cx: &mut Cx<'_, '_>, heartbeat: u32) -> Result<(), StoreError> {
    let (told, rest): (Vec<_>, Vec<_>) =
        std::mem::take(&mut cx.core.link.reads_told).into_iter().partition(|read| read.reference < heartbeat);
    cx.core.link.reads_told = rest;
    if !told.is_empty() {
        cx.core.link.reads_refused = 0;
    }
    told.into_iter().try_for_each(|read| cx.tx.mark_read_told(read.conversation, read.up_to))
}

/// An error that names a read position, or names nothing while some are on their way: those are told again later.
fn on_refused_read(cx: &mut Cx<'_, '_>, reference: u32, wait: Option<Duration>) {
    let link = &mut cx.core.link;
    let before = link.reads_told.len();
    link.reads_told.retain(|read| reference != 0 && read.reference != reference);
    if link.reads_told.len() == before {
        return;
    }
    link.reads_refused = link.reads_refused.saturating_add(1);
    let delay = backoff::delay_or(wait, link.reads_refused, &mut cx.core.rng);
    link.reads_again = Some(cx.now.plus(delay));
}

fn told_when_drained(cx: &mut Cx<'_, '_>) -> Result<(), StoreError> {
    let link = &mut cx.core.link;
    if let Phase::Up { drained, .. } = &mut link.phase
        && !*drained
        && let Some(since) = link.drained_on_wire
        && cx.core.parked.is_empty()
        && (cx.core.groups.has_none_parked() || since.plus(GROUPS_PATIENCE) <= cx.now)
    {
        *drained = true;
        cx.event(Event::QueueDrained);
        blocks::on_drained(cx)?;
        groups::ask_for_all(cx);
    }
    Ok(())
}

fn on_welcome(cx: &mut Cx<'_, '_>, welcome: &pb::Welcome) -> Result<(), StoreError> {
    if !matches!(cx.core.link.phase, Phase::Opening { .. }) {
        return Ok(());
    }
    let heartbeat = cx.now.plus(limits::HEARTBEAT);
    cx.core.link.phase = Phase::Up { since: cx.now, drained: false, heartbeat, heard: cx.now };
    cx.core.link.drained_on_wire = None;
    cx.core.link.everybody_accepted = welcome.everybody_accepted;
    note_server_time(cx, welcome.server_time_ms);
    if cx.core.link.foreground != cx.core.link.greeted_in_foreground {
        // It changed while the Hello was on its way.
        send_heartbeat(cx);
    }
    cx.tx.hurry_outbox(None)?;
    let suspended: Vec<DeviceId> =
        welcome.suspended_devices.iter().filter_map(|id| DeviceId::try_from(*id).ok()).collect();
    trust::on_own_list_version(cx, welcome.device_list_version, &suspended)?;
    prekeys::on_welcome(cx, welcome)?;
    outbox::tell_reads(cx)
}

fn note_server_time(cx: &mut Cx<'_, '_>, server_ms: u64) {
    let (server, own) =
        (i64::try_from(server_ms).unwrap_or(i64::MAX), i64::try_from(cx.now.as_ms()).unwrap_or(i64::MAX));
    let off = server.saturating_sub(own);
    cx.core.link.clock_off_ms = off;
    let is_off = off.saturating_abs() > CLOCK_OFF;
    if is_off && !cx.core.clock_off_told {
        cx.event(Event::ClockOff { by_ms: off });
    }
    cx.core.clock_off_told = is_off;
}

fn on_account_changed(cx: &mut Cx<'_, '_>, changed: &pb::AccountChanged) -> Result<(), StoreError> {
    let Ok(account) = AccountId::try_from(&changed.account_id[..]) else { return Ok(()) };
    let Some(own) = cx.own() else { return Ok(()) };
    if account != own.account() {
        return cx.tx.mark_contact_stale(account);
    }
    if changed.prekeys_low {
        prekeys::check(cx)?;
    }
    trust::on_own_list_version(cx, changed.device_list_version, &[])
}

fn on_error(cx: &mut Cx<'_, '_>, reference: u32, error: &pb::Error) -> Result<(), StoreError> {
    let wait = (error.retry_after_ms > 0).then(|| Duration::from_millis(u64::from(error.retry_after_ms)));
    let code = ErrorCode::from_number(error.code);
    if !error.client_msg_id.is_empty() && !code.is_some_and(sign_in::is_final) {
        return outbox::on_refused(cx, error, code, wait);
    }
    match code {
        Some(ErrorCode::TokenInvalid | ErrorCode::TokenExpired) => {
            cx.core.link.drop_token();
            lost(cx, wait);
        }
        Some(code) if sign_in::is_final(code) => {
            // Whether it is so is decided at the sign-in, whose answer carries the reason.
            cx.core.link.drop_token();
            lost(cx, Some(wait.unwrap_or_default()));
        }
        Some(ErrorCode::Replaced) => {
            cx.notice("another program took over this device's connection: is a copy of this profile in use?");
            set_online(cx, false)?;
        }
        Some(ErrorCode::ProtocolVersion) => {
            cx.notice("the server no longer speaks this version's protocol; please update");
            set_online(cx, false)?;
        }
        Some(ErrorCode::RateLimited | ErrorCode::BadRequest | ErrorCode::NotFound) => {
            tracing::warn!(code = error.code, detail = error.detail, "the server refused a frame");
            on_refused_read(cx, reference, wait);
        }
        _ => {
            tracing::info!(code = error.code, detail = error.detail, "the server ended the connection");
            lost(cx, wait);
        }
    }
    Ok(())
}
