//! A program in a terminal of the test's own: what it draws becomes a screen to look at, what a person would type goes in.
//! No other program (tmux, script) is needed.

use crate::wait::DEADLINE;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub const ROWS: u16 = 30;
pub const COLUMNS: u16 = 100;

struct Screen {
    parser: vt100::Parser,
    ended: bool,
}

type Shared = Arc<(Mutex<Screen>, Condvar)>;

/// A running program and its screen. Killed when dropped.
pub struct Terminal {
    child: Child,
    keys: File,
    screen: Shared,
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Terminal of process {}", self.child.id())
    }
}

impl Terminal {
    /// Blocking, like all of this type: use it from a test without a runtime, or from `spawn_blocking`.
    pub fn start(command: &mut Command) -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&controller).expect("ours");
        unlockpt(&controller).expect("ours");
        let name = ptsname(&controller, Vec::new()).expect("it has a name");
        let size = Winsize { ws_row: ROWS, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&controller, size).expect("a size");
        let path = name.to_str().expect("a path in /dev");
        let side = || Stdio::from(OpenOptions::new().read(true).write(true).open(path).expect("the other side opens"));
        command.env("TERM", "xterm-256color").stdin(side()).stdout(side()).stderr(side());
        let child = command.spawn().expect("the program starts");
        // Otherwise our copies of its side would keep the terminal open after its end.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut output = File::from(controller);
        let keys = output.try_clone().expect("a second handle");
        let screen: Shared = Arc::new((
            Mutex::new(Screen { parser: vt100::Parser::new(ROWS, COLUMNS, 0), ended: false }),
            Condvar::new(),
        ));
        let draw = screen.clone();
        let mut answers = keys.try_clone().expect("a third handle");
        std::thread::spawn(move || {
            let mut chunk = [0; 8192];
            loop {
                let read = output.read(&mut chunk).unwrap_or(0);
                let mut screen = draw.0.lock().unwrap_or_else(PoisonError::into_inner);
                if read == 0 {
                    screen.ended = true;
                    draw.1.notify_all();
                    return;
                }
                screen.parser.process(&chunk[..read]);
                draw.1.notify_all();
                let (row, column) = screen.parser.screen().cursor_position();
                drop(screen);
                // A terminal answers where its cursor is when asked.
                if chunk[..read].windows(4).any(|bytes| bytes == b"\x1b[6n") {
                    answers.write_all(format!("\x1b[{};{}R", row + 1, column + 1).as_bytes()).ok();
                }
            }
        });
        Self { child, keys, screen }
    }

    /// What a person sees now.
    pub fn text(&self) -> String {
        self.screen.0.lock().unwrap_or_else(PoisonError::into_inner).parser.screen().contents()
    }

    /// Types; "\r" is Enter, "\x1b" is Escape.
    pub fn type_keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal takes keys");
        self.keys.flush().expect("the terminal takes keys");
    }

    /// Waits until the screen satisfies `good`, and returns its text. Panics with the screen otherwise.
    pub fn until(&self, what: &str, good: impl Fn(&str) -> bool) -> String {
        self.until_screen(what, |screen| good(&screen.contents()))
    }

    /// The same with colours and cursor to look at.
    pub fn until_screen(&self, what: &str, good: impl Fn(&vt100::Screen) -> bool) -> String {
        let end = Instant::now() + DEADLINE;
        let mut screen = self.screen.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if good(screen.parser.screen()) {
                return screen.parser.screen().contents();
            }
            let left = end.saturating_duration_since(Instant::now());
            let shown = screen.parser.screen().contents();
            assert!(
                !left.is_zero() && !screen.ended,
                "waited in vain for {what} (ended: {}); the screen:\n{shown}",
                screen.ended
            );
            let wait = left.min(Duration::from_secs(1));
            screen = self.screen.1.wait_timeout(screen, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> std::process::ExitStatus {
        let end = Instant::now() + DEADLINE;
        let mut screen = self.screen.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The terminal closes with the program.
        while !screen.ended && Instant::now() < end {
            let wait = Duration::from_secs(1);
            screen = self.screen.1.wait_timeout(screen, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
        assert!(screen.ended, "the program goes on; its screen:\n{}", screen.parser.screen().contents());
        drop(screen);
        self.child.wait().expect("a child can be waited for")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
