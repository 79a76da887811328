//! The web app's files over the real listener, from a folder made here.

use crate::common::{Sottod, exchange, sottod};
use std::fs;
use std::path::Path;

const INDEX: &str = "<!doctype html><title>Sotto</title><div id=root></div>";
const NAVIGATION: &str = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";

/// A stand-in for web/dist; the compressed forms are only told apart, not unpacked.
fn write_app(dir: &Path) {
    fs::create_dir_all(dir.join("assets")).unwrap();
    for (path, bytes) in [
        ("index.html", INDEX.as_bytes()),
        ("index.html.br", b"br of index"),
        ("sw.js", b"self"),
        ("manifest.webmanifest", b"{}"),
        ("assets/main-1a2b.js", b"import"),
        ("assets/main-1a2b.js.br", b"br of main"),
        ("assets/engine-3c4d.wasm", b"\0asm\x01\0\0\0"),
        ("assets/font-5e6f.woff2", b"wOF2"),
    ] {
        fs::write(dir.join(path), bytes).unwrap();
    }
    fs::write(dir.parent().unwrap().join("secret.txt"), "canary").unwrap();
}

fn start() -> Sottod {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("app");
    write_app(&dir);
    let environment = [("SOTTO_WEB_DIR", dir.to_str().unwrap().to_owned())];
    Sottod::start_on(folder, &[], &environment)
}

#[test]
fn files_are_served_with_their_type_and_how_long_to_keep_them() {
    let server = start();
    assert_eq!(server.ready["web"], "folder");
    const ASK_AGAIN: &str = "no-cache";
    const FOR_EVER: &str = "public, max-age=31536000, immutable";
    for (path, kind, caching, body) in [
        ("/", "text/html; charset=utf-8", ASK_AGAIN, INDEX.as_bytes()),
        ("/index.html", "text/html; charset=utf-8", ASK_AGAIN, INDEX.as_bytes()),
        ("/?from=link#x", "text/html; charset=utf-8", ASK_AGAIN, INDEX.as_bytes()),
        ("/sw.js", "text/javascript; charset=utf-8", ASK_AGAIN, b"self"),
        ("/manifest.webmanifest", "application/manifest+json", ASK_AGAIN, b"{}"),
        ("/assets/main-1a2b.js", "text/javascript; charset=utf-8", FOR_EVER, b"import"),
        ("/assets/engine-3c4d.wasm", "application/wasm", FOR_EVER, b"\0asm\x01\0\0\0"),
        ("/assets/font-5e6f.woff2", "font/woff2", FOR_EVER, b"wOF2"),
    ] {
        let answer = exchange(server.address(), "GET", path, "Accept: */*\r\n");
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)), "{path}");
        assert_eq!(answer.header("cache-control"), Some(caching), "{path}");
        assert_eq!(answer.header("content-length"), Some(&*body.len().to_string()), "{path}");
        assert_eq!(answer.body, body, "{path}");
        let head = exchange(server.address(), "HEAD", path, "");
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        for name in ["content-type", "content-length", "etag", "cache-control", "content-security-policy"] {
            assert_eq!(head.header(name), answer.header(name), "{name} of {path}");
        }
        // Not something we do: the whole file is a right answer.
        let part = exchange(server.address(), "GET", path, "Range: bytes=0-1\r\n");
        assert_eq!((part.status, &*part.body), (200, body), "{path}");
    }
}

