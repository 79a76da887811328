//! The comparison of the two fan-outs: each size with each of them, on a server of its own, and where they break even.
//! Flow: `scenario::fanout_row` for each size and strategy -> `Comparison` -> a table (`table`), a picture (`chart`), JSON.
//! Always true: what a strategy does not offer is said to be so, never extrapolated.

mod chart;
mod table;

use crate::args::Fanout;
use crate::group::Strategy;
use crate::report::Report;
use crate::scenario::{self, FanoutRow, PACED_DELIVERIES, PACED_MESSAGES};
use anyhow::{Context, Result, ensure};
use chart::{Panel, Series};
use serde_json::{Value, json};
use std::path::Path;

/// What is compared, by the name of the figure in a report.
const CPU: &str = "server_cpu_us_per_message";
const BYTES: &str = "send_bytes_per_message";
const WRITES: &str = "send_writes_per_message";
const LAST: &str = "p50_ms";

/// One size.
#[derive(Debug, Clone)]
struct Line {
    members: u32,
    log: Report,
    /// None: not offered.
    pairwise: Option<Report>,
}

impl Line {
    fn both(&self, figure: &str) -> Option<(f64, f64)> {
        Some((self.log.get(figure)?, self.pairwise.as_ref()?.get(figure)?))
    }
}

#[derive(Debug, Clone, Default)]
struct Comparison {
    /// By size, ascending.
    lines: Vec<Line>,
    missed: u64,
}

impl Comparison {
    /// The smallest measured size from which on the log costs less, at every size that has both; none if it does not even at
    /// the largest of them.
    fn break_even(&self, figure: &str) -> Option<u32> {
        let both = self.lines.iter().filter_map(|line| Some((line.members, line.both(figure)?)));
        let mut sizes: Vec<_> = both.collect();
        sizes.sort_by_key(|(members, _)| std::cmp::Reverse(*members));
        sizes.iter().take_while(|(_, (log, pairwise))| log < pairwise).last().map(|(members, _)| *members)
    }

    fn is_clean(&self) -> bool {
        self.lines.iter().all(|line| line.log.is_clean() && line.pairwise.as_ref().is_none_or(Report::is_clean))
    }

    fn json(&self) -> Value {
        let rows = self.lines.iter().flat_map(|line| {
            let pairwise = match &line.pairwise {
                Some(report) => json!(report),
                None => {
                    json!({ "scenario": "fanout", "strategy": "pairwise", "members": line.members, "offered": false })
                }
            };
            [json!(line.log), pairwise]
        });
        json!({
            "scenario": "fanout",
            "rows": Value::from_iter(rows),
            "break_even": {
                "server_cpu": self.break_even(CPU),
                "bytes": self.break_even(BYTES),
                "writes": self.break_even(WRITES),
            },
        })
    }

    fn panel(&self, title: &str, figure: &str) -> Panel {
        let point = |line: &Line, report: &Report| Some((f64::from(line.members), report.get(figure)?));
        let log = self.lines.iter().filter_map(|line| point(line, &line.log)).collect();
        let pairwise = self.lines.iter().filter_map(|line| point(line, line.pairwise.as_ref()?)).collect();
        let note = match self.break_even(figure) {
            // Close to each other, so that chance would decide.
            _ if figure == LAST => String::new(),
            Some(members) => format!("the log costs less from {members} members on"),
            None => "the log does not cost less where both are offered".into(),
        };
        Panel { title: title.into(), note, series: [Series { points: log }, Series { points: pairwise }] }
    }

    fn svg(&self) -> String {
        chart::svg(&[
            self.panel("Server CPU per message, µs", CPU),
            self.panel("Bytes stored per message", BYTES),
            self.panel("To the last member, ms (p50)", LAST),
        ])
    }

    /// What the columns do not say.
    fn conditions(&self) -> String {
        format!(
            "One sender. Time to the last member, and what acks write, on a schedule of {PACED_MESSAGES} messages/s, fewer in \
             groups where that would be more than {} deliveries/s. What a send writes is of messages sent one \
             after another. Who comes back has missed {} messages of one group.",
            table::grouped(PACED_DELIVERIES, 0),
            self.missed
        )
    }

    /// The fragment for the page of benchmarks.
    fn markdown(&self, command: &str) -> String {
        format!(
            "<!-- made by `{command} --docs DIR` -->\n\n![Server CPU and bytes per message, and the time to the last online \
             member, by size of the group and fan-out](fanout.svg)\n\n{}\n{}\n{}\n\n`{command}`\n",
            table::table(self),
            table::break_even(self),
            self.conditions(),
        )
    }

    fn write(&self, folder: &Path, command: &str) -> Result<()> {
        for (name, text) in [("fanout.md", self.markdown(command)), ("fanout.svg", self.svg())] {
            let path = folder.join(name);
            std::fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
            eprintln!("wrote {}", path.display());
        }
        Ok(())
    }
}

/// What a run measures, with its command.
struct Plan {
    sizes: Vec<u32>,
    missed: u64,
    readers: u32,
    warm_up_ms: u64,
    timed_ms: u64,
    rest_ms: u64,
    command: String,
}

