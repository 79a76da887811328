//! Standard output and error. A closed pipe ends the program quietly; colours only where somebody looks.

use crate::failure::{Exit, Failure};
use crate::formatting::Look;
use crate::text::to_json;
use serde::Serialize;
use std::io::{BufRead, IsTerminal, Write};

/// The 16 colours of every terminal; the theme decides how they look.
#[derive(Debug, Clone, Copy)]
pub enum Style {
    Bold,
    Dim,
    Good,
    Warn,
    Name,
    Blue,
}

#[derive(Debug, Clone, Copy)]
pub struct Out {
    pub json: bool,
    colour: bool,
}

impl Out {
    pub fn new(json: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let able = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self { json, colour: !json && wanted && able && std::io::stdout().is_terminal() }
    }

    pub fn paint(&self, style: Style, text: &str) -> String {
        if !self.colour {
            return text.into();
        }
        let code = match style {
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Good => "32",
            Style::Warn => "33",
            Style::Name => "36",
            Style::Blue => "94",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// A part of a text that somebody formatted.
    pub fn paint_as(&self, look: Look, text: &str) -> String {
        let codes = [(look.bold || look.mention, "1"), (look.italic, "3"), (look.strike, "9"), (look.code, "32")];
        let codes: Vec<&str> = codes.into_iter().filter_map(|(is, code)| is.then_some(code)).collect();
        if !self.colour || codes.is_empty() {
            return text.into();
        }
        format!("\x1b[{}m{text}\x1b[0m", codes.join(";"))
    }

    /// Somebody looks who sees styles.
    pub const fn is_styled(&self) -> bool {
        self.colour
    }

    /// One line for people or for scripts, at once: readers of a pipe wait for it.
    pub fn line(&self, text: impl AsRef<str>) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{}", text.as_ref()).and_then(|()| stdout.flush()).map_err(write_failure)
    }

    pub fn json<T: Serialize>(&self, value: &T) -> Result<(), Failure> {
        self.line(to_json(value))
    }

    /// Progress and advice: on stderr, and not with `--json`.
    pub fn note(&self, text: impl AsRef<str>) {
        if !self.json {
            let _ = writeln!(std::io::stderr(), "{}", text.as_ref());
        }
    }

    /// Progress that overwrites itself on a terminal; elsewhere only the last one counts.
    pub fn progress(&self, text: &str, last: bool) {
        let mut stderr = std::io::stderr();
        if self.json || (!stderr.is_terminal() && !last) {
            return;
        }
        let (start, end) = if stderr.is_terminal() { ("\r\x1b[K", if last { "\n" } else { "" }) } else { ("", "\n") };
        let _ = write!(stderr, "{start}{text}{end}").and_then(|()| stderr.flush());
    }
}

/// A reader that went away is not our failure.
pub const PIPE_CLOSED: &str = "pipe_closed";

pub fn write_failure(error: std::io::Error) -> Failure {
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        return Failure::new(Exit::Other, PIPE_CLOSED, "");
    }
    Failure::new(Exit::Other, "io", format!("cannot write the output: {error}"))
}

/// Somebody can be asked.
pub fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks on the terminal; none at end of input.
pub fn ask(question: &str) -> Result<Option<String>, Failure> {
    let mut stderr = std::io::stderr();
    write!(stderr, "{question}").and_then(|()| stderr.flush())?;
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line)?;
    Ok((read > 0).then(|| line.trim().to_string()))
}

/// On a terminal with a question; from a pipe without.
pub fn ask_recovery_code(question: &str) -> Result<String, Failure> {
    let code = ask(if can_ask() { question } else { "" })?.filter(|code| !code.is_empty());
    code.ok_or_else(|| Failure::usage("no recovery code was given: type it, or pipe it in"))
}

#[cfg(test)]
impl Out {
    /// As on a terminal with colours, or in a pipe.
    pub const fn of_test(colour: bool) -> Self {
        Self { json: false, colour }
    }
}
