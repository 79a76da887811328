//! Formatting in texts: *bold*, _italic_, ~strike~ and `code`, and mentions beside them.
//! Always true: whatever somebody writes, it is parsed in one pass, nothing is lost but pairs of marks, and a mark that has no
//! partner on its line stays as it is. Links are left alone: an address must be what was written.

use crate::mentions;
use sotto_engine::api::Mention;
use std::ops::Range;

/// How a part of a text looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Look {
    pub bold: bool,
    pub italic: bool,
    pub strike: bool,
    pub code: bool,
    pub mention: bool,
}

impl Look {
    fn set(&mut self, mark: u8, on: bool) {
        match mark {
            b'*' => self.bold = on,
            b'_' => self.italic = on,
            b'~' => self.strike = on,
            _ => self.code = on,
        }
    }
}

/// A pair of marks: where the two stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pair {
    mark: u8,
    open: usize,
    close: usize,
}

/// The text without its marks, in parts that look different.
pub fn parts<'a>(text: &'a str, mentions: &[Mention]) -> Vec<(&'a str, Look)> {
    let mentions = apart(mentions::ranges(text, mentions));
    // (place, bytes that are not shown, what begins or ends there)
    let mut turns: Vec<(usize, usize, Turn)> = Vec::new();
    for Pair { mark, open, close } in pairs(text, &mentions) {
        turns.extend([(open, 1, Turn::Mark(mark, true)), (close, 1, Turn::Mark(mark, false))]);
    }
    for range in mentions {
        turns.extend([(range.start, 0, Turn::Mention(true)), (range.end, 0, Turn::Mention(false))]);
    }
    turns.sort_by_key(|(at, ..)| *at);
    let (mut parts, mut look, mut done) = (Vec::new(), Look::default(), 0);
    for (at, hidden, turn) in turns {
        parts.extend(text.get(done..at).map(|part| (part, look)));
        done = done.max(at + hidden);
        match turn {
            Turn::Mark(mark, on) => look.set(mark, on),
            Turn::Mention(on) => look.mention = on,
        }
    }
    parts.extend(text.get(done..).map(|part| (part, look)));
    parts.retain(|(part, _)| !part.is_empty());
    parts
}

/// In order. They come from the network: not taken for apart from each other.
fn apart(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| range.start);
    let mut end = 0;
    ranges.retain(|range| {
        let fits = range.start >= end && range.start < range.end;
        end = if fits { range.end } else { end };
        fits
    });
    ranges
}

/// Without marks, on a line where nothing can look different.
pub fn plain(text: &str) -> String {
    parts(text, &[]).into_iter().map(|(part, _)| part).collect()
}

#[derive(Debug, Clone, Copy)]
enum Turn {
    Mark(u8, bool),
    Mention(bool),
}

fn pairs(text: &str, mentions: &[Range<usize>]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let mut start = 0;
    for line in text.split('\n') {
        Line { line, start, open: Vec::new(), pairs: &mut pairs }.read(mentions);
        start += line.len() + 1;
    }
    pairs
}

struct Line<'a> {
    line: &'a str,
    /// Of the line in the text.
    start: usize,
    /// Marks that wait for their partner, at most one of each kind.
    open: Vec<(u8, usize)>,
    pairs: &'a mut Vec<Pair>,
}

