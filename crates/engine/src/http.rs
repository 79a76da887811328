//! Requests to the HTTP API: sending, signing in first where needed, retrying, and giving answers to their features.
//! Flow: `send(Call)` -> (waits for an access token) -> `Effect::Http` -> `on_answer` -> retry later | the feature in `then`.
//! Always true: every call is answered to its feature exactly once, or forgotten together with the profile; a person waits for
//! at most two retries, background work goes on until it succeeds or is refused.

use crate::api::{
    CommandError, CommandId, Effect, ErrorKind, HttpAnswer, HttpFailure, HttpMethod, HttpRequest, RequestId,
};
use crate::core::{Core, Cx};
use crate::{
    backoff, blocks, contacts, devices, groups, link, prekeys, profiles, recovery, register, requests, sign_in, trust,
};
use litemap::LiteMap;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sotto_engine_store::StoreError;
use sotto_types::{AccountId, Action, DeviceId, ErrorCode, Secret, Timestamp};
use sotto_wire::http::Problem;
use std::time::Duration;

const TIMEOUT_MS: u64 = 20_000;
/// A person does not wait longer for a retry.
const PERSON_WAITS_MAX: Duration = Duration::from_secs(10);
const PERSON_RETRIES: u32 = 2;

/// Why a call failed for good.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    Offline(String),
    Refused { code: Option<ErrorCode>, detail: String },
    BadAnswer(String),
}

impl Failure {
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { code, .. } => *code,
            _ => None,
        }
    }
}

impl From<Failure> for CommandError {
    fn from(failure: Failure) -> Self {
        let (kind, text) = match failure {
            Failure::Offline(reason) => (
                ErrorKind::Offline,
                format!("the server cannot be reached ({reason}); check the address and the network"),
            ),
            Failure::BadAnswer(what) => {
                (ErrorKind::Internal, format!("the server gave an answer that makes no sense: {what}"))
            }
            Failure::Refused { code, detail } => refusal_text(code, detail),
        };
        Self { kind, text }
    }
}

