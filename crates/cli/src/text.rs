//! Text from the network on its way to a terminal, and times for people.
//! Always true: nothing that somebody else wrote can move the cursor, change colours or titles, reorder the line around
//! it, or look like a line of ours.

use jiff::tz::TimeZone;
use std::time::{SystemTime, UNIX_EPOCH};

/// One character as it may be shown; none when it is dropped. `\n` stays.
fn harmless(c: char) -> Option<char> {
    match c {
        '\n' => Some('\n'),
        '\t' => Some(' '),
        // Control pictures: visible, one column wide.
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)),
        '\x7f' => Some('\u{2421}'),
        '\u{80}'..='\u{9f}' => Some('\u{fffd}'),
        '\u{2028}' | '\u{2029}' => Some('\n'),
        // Marks, embeddings, overrides and isolates of bidirectional text, and other invisible formatting.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => None,
        '\u{fff9}'..='\u{fffb}' | '\u{feff}' => None,
        other => Some(other),
    }
}

/// Several lines may stay several lines.
pub fn clean(text: &str) -> String {
    text.replace("\r\n", "\n").chars().filter_map(harmless).collect()
}

/// On one line.
pub fn clean_line(text: &str) -> String {
    clean(text).replace('\n', " ")
}

/// Continuation lines are indented, so that no body can look like a line of ours.
pub fn indent(text: &str, by: &str) -> String {
    clean(text).replace('\n', &format!("\n{by}"))
}

pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn zoned(ms: u64) -> Option<jiff::Zoned> {
    let ms = i64::try_from(ms).ok()?;
    Some(jiff::Timestamp::from_millisecond(ms).ok()?.to_zoned(TimeZone::system()))
}

fn format(ms: u64, pattern: &str) -> String {
    zoned(ms).map_or_else(|| "?".into(), |time| time.strftime(pattern).to_string())
}

/// "14:05"
pub fn clock(ms: u64) -> String {
    format(ms, "%H:%M")
}

/// "2026-11-22 14:05"
pub fn date_time(ms: u64) -> String {
    format(ms, "%Y-%m-%d %H:%M")
}

/// "2026-11-22 14:05:09"
pub fn seconds(ms: u64) -> String {
    format(ms, "%Y-%m-%d %H:%M:%S")
}

/// "Sun 22 Nov 2026"
pub fn day(ms: u64) -> String {
    format(ms, "%a %-d %b %Y")
}

/// "Today", "Yesterday", or the day.
pub fn day_title(ms: u64, now_ms: u64) -> String {
    let days = |ms| zoned(ms).map(|time| time.date());
    match (days(ms), days(now_ms)) {
        (Some(then), Some(now)) if then == now => "Today".into(),
        (Some(then), Some(now)) if now.yesterday().is_ok_and(|day| day == then) => "Yesterday".into(),
        _ => day(ms),
    }
}

/// "today", "yesterday", "22 Nov 2026" or "never", for a time of which the server keeps only the day, in UTC.
pub fn day_seen(ms: u64, now_ms: u64) -> String {
    let date = |ms| {
        let ms = i64::try_from(ms).ok()?;
        Some(jiff::Timestamp::from_millisecond(ms).ok()?.to_zoned(TimeZone::UTC).date())
    };
    match (date(ms), date(now_ms)) {
        _ if ms == 0 => "never".into(),
        (Some(then), Some(now)) if then == now => "today".into(),
        (Some(then), Some(now)) if now.yesterday().is_ok_and(|day| day == then) => "yesterday".into(),
        (Some(then), _) => then.strftime("%-d %b %Y").to_string(),
        (None, _) => "?".into(),
    }
}

const UNITS: [(u64, &str, &str); 4] =
    [(86_400, "day", "d"), (3_600, "hour", "h"), (60, "minute", "min"), (1, "second", "s")];

/// "24 hours", "7 days", "1 hour 30 minutes"
pub fn span(seconds: u64) -> String {
    if seconds == 86_400 {
        return "24 hours".into();
    }
    let (mut rest, mut words) = (seconds, Vec::new());
    for (length, unit, _) in UNITS {
        let count = rest / length;
        rest %= length;
        match count {
            0 => {}
            1 => words.push(format!("1 {unit}")),
            n => words.push(format!("{n} {unit}s")),
        }
    }
    if words.is_empty() { "0 seconds".into() } else { words.join(" ") }
}

