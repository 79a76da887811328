//! The comparison as a picture: panels side by side, both axes logarithmic, in an SVG that needs no font, script or other file.
//! Always true: text and lines take their colours from the reader's light or dark scheme; the two fan-outs differ in colour,
//! in their markers and in the dashes of their lines.

use std::fmt::Write as _;

/// (size of the group, figure), both above 0.
#[derive(Debug, Clone, Default)]
pub struct Series {
    pub points: Vec<(f64, f64)>,
}

#[derive(Debug, Clone)]
pub struct Panel {
    pub title: String,
    pub note: String,
    /// The log, then pairwise.
    pub series: [Series; 2],
}

const NAMES: [&str; 2] = ["group log", "pairwise"];
const CLASSES: [&str; 2] = ["log", "pair"];
const PANEL_WIDTH: f64 = 330.0;
const HEIGHT: f64 = 330.0;
/// Within a panel.
const LEFT: f64 = 58.0;
const RIGHT: f64 = 318.0;
const TOP: f64 = 78.0;
const BOTTOM: f64 = 282.0;

const STYLE: &str = "text{font:12px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#333}\
.title{font-weight:600;font-size:13px}.note{fill:#666}.grid{stroke:#8884;stroke-width:1}.axis{stroke:#888;stroke-width:1}\
.line{fill:none;stroke-width:2}.log{stroke:#1f6fb2;fill:#1f6fb2}.pair{stroke:#c05a1c;fill:#c05a1c;stroke-dasharray:6 3}\
.mark{stroke-dasharray:none}.line.log,.line.pair{fill:none}\
@media(prefers-color-scheme:dark){text{fill:#ddd}.note{fill:#aaa}.axis{stroke:#999}\
.log{stroke:#6bb1f0;fill:#6bb1f0}.pair{stroke:#f0a066;fill:#f0a066}}";

/// Maps the decades or doublings that hold all values onto a stretch of pixels.
#[derive(Debug, Clone, Copy)]
struct Scale {
    base: f64,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// None without a value above 0.
    fn over(values: impl Iterator<Item = f64>, base: f64, from: f64, to: f64) -> Option<Self> {
        let exponents = values.filter(|value| value.is_finite() && *value > 0.0).map(|value| value.ln() / base.ln());
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for exponent in exponents {
            // Without the tolerance, what rounding makes of an exact power would open another decade.
            (low, high) = (low.min((exponent + 1e-9).floor()), high.max((exponent - 1e-9).ceil()));
        }
        (low <= high).then(|| Self { base, low, high: high.max(low + 1.0), from, to })
    }

    fn place(&self, value: f64) -> f64 {
        let exponent = value.ln() / self.base.ln();
        self.from + (exponent - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        let (base, low, count) = (self.base, self.low, (self.high - self.low).round() as u32);
        (0..=count).map(move |step| base.powf(low + f64::from(step)))
    }
}

pub fn svg(panels: &[Panel]) -> String {
    let width = PANEL_WIDTH * panels.len() as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {HEIGHT}\" role=\"img\">\n<title>The two fan-outs by \
         size of the group</title>\n<style>{STYLE}</style>\n"
    );
    legend(&mut out);
    for (at, panel) in panels.iter().enumerate() {
        let _ = writeln!(out, "<g transform=\"translate({} 0)\">", PANEL_WIDTH * at as f64);
        draw(&mut out, panel);
        out.push_str("</g>\n");
    }
    out.push_str("</svg>\n");
    out
}

fn legend(out: &mut String) {
    for (at, (name, class)) in NAMES.iter().zip(CLASSES).enumerate() {
        let x = LEFT + 130.0 * at as f64;
        let _ = writeln!(out, "<path class=\"line {class}\" d=\"M{x} 16h34\"/>");
        marker(out, at, x + 17.0, 16.0);
        let _ = writeln!(out, "<text x=\"{}\" y=\"20\">{name}</text>", x + 42.0);
    }
}

