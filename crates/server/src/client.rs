//! Commands that ask the running server through its admin socket.

use crate::admin::{Line, Note, Request};
use crate::cli::confirm;
use crate::config::Loaded;
use crate::exit::{Failure, Reason, failed};
use crate::paths::Paths;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Sends one request; `each` gets the lines before the last.
pub fn ask(paths: &Paths, request: &Request, mut each: impl FnMut(Line)) -> Result<Value, Failure> {
    let mut stream = connect(paths)?;
    let broken = |error: std::io::Error| failed(format!("the server did not answer: {error}"));
    let mut text = serde_json::to_string(request).map_err(|error| failed(error.to_string()))?;
    text.push('\n');
    stream.write_all(text.as_bytes()).map_err(broken)?;
    for line in BufReader::new(stream).lines() {
        match serde_json::from_str(&line.map_err(broken)?) {
            Ok(Line::Ok(value)) => return Ok(value),
            Ok(Line::Error(message)) => return Err(failed(message)),
            Ok(line) => each(line),
            Err(error) => return Err(failed(format!("the server answered nonsense: {error}"))),
        }
    }
    Err(failed("the server broke off; see its log"))
}

fn connect(paths: &Paths) -> Result<UnixStream, Failure> {
    let path = paths.admin_socket();
    UnixStream::connect(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::PermissionDenied => Failure::new(
            Reason::Access,
            format!("no access to {}: run this as the user that runs the server", path.display()),
        ),
        _ => Failure::new(
            Reason::NotRunning,
            format!(
                "no server runs on the data in {} (there is no {}). Start it, or name its data folder with --data",
                paths.data.display(),
                path.display()
            ),
        ),
    })
}

fn paths(loaded: &Loaded) -> Paths {
    Paths::new(&loaded.config.server.data)
}

fn number(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or_default()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

pub fn invite(loaded: &Loaded, uses: u32, days: u32, json: bool) -> Result<(), Failure> {
    let request = Request::Invite { uses, ttl_s: u64::from(days).saturating_mul(86_400) };
    let answer = ask(&paths(loaded), &request, |_| {})?;
    if json {
        println!("{answer}");
    } else {
        // The code alone on standard output, so that it can be piped.
        println!("{}", text(&answer, "code"));
        eprintln!("Good for {uses} account(s) within {days} day(s): sotto register NAME --invite CODE");
    }
    Ok(())
}

pub fn status(loaded: &Loaded, json: bool) -> Result<(), Failure> {
    let answer = ask(&paths(loaded), &Request::Status, |_| {})?;
    if json {
        println!("{answer}");
        return Ok(());
    }
    let store = answer.get("store").cloned().unwrap_or_default();
    println!(
        "sottod {} (process {}), up {}",
        text(&answer, "version"),
        number(&answer, "pid"),
        uptime(number(&answer, "uptime_s"))
    );
    println!("listening     {}", text(&answer, "listening"));
    println!("metrics       {}", answer.get("metrics").and_then(Value::as_str).unwrap_or("off"));
    println!("data          {}", text(&answer, "data"));
    println!("registration  {}", text(&answer, "registration"));
    println!("generation    {}", number(&answer, "generation"));
    println!("connections   {}", number(&answer, "connections"));
    println!(
        "store         {} sends, {} entries, {} commits since the start; {} waiting",
        number(&store, "sends"),
        number(&store, "entries"),
        number(&store, "commits"),
        number(&store, "queue_depth")
    );
    Ok(())
}

fn uptime(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

pub fn list_accounts(loaded: &Loaded, json: bool) -> Result<(), Failure> {
    if !json {
        println!("{:<32}  {:<36}  devices", "username", "account");
    }
    let answer = ask(&paths(loaded), &Request::Accounts, |line| {
        let Line::Item(account) = line else { return };
        if json {
            println!("{account}");
        } else {
            let disabled = if account.get("disabled") == Some(&Value::Bool(true)) { "  disabled" } else { "" };
            let (name, id) = (text(&account, "username"), text(&account, "account_id"));
            println!("{name:<32}  {id:<36}  {}{disabled}", number(&account, "devices"));
        }
    })?;
    if !json {
        println!("{} account(s)", number(&answer, "count"));
    }
    Ok(())
}

pub fn set_disabled(loaded: &Loaded, name: &str, disabled: bool, json: bool) -> Result<(), Failure> {
    let answer = ask(&paths(loaded), &Request::SetDisabled { name: name.into(), disabled }, |_| {})?;
    if json {
        println!("{answer}");
    } else {
        println!("{name} is {}", if disabled { "disabled" } else { "enabled" });
    }
    Ok(())
}

pub fn delete_account(loaded: &Loaded, name: &str, yes: bool, json: bool) -> Result<(), Failure> {
    // First whether there is a server to ask.
    connect(&paths(loaded))?;
    if !yes {
        confirm(&format!("Delete {name} with all its devices and undelivered messages? This cannot be undone."))?;
    }
    let answer = ask(&paths(loaded), &Request::DeleteAccount { name: name.into() }, |_| {})?;
    if json {
        println!("{answer}");
    } else {
        println!("{name} is deleted; the name stays reserved for 30 days");
    }
    Ok(())
}

/// The name that an account has, or the id of one that is gone.
fn who<'a>(report: &'a Value, name: &str, id: &str) -> &'a str {
    report.get(name).and_then(Value::as_str).unwrap_or_else(|| text(report, id))
}

