//! `sottod doctor`: what is wrong with this installation, each line with what to do. It changes nothing but a scratch file.

use crate::admin::Request;
use crate::client::ask;
use crate::config::{Config, Loaded};
use crate::exit::{Failure, failed};
use crate::limits;
use crate::paths::Paths;
use crate::tls::TlsFiles;
use crate::web::{Web, What};
use serde::Serialize;
use serde_json::Value;
use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    /// What was seen.
    seen: String,
    /// What to do; empty if nothing.
    todo: String,
}

fn ok(check: &'static str, seen: impl Into<String>) -> Finding {
    Finding { check, verdict: Verdict::Ok, seen: seen.into(), todo: String::new() }
}

fn warn(check: &'static str, seen: impl Into<String>, todo: impl Into<String>) -> Finding {
    Finding { check, verdict: Verdict::Warn, seen: seen.into(), todo: todo.into() }
}

fn fail(check: &'static str, seen: impl Into<String>, todo: impl Into<String>) -> Finding {
    Finding { check, verdict: Verdict::Fail, seen: seen.into(), todo: todo.into() }
}

pub fn run(loaded: Result<Loaded, Vec<String>>, json: bool) -> Result<(), Failure> {
    let findings = match loaded {
        Err(problems) => problems
            .into_iter()
            .map(|problem| fail("configuration", problem, "correct it; `sottod config --explain` lists all keys"))
            .collect(),
        Ok(loaded) => examine(&loaded),
    };
    for finding in &findings {
        if json {
            println!("{}", serde_json::to_string(finding).map_err(|error| failed(error.to_string()))?);
        } else {
            let verdict = match finding.verdict {
                Verdict::Ok => "ok  ",
                Verdict::Warn => "warn",
                Verdict::Fail => "FAIL",
            };
            println!("{verdict}  {:<14} {}", finding.check, finding.seen);
            if !finding.todo.is_empty() {
                println!("      {:<14} -> {}", "", finding.todo);
            }
        }
    }
    match findings.iter().filter(|finding| finding.verdict == Verdict::Fail).count() {
        0 => Ok(()),
        count => Err(failed(format!("{count} problem(s) found"))),
    }
}

fn examine(loaded: &Loaded) -> Vec<Finding> {
    let config = &loaded.config;
    let paths = Paths::new(&config.server.data);
    let running = ask(&paths, &Request::Status, |_| {}).ok();
    let file =
        loaded.file.as_ref().map_or("no file; defaults and environment".into(), |file| file.display().to_string());
    let mut findings = vec![ok("configuration", file)];
    findings.push(match &running {
        Some(status) => ok(
            "server",
            format!(
                "version {} runs as process {}",
                text(status, "version"),
                status.get("pid").unwrap_or(&Value::Null)
            ),
        ),
        None => ok("server", "not running"),
    });
    findings.push(check_port(
        "port",
        config.listen_address(),
        running.as_ref().map(|status| text(status, "listening")),
    ));
    if let Some(address) = config.metrics_address() {
        findings.push(check_port("metrics port", address, running.as_ref().map(|status| text(status, "metrics"))));
    }
    findings.extend(check_tls(config));
    findings.push(check_web(config));
    findings.extend(check_folder(&paths, running.is_some()));
    findings.push(check_schema(&paths));
    findings.push(check_clock(&paths, running.as_ref()));
    findings.push(check_open_files(config, running.as_ref()));
    findings.push(check_memory(config));
    findings
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn check_port(check: &'static str, address: Result<std::net::SocketAddr, String>, ours: Option<&str>) -> Finding {
    let address = match address {
        Ok(address) => address,
        Err(problem) => return fail(check, problem, "correct the configuration"),
    };
    if ours == Some(address.to_string().as_str()) {
        return ok(check, format!("{address}, held by the running server"));
    }
    match TcpListener::bind(address) {
        Ok(_) => ok(check, format!("{address} is free")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            fail(check, format!("another program listens on {address}"), "stop it, or choose another port")
        }
        Err(error) => fail(check, format!("cannot listen on {address}: {error}"), "choose another address or port"),
    }
}

fn check_tls(config: &Config) -> Vec<Finding> {
    let Some(files) = TlsFiles::of(config) else {
        return vec![if config.server.behind_proxy {
            ok("TLS", "done by the reverse proxy in front")
        } else {
            ok("TLS", "none; loopback only")
        }];
    };
    let mut findings = Vec::new();
    match files.load() {
        Ok(_) => findings.push(ok("TLS", format!("{} and its key fit", files.cert.display()))),
        Err(problem) => return vec![fail("TLS", problem, "name PEM files of one certificate and its key")],
    }
    findings.push(check_expiry(&files));
    if fs::metadata(&files.key).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0) {
        let key = files.key.display();
        findings.push(warn("TLS key", format!("{key} can be read by others"), format!("chmod 600 {key}")));
    }
    findings
}

