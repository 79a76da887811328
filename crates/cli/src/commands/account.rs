//! register, login, recover, whoami, status, new-recovery-code, delete-account.

use crate::args::{DeviceName, Login, Recover, Register};
use crate::failure::Failure;
use crate::out::{Out, Style, ask, ask_recovery_code, can_ask};
use crate::qr::qr_lines;
use crate::session::Session;
use crate::text::{clean_line, clock, date_time};
use sotto_engine::api::{Command, ConnectionView, Event, Me, Reply, StatusView};
use sotto_engine_native::{Happening, Happenings};
use sotto_types::Username;
use std::time::Duration;
use tokio::time::Instant;

/// History may come from a device that is offline: after so long without news, it is not waited for.
const HISTORY_QUIET: Duration = Duration::from_secs(15);

fn username(text: &str) -> Result<Username, Failure> {
    Username::parse(text).map_err(|error| Failure::usage(format!("{text:?} cannot be a username: {error}")))
}

fn device_name(given: DeviceName) -> String {
    given.device_name.unwrap_or_else(|| {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        if host.is_empty() { "sotto".into() } else { host }
    })
}

pub async fn register(session: &Session, args: Register) -> Result<(), Failure> {
    let command = Command::Register {
        server: session.server()?,
        username: username(&args.name)?,
        invite: args.invite,
        device_name: device_name(args.device),
    };
    let reply = session.ask(command).await?;
    let Reply::Registered { me, recovery_code } = &reply else { return Err(Failure::unexpected()) };
    session.show(&reply, |out| {
        out.line(format!("You are {} on {}.", out.paint(Style::Bold, &format!("@{}", me.username)), me.server))?;
        show_code(out, recovery_code)
    })?;
    if !args.yes && !session.out.json && can_ask() {
        ask_back(&session.out, recovery_code)?;
    }
    Ok(())
}

fn show_code(out: &Out, code: &str) -> Result<(), Failure> {
    out.line("")?;
    out.line("Your recovery code, shown only now. It is the only way back when every device is lost:")?;
    out.line(format!("\n    {}\n", out.paint(Style::Bold, code)))
}

/// People type it with other spaces and letters.
fn same_code(typed: &str, code: &str) -> bool {
    let bare = |text: &str| {
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect::<String>()
    };
    bare(typed) == bare(code)
}

fn ask_back(out: &Out, code: &str) -> Result<(), Failure> {
    loop {
        match ask("Type it here to prove that you kept it (Enter to skip): ")? {
            Some(typed) if same_code(&typed, code) => {
                out.note("Right. Keep it safe.");
                return Ok(());
            }
            Some(typed) if !typed.is_empty() => out.note("That is not the code."),
            _ => {
                out.note(
                    "Skipped. Keep it: without it a lost account stays lost, and no new code can be made, which needs this one.",
                );
                return Ok(());
            }
        }
    }
}

pub async fn login(session: &Session, args: Login) -> Result<(), Failure> {
    // Listening comes first: the answer may be quick.
    let mut happenings = session.client.happenings();
    let reply =
        session.ask(Command::StartLink { server: session.server()?, device_name: device_name(args.device) }).await?;
    if let Reply::Me { me } = reply {
        // An earlier login was cut off after the other device had approved it.
        return linked(session, me, happenings).await;
    }
    let Reply::LinkText { text, expires_ms } = &reply else { return Err(Failure::unexpected()) };
    session.show(&reply, |out| {
        for line in qr_lines(text).unwrap_or_default() {
            out.line(line)?;
        }
        out.line("\nScan this with a device that you have, or run there:\n")?;
        out.line(format!("    sotto link '{text}'\n"))?;
        out.note(format!("Waiting until {} ...", clock(*expires_ms)));
        Ok(())
    })?;
    let me = loop {
        match happenings.next().await {
            Happening::Event(event) => match *event {
                Event::Linked { me } => break me,
                Event::LinkFailed { error } => return Err(error.into()),
                _ => {}
            },
            Happening::Missed => {
                if let Ok(Reply::Me { me }) = session.ask(Command::WhoAmI).await {
                    break me;
                }
            }
            Happening::Ended(text) => return Err(Failure::new(crate::failure::Exit::Storage, "storage", text)),
        }
    };
    linked(session, me, happenings).await
}

async fn linked(session: &Session, me: Me, happenings: Happenings) -> Result<(), Failure> {
    if session.out.json {
        session.out.json(&Event::Linked { me })?;
    } else {
        session.out.line(format!("Linked: you are @{} (device {}).", me.username, me.device))?;
    }
    wait_for_history(session, happenings).await
}

async fn wait_for_history(session: &Session, mut happenings: Happenings) -> Result<(), Failure> {
    let mut quiet_since = Instant::now();
    loop {
        let happening = match tokio::time::timeout_at(quiet_since + HISTORY_QUIET, happenings.next()).await {
            Ok(happening) => happening,
            Err(_) => {
                session.out.note("History follows while this profile is in use and your other device is online.");
                return Ok(());
            }
        };
        match happening {
            Happening::Event(event) => {
                if let Event::HistoryReceived { done, total } = *event {
                    if session.out.json {
                        session.out.json(&event)?;
                    }
                    session.out.progress(&format!("History: {done} of {total} messages"), done >= total);
                    if done >= total {
                        return Ok(());
                    }
                    quiet_since = Instant::now();
                }
            }
            Happening::Missed => {}
            Happening::Ended(_) => return Ok(()),
        }
    }
}