#[test]
fn brotli_is_for_who_takes_it() {
    let server = start();
    let get = |path: &str, accepts: &str| exchange(server.address(), "GET", path, accepts);
    let tag = |accepts: &str| get("/", accepts).header("etag").unwrap().to_owned();
    for accepts in
        ["Accept-Encoding: gzip, deflate, br, zstd\r\n", "Accept-Encoding: gzip\r\nAccept-Encoding: br;q=0.1\r\n"]
    {
        let answer = get("/", accepts);
        assert_eq!((answer.header("content-encoding"), &*answer.body), (Some("br"), &b"br of index"[..]));
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(answer.header("vary"), Some("accept-encoding"));
    }
    for accepts in
        ["", "Accept-Encoding: gzip\r\n", "Accept-Encoding: br;q=0\r\n", "Accept-Encoding: br;q=nonsense\r\n"]
    {
        let answer = get("/", accepts);
        assert_eq!((answer.header("content-encoding"), &*answer.body), (None, INDEX.as_bytes()), "{accepts}");
        assert_eq!(answer.header("vary"), Some("accept-encoding"), "{accepts}");
    }
    assert_ne!(tag("Accept-Encoding: br\r\n"), tag(""), "two representations have two tags");
    let only_plain = get("/sw.js", "Accept-Encoding: br\r\n");
    assert_eq!((only_plain.header("content-encoding"), &*only_plain.body), (None, &b"self"[..]));
}

#[test]
fn what_the_browser_has_is_not_sent_again() {
    let mut server = start();
    let get = |server: &Sottod, method: &str, headers: &str| exchange(server.address(), method, "/", headers);
    let first = get(&server, "GET", "Accept-Encoding: br\r\n");
    let tag = first.header("etag").unwrap().to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 20, "{tag}");
    for known in [tag.clone(), format!("\"x\", W/{tag}"), format!("\"x\"\r\nIf-None-Match: {tag}"), "*".into()] {
        for method in ["GET", "HEAD"] {
            let again = get(&server, method, &format!("Accept-Encoding: br\r\nIf-None-Match: {known}\r\n"));
            assert_eq!((again.status, again.body.len()), (304, 0), "{method} {known}");
            assert!(again.header("content-length").is_none_or(|length| length != "0"), "{method} {known}");
            for name in ["etag", "cache-control", "vary", "content-security-policy"] {
                assert_eq!(again.header(name), first.header(name), "{name}");
            }
        }
    }
    for unknown in ["\"x\"", "nonsense", "\"", &tag[1..], ","] {
        let headers = format!("Accept-Encoding: br\r\nIf-None-Match: {unknown}\r\n");
        assert_eq!(get(&server, "GET", &headers).status, 200, "{unknown}");
    }
    assert_eq!(get(&server, "GET", &format!("If-None-Match: {tag}\r\n")).status, 200, "the other encoding's tag");

    // Read at start: a change shows after the next one, and has another tag.
    let dir = server.path("app");
    fs::write(dir.join("index.html"), "changed").unwrap();
    fs::write(dir.join("index.html.br"), "br of changed").unwrap();
    assert_eq!(get(&server, "GET", "Accept-Encoding: br\r\n").body, b"br of index");
    assert!(server.terminate().success());
    let environment = [("SOTTO_WEB_DIR", dir.to_str().unwrap().to_owned())];
    let server = Sottod::start_on(server.folder.take().unwrap(), &[], &environment);
    let changed = get(&server, "GET", &format!("Accept-Encoding: br\r\nIf-None-Match: {tag}\r\n"));
    assert_eq!((changed.status, &*changed.body), (200, &b"br of changed"[..]));
}

#[test]
fn every_answer_keeps_the_browser_to_what_the_app_needs() {
    let server = start();
    for (path, headers) in [
        ("/", ""),
        ("/sw.js", ""),
        ("/assets/main-1a2b.js", "Accept-Encoding: br\r\n"),
        ("/chat/ann", NAVIGATION),
        ("/", "If-None-Match: *\r\n"),
    ] {
        let answer = exchange(server.address(), "GET", path, headers);
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self';"),
            "{policy}"
        );
        assert!(
            !policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'") && !policy.contains('*'),
            "{policy}"
        );
        for part in ["connect-src 'self';", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{part}: {policy}");
        }
        for (name, want) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(want), "{name} of {path}");
        }
        let permissions = answer.header("permissions-policy").unwrap();
        assert!(permissions.contains("camera=(self)") && permissions.contains("geolocation=(self)"), "{permissions}");
        assert_eq!(answer.header("strict-transport-security"), None, "there is no TLS");
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}

