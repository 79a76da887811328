//! The comparison as a table, for a terminal and for a page alike.

use super::{BYTES, CPU, Comparison, Line, WRITES};
use crate::group::Strategy;
use crate::report::Report;
use std::fmt::Write as _;

const HEAD: [&str; 11] = [
    "members",
    "fan-out",
    "records written by a send",
    "and by its acks",
    "bytes written by a send",
    "server CPU µs per message",
    "messages/s, as fast as it goes",
    "to the last member p50 / p99 ms",
    "back after being away p50 / p99 ms",
    "of which server CPU ms; KiB read",
    "missing / doubled / disordered",
];

pub fn table(comparison: &Comparison) -> String {
    let mut table = String::new();
    row(&mut table, HEAD.map(str::to_owned));
    row(&mut table, HEAD.map(|_| "---".to_owned()));
    for line in &comparison.lines {
        row(&mut table, cells(line, Strategy::Log, Some(&line.log)));
        row(&mut table, cells(line, Strategy::Pairwise, line.pairwise.as_ref()));
    }
    table
}

fn row(table: &mut String, cells: [String; HEAD.len()]) {
    let _ = writeln!(table, "| {} |", cells.join(" | "));
}

fn cells(line: &Line, strategy: Strategy, report: Option<&Report>) -> [String; HEAD.len()] {
    let mut cells: [String; HEAD.len()] = Default::default();
    let Some(report) = report else {
        let offered = format!("not offered: at most {} members", strategy.members_max());
        let said = [line.members.to_string(), strategy.name().into(), offered];
        cells.iter_mut().zip(said).for_each(|(cell, text)| *cell = text);
        return cells;
    };
    let get = |name: &str, digits: usize| match report.get(name) {
        Some(value) => grouped(value, digits),
        None => "?".into(),
    };
    let acks = match (report.get("writes_per_message"), report.get(WRITES)) {
        (Some(all), Some(send)) => grouped((all - send).max(0.0), 1),
        _ => "?".into(),
    };
    let kib = report.get("reconnect_bytes").map_or("?".into(), |bytes| grouped(bytes / 1024.0, 1));
    let count = |name| report.get(name).unwrap_or(0.0);
    [
        line.members.to_string(),
        strategy.name().into(),
        get(WRITES, 1),
        acks,
        get(BYTES, 0),
        get(CPU, 1),
        get("messages_per_s", 0),
        format!("{} / {}", get("p50_ms", 2), get("p99_ms", 2)),
        format!("{} / {}", get("reconnect_p50_ms", 1), get("reconnect_p99_ms", 1)),
        format!("{}; {kib}", get("reconnect_cpu_ms", 2)),
        format!("{} / {} / {}", count("missing"), count("duplicates"), count("disorder")),
    ]
}

/// A sentence for each figure that was measured.
pub fn break_even(comparison: &Comparison) -> String {
    let mut text = String::new();
    for (what, figure) in [("server CPU", CPU), ("stored bytes", BYTES), ("written records", WRITES)] {
        let measured = comparison.lines.iter().any(|line| line.both(figure).is_some());
        let _ = match comparison.break_even(figure) {
            _ if !measured => writeln!(text, "- {what}: not measured with both fan-outs"),
            Some(members) => writeln!(text, "- {what}: the log costs less from {members} members on"),
            None => writeln!(text, "- {what}: the log does not cost less at the largest size that has both"),
        };
    }
    text
}

/// 12345.67 as "12,345.7".
pub fn grouped(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let len = whole.len();
    let with_commas = whole.chars().enumerate().fold(String::new(), |mut out, (at, digit)| {
        if at > 0 && (len - at) % 3 == 0 && out != "-" {
            out.push(',');
        }
        out.push(digit);
        out
    });
    format!("{with_commas}{rest}")
}

#[cfg(test)]
mod tests {
    use super::super::tests::comparison;
    use super::*;

    #[test]
    fn every_row_has_every_column_and_says_what_is_not_offered() {
        let mut comparison = comparison(&[(128, 1234.56, Some(9876.5)), (256, 4.0, None)]);
        comparison.lines[0].log.count("duplicates", 7);
        let table = table(&comparison);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 2 + 4);
        for line in &lines {
            assert_eq!(line.matches('|').count(), HEAD.len() + 1, "{line}");
        }
        assert!(lines[2].contains("| 12,346 | 1,234.6 |") && lines[2].ends_with("| 0 / 7 / 0 |"), "{}", lines[2]);
        assert!(lines[3].starts_with("| 128 | pairwise | ? |"), "{}", lines[3]);
        assert!(lines[5].starts_with("| 256 | pairwise | not offered: at most 128 members |"), "{}", lines[5]);
    }

    #[test]
    fn break_even_is_said_for_what_was_measured() {
        let text = break_even(&comparison(&[(2, 9.0, Some(5.0)), (4, 9.0, Some(20.0))]));
        let want = "- server CPU: the log costs less from 4 members on\n- stored bytes: the log costs less from 4 members on\n\
                    - written records: not measured with both fan-outs\n";
        assert_eq!(text, want);
        assert!(break_even(&comparison(&[(2, 9.0, Some(5.0))])).contains("server CPU: the log does not cost less"));
    }

    #[test]
    fn numbers_have_separators() {
        for (value, digits, want) in
            [(0.04, 1, "0.0"), (999.4, 0, "999"), (12345.67, 1, "12,345.7"), (-1234.0, 0, "-1,234")]
        {
            assert_eq!(grouped(value, digits), want);
        }
    }
}
