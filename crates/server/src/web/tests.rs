use super::*;
use crate::config::Config;
use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let file = dir.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    dir
}

fn config(dir: &Path) -> Config {
    let mut config = Config::default();
    config.web.dir = dir.to_str().unwrap().into();
    config
}

fn read(dir: &Path) -> Vec<String> {
    let names = |file: WebFile| format!("{}{}", file.path, if file.brotli.is_some() { " br" } else { "" });
    folder::read(dir).unwrap().into_iter().map(names).collect()
}

fn problem(dir: &Path) -> String {
    folder::read(dir).unwrap_err()
}

#[test]
fn a_folders_files_are_found() {
    let dir = folder(&[
        ("index.html", "i"),
        ("index.html.br", "I"),
        ("assets/a-1_~@+.js", "a"),
        ("assets/alone.br", "not a file of its own"),
        (".git/config", "x"),
        (".DS_Store", "x"),
        (".well-known/security.txt", "s"),
    ]);
    symlink(dir.path().join("index.html"), dir.path().join("same.html")).unwrap();
    assert_eq!(read(dir.path()), ["/.well-known/security.txt", "/assets/a-1_~@+.js", "/index.html br", "/same.html"]);
}

#[test]
fn an_old_compressed_form_is_not_served() {
    let dir = folder(&[("index.html", "new"), ("index.html.br", "old")]);
    let set = |ago: Duration| {
        let file = fs::File::options().write(true).open(dir.path().join("index.html.br")).unwrap();
        file.set_modified(SystemTime::now() - ago).unwrap();
    };
    set(Duration::from_secs(3600));
    assert_eq!(read(dir.path()), ["/index.html"]);
    // As a copy may have it.
    set(Duration::from_millis(100));
    assert_eq!(read(dir.path()), ["/index.html br"]);
}

#[test]
fn a_folder_that_is_no_web_app_is_refused() {
    let dir = folder(&[("readme", "x")]);
    assert!(problem(dir.path()).contains("has no index.html"));
    assert!(problem(&dir.path().join("nowhere")).contains("cannot read"));
    assert!(problem(&dir.path().join("readme")).contains("cannot read"));
    for name in ["a b", "ä", "a%2e", "a?b", "a\nb"] {
        let dir = folder(&[("index.html", "i"), (name, "x")]);
        assert!(problem(dir.path()).contains("cannot be served: use letters"), "{name:?}");
    }
    let dir = folder(&[("index.html", "i")]);
    symlink(dir.path(), dir.path().join("again")).unwrap();
    assert!(problem(dir.path()).contains("too deep"), "a folder in itself");
    let dir = folder(&[("index.html", "i")]);
    fs::File::create(dir.path().join("large")).unwrap().set_len(65 << 20).unwrap();
    assert!(problem(dir.path()).contains("more than 64 MiB"));
    let dir = folder(&[("index.html", "i")]);
    (0..2_000).for_each(|number| fs::write(dir.path().join(number.to_string()), "").unwrap());
    assert!(problem(dir.path()).contains("more than 2000 files"));
    let failure = Web::load(&config(Path::new("/does/not/exist")), 1).unwrap_err().to_string();
    assert!(failure.starts_with("web.dir: ") && failure.contains("make build"), "{failure}");
}

#[test]
fn names_have_their_types() {
    for (path, want) in [
        ("/assets/x.wasm", "application/wasm"),
        ("/assets/x.woff2", "font/woff2"),
        ("/a.b/x.JS", "text/javascript; charset=utf-8"),
        ("/manifest.webmanifest", "application/manifest+json"),
        ("/a.js/LICENSE", "application/octet-stream"),
    ] {
        assert_eq!(content_type(path), want, "{path}");
    }
}

#[test]
fn only_a_listener_with_tls_on_the_port_of_https_forbids_http() {
    let dir = folder(&[("index.html", "i")]);
    let with_tls = |tls: bool, port| {
        let mut config = config(dir.path());
        config.server.tls_cert = if tls { "cert.pem".into() } else { String::new() };
        Web::load(&config, port).unwrap().headers.contains_key(header::STRICT_TRANSPORT_SECURITY)
    };
    assert!(with_tls(true, 443));
    assert!(!with_tls(true, 8443) && !with_tls(false, 443));
}

/// What `cargo build` embeds has index.html, or nothing is embedded.
#[test]
fn the_embedded_app_is_whole() {
    assert_eq!(EMBEDDED.is_empty(), !EMBEDDED.iter().any(|(path, ..)| *path == INDEX));
    let web = Web::load(&Config::default(), 8080).unwrap();
    assert_eq!(web.what(), if EMBEDDED.is_empty() { What::NotBuilt } else { What::Embedded });
    assert_eq!(web.file_count(), EMBEDDED.len());
}
