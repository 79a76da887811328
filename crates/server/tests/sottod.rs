//! The program as an operator meets it: started, asked, stopped, and started wrongly.

// Helpers of tests fail by panicking, as the tests do.
#![allow(clippy::unwrap_used)]

mod common;
mod web;

use common::{Sottod, lines_of, sottod};
use serde_json::Value;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn it_starts_with_nothing_answers_and_stops() {
    let mut server = Sottod::start(&[]);
    assert_eq!(server.ready["registration"], "open");
    assert_eq!(server.ready["tls"], false);
    let (status, body) = server.get("/healthz");
    assert_eq!((status, body.as_str()), (200, "ok\n"));
    assert_eq!(server.get("/readyz").0, 200);
    let (status, page) = server.get("/");
    assert!(status == 200 && page.contains("Sotto"), "{page}");
    let (status, info) = server.get("/v1/server");
    assert_eq!(status, 200, "{info}");
    assert_eq!(server.get("/nowhere").0, 404);
    let (status, metrics) = server.get_metrics();
    assert_eq!(status, 200);
    assert!(metrics.contains("sotto_connections"), "{metrics}");
    assert_eq!(server.get("/metrics").0, 404, "metrics are not for clients");

    let data = server.data();
    assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(data.join("admin.sock")).unwrap().permissions().mode() & 0o777, 0o600);
    let status = server.terminate();
    assert!(status.success(), "{status}");
    assert!(!data.join("admin.sock").exists());
    // The same data again.
    let again = Sottod::start_on(server.folder.take().unwrap(), &[], &[]);
    assert_eq!(again.ready["listening"].as_str().map(|text| text.starts_with("127.0.0.1:")), Some(true));
}

#[test]
fn a_websocket_is_told_goodbye_when_the_server_stops() {
    let mut server = Sottod::start(&[]);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let request = "GET /v1/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 101");
    let status = server.status();
    assert_eq!(status["connections"], 1);
    server.signal(rustix::process::Signal::TERM);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    // A close frame with 1001 and the reason.
    let close = [&[0x88u8, 12, 0x03, 0xe9][..], b"going-away"].concat();
    assert!(rest.ends_with(&close), "{rest:?}");
    assert!(server.wait().success());
}

#[test]
fn a_busy_port_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let finished =
        sottod(folder.path(), &["serve", "--data", data.to_str().unwrap(), "--listen", &address.to_string()]);
    assert_eq!(finished.code, 3);
    assert_eq!(lines_of(&finished.stderr).len(), 1, "{}", finished.stderr);
    for part in [&*address.to_string(), "another program listens there", "--listen 127.0.0.1:"] {
        assert!(finished.stderr.contains(part), "{part}: {}", finished.stderr);
    }
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let server = Sottod::start(&[]);
    let data = server.data();
    let args = ["serve", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"];
    let finished = server.run(&args);
    assert_eq!(finished.code, 4, "{}", finished.stderr);
    assert!(finished.stderr.contains("in use by process"), "{}", finished.stderr);
    assert!(data.join("admin.sock").exists(), "the first one's socket stays");
    assert_eq!(server.status()["pid"], server.ready["pid"]);
}