/// What is left of a time, about: "6 d", "23 h", "5 min", "30 s".
pub fn about(ms: u64) -> String {
    let seconds = ms.div_ceil(1000);
    // "90 min" says more than "1 h".
    let (length, _, unit) = UNITS.into_iter().find(|(length, ..)| seconds >= 2 * length).unwrap_or(UNITS[3]);
    format!("{} {unit}", seconds / length)
}

/// JSON for a terminal or a pipe: compact, with everything invisible or dangerous escaped.
pub fn to_json<T: serde::Serialize>(value: &T) -> String {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Escaping);
    value.serialize(&mut serializer).expect("our types serialize into memory");
    String::from_utf8(bytes).expect("JSON is UTF-8")
}

struct Escaping;

impl serde_json::ser::Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + std::io::Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> std::io::Result<()> {
        let mut rest = fragment;
        // serde_json has already escaped what JSON itself demands (below U+0020).
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| harmless(*c) != Some(*c)) {
            out.write_all(&rest.as_bytes()[..at])?;
            write!(out, "\\u{:04x}", u32::from(c))?;
            rest = &rest[at + c.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_text_is_harmless() {
        for (text, want) in [
            ("plain, ünïcode, 日本, 👩‍👩‍👧", "plain, ünïcode, 日本, 👩‍👩‍👧"),
            ("\x1b[31mred\x1b]0;title\x07", "␛[31mred␛]0;title␇"),
            ("back\x08\x7f", "back␈␡"),
            ("c1 \u{9b}31m", "c1 \u{fffd}31m"),
            ("\u{202e}txt.exe\u{202c}", "txt.exe"),
            ("\u{2066}a\u{2069}\u{200f}", "a"),
            ("a\r\nb\rc\u{2028}d", "a\nb␍c\nd"),
            ("tab\there", "tab here"),
            ("שלום", "שלום"),
        ] {
            assert_eq!(clean(text), want, "{text:?}");
            assert!(!clean_line(text).contains('\n'));
        }
        assert_eq!(indent("a\n12:00 bob: forged", "  | "), "a\n  | 12:00 bob: forged");
    }

    #[test]
    fn json_escapes_what_a_terminal_would_obey() {
        let value = "a\u{1b}[0m\u{9b}\u{202e}\u{7f}\u{2028}é\"\\\n";
        let json = to_json(&value);
        assert_eq!(json, r#""a\u001b[0m\u009b\u202e\u007f\u2028é\"\\\n""#);
        assert_eq!(serde_json::from_str::<String>(&json).expect("valid JSON"), value);
    }

    #[test]
    fn days_have_titles() {
        let noon = 1_763_812_800_000;
        let day_ms = 86_400_000;
        assert_eq!(day_title(noon, noon + 1000), "Today");
        assert_eq!(day_title(noon - day_ms, noon), "Yesterday");
        assert!(day_title(noon - 2 * day_ms, noon).ends_with("2025"));
        assert_eq!(day_title(u64::MAX, noon), "?");
    }

    #[test]
    fn spans_are_words() {
        for (seconds, words, left) in [
            (0, "0 seconds", "0 s"),
            (1, "1 second", "1 s"),
            (30, "30 seconds", "30 s"),
            (60, "1 minute", "60 s"),
            (5_400, "1 hour 30 minutes", "90 min"),
            (86_400, "24 hours", "24 h"),
            (7 * 86_400, "7 days", "7 d"),
            (90_061, "1 day 1 hour 1 minute 1 second", "25 h"),
        ] {
            assert_eq!((span(seconds).as_str(), about(seconds * 1000).as_str()), (words, left), "{seconds}");
        }
        assert_eq!(about(u64::MAX).split(' ').next_back(), Some("d"));
    }

    #[test]
    fn the_day_of_the_server_is_a_day_everywhere() {
        // 22 November 2025, 00:00 UTC: still the day before in the west.
        let midnight = 1_763_769_600_000;
        let hours = |hours: u64| midnight + hours * 3_600_000;
        for (seen, now, want) in [
            (midnight, midnight, "today"),
            (midnight, hours(23), "today"),
            (midnight, hours(24), "yesterday"),
            (midnight, hours(47), "yesterday"),
            (midnight, hours(48), "22 Nov 2025"),
            (0, midnight, "never"),
            (u64::MAX, midnight, "?"),
        ] {
            assert_eq!(day_seen(seen, now), want, "{seen} {now}");
        }
    }
}
