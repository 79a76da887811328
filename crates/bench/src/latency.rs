//! Latencies in high dynamic range histograms: three significant digits from a microsecond to ten minutes, merged across
//! processes without losing a count.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

const HIGHEST_US: u64 = 600_000_000;
const DIGITS: u8 = 3;

/// In a message between processes: every value that occurred, in microseconds, with its count.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Vec<(u64, u64)>", into = "Vec<(u64, u64)>")]
pub struct Latency(Histogram<u64>);

impl Default for Latency {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, HIGHEST_US, DIGITS);
        Self(histogram.expect("the bounds are constants that the library allows"))
    }
}

impl Latency {
    /// What is longer than ten minutes counts as ten minutes.
    pub fn record_ns(&mut self, ns: u64) {
        self.0.saturating_record((ns / 1000).max(1));
    }

    pub fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all have the same bounds");
    }

    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// `None` while it is empty: an absent figure, not a zero.
    pub fn quantile_ms(&self, quantile: f64) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.value_at_quantile(quantile) as f64 / 1000.0)
    }

    pub fn max_ms(&self) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.max() as f64 / 1000.0)
    }
}

impl From<Latency> for Vec<(u64, u64)> {
    fn from(latency: Latency) -> Self {
        latency.0.iter_recorded().map(|at| (at.value_iterated_to(), at.count_at_value())).collect()
    }
}

impl From<Vec<(u64, u64)>> for Latency {
    fn from(counts: Vec<(u64, u64)>) -> Self {
        let mut latency = Self::default();
        for (us, count) in counts {
            latency.0.saturating_record_n(us.max(1), count);
        }
        latency
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(us: impl IntoIterator<Item = u64>) -> Latency {
        let mut latency = Latency::default();
        us.into_iter().for_each(|us| latency.record_ns(us * 1000));
        latency
    }

    fn close(got: Option<f64>, want: f64) -> bool {
        got.is_some_and(|got| (got - want).abs() <= want * 0.001)
    }

    #[test]
    fn merged_through_json_it_is_as_if_recorded_in_one() {
        let whole = of(1..=10_000);
        let mut merged = Latency::default();
        for part in [of(1..=2_500), of(2_501..=9_999), of([10_000]), Latency::default()] {
            let json = serde_json::to_string(&part).expect("serializes");
            merged.merge(&serde_json::from_str(&json).expect("its own JSON"));
        }
        assert_eq!(merged.count(), 10_000);
        for quantile in [0.0, 0.5, 0.99, 0.999, 1.0] {
            assert_eq!(merged.quantile_ms(quantile), whole.quantile_ms(quantile), "{quantile}");
        }
        assert!(close(merged.quantile_ms(0.5), 5.0));
        assert!(close(merged.quantile_ms(0.99), 9.9));
        assert!(close(merged.max_ms(), 10.0));
    }

    #[test]
    fn empty_has_no_figures_and_extremes_saturate() {
        assert_eq!(Latency::default().quantile_ms(0.5), None);
        let extreme = of([0, u64::MAX / 1000]);
        assert_eq!(extreme.count(), 2);
        assert!(close(extreme.quantile_ms(0.0), 0.001));
        assert!(close(extreme.max_ms(), 600_000.0));
    }
}
