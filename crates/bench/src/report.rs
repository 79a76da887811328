//! What a run found, for people (a table) and for programs (one JSON object).

use crate::latency::Latency;
use crate::outcome::Outcome;
use crate::tally::Tally;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::fmt::Write as _;

const MIB: f64 = 1024.0 * 1024.0;

/// Figures in the order they were put; what does not apply is absent.
#[derive(Debug, Clone, Default)]
pub struct Report {
    figures: Vec<(String, Value)>,
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.figures.iter().map(|(name, value)| (name, value)))
    }
}

impl Report {
    pub fn text(&mut self, name: &str, value: impl Into<String>) {
        self.figures.push((name.into(), Value::String(value.into())));
    }

    pub fn count(&mut self, name: &str, value: u64) {
        self.figures.push((name.into(), value.into()));
    }

    /// Three decimals; nothing if there is no finite value.
    pub fn figure(&mut self, name: &str, value: Option<f64>) {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            self.figures.push((name.into(), ((value * 1000.0).round() / 1000.0).into()));
        }
    }

    /// `p50_ms` and so on, after `prefix`.
    pub fn latency(&mut self, prefix: &str, latency: &Latency) {
        for (name, quantile) in [("p50_ms", 0.5), ("p99_ms", 0.99), ("p999_ms", 0.999)] {
            self.figure(&format!("{prefix}{name}"), latency.quantile_ms(quantile));
        }
        self.figure(&format!("{prefix}max_ms"), latency.max_ms());
    }

    pub fn mib(&mut self, name: &str, bytes: u64) {
        self.figure(name, Some(bytes as f64 / MIB));
    }

    /// The three counts that must be zero, and what else tells of a loss.
    pub fn verdict(&mut self, outcome: &Outcome) {
        let Tally { missing, duplicates, disorder } = outcome.tally;
        self.count("missing", missing);
        self.count("duplicates", duplicates);
        self.count("disorder", disorder);
        if outcome.unanswered > 0 {
            self.count("unanswered", outcome.unanswered);
        }
    }

    pub fn get(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|(known, _)| known == name)?.1.as_f64()
    }

    /// Whether every promise was kept.
    pub fn is_clean(&self) -> bool {
        ["missing", "duplicates", "disorder", "unanswered"].iter().all(|name| self.get(name).unwrap_or(0.0) == 0.0)
    }

    pub fn table(&self) -> String {
        let width = self.figures.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        self.figures.iter().fold(String::new(), |mut table, (name, value)| {
            let value = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let _ = writeln!(table, "{name:width$}  {value}");
            table
        })
    }

    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("a map of texts and numbers serializes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_promise_is_not_clean() {
        let clean = |tally, unanswered| {
            let mut report = Report::default();
            report.verdict(&Outcome { tally, unanswered, ..Default::default() });
            report.is_clean()
        };
        let tally = Tally::default();
        assert!(clean(tally, 0));
        assert!(!clean(Tally { missing: 1, ..tally }, 0));
        assert!(!clean(Tally { duplicates: 1, ..tally }, 0));
        assert!(!clean(Tally { disorder: 1, ..tally }, 0));
        assert!(!clean(tally, 1));
    }

    #[test]
    fn absent_figures_are_absent() {
        let mut report = Report::default();
        report.text("scenario", "direct");
        report.figure("messages_per_s", Some(12.345_678));
        report.figure("nothing", None);
        report.figure("no_number", Some(f64::NAN));
        report.latency("", &Latency::default());
        assert_eq!(report.json(), r#"{"scenario":"direct","messages_per_s":12.346}"#);
        assert!(report.table().contains("messages_per_s  12.346"));
    }
}