fn check_web(config: &Config) -> Finding {
    const CHECK: &str = "web app";
    // The port changes a header only.
    let web = match Web::load(config, 0) {
        Ok(web) => web,
        Err(failure) => {
            return fail(CHECK, failure.to_string(), "correct web.dir; until then the server does not start");
        }
    };
    match web.what() {
        What::Embedded => ok(CHECK, format!("{} files inside this program", web.file_count())),
        What::Folder => ok(CHECK, format!("{} files from {}", web.file_count(), config.web.dir)),
        What::Off => ok(CHECK, "off"),
        What::NotBuilt => warn(
            CHECK,
            "this program was built without it",
            "build with `make build`, or set web.dir, or web.enabled = false",
        ),
    }
}

fn check_expiry(files: &TlsFiles) -> Finding {
    const CHECK: &str = "TLS expiry";
    let Some(first) = files.certificates().ok().and_then(|chain| chain.into_iter().next()) else {
        return fail(CHECK, "no certificate", "name a PEM file with the certificate chain");
    };
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(&first) else {
        return warn(CHECK, "the certificate cannot be read", "look at it with: openssl x509 -noout -dates");
    };
    let left = certificate.validity().not_after.timestamp().saturating_sub(now_s());
    let days = left / 86_400;
    let renew = "renew it; the running server takes the new files by itself";
    match left {
        ..0 => fail(CHECK, format!("expired {} day(s) ago", -days), renew),
        0..1_209_600 => warn(CHECK, format!("expires in {days} day(s)"), renew),
        _ => ok(CHECK, format!("good for {days} days")),
    }
}

fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn check_folder(paths: &Paths, running: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Ok(meta) = fs::metadata(&paths.data) else {
        return vec![ok("data folder", format!("{} is made at the first start", paths.data.display()))];
    };
    let shown = paths.data.display();
    let uid = rustix::process::geteuid().as_raw();
    findings.push(if meta.uid() != uid && uid != 0 {
        fail(
            "data folder",
            format!("{shown} belongs to user {}", meta.uid()),
            format!("run as that user, or: chown -R {uid} {shown}"),
        )
    } else if meta.permissions().mode() & 0o077 != 0 {
        warn("data folder", format!("others have access to {shown}"), format!("chmod 700 {shown}"))
    } else {
        ok("data folder", format!("{shown}, for this user only"))
    });
    let socket = paths.admin_socket();
    if let Ok(meta) = fs::symlink_metadata(&socket) {
        let shown = socket.display();
        findings.push(if meta.permissions().mode() & 0o177 != 0 {
            fail("admin socket", format!("others have access to {shown}"), format!("chmod 600 {shown}"))
        } else if running {
            ok("admin socket", format!("{shown} answers"))
        } else {
            ok("admin socket", format!("{shown} was left by a killed server; the next start replaces it"))
        });
    }
    findings.push(check_space(&paths.data));
    findings.push(check_sync(&paths.data));
    findings
}

fn check_space(data: &Path) -> Finding {
    const CHECK: &str = "disk space";
    let Ok(at) = rustix::fs::statvfs(data) else { return warn(CHECK, "cannot be read", "look at it with: df") };
    let free_mib = at.f_bavail.saturating_mul(at.f_frsize) >> 20;
    let todo = "free some: below store.free_space_floor_mib sends are refused";
    match free_mib {
        0..512 => fail(CHECK, format!("{free_mib} MiB free"), todo),
        512..4_096 => warn(CHECK, format!("{free_mib} MiB free"), todo),
        _ => ok(CHECK, format!("{} GiB free", free_mib >> 10)),
    }
}

/// The slowest step of every send.
fn check_sync(data: &Path) -> Finding {
    const CHECK: &str = "disk sync";
    const TRIES: u32 = 8;
    let path = data.join(format!(".doctor-{}", std::process::id()));
    let measure = || -> std::io::Result<Duration> {
        let mut file = fs::File::create(&path)?;
        let mut slowest = Duration::ZERO;
        for _ in 0..TRIES {
            file.write_all(&[0; 4096])?;
            let began = Instant::now();
            file.sync_data()?;
            slowest = slowest.max(began.elapsed());
        }
        Ok(slowest)
    };
    let measured = measure();
    let _ = fs::remove_file(&path);
    match measured {
        Err(error) => {
            fail(CHECK, format!("cannot write to {}: {error}", data.display()), "give this user access and space")
        }
        Ok(slowest) if slowest > Duration::from_millis(100) => warn(
            CHECK,
            format!("{} ms for one sync", slowest.as_millis()),
            "every send waits for one: use a disk with power-loss protection or an SSD",
        ),
        Ok(slowest) => ok(CHECK, format!("{:.1} ms for one sync", slowest.as_secs_f64() * 1000.0)),
    }
}