#[test]
fn data_of_a_newer_version_is_refused() {
    let mut server = Sottod::start(&[]);
    assert!(server.terminate().success());
    let folder = server.folder.take().unwrap();
    let version = folder.path().join("data/store/VERSION");
    let text = fs::read_to_string(&version).unwrap();
    fs::write(&version, text.replacen(&format!("schema {}", sotto_embedded::SCHEMA), "schema 99", 1)).unwrap();
    let data = folder.path().join("data");
    let args = ["serve", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"];
    let finished = sottod(folder.path(), &args);
    assert_eq!(finished.code, 5, "{}", finished.stderr);
    assert!(finished.stderr.contains("newer version"), "{}", finished.stderr);
    let doctor = sottod(folder.path(), &["doctor", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
    assert_eq!(doctor.code, 1);
    assert!(doctor.stdout.contains("schema 99"), "{}", doctor.stdout);
}

#[test]
fn a_folder_that_is_not_ours_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("data/store");
    fs::create_dir_all(&store).unwrap();
    fs::write(store.join("letters.txt"), "mine").unwrap();
    let data = folder.path().join("data");
    let args = ["serve", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"];
    let finished = sottod(folder.path(), &args);
    assert_eq!(finished.code, 6, "{}", finished.stderr);
    assert_eq!(fs::read_dir(&store).unwrap().count(), 1);
    fs::write(folder.path().join("file"), "").unwrap();
    let args =
        ["serve", "--data", folder.path().join("file").to_str().unwrap(), "--listen", "127.0.0.1:0"].map(String::from);
    let finished = sottod(folder.path(), &args.each_ref().map(String::as_str));
    assert_eq!(finished.code, 7, "{}", finished.stderr);
}

#[test]
fn what_would_expose_tokens_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let finished = sottod(folder.path(), &["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(finished.code, 2);
    assert!(
        finished.stderr.contains("there is no TLS") && finished.stderr.contains("--tls-cert"),
        "{}",
        finished.stderr
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
    let finished = sottod(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--tls-cert", "no", "--tls-key", "no"]);
    assert_eq!(finished.code, 7);
    assert!(finished.stderr.contains("TLS"), "{}", finished.stderr);
}

#[test]
fn admin_commands_work_through_the_socket() {
    let server = Sottod::start(&["--config", "sotto.toml"]);
    let invite = server.admin(&["invite", "--uses", "3", "--days", "1", "--json"]);
    assert_eq!(invite.code, 0, "{}", invite.stderr);
    let answer: Value = serde_json::from_str(&invite.stdout).unwrap();
    assert!(answer["code"].as_str().unwrap().len() > 15);
    let plain = server.admin(&["invite"]);
    assert_eq!(lines_of(&plain.stdout).len(), 1, "only the code, to pipe");
    let wrong = server.admin(&["invite", "--uses", "0"]);
    assert_eq!(wrong.code, 1);

    let list = server.admin(&["accounts", "list"]);
    assert!(list.code == 0 && list.stdout.contains("0 account(s)"), "{}", list.stdout);
    let unknown = server.admin(&["accounts", "disable", "nobody"]);
    assert_eq!(unknown.code, 1);
    let undecided = server.admin(&["accounts", "delete", "nobody"]);
    assert!(undecided.code == 1 && undecided.stderr.contains("--yes"), "{}", undecided.stderr);
    let reports = server.admin(&["reports"]);
    assert!(reports.code == 0 && reports.stdout.contains("0 report(s)"), "{}", reports.stdout);
    for args in [&["reports", "show", "1"][..], &["reports", "resolve", "1", "--note", "done"]] {
        let missing = server.admin(args);
        assert!(missing.code == 1 && missing.stderr.contains("no report of this number"), "{}", missing.stderr);
    }
    let help = server.run(&["reports", "--help"]);
    assert!(help.stdout.contains("cannot be proven"), "{}", help.stdout);
    assert_eq!(server.status()["registration"], "open");
    let human = server.admin(&["status"]);
    assert!(human.stdout.contains("connections   0"), "{}", human.stdout);
}

#[test]
fn without_a_server_admin_commands_say_so() {
    let folder = tempfile::tempdir().unwrap();
    for args in [
        &["status"][..],
        &["invite"],
        &["backup", "x"],
        &["accounts", "list"],
        &["reports"],
        &["accounts", "delete", "x", "--yes"],
    ] {
        let finished = sottod(folder.path(), args);
        assert_eq!(finished.code, 8, "{args:?}: {}", finished.stderr);
        assert!(finished.stderr.contains("no server runs"), "{}", finished.stderr);
    }
}

#[test]
fn backup_while_serving_and_restore() {
    let mut server = Sottod::start(&[]);
    let invites = server.admin(&["invite"]);
    assert_eq!(invites.code, 0);
    let backup = server.admin(&["backup", "copy", "--json"]);
    assert_eq!(backup.code, 0, "{}", backup.stderr);
    let summary: Value = serde_json::from_str(lines_of(&backup.stdout).last().unwrap()).unwrap();
    assert!(summary["records"].as_u64().unwrap() > 0);
    assert_eq!(server.get("/readyz").0, 200);
    let copy = server.path("copy");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o700, "it has the server's keys in it");
    assert_eq!(server.admin(&["backup", "copy"]).code, 1, "never over another backup");

    let refused = server.admin(&["restore", "copy"]);
    assert!(refused.code == 6 && refused.stderr.contains("has a store already"), "{}", refused.stderr);
    assert!(server.terminate().success());
    let folder = server.folder.take().unwrap();
    fs::remove_dir_all(folder.path().join("data")).unwrap();
    let data = folder.path().join("data");
    let restored = sottod(folder.path(), &["restore", "copy", "--data", data.to_str().unwrap(), "--json"]);
    assert_eq!(restored.code, 0, "{}", restored.stderr);
    let summary: Value = serde_json::from_str(lines_of(&restored.stdout).last().unwrap()).unwrap();
    let server = Sottod::start_on(folder, &[], &[]);
    let status = server.status();
    assert_eq!(status["generation"], summary["generation"]);
    assert!(status["generation"].as_u64().unwrap() > 1_700_000_000, "the time of the restore: {status}");
}

#[test]
fn doctor_on_a_good_and_on_a_bad_installation() {
    let server = Sottod::start(&[]);
    let address = server.address().to_string();
    let good = server.admin(&["doctor", "--listen", &address, "--json"]);
    let findings: Vec<Value> = good.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let checks: Vec<&str> = findings.iter().map(|finding| finding["check"].as_str().unwrap()).collect();
    for check in [
        "port",
        "TLS",
        "data folder",
        "admin socket",
        "disk space",
        "disk sync",
        "store",
        "clock",
        "open files",
        "memory",
    ] {
        assert!(checks.contains(&check), "{check}: {checks:?}");
    }
    let failed: Vec<_> = findings.iter().filter(|finding| finding["verdict"] == "fail").collect();
    assert!(
        failed.iter().all(|finding| finding["check"] == "disk space" || finding["check"] == "open files"),
        "{failed:?}"
    );

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = tempfile::tempdir().unwrap();
    let bad = sottod(other.path(), &["doctor", "--listen", &taken.local_addr().unwrap().to_string()]);
    assert_eq!(bad.code, 1);
    assert!(bad.stdout.contains("FAIL  port") && bad.stdout.contains("->"), "{}", bad.stdout);
}

#[test]
fn configuration_commands() {
    let folder = tempfile::tempdir().unwrap();
    let good = sottod(folder.path(), &["check-config"]);
    assert!(good.code == 0 && good.stdout.contains("good"), "{}", good.stderr);
    fs::write(folder.path().join("sotto.toml"), "[server]\nlisen = \"127.0.0.1:1\"\n").unwrap();
    let bad = sottod(folder.path(), &["check-config"]);
    assert!(bad.code == 2 && bad.stderr.contains("did you mean listen?"), "{}", bad.stderr);
    let json = sottod(folder.path(), &["check-config", "--json"]);
    let report: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(report["ok"], false);
    fs::write(folder.path().join("sotto.toml"), "[gateway]\nwindow_entries = 99\n").unwrap();
    let explained = sottod(folder.path(), &["config", "--explain"]);
    assert!(explained.stdout.contains("window_entries = 99  # from file"), "{}", explained.stdout);
    let version = sottod(folder.path(), &["version"]);
    assert!(version.stdout.starts_with("sottod "));
    for shell in ["bash", "zsh", "fish"] {
        assert!(sottod(folder.path(), &["completions", shell]).stdout.contains("check-config"), "{shell}");
    }
}

#[test]
fn the_demo_bot_is_started_watched_and_stopped() {
    let folder = tempfile::tempdir().unwrap();
    // A stand-in for the script: says what it was given, dies once, then stays.
    let script = folder.path().join("bot.sh");
    let text = "#!/bin/sh\necho \"$SOTTO_SERVER\" >> \"$SOTTO_HOME/starts\"\n\
                [ $(wc -l < \"$SOTTO_HOME/starts\") -ge 2 ] || exit 1\necho $$ > \"$SOTTO_HOME/pid\"\nexec sleep 600\n";
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let client = folder.path().join("sotto");
    fs::write(&client, "").unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap_or_default());
    let environment = [("SOTTO_DEMO_SCRIPT", script.to_str().unwrap().to_owned()), ("PATH", path)];
    let mut server = Sottod::start_on(folder, &["--demo"], &environment);
    let profile = server.data().join("demo/echo");
    let pid: i32 =
        common::eventually("the bot lives", || fs::read_to_string(profile.join("pid")).ok()?.trim().parse().ok());
    let starts = fs::read_to_string(profile.join("starts")).unwrap();
    let url = format!("http://{}", server.address());
    assert_eq!(lines_of(&starts), [&url, &url]);
    assert!(server.terminate().success());
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    common::eventually("the bot is gone", || rustix::process::test_kill_process(pid).is_err().then_some(()));
}

#[test]
fn a_missing_demo_bot_keeps_nothing_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let environment = [("SOTTO_DEMO_SCRIPT", "/does/not/exist".to_owned())];
    let server = Sottod::start_on(folder, &["--demo"], &environment);
    assert_eq!(server.get("/healthz").0, 200);
    common::eventually("the log says so", || server.log().contains("the demo bot does not run").then_some(()));
}

#[test]
fn tls_files_are_served_and_read_again_on_sighup() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let write = || {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        fs::write(&cert, made.cert.pem()).unwrap();
        made.cert.der().to_vec()
    };
    let first = write();
    let args = ["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()].map(String::from);
    let args = args.each_ref().map(String::as_str);
    let server = Sottod::start_on(folder, &args, &[]);
    assert_eq!(server.ready["tls"], true);
    assert_eq!(common::served_certificate(server.address()), first);
    let second = write();
    server.signal(rustix::process::Signal::HUP);
    common::eventually("the new certificate", || {
        (common::served_certificate(server.address()) == second).then_some(())
    });
    // Files that do not fit leave the one in use.
    fs::write(&cert, "nonsense").unwrap();
    server.signal(rustix::process::Signal::HUP);
    common::eventually("the log says so", || server.log().contains("was not replaced").then_some(()));
    assert_eq!(common::served_certificate(server.address()), second);
}

#[test]
fn sighup_without_tls_is_said_to_do_nothing() {
    let mut server = Sottod::start_on(tempfile::tempdir().unwrap(), &[], &[]);
    for times in 1..=2 {
        server.signal(rustix::process::Signal::HUP);
        let said = || (server.log().matches("no certificate to read again").count() == times).then_some(());
        common::eventually("the log says so", said);
    }
    assert_eq!(server.get("/healthz").0, 200);
    assert!(server.terminate().success());
}

#[test]
fn logs_can_be_json_and_name_no_client() {
    let environment = [("SOTTO_LOG_FORMAT", "json".to_owned()), ("SOTTO_LOG_LEVEL", "info".to_owned())];
    let mut server = Sottod::start_on(tempfile::tempdir().unwrap(), &[], &environment);
    server.get("/v1/server");
    server.get("/nowhere?token=canary");
    assert!(server.terminate().success());
    let log = server.log();
    assert!(!log.is_empty());
    for line in log.lines() {
        let entry: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(entry["timestamp"].is_string() && entry["level"].is_string(), "{line}");
    }
    assert!(!log.contains("canary"), "{log}");
}
