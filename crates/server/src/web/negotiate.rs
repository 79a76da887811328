//! What a request's headers ask for (RFC 9110): encoding, kind of answer, and whether the browser has it already. What makes no
//! sense in a header is passed over, as if it were not there.

use axum::http::header::{ACCEPT, ACCEPT_ENCODING, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// A weight in thousandths: 0 refuses.
type Weight = u16;
const FULL: Weight = 1_000;

/// Section 12.5.3. Without the header nothing is compressed; of two equal weights brotli wins.
pub fn takes_brotli(headers: &HeaderMap) -> bool {
    let (mut brotli, mut identity, mut any) = (None, None, None);
    for (coding, weight) in weighted(headers, &ACCEPT_ENCODING) {
        match coding {
            "*" => any = Some(weight),
            _ if coding.eq_ignore_ascii_case("br") => brotli = Some(weight),
            _ if coding.eq_ignore_ascii_case("identity") => identity = Some(weight),
            _ => {}
        }
    }
    let brotli = brotli.or(any).unwrap_or(0);
    brotli > 0 && brotli >= identity.or(any).unwrap_or(0)
}

/// Whether a person's browser goes there: it names HTML, which `fetch`, images and scripts do not, nor do programs with `*/*`.
pub fn is_navigation(headers: &HeaderMap) -> bool {
    weighted(headers, &ACCEPT).any(|(kind, weight)| weight > 0 && kind.eq_ignore_ascii_case("text/html"))
}

/// Section 13.1.2, compared weakly: a proxy that compresses makes our tags weak.
pub fn has_already(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    elements(headers, &IF_NONE_MATCH).any(|known| {
        let known = known.strip_prefix("W/").unwrap_or(known);
        known == "*" || known.as_bytes() == tag.as_bytes()
    })
}

fn weighted<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = (&'a str, Weight)> {
    elements(headers, name).filter_map(|element| {
        let mut parts = element.split(';').map(str::trim);
        let value = parts.next()?;
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        Some((value, weight.map_or(Some(FULL), parse_weight)?))
    })
}

fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',').map(str::trim)).filter(|element| !element.is_empty())
}

/// Section 12.4.2: 0 or 1 with at most three digits after the point.
fn parse_weight(text: &str) -> Option<Weight> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: Weight = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(FULL),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(&name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn encodings() {
        for (lines, want) in [
            (&[][..], false),
            (&["gzip, deflate, br, zstd"], true),
            (&["gzip"], false),
            (&["BR"], true),
            (&["br;q=0"], false),
            (&["br;q=0.000, gzip"], false),
            (&["br; q=0.001"], true),
            (&["*"], true),
            (&["*;q=0"], false),
            (&["br, *;q=0"], true),
            (&["*, br;q=0"], false),
            (&["identity"], false),
            (&["identity, br;q=0.5"], false),
            (&["identity;q=0.5, br;q=0.5"], true),
            (&["identity;q=0, *"], true),
            (&["gzip", "br"], true),
            // No weights, so no such element.
            (&["br;q=2"], false),
            (&["br;q=0.0001"], false),
            (&["br;q=-1"], false),
            (&["br;q="], false),
            (&["br;q=1.5"], false),
            (&["br;q=x, br"], true),
            (&[",,;;q=1,"], false),
            (&["br\u{e9}"], false),
        ] {
            assert_eq!(takes_brotli(&headers(ACCEPT_ENCODING, lines)), want, "{lines:?}");
        }
    }

    #[test]
    fn navigations() {
        for (accept, want) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", true),
            ("Text/HTML;charset=utf-8", true),
            ("text/html;level=1;q=0.1", true),
            ("text/html;q=0", false),
            ("*/*", false),
            ("text/*", false),
            ("application/json", false),
            ("", false),
        ] {
            assert_eq!(is_navigation(&headers(ACCEPT, &[accept])), want, "{accept}");
        }
        assert!(!is_navigation(&HeaderMap::new()));
    }

    #[test]
    fn known_tags() {
        let tag = HeaderValue::from_static("\"abc\"");
        for (lines, want) in [
            (&[][..], false),
            (&["\"abc\""], true),
            (&["W/\"abc\""], true),
            (&["*"], true),
            (&["\"x\", W/\"y\" , \"abc\""], true),
            (&["\"x\"", "\"abc\""], true),
            (&["abc"], false),
            (&["\"abc"], false),
            (&["\"ABC\""], false),
            (&["\"abc-br\""], false),
            (&["w/\"abc\""], false),
        ] {
            assert_eq!(has_already(&headers(IF_NONE_MATCH, lines), &tag), want, "{lines:?}");
        }
    }
}