fn check_schema(paths: &Paths) -> Finding {
    const CHECK: &str = "store";
    let store = paths.store();
    let Ok(version) = fs::read_to_string(store.join("VERSION")) else {
        return if fs::read_dir(&store).is_ok_and(|mut entries| entries.next().is_some()) {
            fail(CHECK, format!("{} is not a store", store.display()), "name another data folder, or restore a backup")
        } else {
            ok(CHECK, "none yet; it is made at the first start")
        };
    };
    if store.join("RESTORING").exists() {
        return fail(CHECK, "a restore did not finish", "delete the folder and restore again");
    }
    let found =
        version.lines().next().and_then(|line| line.rsplit(' ').next()).and_then(|number| number.parse::<u32>().ok());
    match found {
        Some(found) if found > sotto_embedded::SCHEMA => fail(
            CHECK,
            format!("schema {found}; this program knows up to {}", sotto_embedded::SCHEMA),
            "install the version that wrote it, or a newer one",
        ),
        Some(found) => ok(CHECK, format!("schema {found}")),
        None => fail(CHECK, "its VERSION file is not ours", "name another data folder, or restore a backup"),
    }
}

/// Message ids come from the clock: one that fell behind what was written last makes new messages wait for it.
fn check_clock(paths: &Paths, running: Option<&Value>) -> Finding {
    const CHECK: &str = "clock";
    /// When this was written: no right clock is behind it.
    const BUILT_AFTER_S: i64 = 1_760_000_000;
    let now = now_s();
    let todo = "set it: timedatectl set-ntp true";
    if now < BUILT_AFTER_S {
        return fail(CHECK, "it is years behind", todo);
    }
    let newest = newest_change(&paths.store()).unwrap_or_default();
    let ahead_s = newest.saturating_sub(now);
    let server_s = running
        .and_then(|status| status.get("server_time_ms"))
        .and_then(Value::as_i64)
        .map_or(now, |server_ms| server_ms / 1000);
    match ahead_s {
        60.. => fail(CHECK, format!("the store was written {ahead_s} s after now: the clock was set back"), todo),
        _ if server_s.abs_diff(now) > 2 => warn(CHECK, "the running server's differs", "restart the server"),
        _ => ok(CHECK, "agrees with the store"),
    }
}

fn newest_change(dir: &Path) -> Option<i64> {
    let entries = fs::read_dir(dir).ok()?;
    let times = entries.flatten().filter_map(|entry| {
        let meta = entry.metadata().ok()?;
        let inside = if meta.is_dir() { newest_change(&entry.path()) } else { None };
        Some(inside.unwrap_or_default().max(meta.mtime()))
    });
    times.max()
}

fn check_open_files(config: &Config, running: Option<&Value>) -> Finding {
    const CHECK: &str = "open files";
    /// The store's, listeners and requests.
    const OTHERS: u64 = 1_000;
    limits::raise_open_files();
    let limit = running
        .and_then(|status| status.get("open_files_max"))
        .and_then(Value::as_u64)
        .unwrap_or_else(limits::open_files);
    let wanted = u64::from(config.gateway.max_connections).saturating_add(OTHERS);
    let todo = "raise it (systemd: LimitNOFILE=; or /etc/security/limits.conf), or lower gateway.max_connections";
    match limit {
        0..2_000 => fail(CHECK, format!("at most {limit}: about {} connections", limit.saturating_sub(OTHERS)), todo),
        limit if limit < wanted => {
            warn(CHECK, format!("at most {limit}: about {} connections", limit.saturating_sub(OTHERS)), todo)
        }
        limit => ok(CHECK, format!("at most {limit}")),
    }
}

fn check_memory(config: &Config) -> Finding {
    const CHECK: &str = "memory";
    let Some(available_mib) = available_mib() else { return ok(CHECK, "not known here") };
    let store = &config.store;
    let wanted_mib = u64::from(store.cache_mib)
        .saturating_add(u64::from(store.memtable_mib).saturating_mul(8))
        .saturating_add(u64::from(store.queue_mib))
        .saturating_add(128);
    if available_mib < wanted_mib {
        let todo = "add memory, or lower store.cache_mib and store.queue_mib";
        warn(CHECK, format!("{available_mib} MiB available; the store may use {wanted_mib}"), todo)
    } else {
        ok(CHECK, format!("{available_mib} MiB available"))
    }
}

fn available_mib() -> Option<u64> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? >> 10)
}
