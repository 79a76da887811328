//! The standard set of docs/benchmarks.md: each row a command that anybody can repeat alone, on a server of its own.

use crate::args::{Cli, Command, Suite};
use crate::report::Report;
use crate::scenario;
use anyhow::{Context, Result, bail};
use clap::Parser as _;
use std::fmt::Write as _;

/// The bound of the row "highest rate", as it was for the peers.
const HIGHEST_P99_MS: f64 = 200.0;
const SEARCH_STEPS: u32 = 5;

/// How a row reads its report.
type Cell = fn(&Report) -> String;

struct Row {
    what: String,
    command: String,
    measured: String,
    report: Report,
}

struct Bench<'a> {
    args: &'a Suite,
    rows: Vec<Row>,
}

/// Runs the set and prints the table; whether all promises were kept.
pub async fn run(args: &Suite) -> Result<bool> {
    let mut bench = Bench { args, rows: Vec::new() };
    let (seconds, pairs, messages, idle, more_idle) =
        if args.quick { (2, 20, 20_000, 500, 1_000) } else { (15, 100, 500_000, 10_000, 19_000) };

    let load = format!("direct --pairs {pairs} --window 32 --size 200");
    let timed = format!("{load} --seconds {seconds}");
    let most = bench.row("direct messages, as fast as it goes", &timed, throughput).await?.get("messages_per_s");
    let most = most.context("a run without messages")?;
    bench.row("the same, really encrypted", &format!("{timed} --real-crypto"), throughput).await?;
    bench.row("latency at 1,000/s", &format!("{load} --rate 1000 --seconds {seconds}"), latency).await?;
    let half = (most / 2.0 / 100.0).round() * 100.0;
    let at_half = format!("{load} --rate {half} --seconds {seconds}");
    bench.row("latency at half of the maximum", &at_half, latency).await?;
    bench.highest_rate(&load, most).await?;
    // As many under way as the server's queue for the store takes without refusing any.
    let many = pairs * 4;
    let slow_disk = format!("direct --pairs {many} --window 32 --size 200 --seconds {seconds} --sync-delay 5");
    bench.row("direct messages, each sync 5 ms slower", &slow_disk, throughput).await?;
    let slow_latency = format!("{load} --rate 1000 --seconds {seconds} --sync-delay 5");
    bench.row("latency at 1,000/s, each sync 5 ms slower", &slow_latency, latency).await?;
    for connections in [idle, more_idle] {
        let what = format!("memory of {connections} idle connections");
        bench.row(&what, &format!("idle -n {connections} --hold {seconds}"), memory).await?;
    }
    bench.row("sign-ins", &format!("signin --seconds {seconds}"), sign_ins).await?;
    let offline = format!("offline --pairs {pairs} --messages {messages}");
    bench.row("stored for people who are away, then drained", &offline, stored).await?;

    print!("{}", bench.table());
    if args.json {
        let rows = bench.rows.iter().map(|row| serde_json::json!({ "command": row.command, "report": row.report }));
        println!("{}", serde_json::Value::from_iter(rows));
    }
    Ok(bench.rows.iter().all(|row| row.report.is_clean()))
}

impl Bench<'_> {
    async fn row(&mut self, what: &str, command: &str, cell: Cell) -> Result<Report> {
        let report = self.measure(command).await?;
        self.push(what, command, cell(&report), report.clone());
        Ok(report)
    }

    fn push(&mut self, what: &str, command: &str, measured: String, report: Report) {
        eprintln!("{what}: {measured}");
        self.rows.push(Row { what: what.into(), command: command.into(), measured, report });
    }

    async fn measure(&self, command: &str) -> Result<Report> {
        eprintln!("--- sotto-bench {command}");
        let words = std::iter::once("sotto-bench").chain(command.split(' '));
        let place = |name: &str, path: &Option<std::path::PathBuf>| {
            path.as_ref().map(|path| [name.to_owned(), path.display().to_string()]).into_iter().flatten()
        };
        let words = words.map(str::to_owned);
        let words = words.chain(place("--sottod", &self.args.sottod)).chain(place("--folder", &self.args.folder));
        let report = match Cli::try_parse_from(words)?.command {
            Command::Direct(args) => scenario::direct(&args).await,
            Command::Idle(args) => scenario::idle(&args).await,
            Command::Offline(args) => scenario::offline(&args).await,
            Command::Signin(args) => scenario::sign_in(&args).await,
            _ => bail!("not a measurement"),
        };
        report.with_context(|| format!("sotto-bench {command}"))
    }

    /// Halves the interval in which the highest rate with a bearable p99 lies. Rates that the server refuses are too high.
    async fn highest_rate(&mut self, load: &str, most: f64) -> Result<()> {
        let seconds = if self.args.quick { 2 } else { 6 };
        let (mut good, mut bad) = (0.0, most * 1.4);
        let mut best = None;
        let mut next = most * 0.8;
        for _ in 0..SEARCH_STEPS {
            let rate = (next / 100.0).round() * 100.0;
            let command = format!("{load} --rate {rate} --seconds {seconds}");
            let report = self.measure(&command).await?;
            let p99 = report.get("p99_ms").unwrap_or(f64::INFINITY);
            eprintln!("{rate}/s: p99 {p99} ms");
            if p99 < HIGHEST_P99_MS && report.is_clean() {
                good = rate;
                best = Some((rate, command, report));
            } else {
                bad = rate;
            }
            next = (good + bad) / 2.0;
        }
        let (rate, command, report) = best.context("no rate had a bearable p99")?;
        let measured = format!("{}/s; {}", thousands(rate), latency(&report));
        self.push("highest rate found with p99 < 200 ms", &command, measured, report);
        Ok(())
    }

    fn table(&self) -> String {
        let head =
            "| what | measured | missing / doubled / disordered | `sotto-bench` … |\n| --- | --- | --- | --- |\n";
        self.rows.iter().fold(head.to_owned(), |mut table, row| {
            let count = |name| row.report.get(name).unwrap_or(0.0);
            let (missing, duplicates, disorder) = (count("missing"), count("duplicates"), count("disorder"));
            let Row { what, measured, command, .. } = row;
            let _ = writeln!(table, "| {what} | {measured} | {missing} / {duplicates} / {disorder} | `{command}` |");
            table
        })
    }
}

