//! Link previews: who sends a link looks behind it and sends along what is there, so that who reads it asks nobody.
//! Always true: only http and https, a few seconds, the first 512 KiB of a page; whatever goes wrong, there is no preview.

use crate::tls;
use sotto_engine::api::LinkPreview;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(4);
const PAGE_BYTES: usize = 512 * 1024;
const REDIRECTS: usize = 4;
const TITLE_CHARS: usize = 200;
const DESCRIPTION_CHARS: usize = 300;

/// The first link in a text: from "http://" or "https://" to the next space, without what punctuates the sentence.
pub fn first_link(text: &str) -> Option<&str> {
    let begin = [text.find("https://"), text.find("http://")].into_iter().flatten().min()?;
    let rest = text.get(begin..)?;
    let end = rest.find(|c: char| c.is_whitespace() || c.is_control() || "<>\"".contains(c)).unwrap_or(rest.len());
    let link = rest.get(..end)?.trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', ')', ']', '*', '_', '~']);
    let host = link.split_once("://").map(|(_, rest)| rest)?;
    (!host.is_empty() && !host.starts_with('/')).then_some(link)
}

/// What is behind the first link of a text. It is asked for from this machine: whoever runs that site learns its address.
pub async fn link_preview(text: &str) -> Option<LinkPreview> {
    let url = first_link(text)?;
    let page = tokio::time::timeout(PATIENCE, fetch(url)).await.ok()??;
    let (title, description) = described(&page);
    Some(LinkPreview { url: url.to_owned(), title: title?, description: description.unwrap_or_default() })
}

async fn fetch(url: &str) -> Option<String> {
    let http = reqwest::Client::builder()
        .tls_backend_preconfigured(tls::client_config(&[], true))
        .redirect(reqwest::redirect::Policy::limited(REDIRECTS))
        .user_agent("Sotto link preview")
        .build()
        .ok()?;
    let mut answer = http.get(url).header(http::header::ACCEPT, "text/html").send().await.ok()?;
    let is_page = answer.headers().get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if !answer.status().is_success() || !is_page.is_some_and(|kind| kind.starts_with("text/html")) {
        return None;
    }
    let mut page = Vec::new();
    while let Ok(Some(part)) = answer.chunk().await {
        page.extend_from_slice(&part);
        if page.len() >= PAGE_BYTES {
            page.truncate(PAGE_BYTES);
            break;
        }
    }
    Some(String::from_utf8_lossy(&page).into_owned())
}

/// Title and description as the page gives them to others, else as it has them.
fn described(page: &str) -> (Option<String>, Option<String>) {
    let head = page.find("</head").and_then(|end| page.get(..end)).unwrap_or(page);
    let mut found: [Option<String>; 3] = Default::default();
    for tag in head.split('<').filter_map(|rest| rest.strip_prefix("meta").or_else(|| rest.strip_prefix("META"))) {
        let tag = tag.split_once('>').map_or(tag, |(tag, _)| tag);
        let Some(name) = attribute(tag, "property").or_else(|| attribute(tag, "name")) else { continue };
        let place = match name.to_ascii_lowercase().as_str() {
            "og:title" => 0,
            "og:description" => 1,
            "description" => 2,
            _ => continue,
        };
        if let Some(slot) = found.get_mut(place).filter(|slot| slot.is_none()) {
            *slot = attribute(tag, "content");
        }
    }
    let [og_title, og_description, description] = found;
    let lower = head.to_ascii_lowercase();
    let title = lower.find("<title").and_then(|at| {
        let rest = head.get(at..)?;
        let (_, rest) = rest.split_once('>')?;
        rest.split('<').next().map(str::to_owned)
    });
    let line = |text: Option<String>, chars| shown(&text?, chars);
    (
        line(og_title, TITLE_CHARS).or_else(|| line(title, TITLE_CHARS)),
        line(og_description.or(description), DESCRIPTION_CHARS),
    )
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let lower = tag.to_ascii_lowercase();
    let at = lower.match_indices(name).map(|(at, _)| at).find(|at| {
        let is_word =
            at.checked_sub(1).and_then(|before| lower.as_bytes().get(before)).is_some_and(u8::is_ascii_whitespace);
        is_word && lower.get(at + name.len()..).is_some_and(|rest| rest.trim_start().starts_with('='))
    })?;
    let value = tag.get(at + name.len()..)?.trim_start().strip_prefix('=')?.trim_start();
    let value = match value.chars().next()? {
        quote @ ('"' | '\'') => value.get(1..)?.split(quote).next()?,
        _ => value.split(|c: char| c.is_whitespace() || c == '/').next()?,
    };
    Some(value.to_owned())
}

