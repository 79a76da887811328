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

/// Every series, by its name with its labels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counters(BTreeMap<String, f64>);

/// What a send writes before it is acknowledged. Acks write the others, and remove from the inbox.
const OF_A_SEND: [&str; 6] = ["inbox", "group_log", "group_heads", "group_days", "dedup", "meta"];

/// What the store wrote between two readings.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Written {
    pub records: Option<f64>,
    pub bytes: Option<f64>,
}

impl Written {
    pub fn each(self, count: u64) -> Self {
        let each = |sum: Option<f64>| sum.filter(|_| count > 0).map(|sum| sum / count as f64);
        Self { records: each(self.records), bytes: each(self.bytes) }
    }
}

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
        let mut series = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            if let Ok(value) = value.parse::<f64>() {
                series.insert(name.to_owned(), value);
            }
        }
        Self(series)
    }

    /// The sum of the series of this name; none if there is none.
    fn sum(&self, name: &str, is_wanted: impl Fn(&str) -> bool) -> Option<f64> {
        let of_name = |series: &str| series.split('{').next() == Some(name);
        let mut found = self.0.iter().filter(|(series, _)| of_name(series)).peekable();
        found.peek()?;
        Some(found.filter(|(series, _)| is_wanted(series)).map(|(_, value)| value).sum())
    }

    fn grew_where(&self, before: &Self, name: &str, is_wanted: impl Fn(&str) -> bool) -> Option<f64> {
        Some(self.sum(name, &is_wanted)? - before.sum(name, &is_wanted).unwrap_or(0.0))
    }

    fn grew(&self, before: &Self, name: &str) -> Option<f64> {
        self.grew_where(before, name, |_| true)
    }

    fn written_where(&self, before: &Self, is_wanted: impl Fn(&str) -> bool) -> Written {
        Written {
            records: self.grew_where(before, "sotto_store_writes_total", &is_wanted),
            bytes: self.grew_where(before, "sotto_store_bytes_total", &is_wanted),
        }
    }

    /// Everything that was written, or removed, since.
    pub fn written(&self, before: &Self) -> Written {
        self.written_where(before, |_| true)
    }

    /// Of that, what sends write before they are acknowledged.
    pub fn written_by_sends(&self, before: &Self) -> Written {
        let is_of_a_send = |series: &str| OF_A_SEND.iter().any(|name| series.contains(&format!("keyspace=\"{name}\"")));
        self.written_where(before, is_of_a_send)
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

    #[test]
    fn what_a_send_writes_is_told_from_what_acks_write() {
        let before = Counters::parse("sotto_store_writes_total{keyspace=\"inbox\"} 5\n");
        let after = Counters::parse(
            "sotto_store_writes_total{keyspace=\"inbox\"} 25\nsotto_store_writes_total{keyspace=\"cursors\"} 7\n\
             sotto_store_writes_total{keyspace=\"dedup\"} 10\nsotto_store_bytes_total{keyspace=\"cursors\"} 99\n",
        );
        let by_sends = Written { records: Some(30.0), bytes: Some(0.0) };
        assert_eq!(after.written_by_sends(&before), by_sends);
        assert_eq!(after.written(&before), Written { records: Some(37.0), bytes: Some(99.0) });
        assert_eq!(by_sends.each(10), Written { records: Some(3.0), bytes: Some(0.0) });
        assert_eq!(by_sends.each(0), Written::default());
        assert_eq!(Counters::default().written(&before), Written::default(), "a server without the counters");
    }
}