fn throughput(report: &Report) -> String {
    format!(
        "{}/s, {} µs server CPU each, p50 / p99 {} / {} ms, {} MiB",
        whole(report, "messages_per_s"),
        tenths(report, "server_cpu_us_per_message"),
        tenths(report, "p50_ms"),
        tenths(report, "p99_ms"),
        whole(report, "server_rss_mib"),
    )
}

fn latency(report: &Report) -> String {
    format!(
        "delivered p50 / p99 / p99.9 {} / {} / {} ms, accepted {} / {} / {} ms, {} µs server CPU each",
        hundredths(report, "p50_ms"),
        hundredths(report, "p99_ms"),
        hundredths(report, "p999_ms"),
        hundredths(report, "accepted_p50_ms"),
        hundredths(report, "accepted_p99_ms"),
        hundredths(report, "accepted_p999_ms"),
        tenths(report, "server_cpu_us_per_message"),
    )
}

fn memory(report: &Report) -> String {
    format!(
        "{} bytes each ({} in the second half), {} MiB in all, {} % of a core while idle",
        whole(report, "bytes_per_connection"),
        whole(report, "bytes_per_connection_second_half"),
        whole(report, "server_rss_mib"),
        tenths(report, "server_cpu_percent"),
    )
}

fn sign_ins(report: &Report) -> String {
    format!(
        "{}/s, {} µs server CPU each, p50 / p99 {} / {} ms",
        whole(report, "connects_per_s"),
        whole(report, "server_cpu_us_per_connect"),
        tenths(report, "p50_ms"),
        tenths(report, "p99_ms"),
    )
}

fn stored(report: &Report) -> String {
    format!(
        "stored {}/s ({} µs server CPU each), drained {}/s ({} µs)",
        whole(report, "stored_per_s"),
        tenths(report, "store_cpu_us_per_message"),
        whole(report, "drained_per_s"),
        tenths(report, "drain_cpu_us_per_message"),
    )
}

fn shown(report: &Report, name: &str, show: impl FnOnce(f64) -> String) -> String {
    report.get(name).map_or_else(|| "?".into(), show)
}

fn whole(report: &Report, name: &str) -> String {
    shown(report, name, thousands)
}

fn tenths(report: &Report, name: &str) -> String {
    shown(report, name, |value| format!("{value:.1}"))
}

fn hundredths(report: &Report, name: &str) -> String {
    shown(report, name, |value| format!("{value:.2}"))
}

/// 12345.6 as "12,346".
fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let len = digits.len();
    digits.chars().enumerate().fold(String::new(), |mut out, (at, digit)| {
        if at > 0 && (len - at) % 3 == 0 && digit.is_ascii_digit() && out != "-" {
            out.push(',');
        }
        out.push(digit);
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_separators() {
        for (value, want) in
            [(0.4, "0"), (999.0, "999"), (1000.0, "1,000"), (1_234_567.8, "1,234,568"), (-100.0, "-100")]
        {
            assert_eq!(thousands(value), want);
        }
    }

    #[test]
    fn the_table_shows_what_was_broken() {
        let args = Suite { quick: true, sottod: None, folder: None, json: false };
        let mut bench = Bench { args: &args, rows: Vec::new() };
        let mut report = Report::default();
        report.figure("messages_per_s", Some(30_000.0));
        report.count("missing", 3);
        bench.push("fast", "direct", throughput(&report), report);
        let table = bench.table();
        assert!(table.contains("| fast | 30,000/s, ? µs"), "{table}");
        assert!(table.ends_with("| 3 / 0 / 0 | `direct` |\n"), "{table}");
    }
}