impl Line<'_> {
    fn read(&mut self, mentions: &[Range<usize>]) {
        let bytes = self.line.as_bytes();
        let mut link_to = 0;
        let mut word = 0;
        // Where the last `code` ended, and whether another one can begin.
        let (mut code_to, mut ticks) = (0, true);
        let mut mention = mentions.partition_point(|range| range.end <= self.start);
        for (at, c) in self.line.char_indices() {
            if c.is_whitespace() {
                word = at + c.len_utf8();
            } else if at == word {
                let end = self.line[at..].find(char::is_whitespace).map_or(self.line.len(), |length| at + length);
                link_to = if self.line[at..end].contains("://") { end } else { 0 };
            }
            while mentions.get(mention).is_some_and(|range| range.end <= self.start + at) {
                mention += 1;
            }
            let in_mention = mentions.get(mention).is_some_and(|range| range.start <= self.start + at);
            if at < code_to || at < link_to || in_mention || !matches!(c, '*' | '_' | '~' | '`') {
                continue;
            }
            if c != '`' {
                self.mark(bytes[at], at);
            } else if ticks {
                match self.line[at + 1..].find('`') {
                    None => ticks = false,
                    Some(0) => {}
                    Some(length) => {
                        let close = at + 1 + length;
                        self.pair(b'`', at, close);
                        code_to = close + 1;
                    }
                }
            }
        }
    }

    fn mark(&mut self, mark: u8, at: usize) {
        let before = self.line[..at].chars().next_back();
        let after = self.line[at + 1..].chars().next();
        let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let is_space = |c: Option<char>| c.is_none_or(char::is_whitespace);
        let opened = self.open.iter().rposition(|(other, from)| *other == mark && from + 1 < at);
        if let (Some(index), false, false) = (opened, is_space(before), is_word(after)) {
            let from = self.open[index].1;
            // What was opened within and not closed stays as it is.
            self.open.truncate(index);
            self.pair(mark, from, at);
        } else if !is_space(after) && !is_word(before) && after != Some(char::from(mark)) {
            self.open.retain(|(other, _)| *other != mark);
            self.open.push((mark, at));
        }
    }

    fn pair(&mut self, mark: u8, open: usize, close: usize) {
        self.pairs.push(Pair { mark, open: self.start + open, close: self.start + close });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "<b>" and so on.
    fn tagged(text: &str, mentions: &[Mention]) -> String {
        let mut tagged = String::new();
        for (part, look) in parts(text, mentions) {
            let tags =
                [(look.bold, 'b'), (look.italic, 'i'), (look.strike, 's'), (look.code, 'c'), (look.mention, 'm')];
            let tags: String = tags.iter().filter_map(|(is, tag)| is.then_some(*tag)).collect();
            tagged += &if tags.is_empty() { part.to_owned() } else { format!("<{tags}:{part}>") };
        }
        tagged
    }

    #[test]
    fn marks_come_in_pairs_around_words() {
        for (text, want) in [
            ("a *bold* word", "a <b:bold> word"),
            ("_italic_, ~gone~ `code`!", "<i:italic>, <s:gone> <c:code>!"),
            ("*b _and i_ b*", "<b:b ><bi:and i><b: b>"),
            ("(*b*)", "(<b:b>)"),
            ("`*not bold*`", "<c:*not bold*>"),
            ("snake_case_name 2*3*4", "snake_case_name 2*3*4"),
            ("* no * and *no", "* no * and *no"),
            ("*a *b*", "*a <b:b>"),
            ("*a _b* c_", "<b:a _b> c_"),
            ("**", "**"),
            ("``", "``"),
            ("*a\nb*", "*a\nb*"),
            ("*a*\n_b_", "<b:a>\n<i:b>"),
            ("https://x.org/_a_/*b* *b*", "https://x.org/_a_/*b* <b:b>"),
            ("*日本* _é_", "<b:日本> <i:é>"),
            ("", ""),
        ] {
            assert_eq!(tagged(text, &[]), want, "{text:?}");
        }
    }

    #[test]
    fn mentions_keep_their_names_within_marks() {
        let mention = |start, length| Mention { start, length, account: None };
        assert_eq!(tagged("*hi @_a_ you*", &[mention(4, 4)]), "<b:hi ><bm:@_a_><b: you>");
        assert_eq!(tagged("@ann *b*", &[mention(0, 4), mention(2, 4), mention(90, 1)]), "<m:@ann> <b:b>");
    }

    #[test]
    fn hostile_texts_lose_nothing_but_marks() {
        let letters = |text: &str| text.chars().filter(|c| !"*_~`".contains(*c)).collect::<String>();
        for text in [
            "*_~".repeat(10_000),
            "*a ".repeat(10_000),
            "`".repeat(20_001),
            "` *a* ".repeat(5_000),
            "_*~a~*_ \u{202e}".repeat(2_000),
            "*\u{1F600}_\u{301}*".repeat(1_000),
        ] {
            assert_eq!(letters(&plain(&text)), letters(&text));
        }
    }
}
