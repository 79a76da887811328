//! `sotto chat`: the terminal app.
//! Flow: keys (`input`), happenings and answers -> `state` -> asks for the engine -> answers; `render` draws what `state` knows.
//! Always true: the terminal is given back as it was, however the app ends; drawing is at most every 16 ms.

mod actions;
mod composer;
mod group;
mod input;
mod lines;
mod message_sheets;
mod people;
mod people_sheets;
mod render;
#[cfg(test)]
pub mod samples;
mod settings;
mod sheets;
mod state;
#[cfg(test)]
mod tests;
mod theme;
mod wrap;

use crate::failure::Failure;
use crate::session::{Session, stop_signal};
use crate::text::now_ms;
use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste, EnableFocusChange,
    EnableMouseCapture, EventStream,
};
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use futures_util::StreamExt;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use sotto_engine::api::{Command, CommandError, ConnectionView, Reply};
use state::{App, Why};
use std::io::IsTerminal;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
pub use wrap::shorten;

const FRAME: Duration = Duration::from_millis(16);
/// Answers on their way to the app. When full, the tasks that bring them wait.
const ANSWERS: usize = 256;

type Answered = (Why, Result<Reply, CommandError>);

pub async fn run(session: &Session, name: Option<String>) -> Result<(), Failure> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Failure::usage("sotto chat needs a terminal; scripts use `sotto listen` and `sotto send`"));
    }
    // Without an account there is nothing to show: say so before the screen changes.
    session.ask(Command::WhoAmI).await?;
    let who = match name.as_deref() {
        Some(name) => Some(session.who(name).await?),
        None => None,
    };
    let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut app = App::new(now_ms(), colour);
    app.start(who);
    let mut screen = Screen::enter()?;
    let result = run_app(session, &mut app, &mut screen).await;
    // The profile may be open elsewhere.
    session.client.submit(Command::WatchPeople { people: Vec::new() }).await;
    session.client.foreground(false).await;
    drop(screen);
    result
}

async fn run_app(session: &Session, app: &mut App, screen: &mut Screen) -> Result<(), Failure> {
    let mut happenings = session.client.happenings();
    let mut keys = EventStream::new();
    let (to_us, mut answers) = mpsc::channel::<Answered>(ANSWERS);
    let mut stop = std::pin::pin!(stop_signal());
    let (mut focused, mut draw_at) = (false, Instant::now());
    let mut dirty = true;
    loop {
        app.mark_read();
        app.watch();
        for ask in app.take_asks() {
            // Handed over in order, so messages go out as they were written; waited for elsewhere.
            let answer = session.client.submit(ask.command).await;
            let to_us = to_us.clone();
            tokio::spawn(async move { to_us.send((ask.why, answer.wait().await)).await });
        }
        if app.focused != focused {
            focused = app.focused;
            session.client.foreground(focused).await;
        }
        if app.quit {
            return Ok(());
        }
        let tick = match app.connection {
            ConnectionView::Reconnecting { .. } => Duration::from_secs(1),
            _ => Duration::from_secs(20),
        };
        tokio::select! {
            () = tokio::time::sleep_until(draw_at), if dirty => {
                app.now_ms = now_ms();
                screen.terminal.draw(|frame| render::draw(frame, app))?;
                dirty = false;
                draw_at = Instant::now() + FRAME;
                continue;
            }
            key = keys.next() => match key {
                Some(Ok(event)) => {
                    app.now_ms = now_ms();
                    app.on_input(event);
                }
                // The terminal is gone.
                Some(Err(_)) | None => return Ok(()),
            },
            happening = happenings.next() => app.on_happening(happening),
            Some((why, result)) = answers.recv() => app.on_answer(why, result),
            () = tokio::time::sleep(tick), if !dirty => {}
            () = &mut stop => return Ok(()),
        }
        dirty = true;
    }
}

/// The terminal in our hands; dropped, it is as it was.
struct Screen {
    terminal: Terminal<CrosstermBackend<std::io::Stdout>>,
}

impl Screen {
    fn enter() -> Result<Self, Failure> {
        let screen = Self { terminal: Terminal::new(CrosstermBackend::new(std::io::stdout()))? };
        // From here on, `drop` gives back whatever was taken.
        enable_raw_mode()?;
        execute!(std::io::stdout(), EnterAlternateScreen, EnableMouseCapture, EnableBracketedPaste, EnableFocusChange)?;
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = execute!(
            std::io::stdout(),
            DisableFocusChange,
            DisableBracketedPaste,
            DisableMouseCapture,
            LeaveAlternateScreen
        );
        let _ = disable_raw_mode();
        let _ = self.terminal.show_cursor();
    }
}