pub async fn recover(session: &Session, args: Recover) -> Result<(), Failure> {
    let username = username(&args.name)?;
    let server = session.server()?;
    if can_ask() && !session.out.json {
        session.out.note(format!("Recovering @{username} on {server}."));
    }
    let code = ask_recovery_code("Recovery code: ")?;
    let device_name = device_name(args.device);
    let reply = session.ask(Command::Recover { server, username, code, device_name }).await?;
    let Reply::Recovered { me, other_devices } = &reply else { return Err(Failure::unexpected()) };
    session.show(&reply, |out| {
        out.line(format!("You are @{} again (device {}).", me.username, me.device))?;
        match other_devices {
            0 => out.line("No other device is linked, so there is no history to fetch."),
            n => out.line(format!(
                "{n} other device(s) of yours are still linked: history comes from them. Remove lost ones with `sotto devices remove`."
            )),
        }
    })
}

pub async fn whoami(session: &Session) -> Result<(), Failure> {
    let reply = session.ask(Command::WhoAmI).await?;
    let Reply::Me { me } = &reply else { return Err(Failure::unexpected()) };
    session.show(&reply, |out| show_me(out, me))
}

fn show_me(out: &Out, me: &Me) -> Result<(), Failure> {
    out.line(out.paint(Style::Bold, &format!("@{}", me.username)))?;
    out.line(format!("server    {}", clean_line(&me.server)))?;
    out.line(format!("account   {}", me.account))?;
    out.line(format!("device    {}", me.device))?;
    out.line(format!("key       {}", clean_line(&me.identity_key)))
}

pub async fn status(session: &Session) -> Result<(), Failure> {
    let mut happenings = session.client.happenings();
    let deadline = Instant::now() + Duration::from_secs(5);
    // A profile that has just been opened is still connecting: its first result is what people want to know.
    let reply = loop {
        let reply = session.ask(Command::Status).await?;
        let Reply::Status { status } = &reply else { return Err(Failure::unexpected()) };
        if !matches!(status.connection, ConnectionView::Connecting)
            || tokio::time::timeout_at(deadline, happenings.next()).await.is_err()
        {
            break reply;
        }
    };
    let Reply::Status { status } = &reply else { return Err(Failure::unexpected()) };
    session.show(&reply, |out| show_status(out, status))
}

fn show_status(out: &Out, status: &StatusView) -> Result<(), Failure> {
    let connection = match status.connection {
        ConnectionView::Disconnected => out.paint(Style::Warn, "disconnected"),
        ConnectionView::Connecting => "connecting".into(),
        ConnectionView::Connected { drained: true } => out.paint(Style::Good, "connected"),
        ConnectionView::Connected { drained: false } => "connected, receiving what waited".into(),
        ConnectionView::Reconnecting { retry_at_ms, attempt } => {
            out.paint(Style::Warn, &format!("not connected; try {attempt} at {}", date_time(retry_at_ms)))
        }
    };
    match &status.me {
        Some(me) => out.line(format!("account        @{} on {}", me.username, clean_line(&me.server)))?,
        None => out.line("account        none: `sotto register NAME` or `sotto login --link`")?,
    }
    out.line(format!("connection     {connection}"))?;
    out.line(format!("outbox         {}", status.outbox))?;
    out.line(format!("undecryptable  {} (repaired {})", status.undecryptable, status.repaired))?;
    if let Some(why) = &status.signed_out {
        out.line(format!("signed out     {}", out.paint(Style::Warn, &clean_line(why))))?;
    }
    if status.clock_off_ms.unsigned_abs() > 300_000 {
        let text = format!("off by {} s: set this machine's time", status.clock_off_ms / 1000);
        out.line(format!("clock          {}", out.paint(Style::Warn, &text)))?;
    }
    Ok(())
}

pub async fn new_recovery_code(session: &Session, yes: bool) -> Result<(), Failure> {
    let current_code = ask_recovery_code("Current recovery code: ")?;
    let reply = session.ask(Command::NewRecoveryCode { current_code }).await?;
    let Reply::RecoveryCode { recovery_code } = &reply else { return Err(Failure::unexpected()) };
    session.show(&reply, |out| show_code(out, recovery_code))?;
    if !yes && !session.out.json && can_ask() {
        ask_back(&session.out, recovery_code)?;
    }
    Ok(())
}

pub async fn delete(session: &Session, yes: bool) -> Result<(), Failure> {
    let Reply::Me { me } = session.ask(Command::WhoAmI).await? else { return Err(Failure::unexpected()) };
    if !yes {
        if !can_ask() {
            return Err(Failure::usage("deleting an account cannot be undone: confirm with --yes"));
        }
        session.out.note(format!("This deletes @{} on {} for ever, with what waits for it.", me.username, me.server));
        let typed = ask("Type the username to go on: ")?.unwrap_or_default();
        if Username::parse(&typed).ok().as_ref() != Some(&me.username) {
            return Err(Failure::usage("not deleted: that is another name"));
        }
    }
    let reply = session.ask(Command::DeleteAccount).await?;
    session.show(&reply, |out| out.line(format!("@{} is deleted.", me.username)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_typed_back_may_differ_in_case_and_spacing() {
        assert!(same_code(" abcd efgh-1 ", "ABCD-EFGH-1"));
        assert!(!same_code("abcd", "ABCD-EFGH-1"));
    }
}