fn refusal_text(code: Option<ErrorCode>, detail: String) -> (ErrorKind, String) {
    use ErrorCode as Code;
    let fixed = |kind, text: &str| (kind, text.to_owned());
    match code {
        Some(Code::UsernameTaken) => fixed(ErrorKind::Refused, "this username is taken; choose another one"),
        Some(Code::UsernameInvalid) => (ErrorKind::Invalid, detail),
        Some(Code::RegistrationClosed) => {
            fixed(ErrorKind::Refused, "this server takes no new accounts; ask its operator")
        }
        Some(Code::InviteInvalid) => {
            fixed(ErrorKind::Refused, "this server needs a valid invitation; ask its operator for one (--invite CODE)")
        }
        Some(Code::RecoveryRefused) => fixed(
            ErrorKind::Refused,
            "username and recovery code do not fit together; compare the code with what you wrote down",
        ),
        Some(Code::LinkCodeInvalid | Code::LinkExpired) => fixed(
            ErrorKind::Refused,
            "the link code is wrong, used or older than 10 minutes; start again on the new device",
        ),
        Some(Code::TooManyDevices) => {
            fixed(ErrorKind::Refused, "an account has at most 10 devices; remove one first (devices remove)")
        }
        Some(Code::NotFound | Code::UnknownAccount | Code::UnknownDevice | Code::UnknownRecipient) => {
            (ErrorKind::NotFound, if detail.is_empty() { "the server does not know it".into() } else { detail })
        }
        Some(Code::DeviceUnlinked) => {
            fixed(ErrorKind::SignedOut, "this device was removed from the account; link it again to go on")
        }
        Some(Code::DeviceSuspended) => {
            fixed(ErrorKind::SignedOut, "this device was away for 30 days and must be linked again")
        }
        Some(Code::AccountDisabled) => {
            fixed(ErrorKind::SignedOut, "this account was disabled by the server's operator")
        }
        Some(Code::RateLimited) => fixed(ErrorKind::Refused, "too many requests; wait a little and try again"),
        Some(Code::Unavailable | Code::Internal | Code::GoingAway) => {
            fixed(ErrorKind::Offline, "the server cannot do it right now; try again in a moment")
        }
        Some(Code::StorageFull) => fixed(ErrorKind::Refused, "the server's disk is full; tell its operator"),
        Some(Code::TooLarge) => (ErrorKind::Invalid, detail),
        Some(_) => (ErrorKind::Refused, format!("the server refused: {detail}")),
        None => (ErrorKind::Internal, format!("the server gave an unknown error: {detail}")),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    Person,
    Background,
}

/// Which feature takes the answer, with what it needs to go on.
#[derive(Debug)]
pub(crate) enum Then {
    SignIn(sign_in::Step),
    Register(register::Step),
    Recovery(recovery::Step),
    Link(link::Step),
    Contacts(contacts::Step),
    Devices(devices::Step),
    /// Device list of an account, for trust.
    List(AccountId),
    Bundles {
        account: AccountId,
        devices: Vec<DeviceId>,
    },
    PreKeys(prekeys::Step),
    Blocks(blocks::Step),
    Requests(requests::Step),
    Profiles(profiles::Step),
    Groups(groups::Step),
    DeleteAccount(CommandId),
}

/// The body of a request that says all by its path.
#[derive(Debug, Serialize)]
pub(crate) struct Empty {}

#[derive(Debug)]
pub(crate) struct Call {
    pub server: String,
    pub method: HttpMethod,
    pub path: String,
    pub body: Option<Vec<u8>>,
    pub auth: bool,
    pub timeout_ms: u64,
    pub patience: Patience,
    pub attempts: u32,
    pub then: Then,
}

impl Call {
    /// A call with a token to the own server.
    pub fn own(cx: &Cx<'_, '_>, method: HttpMethod, path: impl Into<String>, then: Then) -> Self {
        let server = cx.core.own.as_ref().map(|own| own.server.clone()).unwrap_or_default();
        Self { auth: true, ..Self::open(server, method, path, then) }
    }

    /// A call without a token.
    pub fn open(server: impl Into<String>, method: HttpMethod, path: impl Into<String>, then: Then) -> Self {
        Self {
            server: server.into(),
            method,
            path: path.into(),
            body: None,
            auth: false,
            timeout_ms: TIMEOUT_MS,
            patience: Patience::Person,
            attempts: 0,
            then,
        }
    }

    pub fn json(mut self, body: &impl Serialize) -> Self {
        self.body = Some(serde_json::to_vec(body).expect("our bodies have string keys and no failing serializers"));
        self
    }

    pub fn in_background(mut self) -> Self {
        self.patience = Patience::Background;
        self
    }
}

#[derive(Debug, Default)]
pub(crate) struct Calls {
    last: u64,
    under_way: LiteMap<RequestId, Call>,
    /// Until there is a token.
    waiting: Vec<Call>,
    later: Vec<(Timestamp, Call)>,
}

impl Calls {
    pub fn new_request(&mut self) -> RequestId {
        self.last += 1;
        RequestId(self.last)
    }

    pub fn set_back(&mut self, by: Duration) {
        self.later.iter_mut().for_each(|(at, _)| *at = at.minus(by));
    }

    pub fn forget_all(&mut self) {
        self.under_way.clear();
        self.waiting.clear();
        self.later.clear();
    }
}

pub(crate) fn send(cx: &mut Cx<'_, '_>, call: Call) {
    if !call.auth {
        return dispatch(cx, call, None);
    }
    match cx.core.link.token(cx.now) {
        Some(token) => dispatch(cx, call, Some(token)),
        None => {
            cx.core.calls.waiting.push(call);
            sign_in::begin(cx);
        }
    }
}

fn dispatch(cx: &mut Cx<'_, '_>, call: Call, bearer: Option<Secret<String>>) {
    let request = cx.core.new_request();
    cx.effect(Effect::Http(HttpRequest {
        request,
        method: call.method,
        url: format!("{}{}", call.server, call.path),
        bearer,
        body: call.body.clone(),
        timeout_ms: call.timeout_ms,
    }));
    cx.core.calls.under_way.insert(request, call);
}

/// A token is there: what waited for it goes out.
pub(crate) fn on_token(cx: &mut Cx<'_, '_>) {
    for call in std::mem::take(&mut cx.core.calls.waiting) {
        send(cx, call);
    }
}

/// Signing in failed: people are told, background work goes on waiting (unless `for_good`).
pub(crate) fn on_no_token(cx: &mut Cx<'_, '_>, failure: &Failure, for_good: bool) -> Result<(), StoreError> {
    for call in std::mem::take(&mut cx.core.calls.waiting) {
        if call.patience == Patience::Person || for_good {
            give(cx, call.then, Err(failure.clone()))?;
        } else {
            cx.core.calls.waiting.push(call);
        }
    }
    Ok(())
}

pub(crate) fn on_answer(
    cx: &mut Cx<'_, '_>,
    request: RequestId,
    outcome: Result<HttpAnswer, HttpFailure>,
) -> Result<(), StoreError> {
    // An answer to a request that was forgotten (storage failed, signed out) concerns nobody.
    let Some(mut call) = cx.core.calls.under_way.remove(&request) else { return Ok(()) };
    let (failure, wait) = match outcome {
        Ok(answer) if (200..300).contains(&answer.status) => return give(cx, call.then, Ok(answer.body)),
        Ok(answer) => refusal(&answer),
        Err(failure) => (Failure::Offline(failure.to_string()), None),
    };
    if call.auth
        && matches!(failure.code(), Some(ErrorCode::TokenInvalid | ErrorCode::TokenExpired))
        && call.attempts < 3
    {
        call.attempts += 1;
        cx.core.link.drop_token();
        send(cx, call);
        return Ok(());
    }
    if call.auth && matches!(failure.code(), Some(code) if sign_in::is_final(code)) {
        // The sign-in says it again, and what it means.
        cx.core.link.drop_token();
        sign_in::begin(cx);
    }
    let may_help = match &failure {
        Failure::Offline(_) => true,
        Failure::Refused { code: Some(code), .. } => {
            matches!(
                code,
                ErrorCode::RateLimited | ErrorCode::Internal | ErrorCode::Unavailable | ErrorCode::StorageFull
            ) || code.action() == Action::Reconnect
        }
        Failure::Refused { code: None, .. } | Failure::BadAnswer(_) => false,
    };
    let delay = backoff::delay_or(wait, call.attempts, &mut cx.core.rng);
    let waits = match call.patience {
        // Nobody home is told at once; a busy server is asked again.
        Patience::Person => {
            !matches!(failure, Failure::Offline(_)) && call.attempts < PERSON_RETRIES && delay <= PERSON_WAITS_MAX
        }
        Patience::Background => true,
    };
    if may_help && waits {
        call.attempts += 1;
        cx.core.calls.later.push((cx.now.plus(delay), call));
        return Ok(());
    }
    give(cx, call.then, Err(failure))
}

fn refusal(answer: &HttpAnswer) -> (Failure, Option<Duration>) {
    match serde_json::from_slice::<Problem>(&answer.body) {
        Ok(problem) => (
            Failure::Refused { code: ErrorCode::from_number(problem.code), detail: problem.detail },
            problem.retry_after_ms.map(Duration::from_millis),
        ),
        Err(_) if answer.status >= 500 => {
            (Failure::Refused { code: Some(ErrorCode::Unavailable), detail: format!("status {}", answer.status) }, None)
        }
        Err(_) => (
            Failure::Refused {
                code: None,
                detail: format!("status {} without an explanation; is this a Sotto server?", answer.status),
            },
            None,
        ),
    }
}

fn give(cx: &mut Cx<'_, '_>, then: Then, answer: Result<Vec<u8>, Failure>) -> Result<(), StoreError> {
    match then {
        Then::SignIn(step) => sign_in::on_answer(cx, step, answer),
        Then::Register(step) => register::on_answer(cx, step, answer),
        Then::Recovery(step) => recovery::on_answer(cx, step, answer),
        Then::Link(step) => link::on_answer(cx, step, answer),
        Then::Contacts(step) => contacts::on_answer(cx, step, answer),
        Then::Devices(step) => devices::on_answer(cx, step, answer),
        Then::List(account) => trust::on_list_answer(cx, account, answer),
        Then::Bundles { account, devices } => devices::on_bundles(cx, account, &devices, answer),
        Then::PreKeys(step) => prekeys::on_answer(cx, step, answer),
        Then::Blocks(step) => blocks::on_answer(cx, step, answer),
        Then::Requests(step) => requests::on_answer(cx, step, answer),
        Then::Profiles(step) => profiles::on_answer(cx, step, answer),
        Then::Groups(step) => groups::on_answer(cx, step, answer),
        Then::DeleteAccount(command) => register::on_deleted(cx, command, answer),
    }
}

/// Sends the retries whose time has come.
pub(crate) fn drive(cx: &mut Cx<'_, '_>) {
    let now = cx.now;
    let (due, later) = std::mem::take(&mut cx.core.calls.later).into_iter().partition(|(at, _)| *at <= now);
    cx.core.calls.later = later;
    for (_, call) in due {
        send(cx, call);
    }
}

pub(crate) fn next_time(core: &Core) -> Option<Timestamp> {
    core.calls.later.iter().map(|(at, _)| *at).min()
}

/// The answer's body as the type the API promises.
pub(crate) fn parse<T: DeserializeOwned>(answer: Result<Vec<u8>, Failure>) -> Result<T, Failure> {
    let body = answer?;
    serde_json::from_slice(&body).map_err(|error| Failure::BadAnswer(error.to_string()))
}
