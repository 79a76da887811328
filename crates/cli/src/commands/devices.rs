//! link, devices.

use crate::args::DevicesAction;
use crate::failure::Failure;
use crate::out::{Style, ask_recovery_code};
use crate::session::Session;
use crate::text::{clean_line, date_time, day_seen, now_ms};
use sotto_engine::api::{Command, Event, Reply};
use sotto_engine_native::Happening;
use sotto_types::DeviceId;
use std::time::Duration;
use tokio::time::Instant;

/// Without news for so long, history is left to go on whenever this profile is in use.
const HISTORY_QUIET: Duration = Duration::from_secs(15);

pub async fn link(session: &Session, text: String) -> Result<(), Failure> {
    let mut happenings = session.client.happenings();
    let reply = session.ask(Command::ApproveLink { link_text: text.trim().to_string() }).await?;
    session.show(&reply, |out| out.line("Approved; the new device is finishing."))?;
    let mut quiet_since = Instant::now();
    let mut linked = false;
    loop {
        match tokio::time::timeout_at(quiet_since + HISTORY_QUIET, happenings.next()).await {
            Err(_) | Ok(Happening::Ended(_)) if !linked => {
                session.out.note("The new device is not on the list yet: look at its screen, and at `sotto devices`.");
                return Ok(());
            }
            Err(_) | Ok(Happening::Ended(_)) => {
                session.out.note("History goes on whenever this profile is in use (for example `sotto listen`).");
                return Ok(());
            }
            Ok(Happening::Missed) => {}
            Ok(Happening::Event(event)) => {
                // The list changes once the device is added; history leaves only for one that is on it.
                if !linked && matches!(*event, Event::DevicesChanged | Event::HistorySent { .. }) {
                    linked = true;
                    quiet_since = Instant::now();
                    if session.out.json {
                        session.out.json(&Event::DevicesChanged)?;
                    } else {
                        session.out.line("The new device is linked.")?;
                    }
                }
                if let Event::HistorySent { device, done, total } = *event {
                    if session.out.json {
                        session.out.json(&event)?;
                    }
                    session
                        .out
                        .progress(&format!("History for device {device}: {done} of {total} messages"), done >= total);
                    if done >= total {
                        return Ok(());
                    }
                    quiet_since = Instant::now();
                }
            }
        }
    }
}

pub async fn run(session: &Session, action: Option<DevicesAction>) -> Result<(), Failure> {
    match action.unwrap_or(DevicesAction::List) {
        DevicesAction::List => list(session).await,
        DevicesAction::Remove { id, stolen } => remove(session, id, stolen).await,
    }
}

async fn list(session: &Session) -> Result<(), Failure> {
    let reply = session.ask(Command::Devices).await?;
    let Reply::Devices { devices } = &reply else { return Err(Failure::unexpected()) };
    session.show(&reply, |out| {
        for device in devices {
            let mark = if device.current { out.paint(Style::Good, "this device") } else { String::new() };
            let suspended =
                if device.suspended { out.paint(Style::Warn, "absent too long: link it again") } else { String::new() };
            let seen = day_seen(device.last_seen_ms, now_ms());
            out.line(format!(
                "{:>3}  {}  linked {}  seen {seen}  {mark}{suspended}",
                device.device.get(),
                out.paint(Style::Bold, &clean_line(&device.name)),
                date_time(device.created_ms),
            ))?;
        }
        Ok(())
    })
}

async fn remove(session: &Session, id: u32, stolen: bool) -> Result<(), Failure> {
    let device = DeviceId::try_from(id).map_err(|error| Failure::usage(error.to_string()))?;
    let recovery_code =
        if stolen { Some(ask_recovery_code("Recovery code (it outranks the stolen device): ")?) } else { None };
    let reply = session.ask(Command::RemoveDevice { device, recovery_code }).await?;
    session.show(&reply, |out| {
        out.line(format!("Device {device} is unlinked."))?;
        if stolen {
            out.line(
                "Your identity key is a new one: contacts see that it changed, and your other devices must link again.",
            )?;
        }
        Ok(())
    })
}