/// On one line, without what a terminal would obey.
fn printable(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}

fn ago(value: &Value, key: &str) -> String {
    let then = Duration::from_millis(number(value, key));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{} ago", uptime(now.saturating_sub(then).as_secs()))
}

pub fn list_reports(loaded: &Loaded, json: bool) -> Result<(), Failure> {
    if !json {
        println!("{:>6}  {:<14}  {:<6}  {:<32}  reporter", "id", "made", "reason", "about");
    }
    let answer = ask(&paths(loaded), &Request::Reports, |line| {
        let Line::Item(report) = line else { return };
        if json {
            println!("{report}");
        } else {
            let resolved = if report.get("resolved") == Some(&Value::Bool(true)) { "  resolved" } else { "" };
            let (about, by) = (who(&report, "username", "account_id"), who(&report, "reporter", "reporter_id"));
            let (id, made, reason) = (number(&report, "id"), ago(&report, "at_ms"), text(&report, "reason"));
            println!("{id:>6}  {made:<14}  {reason:<6}  {about:<32}  {by}{resolved}");
        }
    })?;
    if !json {
        println!("{} report(s)", number(&answer, "count"));
    }
    Ok(())
}

pub fn show_report(loaded: &Loaded, id: u64, json: bool) -> Result<(), Failure> {
    let report = ask(&paths(loaded), &Request::Report { id }, |_| {})?;
    if json {
        println!("{report}");
        return Ok(());
    }
    println!("report {id}, {}: {}", ago(&report, "at_ms"), text(&report, "reason"));
    println!("about     {} ({})", who(&report, "username", "account_id"), text(&report, "account_id"));
    println!("reporter  {} ({})", who(&report, "reporter", "reporter_id"), text(&report, "reporter_id"));
    println!("comment   {}", printable(text(&report, "comment")));
    for message in report.get("messages").and_then(Value::as_array).into_iter().flatten() {
        println!("{:<14}  {}", ago(message, "sent_at_ms"), printable(text(message, "text")));
    }
    if let Some(done) = report.get("resolution").filter(|done| !done.is_null()) {
        println!("resolved  {}: {}", ago(done, "at_ms"), printable(text(done, "note")));
    }
    eprintln!("This is the reporter's word: it cannot be proven that the messages are genuine or complete.");
    Ok(())
}

pub fn resolve_report(loaded: &Loaded, id: u64, note: String, json: bool) -> Result<(), Failure> {
    let request = Request::ResolveReport { id, note: Note(note) };
    let answer = ask(&paths(loaded), &request, |_| {})?;
    if json {
        println!("{answer}");
    } else {
        println!("report {id} is resolved");
    }
    Ok(())
}

pub fn backup(loaded: &Loaded, dir: &Path, json: bool) -> Result<(), Failure> {
    // The server may run in another folder.
    let dir: PathBuf = std::path::absolute(dir).map_err(|error| failed(error.to_string()))?;
    let mut table = String::new();
    let answer = ask(&paths(loaded), &Request::Backup { dir: dir.clone() }, |line| {
        let Line::Progress(progress) = line else { return };
        if json {
            println!("{}", serde_json::json!({ "progress": progress }));
        } else if text(&progress, "table") != table {
            table = text(&progress, "table").to_owned();
            eprintln!("{} {table}", text(&progress, "step"));
        }
    })?;
    if json {
        println!("{answer}");
    } else {
        let (records, kib) = (number(&answer, "records"), number(&answer, "bytes") / 1024);
        println!("{records} records, {kib} KiB, in {}", dir.display());
        eprintln!("Keep it secret: it has the server's keys in it. Restore with: sottod restore {}", dir.display());
    }
    Ok(())
}
