//! Width-aware wrapping: columns are terminal cells, and what a reader calls a character is never cut.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Lines of at most `width` columns. Breaks between words, and inside a word only if it is longer than a line.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    text.split('\n').flat_map(|paragraph| wrap_paragraph(paragraph, width)).collect()
}

fn wrap_paragraph(text: &str, width: usize) -> Vec<String> {
    let (mut lines, mut line, mut used) = (Vec::new(), String::new(), 0);
    for word in text.split_word_bounds() {
        let columns = word.width();
        if used + columns <= width {
            line.push_str(word);
            used += columns;
            continue;
        }
        if word.chars().all(char::is_whitespace) {
            // Space at a break is not seen.
            lines.push(std::mem::take(&mut line));
            used = 0;
            continue;
        }
        if used > 0 && columns <= width {
            lines.push(std::mem::take(&mut line).trim_end().to_string());
            used = 0;
        }
        for grapheme in word.graphemes(true) {
            let columns = grapheme.width();
            if used + columns > width && used > 0 {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            // Wider than a whole line: show that something is there.
            let (grapheme, columns) = if columns > width { ("?", 1) } else { (grapheme, columns) };
            line.push_str(grapheme);
            used += columns;
        }
    }
    lines.push(line);
    lines
}

/// At most `width` columns; what is cut off ends in "…".
pub fn shorten(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_string();
    }
    let (mut short, mut used) = (String::new(), 0);
    for grapheme in text.graphemes(true) {
        let columns = grapheme.width();
        if used + columns + 1 > width {
            break;
        }
        short.push_str(grapheme);
        used += columns;
    }
    if width > 0 {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_words_stay_whole() {
        for (text, width, want) in [
            ("hello big world", 9, &["hello big", "world"][..]),
            ("hello big world", 8, &["hello", "big", "world"][..]),
            ("abcdefghij", 4, &["abcd", "efgh", "ij"][..]),
            ("a\n\nb", 5, &["a", "", "b"][..]),
            ("", 5, &[""][..]),
            ("日本語です", 4, &["日本", "語で", "す"][..]),
            ("日", 1, &["?"][..]),
            ("👩‍👩‍👧👩‍👩‍👧", 3, &["👩‍👩‍👧", "👩‍👩‍👧"][..]),
        ] {
            let lines = wrap(text, width);
            assert_eq!(lines, want, "{text:?} at {width}");
            assert!(lines.iter().all(|line| line.width() <= width.max(1)), "{lines:?}");
        }
    }

    #[test]
    fn combining_marks_stay_with_their_letter() {
        let lines = wrap("e\u{301}e\u{301}e\u{301}", 2);
        assert_eq!(lines, ["e\u{301}e\u{301}", "e\u{301}"]);
    }

    #[test]
    fn shortened_text_fits() {
        for (text, width, want) in [("hello", 5, "hello"), ("hello!", 5, "hell…"), ("日本語", 4, "日…"), ("ab", 0, "")]
        {
            assert_eq!(shorten(text, width), want);
        }
    }
}
