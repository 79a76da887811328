//! QR codes as text: two modules per character, by upper and lower half blocks.

use qrcode::{Color, EcLevel, QrCode};

/// Light border around the code, in modules; the standard wants four, phones are content with two.
const QUIET: usize = 2;

/// None if the text is too long for a code. Drawn light on dark with explicit blocks for the light modules, so that it
/// reads the same on dark terminals; on light ones scanners accept the inverse.
pub fn qr_lines(text: &str) -> Option<Vec<String>> {
    let code = QrCode::with_error_correction_level(text.as_bytes(), EcLevel::L).ok()?;
    let width = code.width();
    let side = width + 2 * QUIET;
    let light = |x: usize, y: usize| {
        let inside = |at: usize| at.checked_sub(QUIET).filter(|at| *at < width);
        match (inside(x), inside(y)) {
            (Some(x), Some(y)) => code[(x, y)] == Color::Light,
            _ => y < side,
        }
    };
    let row = |top: usize| {
        (0..side)
            .map(|x| match (light(x, top), light(x, top + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            })
            .collect()
    };
    Some((0..side).step_by(2).map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_square_with_a_light_border() {
        let lines = qr_lines("sotto-link:abcdefghijklmnopqrstuvwxyz0123456789").expect("fits");
        let side = lines[0].chars().count();
        assert!(lines.iter().all(|line| line.chars().count() == side));
        assert_eq!(lines.len(), side.div_ceil(2));
        assert!(lines[0].chars().all(|c| c == '█'), "quiet zone above: {}", lines[0]);
        assert!(lines.iter().all(|line| line.starts_with(['█', '▀']) && line.ends_with(['█', '▀'])));
    }

    #[test]
    fn drawn_modules_are_those_of_the_code() {
        let text = "hello";
        let lines: Vec<Vec<char>> = qr_lines(text).expect("fits").iter().map(|line| line.chars().collect()).collect();
        let code = QrCode::with_error_correction_level(text, EcLevel::L).expect("fits");
        for y in 0..code.width() {
            for x in 0..code.width() {
                let (row, column) = (y + QUIET, x + QUIET);
                let drawn = lines[row / 2][column];
                let light = drawn == '█' || drawn == if row % 2 == 0 { '▀' } else { '▄' };
                assert_eq!(light, code[(x, y)] == Color::Light, "{x},{y}");
            }
        }
    }

    #[test]
    fn too_long_is_no_code() {
        assert!(qr_lines(&"x".repeat(5000)).is_none());
    }
}
