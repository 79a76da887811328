//! A small text field: several lines, a cursor between graphemes.

use super::wrap::wrap;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Composer {
    text: String,
    /// Byte offset, always at a grapheme boundary.
    cursor: usize,
}

/// The field as it fits a width: its lines, and where the cursor is (row, column).
#[derive(Debug, PartialEq)]
pub struct Laid {
    pub lines: Vec<String>,
    pub row: usize,
    pub column: usize,
}

impl Composer {
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub fn take(&mut self) -> String {
        self.cursor = 0;
        std::mem::take(&mut self.text)
    }

    pub fn insert(&mut self, text: &str) {
        let clean = crate::text::clean(text);
        self.text.insert_str(self.cursor, &clean);
        self.cursor += clean.len();
    }

    /// What stands to the left of the cursor.
    pub fn to_cursor(&self) -> &str {
        &self.text[..self.cursor]
    }

    fn before(&self) -> Option<usize> {
        self.text[..self.cursor].grapheme_indices(true).next_back().map(|(at, _)| at)
    }

    fn after(&self) -> Option<usize> {
        self.text[self.cursor..].graphemes(true).next().map(|grapheme| self.cursor + grapheme.len())
    }

    pub fn left(&mut self) {
        self.cursor = self.before().unwrap_or(0);
    }

    pub fn right(&mut self) {
        self.cursor = self.after().unwrap_or(self.text.len());
    }

    pub fn home(&mut self) {
        self.cursor = self.text[..self.cursor].rfind('\n').map_or(0, |at| at + 1);
    }

    pub fn end(&mut self) {
        self.cursor = self.text[self.cursor..].find('\n').map_or(self.text.len(), |at| self.cursor + at);
    }

    /// False: there is no line above.
    pub fn up(&mut self) -> bool {
        let start = self.text[..self.cursor].rfind('\n').map_or(0, |at| at + 1);
        let Some(above) = start.checked_sub(1) else { return false };
        let column = self.text[start..self.cursor].graphemes(true).count();
        let above_start = self.text[..above].rfind('\n').map_or(0, |at| at + 1);
        self.cursor = above_start + offset_of(&self.text[above_start..above], column);
        true
    }

    /// False: there is no line below.
    pub fn down(&mut self) -> bool {
        let Some(end) = self.text[self.cursor..].find('\n').map(|at| self.cursor + at) else { return false };
        let start = self.text[..self.cursor].rfind('\n').map_or(0, |at| at + 1);
        let column = self.text[start..self.cursor].graphemes(true).count();
        let below = end + 1;
        let below_end = self.text[below..].find('\n').map_or(self.text.len(), |at| below + at);
        self.cursor = below + offset_of(&self.text[below..below_end], column);
        true
    }

    pub fn backspace(&mut self) {
        if let Some(at) = self.before() {
            self.text.replace_range(at..self.cursor, "");
            self.cursor = at;
        }
    }

    pub fn delete(&mut self) {
        if let Some(end) = self.after() {
            self.text.replace_range(self.cursor..end, "");
        }
    }

    pub fn delete_word(&mut self) {
        let kept = self.text[..self.cursor].trim_end();
        let at = kept.split_word_bound_indices().next_back().map_or(0, |(at, _)| at);
        self.text.replace_range(at..self.cursor, "");
        self.cursor = at;
    }

    pub fn lay(&self, width: usize) -> Laid {
        // One column is kept free for the cursor at the end of a line.
        let width = width.saturating_sub(1).max(1);
        let (mut lines, mut at) = (Vec::new(), (0, 0));
        let mut start = 0;
        for paragraph in self.text.split('\n') {
            let end = start + paragraph.len();
            if (start..=end).contains(&self.cursor) {
                // By graphemes, not words: the cursor must be where the text before it ends.
                let before = hard_wrap(&self.text[start..self.cursor], width);
                at = (lines.len() + before.len() - 1, before.last().map_or(0, |line| line.width()));
            }
            lines.extend(hard_wrap(paragraph, width));
            start = end + 1;
        }
        Laid { lines, row: at.0, column: at.1 }
    }
}

fn offset_of(line: &str, column: usize) -> usize {
    line.grapheme_indices(true).nth(column).map_or(line.len(), |(at, _)| at)
}

fn hard_wrap(text: &str, width: usize) -> Vec<String> {
    let (mut lines, mut line, mut used) = (Vec::new(), String::new(), 0);
    for grapheme in text.graphemes(true) {
        let shown = wrap(grapheme, width).pop().unwrap_or_default();
        let columns = shown.width();
        if used + columns > width && used > 0 {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        line.push_str(&shown);
        used += columns;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Composer {
        let mut composer = Composer::default();
        composer.insert(text);
        composer
    }

    #[test]
    fn the_cursor_moves_by_what_people_call_characters() {
        let mut composer = typed("a👩‍👩‍👧e\u{301}");
        composer.left();
        composer.left();
        composer.insert("x");
        assert_eq!(composer.text(), "ax👩‍👩‍👧e\u{301}");
        composer.delete();
        composer.backspace();
        assert_eq!(composer.text(), "ae\u{301}");
    }

    #[test]
    fn lines_above_and_below_are_reached() {
        let mut composer = typed("first\nsec\nthird");
        assert!(composer.up());
        assert!(composer.up());
        assert!(!composer.up());
        composer.end();
        assert!(composer.down());
        composer.insert("!");
        assert_eq!(composer.text(), "first\nsec!\nthird");
        composer.home();
        composer.insert(">");
        assert_eq!(composer.text(), "first\n>sec!\nthird");
    }

    #[test]
    fn words_are_deleted_and_pasted_controls_cleaned() {
        let mut composer = typed("one two  ");
        composer.delete_word();
        assert_eq!(composer.text(), "one ");
        composer.insert("\x1b[31m\u{202e}");
        assert_eq!(composer.text(), "one ␛[31m");
    }

    #[test]
    fn the_field_is_laid_out_with_its_cursor() {
        let composer = typed("abcdef\n日本");
        let laid = composer.lay(5);
        assert_eq!(laid, Laid { lines: vec!["abcd".into(), "ef".into(), "日本".into()], row: 2, column: 4 });
    }
}