fn draw(out: &mut String, panel: &Panel) {
    let _ = writeln!(out, "<text class=\"title\" x=\"{LEFT}\" y=\"48\">{}</text>", escaped(&panel.title));
    let _ = writeln!(out, "<text class=\"note\" x=\"{LEFT}\" y=\"64\">{}</text>", escaped(&panel.note));
    let points = || panel.series.iter().flat_map(|series| &series.points);
    let across = Scale::over(points().map(|(x, _)| *x), 2.0, LEFT, RIGHT);
    let up = Scale::over(points().map(|(_, y)| *y), 10.0, BOTTOM, TOP);
    let (Some(across), Some(up)) = (across, up) else {
        let _ = writeln!(out, "<text x=\"{LEFT}\" y=\"{BOTTOM}\">not measured</text>");
        return;
    };
    for tick in up.ticks() {
        let y = up.place(tick);
        let _ = writeln!(out, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>");
        let _ =
            writeln!(out, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", LEFT - 6.0, y + 4.0, short(tick));
    }
    for (at, tick) in across.ticks().enumerate() {
        let x = across.place(tick);
        let _ = writeln!(out, "<path class=\"axis\" d=\"M{x:.1} {BOTTOM}v4\"/>");
        // Ten labels of four digits do not fit beside each other.
        if at % 2 == 0 || across.ticks().count() < 6 {
            let y = BOTTOM + 18.0;
            let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{tick:.0}</text>");
        }
    }
    let _ = writeln!(out, "<path class=\"axis\" d=\"M{LEFT} {BOTTOM}H{RIGHT}\"/>");
    let middle = (LEFT + RIGHT) / 2.0;
    let _ = writeln!(out, "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">members</text>", BOTTOM + 36.0);
    for (at, (series, class)) in panel.series.iter().zip(CLASSES).enumerate() {
        let placed: Vec<_> = series.points.iter().filter(|(x, y)| *x > 0.0 && *y > 0.0).collect();
        let path = placed.iter().enumerate().fold(String::new(), |mut path, (at, (x, y))| {
            let _ = write!(path, "{}{:.1} {:.1}", if at == 0 { 'M' } else { 'L' }, across.place(*x), up.place(*y));
            path
        });
        if !path.is_empty() {
            let _ = writeln!(out, "<path class=\"line {class}\" d=\"{path}\"/>");
        }
        for (x, y) in placed {
            marker(out, at, across.place(*x), up.place(*y));
        }
    }
}

/// A dot for the log, a square for pairwise.
fn marker(out: &mut String, series: usize, x: f64, y: f64) {
    let _ = match series {
        0 => writeln!(out, "<circle class=\"mark log\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>"),
        _ => writeln!(
            out,
            "<rect class=\"mark pair\" x=\"{:.1}\" y=\"{:.1}\" width=\"7\" height=\"7\"/>",
            x - 3.5,
            y - 3.5
        ),
    };
}

/// 0.01, 10, 1k, 100k, 1M.
fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{}M", (value / 1e6).round()),
        value if value >= 1000.0 => format!("{}k", (value / 1e3).round()),
        value if value >= 0.999 => format!("{}", value.round()),
        value => format!("{}", (value * 1e6).round() / 1e6),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(log: &[(f64, f64)], pairwise: &[(f64, f64)]) -> Panel {
        let series = [log, pairwise].map(|points| Series { points: points.to_vec() });
        Panel { title: "a < b".into(), note: "x & y".into(), series }
    }

    #[test]
    fn scales_hold_their_values_between_whole_powers() {
        let scale = Scale::over([2.0, 1024.0, 100.0].into_iter(), 2.0, 0.0, 90.0).expect("a scale");
        assert_eq!(scale.ticks().collect::<Vec<_>>(), (1..=10).map(|n| 2f64.powi(n)).collect::<Vec<_>>());
        for (value, at) in [(2.0, 0.0), (1024.0, 90.0), (32.0, 40.0)] {
            assert!((scale.place(value) - at).abs() < 1e-6, "{value}");
        }
        let scale = Scale::over([15.0, 3000.0].into_iter(), 10.0, 200.0, 0.0).expect("a scale");
        assert_eq!(scale.ticks().map(short).collect::<Vec<_>>(), ["10", "100", "1k", "10k"]);
        assert!(scale.place(3000.0) < scale.place(15.0), "larger is higher up");
        let one = Scale::over([100.0].into_iter(), 10.0, 0.0, 1.0).expect("a scale");
        assert!(one.place(100.0).is_finite());
        assert!(Scale::over([0.0, -1.0, f64::NAN].into_iter(), 10.0, 0.0, 1.0).is_none());
    }

    #[test]
    fn a_picture_is_whole_and_shows_every_point() {
        let panels = [
            panel(&[(2.0, 40.0), (256.0, 50.0), (1024.0, 60.0)], &[(2.0, 30.0), (128.0, 3000.0)]),
            panel(&[(2.0, 1.0)], &[]),
            panel(&[], &[]),
        ];
        let svg = svg(&panels);
        // Each marker of a point, and one of each in the legend.
        assert_eq!(svg.matches("<circle").count(), 4 + 1);
        assert_eq!(svg.matches("<rect").count(), 2 + 1);
        assert_eq!(svg.matches("not measured").count(), 1);
        assert!(svg.contains("a &lt; b") && svg.contains("x &amp; y") && svg.contains("prefers-color-scheme:dark"));
        assert!(!svg.contains("NaN") && !svg.contains("inf") && !svg.contains("href"));
        for tag in ["svg", "g", "text", "style", "title"] {
            let opened = svg.matches(&format!("<{tag} ")).count() + svg.matches(&format!("<{tag}>")).count();
            assert_eq!(opened, svg.matches(&format!("</{tag}>")).count(), "{tag}");
        }
        let last = svg.matches("<path class=\"line log\"").count();
        assert_eq!(last, 2 + 1, "a line for each panel with values, and the legend");
    }
}