#[test]
fn addresses_inside_the_app_get_the_app_and_nothing_else_does() {
    let server = start();
    for path in
        ["/chat/ann.b", "/settings/devices", "/chat/%C3%A4%20b?x=1", "/v1x", "/chat//", "/docsy", "/chat/../settings"]
    {
        for method in ["GET", "HEAD"] {
            let answer = exchange(server.address(), method, path, NAVIGATION);
            assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-cache")), "{method} {path}");
            assert_eq!(answer.body, if method == "GET" { INDEX.as_bytes() } else { b"" }, "{method} {path}");
        }
        let by_a_program = exchange(server.address(), "GET", path, "Accept: */*\r\n");
        assert_eq!(by_a_program.problem(), (404, "not-found".into()), "{path}");
        assert_eq!(exchange(server.address(), "POST", path, NAVIGATION).problem().0, 404, "{path}");
    }
    // What is missing there is missing: a browser must not take the app for a script, nor a client for an answer.
    let missing = [
        "/v1",
        "/v1/",
        "/v1/nowhere",
        "/metrics",
        "/docs/x",
        "/healthz/x",
        "/assets/old-0000.js",
        "/assets",
        "/.well-known/x",
    ];
    for path in missing {
        let answer = exchange(server.address(), "GET", path, NAVIGATION);
        assert_eq!(answer.problem(), (404, "not-found".into()), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
    }
    let docs = exchange(server.address(), "GET", "/docs", NAVIGATION);
    assert!(String::from_utf8_lossy(&docs.body).contains("Sotto HTTP API"));
    assert_eq!(
        exchange(server.address(), "GET", "/v1/server", NAVIGATION).header("content-type"),
        Some("application/json")
    );
}

#[test]
fn files_have_no_other_methods() {
    let server = start();
    for path in ["/", "/sw.js", "/assets/main-1a2b.js"] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "X-ODD"] {
            let answer = exchange(server.address(), method, path, NAVIGATION);
            assert_eq!(answer.problem(), (405, "method-not-allowed".into()), "{method} {path}");
            assert_eq!(answer.header("allow"), Some("GET, HEAD"), "{method} {path}");
        }
    }
    assert_eq!(exchange(server.address(), "POST", "/v1/server", "").problem().0, 405, "as before");
    let (_, metrics) = server.get_metrics();
    assert!(metrics.contains("sotto_http_requests_total{route=\"file\",method=\"POST\",status=\"405\"}"), "{metrics}");
}

