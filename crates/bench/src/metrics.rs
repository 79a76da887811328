//! The server's own counters, if it tells where they are: commits and entries, for the batch size behind a figure.

use crate::http::HttpConn;
use crate::report::Report;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(2);

/// Where the counters are.
#[derive(Debug, Clone, Copy)]
pub struct Metrics(Option<SocketAddr>);

/// The sum of every series, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counters(BTreeMap<String, f64>);

impl Metrics {
    pub const fn new(address: Option<SocketAddr>) -> Self {
        Self(address)
    }

    /// Empty if they cannot be had: they explain a figure, they are none.
    pub async fn read(self) -> Counters {
        let Some(address) = self.0 else { return Counters::default() };
        let reading = tokio::time::timeout(PATIENCE, async {
            let stream = TcpStream::connect(address).await.ok()?;
            HttpConn::new(stream, &address.to_string()).get_text("/metrics").await.ok()
        });
        Counters::parse(&reading.await.ok().flatten().unwrap_or_default())
    }
}

impl Counters {
    fn parse(text: &str) -> Self {
        let mut sums = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let name = series.split('{').next().unwrap_or(series);
            if let Ok(value) = value.parse::<f64>() {
                *sums.entry(name.to_owned()).or_insert(0.0) += value;
            }
        }
        Self(sums)
    }

    fn grew(&self, before: &Self, name: &str) -> Option<f64> {
        Some(self.0.get(name)? - before.0.get(name).copied().unwrap_or(0.0))
    }

    /// What the store did between two readings.
    pub fn since(&self, before: &Self, report: &mut Report) {
        let mean = |name: &str| {
            let count = self.grew(before, &format!("{name}_count")).filter(|count| *count > 0.0)?;
            Some(self.grew(before, &format!("{name}_sum"))? / count)
        };
        report.figure("commits", self.grew(before, "sotto_store_commits_total"));
        report.figure("syncs", self.grew(before, "sotto_store_fsync_seconds_count"));
        report.figure("operations_per_commit", mean("sotto_store_batch_ops"));
        report.figure("sync_mean_ms", mean("sotto_store_fsync_seconds").map(|seconds| seconds * 1000.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_of_one_name_are_summed() {
        let before = Counters::parse("a_total{k=\"x y\"} 1\n");
        let after = Counters::parse("# HELP a_total\na_total{k=\"x y\"} 3\na_total{k=\"z\"} 4.5\nb 1e3\nbroken\n");
        assert_eq!(after.grew(&before, "a_total"), Some(6.5));
        assert_eq!(after.grew(&before, "b"), Some(1000.0));
        assert_eq!(after.grew(&before, "c"), None);
        let after = Counters::parse("sotto_store_batch_ops_sum 90\nsotto_store_batch_ops_count 3\n");
        let mut report = Report::default();
        after.since(&before, &mut report);
        assert_eq!(report.json(), r#"{"operations_per_commit":30.0}"#);
    }
}