impl Plan {
    fn of(args: &Fanout) -> Self {
        if args.quick {
            let sizes = vec![2, 16, 256];
            let command = "sotto-bench fanout --quick".into();
            return Self { sizes, missed: 50, readers: 16, warm_up_ms: 200, timed_ms: 400, rest_ms: 250, command };
        }
        let mut sizes = args.sizes.clone();
        sizes.sort_unstable();
        sizes.dedup();
        let list: Vec<_> = sizes.iter().map(u32::to_string).collect();
        let command = format!(
            "sotto-bench fanout --sizes {} --seconds {} --missed {} --readers {} --size {}",
            list.join(","),
            args.seconds,
            args.missed,
            args.readers,
            args.size
        );
        let timed_ms = u64::from(args.seconds) * 1000;
        Self { sizes, missed: args.missed, readers: args.readers, warm_up_ms: 1000, timed_ms, rest_ms: 1500, command }
    }
}

/// Makes the comparison and shows it; whether all promises were kept.
pub async fn run(args: &Fanout) -> Result<bool> {
    if let Some(folder) = &args.docs {
        ensure!(folder.is_dir(), "{} is no folder", folder.display());
    }
    let plan = Plan::of(args);
    let mut comparison = Comparison { lines: Vec::new(), missed: plan.missed };
    for members in &plan.sizes {
        let log = measure(args, &plan, Strategy::Log, *members).await?;
        let pairwise = if *members <= Strategy::Pairwise.members_max() {
            Some(measure(args, &plan, Strategy::Pairwise, *members).await?)
        } else {
            None
        };
        comparison.lines.push(Line { members: *members, log, pairwise });
    }
    println!("{}\n{}\n{}", table::table(&comparison), table::break_even(&comparison), comparison.conditions());
    if !comparison.is_clean() {
        eprintln!("sotto-bench: the server lost, doubled or misplaced messages, or never answered some");
    }
    if let Some(folder) = &args.docs {
        comparison.write(folder, &plan.command)?;
    }
    if args.common.json {
        println!("{}", comparison.json());
    }
    Ok(comparison.is_clean())
}

async fn measure(args: &Fanout, plan: &Plan, strategy: Strategy, members: u32) -> Result<Report> {
    eprintln!("--- {members} members, {}", strategy.name());
    let row = FanoutRow {
        strategy,
        members,
        missed: plan.missed,
        readers: plan.readers,
        size: args.size,
        warm_up_ms: plan.warm_up_ms,
        timed_ms: plan.timed_ms,
        rest_ms: plan.rest_ms,
    };
    let report = scenario::fanout_row(&args.common, &row).await;
    report.with_context(|| format!("{members} members, {}", strategy.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn report(strategy: &str, cpu: f64) -> Report {
        let mut report = Report::default();
        report.text("strategy", strategy);
        report.figure(CPU, Some(cpu));
        report.figure(BYTES, Some(cpu * 10.0));
        report.count("missing", 0);
        report
    }

    pub fn comparison(figures: &[(u32, f64, Option<f64>)]) -> Comparison {
        let lines = figures.iter().map(|(members, log, pairwise)| Line {
            members: *members,
            log: report("log", *log),
            pairwise: pairwise.map(|cpu| report("pairwise", cpu)),
        });
        Comparison { lines: lines.collect(), missed: 7 }
    }

    #[test]
    fn it_breaks_even_where_the_log_stays_cheaper() {
        let check = |figures: &[(u32, f64, Option<f64>)], want| {
            assert_eq!(comparison(figures).break_even(CPU), want, "{figures:?}");
        };
        check(&[(2, 9.0, Some(5.0)), (4, 9.0, Some(8.0)), (8, 9.0, Some(16.0)), (16, 9.0, Some(32.0))], Some(8));
        // Cheaper once, by chance, is not cheaper from there on.
        check(&[(2, 4.0, Some(5.0)), (4, 9.0, Some(8.0)), (8, 9.0, Some(16.0))], Some(8));
        check(&[(2, 4.0, Some(5.0)), (4, 4.0, Some(8.0))], Some(2));
        // Sizes with one of them only say nothing.
        check(&[(2, 4.0, Some(5.0)), (256, 4.0, None)], Some(2));
        check(&[(2, 6.0, Some(5.0)), (256, 4.0, None)], None);
        check(&[(2, 5.0, Some(5.0))], None);
        check(&[], None);
    }

    #[test]
    fn what_is_not_offered_is_said_and_a_broken_row_is_not_clean() {
        let mut comparison = comparison(&[(128, 4.0, Some(9.0)), (256, 4.0, None)]);
        let json = comparison.json();
        assert_eq!(json["rows"][3]["offered"], false);
        assert_eq!(json["break_even"]["server_cpu"], 128);
        assert_eq!(json["break_even"]["writes"], Value::Null);
        assert!(comparison.is_clean());
        comparison.lines[0].pairwise.as_mut().expect("offered").count("duplicates", 1);
        assert!(!comparison.is_clean());
    }

    #[test]
    fn the_fragment_has_table_picture_and_conditions() {
        let folder = tempfile::tempdir().expect("a folder");
        let comparison = comparison(&[(2, 9.0, Some(5.0)), (4, 9.0, Some(8.0)), (8, 9.0, Some(16.0))]);
        comparison.write(folder.path(), "sotto-bench fanout").expect("written");
        let read = |name| std::fs::read_to_string(folder.path().join(name)).expect("there");
        let page = read("fanout.md");
        for part in ["](fanout.svg)", "| 8 | pairwise |", "costs less from 8 members on", "missed 7 messages"] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(read("fanout.svg").starts_with("<svg "));
        assert!(comparison.write(&folder.path().join("nowhere"), "x").is_err());
    }
}