/// One line for people: references resolved, spaces gathered, nothing that controls.
fn shown(text: &str, chars: usize) -> Option<String> {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let named = after.split_once(';').filter(|(name, _)| name.len() <= 8);
        let char = named.and_then(|(name, _)| reference(name));
        match (char, named) {
            (Some(char), Some((_, after))) => {
                plain.push(char);
                rest = after;
            }
            _ => {
                plain.push('&');
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    let words: Vec<&str> =
        plain.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    let line: String = words.join(" ").chars().take(chars).collect();
    (!line.is_empty()).then_some(line)
}

fn reference(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "ndash" => '–',
        "mdash" => '—',
        "hellip" => '…',
        _ => {
            let digits = name.strip_prefix('#')?;
            let hex = digits.strip_prefix(['x', 'X']).map(|hex| u32::from_str_radix(hex, 16));
            char::from_u32(hex.unwrap_or_else(|| digits.parse()).ok()?)?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[test]
    fn the_first_link_is_found_as_people_write_it() {
        for (text, link) in [
            ("see https://example.org/a?b=c, now", Some("https://example.org/a?b=c")),
            ("(http://example.org).", Some("http://example.org")),
            ("*https://example.org/x*", Some("https://example.org/x")),
            ("http://a.example https://b.example", Some("http://a.example")),
            ("https://", None),
            ("https:///etc", None),
            ("javascript:alert(1)", None),
            ("no link", None),
        ] {
            assert_eq!(first_link(text), link, "{text}");
        }
    }

    #[test]
    fn pages_say_what_they_are_in_many_ways() {
        let some = |text: &str| Some(text.to_owned());
        for (page, title, description) in [
            ("<title>Plain &amp; simple</title>", some("Plain & simple"), None),
            (
                "<head><meta property=\"og:title\" content='Open'><title>x</title><META content=\"of\n it\" name=Description></head>",
                some("Open"),
                some("of it"),
            ),
            ("<meta name=\"og:title\" content=\"\"><title> &#x41;&#66; &unknown; </title>", some("AB &unknown;"), None),
            ("<body>nothing</body>", None, None),
            ("<title", None, None),
            ("<meta property=og:title content=", None, None),
            ("<title>\u{7}a\u{202e}</title>", some("a\u{202e}"), None),
        ] {
            assert_eq!(described(page), (title, description), "{page}");
        }
        let (title, _) = described(&format!("<title>{}</title>", "é".repeat(5000)));
        assert_eq!(title.map(|title| title.chars().count()), Some(TITLE_CHARS));
    }

    #[tokio::test]
    async fn a_page_is_fetched_and_what_is_no_page_is_not() {
        for (answer, title) in [
            (
                "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<title>Here</title>",
                Some("Here"),
            ),
            ("HTTP/1.1 200 OK\r\ncontent-type: image/png\r\nconnection: close\r\n\r\n<title>Here</title>", None),
            ("HTTP/1.1 404 Not Found\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<title>Here</title>", None),
        ] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
            let address = listener.local_addr().expect("bound");
            let served = tokio::spawn(async move {
                let (mut socket, _) = listener.accept().await.expect("somebody");
                let mut head = [0; 1024];
                assert!(socket.read(&mut head).await.expect("a request") > 0);
                socket.write_all(answer.as_bytes()).await.expect("sent");
            });
            let preview = link_preview(&format!("look: http://{address}/page")).await;
            assert_eq!(preview.map(|preview| preview.title).as_deref(), title);
            served.await.expect("served");
        }
    }
}