#[test]
fn hostile_paths_lead_nowhere() {
    let server = start();
    for path in [
        "/../secret.txt",
        "/assets/../../secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "/%2e%2e%2fsecret.txt",
        "/..\\secret.txt",
        "/..%5csecret.txt",
        "/%252e%252e/secret.txt",
        "//secret.txt",
        "/./index.html",
        "/index.html/",
        "/index.html.br",
        "/assets/main-1a2b.js.br",
        "/assets%2fmain-1a2b.js",
        "/index.html%00",
        "/index.html%00.js",
        "/%00",
        "/%ff%fe",
        "/%",
        "/%zz",
        "/INDEX.HTML",
        "/assets/",
        "/assets//main-1a2b.js",
    ] {
        let answer = exchange(server.address(), "GET", path, "Accept: */*\r\n");
        assert_eq!(answer.problem(), (404, "not-found".into()), "{path}");
        let as_a_browser = exchange(server.address(), "GET", path, NAVIGATION);
        assert!(as_a_browser.status == 404 || as_a_browser.body == INDEX.as_bytes(), "{path}");
    }
    // What is no HTTP path at all ends with the connection or a 4xx, never with a file.
    for path in ["index.html", "*", "/a b", "/index.html\0", "\\index.html", "http://", "/\u{e9}"] {
        let status = exchange(server.address(), "GET", path, "").status;
        assert!(status == 0 || (400..500).contains(&status), "{path:?}: {status}");
    }
    let whole = format!("http://{}/sw.js", server.address());
    assert_eq!(exchange(server.address(), "GET", &whole, "").body, b"self", "the absolute form is HTTP too");
    for length in [8_000, 60_000, 1_000_000] {
        let path = format!("/{}", "a".repeat(length));
        let answer = exchange(server.address(), "GET", &path, NAVIGATION);
        assert!(matches!(answer.status, 0 | 200 | 414 | 431), "{length}: {}", answer.status);
    }
    let many = format!("Accept-Encoding: {}br\r\n", ",".repeat(7_000));
    assert_eq!(exchange(server.address(), "GET", "/", &many).body, b"br of index");
    let many = format!("If-None-Match: {}\"y\"\r\n", "W/\"x\",".repeat(1_000));
    assert_eq!(exchange(server.address(), "GET", "/", &many).status, 200);
    assert_eq!(server.get("/healthz").0, 200, "it serves on");
}

#[test]
fn a_first_load_is_not_limited() {
    // Whoever loads the page a hundred times over is still served; how many sockets one address may hold is the listener's.
    let folder = tempfile::tempdir().unwrap();
    write_app(&folder.path().join("app"));
    let environment = [
        ("SOTTO_WEB_DIR", folder.path().join("app").to_str().unwrap().to_owned()),
        ("SOTTO_LIMITS_EXEMPT_LOOPBACK", "false".to_owned()),
    ];
    let server = Sottod::start_on(folder, &[], &environment);
    for path in ["/", "/assets/main-1a2b.js", "/assets/engine-3c4d.wasm"].into_iter().cycle().take(300) {
        assert_eq!(exchange(server.address(), "GET", path, "").status, 200);
    }
}

#[test]
fn without_the_app_a_page_says_what_to_do() {
    let off = Sottod::start_on(tempfile::tempdir().unwrap(), &[], &[("SOTTO_WEB_ENABLED", "false".to_owned())]);
    assert_eq!(off.ready["web"], "off");
    let page = exchange(off.address(), "GET", "/", NAVIGATION);
    let text = String::from_utf8_lossy(&page.body);
    assert_eq!(page.status, 200);
    assert!(text.contains("switched off") && text.contains("/docs") && !text.contains("<script"), "{text}");
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    assert_eq!(exchange(off.address(), "GET", "/chat/ann", NAVIGATION).problem().0, 404);
    assert_eq!(exchange(off.address(), "POST", "/", NAVIGATION).problem().0, 405);
    assert_eq!(exchange(off.address(), "GET", "/v1/server", "").status, 200);

    // The program as it was built here: with the app inside, or with a page that says how to get it.
    let plain = Sottod::start(&[]);
    let page = exchange(plain.address(), "GET", "/", NAVIGATION);
    let text = String::from_utf8_lossy(&page.body);
    match plain.ready["web"].as_str().unwrap() {
        "embedded" => assert!(text.contains("<script type=\"module\""), "{text}"),
        "not-built" => assert!(text.contains("make build") && !text.contains("<script"), "{text}"),
        other => panic!("{other}"),
    }
}

#[test]
fn a_wrong_folder_keeps_the_server_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("sotto.toml"), "[web]\ndir = \"empty\"\n").unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    let finished = sottod(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(finished.code, 7, "{}", finished.stderr);
    assert!(finished.stderr.contains("web.dir: empty has no index.html"), "{}", finished.stderr);
    let doctor = sottod(folder.path(), &["doctor", "--json"]);
    assert!(doctor.stdout.contains("has no index.html"), "{}", doctor.stdout);
}
