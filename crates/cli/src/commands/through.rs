//! Waiting until the server has taken what a command changed.
//! Always true: what was saved is never given up; a timeout ends the waiting alone.

use crate::args::Through;
use crate::failure::{Exit, Failure};
use crate::session::{Session, stop_signal};
use sotto_engine::api::{Command, ConnectionView, Event, Reply, StatusView};
use sotto_engine_native::{Happening, Happenings};
use std::time::Duration;
use tokio::time::Instant;

/// What leaves the outbox need not be an event of its own.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// How the engine begins to say that a change was refused for good.
const REFUSED: &str = "a change to a message did not reach";

/// Questions to the server, one after the other: at least as many as a profile takes to get there, or from there.
const QUESTIONS: usize = 5;
const SETTLED: Duration = Duration::from_secs(10);
const AT_THE_END: Duration = Duration::from_secs(2);
const LOOK_AT_TOLD: Duration = Duration::from_millis(20);

/// What comes of somebody's profile comes in the background, and nothing says when it is all there. So, while the server is there,
/// gives it the time of a few questions.
pub async fn settle(session: &Session) -> Result<(), Failure> {
    let deadline = Instant::now() + SETTLED;
    if !connected(session, deadline).await? {
        return Ok(());
    }
    for _ in 0..QUESTIONS {
        let asked = tokio::time::timeout_at(deadline, session.client.command(Command::Privacy)).await;
        if !matches!(asked, Ok(Ok(_))) {
            break;
        }
    }
    Ok(())
}

/// False: the server is not there.
async fn connected(session: &Session, deadline: Instant) -> Result<bool, Failure> {
    let mut happenings = session.client.happenings();
    loop {
        match status(session).await?.connection {
            ConnectionView::Connected { drained: true } => return Ok(true),
            ConnectionView::Connected { drained: false } | ConnectionView::Connecting => {}
            ConnectionView::Disconnected | ConnectionView::Reconnecting { .. } => return Ok(false),
        }
        if tokio::time::timeout_at(deadline, happenings.next()).await.is_err() {
            return Ok(false);
        }
    }
}

/// After something was changed: the server knows it, or people know that it does not.
pub async fn told(session: &Session) -> Result<(), Failure> {
    let deadline = Instant::now() + SETTLED;
    if !connected(session, deadline).await? || !all_told(session, deadline).await? {
        session.out.note("The server is not there: saved, and told to it when sotto next connects.");
    }
    Ok(())
}

/// False: not in time.
async fn all_told(session: &Session, deadline: Instant) -> Result<bool, Failure> {
    while status(session).await?.untold > 0 {
        if Instant::now() >= deadline {
            return Ok(false);
        }
        tokio::time::sleep(LOOK_AT_TOLD).await;
    }
    Ok(true)
}

/// Before the program ends: what was done beside is told, too (somebody was accepted by writing to them), if the server is there
/// and this does not take long. It is not lost else.
pub async fn tell_the_rest(session: &Session) {
    let is_there = |status: &StatusView| matches!(status.connection, ConnectionView::Connected { .. });
    if status(session).await.is_ok_and(|status| status.untold > 0 && is_there(&status)) {
        all_told(session, Instant::now() + AT_THE_END).await.ok();
    }
}

/// Taken before a change is made.
pub struct Before {
    happenings: Happenings,
    /// What waits already, perhaps for long.
    outbox: u32,
}

async fn status(session: &Session) -> Result<StatusView, Failure> {
    match session.ask(Command::Status).await? {
        Reply::Status { status } => Ok(status),
        _ => Err(Failure::unexpected()),
    }
}

pub async fn before(session: &Session) -> Result<Before, Failure> {
    let happenings = session.client.happenings();
    Ok(Before { happenings, outbox: status(session).await?.outbox })
}

impl Before {
    pub async fn through(mut self, session: &Session, args: &Through) -> Result<(), Failure> {
        if args.no_wait {
            return Ok(());
        }
        let deadline = Instant::now() + Duration::from_secs(args.timeout);
        let mut stop = std::pin::pin!(stop_signal());
        loop {
            let status = status(session).await?;
            if let Some(why) = status.signed_out {
                return Err(Failure::new(Exit::SignedOut, "signed_out", why));
            }
            if status.outbox <= self.outbox {
                return self.refused();
            }
            if Instant::now() >= deadline {
                return Err(not_in_time(status.connection, status.me.map(|me| me.server)));
            }
            let look_again = deadline.min(Instant::now() + LOOK_AGAIN);
            tokio::select! {
                happening = self.happenings.next() => heard(happening)?,
                () = tokio::time::sleep_until(look_again) => {}
                () = &mut stop => return Err(Failure::timeout("stopped waiting; the change stays queued")),
            }
        }
    }

    /// It may have left the outbox because nobody takes it.
    fn refused(&mut self) -> Result<(), Failure> {
        while let Some(happening) = self.happenings.try_next() {
            heard(happening)?;
        }
        Ok(())
    }
}

fn heard(happening: Happening) -> Result<(), Failure> {
    match happening {
        Happening::Ended(text) => Err(Failure::new(Exit::Storage, "storage", text)),
        Happening::Event(event) => match *event {
            Event::Notice { text } if text.starts_with(REFUSED) => Err(Failure::new(Exit::Refused, "failed", text)),
            Event::SignedOut { error } => Err(error.into()),
            _ => Ok(()),
        },
        Happening::Missed => Ok(()),
    }
}

fn not_in_time(connection: ConnectionView, server: Option<String>) -> Failure {
    match connection {
        ConnectionView::Connected { .. } => Failure::timeout(
            "the server has not taken the change in time; it stays queued and is tried again when sotto next runs",
        ),
        _ => {
            let server = server.unwrap_or_else(|| "the server".into());
            let text = format!(
                "cannot reach {server}: is it running? The change is saved and goes out when sotto next connects"
            );
            Failure::new(Exit::Offline, "offline", text)
        }
    }
}
