use super::*;
use std::io::Write as _;

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn load_text(text: &str, environment: &[(&str, &str)]) -> Result<Loaded, Vec<String>> {
    let file = file(text);
    let flags = Flags { file: Some(file.path().to_owned()), values: Vec::new() };
    load(&flags, environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))))
}

#[test]
fn the_defaults_run_a_node() {
    let loaded = load_text("", &[]).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.config.registration_policy().as_str(), "open");
}

#[test]
fn file_then_environment_then_flags() {
    let text = "[server]\nlisten = \"127.0.0.1:1\"\nworkers = 3\n[limits]\nsends = { burst = 5, per_minute = 6 }\n";
    let file = file(text);
    let flags = Flags {
        file: Some(file.path().to_owned()),
        values: vec![("server", "listen", Value::String("127.0.0.1:3".into()), "--listen")],
    };
    let environment = [
        ("SOTTO_SERVER_LISTEN", "127.0.0.1:2"),
        ("SOTTO_SERVER_WORKERS", "4"),
        ("SOTTO_SERVER_TRUSTED_PROXIES", "10.0.0.1, ::1"),
        ("SOTTO_LIMITS_READS", "{ burst = 7, per_minute = 8 }"),
        ("SOTTO_SERVER", "http://a.client/"),
        ("SOTTO_HOME", "/somewhere"),
        ("OTHER", "x"),
    ];
    let environment = environment.map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let loaded = load(&flags, environment).unwrap();
    let server = &loaded.config.server;
    assert_eq!((server.listen.as_str(), server.workers), ("127.0.0.1:3", 4));
    assert_eq!(server.trusted_proxies, ["10.0.0.1", "::1"]);
    assert_eq!(loaded.config.limits.sends, super::super::Rate::new(5, 6));
    assert_eq!(loaded.config.limits.reads, super::super::Rate::new(7, 8));
    let source = |section, name| loaded.sources.get(&(section, name)).map(ToString::to_string);
    assert_eq!(source("server", "listen").unwrap(), "--listen");
    assert_eq!(source("server", "workers").unwrap(), "SOTTO_SERVER_WORKERS");
    assert_eq!(source("limits", "sends").unwrap(), "file");
    assert_eq!(source("log", "level"), None);
}

#[test]
fn what_is_refused_and_what_to_do() {
    /// (file, environment, part of the message)
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
    let cases: &[Case<'_>] = &[
        ("[server]\nlisen = \"x\"", &[], "unknown key server.lisen; did you mean listen?"),
        ("[web]\nsource_url = \"javascript:x\"", &[], "web.source_url: \"javascript:x\" does not begin with https://"),
        ("[servr]\n", &[], "unknown section [servr]; did you mean server?"),
        ("[zzz]\n", &[], "`sottod config --explain` lists all"),
        ("server = 1", &[], "server is a section"),
        ("[server", &[], "sotto"),
        ("[server]\nworkers = \"two\"", &[], "server.workers (from file) must be a whole number, not text"),
        ("", &[("SOTTO_SERVER_WORKERS", "two")], "server.workers (from SOTTO_SERVER_WORKERS) must be a whole number"),
        (
            "",
            &[("SOTTO_SERVER_LISTN", "x")],
            "unknown environment variable SOTTO_SERVER_LISTN; did you mean SOTTO_SERVER_LISTEN?",
        ),
        ("[server]\nworkers = -1", &[], "workers"),
        ("[limits]\nsends = 5", &[], "must be { burst = .., per_minute = .. }"),
        ("[limits]\nsends = { burst = 5 }", &[], "per_minute"),
        ("[server]\nlisten = \"nowhere\"", &[], "server.listen: \"nowhere\" is not an address and port"),
        ("[server]\nlisten = \"0.0.0.0:80\"", &[], "there is no TLS"),
        ("[server]\ntls_cert = \"a.pem\"", &[], "one of them is missing"),
        ("[server]\nbehind_proxy = true", &[], "server.trusted_proxies names no proxy"),
        ("[server]\ntrusted_proxies = [\"proxy\"]", &[], "is not an address or a network"),
        ("[registration]\npolicy = \"anyone\"", &[], "registration.policy is"),
        ("[log]\nformat = \"xml\"", &[], "log.format is"),
        ("[log]\nlevel = \"a=b=c\"", &[], "log.level"),
        ("[gateway]\nwindow_entries = 0", &[], "gateway.window_entries is 0; it goes from 1"),
        ("[gateway]\nidle_timeout_s = 10", &[], "gateway.idle_timeout_s is 10"),
        ("[store]\njournal_mib = 1", &[], "store.journal_mib is 1; it goes from 64"),
        ("[metrics]\nlisten = \"127.0.0.1:8080\"", &[], "the same address"),
    ];
    for (text, environment, want) in cases {
        let problems = load_text(text, environment).expect_err(want).join("\n");
        assert!(problems.contains(want) || *want == "sotto", "{text:?}: {problems}");
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let problems = load_text("[server]\nlisten = \"x\"\ntls_key = \"k\"\n[log]\nformat = \"y\"", &[]).unwrap_err();
    assert_eq!(problems.len(), 3, "{problems:?}");
}

#[test]
fn who_may_register_by_default() {
    for (text, want) in [
        ("[server]\nlisten = \"127.0.0.1:1\"", "open"),
        ("[server]\nlisten = \"[::1]:1\"", "open"),
        ("[server]\nlisten = \"127.0.0.1:1\"\nbehind_proxy = true\ntrusted_proxies = [\"127.0.0.1\"]", "invite"),
        ("[server]\nlisten = \"0.0.0.0:1\"\nbehind_proxy = true\ntrusted_proxies = [\"127.0.0.1\"]", "invite"),
        (
            "[server]\nlisten = \"0.0.0.0:1\"\nbehind_proxy = true\ntrusted_proxies = [\"127.0.0.1\"]\n[registration]\npolicy = \"open\"",
            "open",
        ),
        ("[registration]\npolicy = \"closed\"", "closed"),
    ] {
        assert_eq!(load_text(text, &[]).unwrap().config.registration_policy().as_str(), want, "{text}");
    }
}

#[test]
fn every_key_is_explained_and_the_page_is_current() {
    for key in KEYS {
        assert!(key.comment.trim().len() > 10, "{}.{} has no comment", key.section, key.name);
    }
    let page = include_str!("../../../../docs/configuration.md");
    assert_eq!(page, super::super::markdown(), "run: sottod config --markdown > docs/configuration.md");
}

#[test]
fn explained_keys_can_be_read_back() {
    let loaded = load_text("[gateway]\nwindow_entries = 100", &[]).unwrap();
    let explained = super::super::print_explained(&loaded, false);
    assert!(explained.contains("window_entries = 100  # from file; default 256"), "{explained}");
    assert_eq!(load_text(&explained, &[]).unwrap().config, loaded.config);
    let json: serde_json::Value = serde_json::from_str(&super::super::print_explained(&loaded, true)).unwrap();
    assert_eq!(json.as_array().unwrap().len(), KEYS.len());
}
