//! Runs with groups.

use super::{BASE_PATIENCE, Run, Usage, check_own_limit, per_second, put_rss, us_each, with_obituary};
use crate::args::{Common, Group, Reconnect};
use crate::clock::NS_PER_S;
use crate::group::Strategy;
use crate::group::hall::fold_all;
use crate::job::GROUPS_PER_OWNER;
use crate::metrics::Written;
use crate::outcome::Outcome;
use crate::pair::Timing;
use crate::plan::{FanoutJob, Go, GroupJob, Job, ReconnectJob};
use crate::report::Report;
use anyhow::{Result, bail, ensure};
use std::time::Duration;

/// Until acks are written and the server rests: it gathers them for at most half a second, and syncs within a second.
const ACKS_WRITTEN: Duration = Duration::from_millis(1500);
/// For a phase that ends by itself.
const PHASE_MAX_NS: u64 = 120 * NS_PER_S;

fn check_members(strategy: Strategy, members: u32) -> Result<()> {
    let most = strategy.members_max();
    ensure!(members <= most, "a group with the {} fan-out has at most {most} members", strategy.name());
    Ok(())
}

/// How many of so many members a share is; two at least, since a message needs somebody to arrive at.
fn online_of(members: u32, share: f64) -> u32 {
    ((f64::from(members) * share).round() as u32).clamp(2, members)
}

pub async fn group(args: &Group) -> Result<Report> {
    check_members(args.strategy, args.members)?;
    let online = online_of(args.members, args.online);
    if args.senders > online {
        bail!("{} members cannot send while {online} are online", args.senders);
    }
    check_own_limit(&args.common, online)?;
    let job = GroupJob {
        strategy: args.strategy,
        members: args.members,
        online,
        senders: args.senders,
        window: args.window as usize,
        size: args.size as usize,
        rate: (args.rate > 0.0).then_some(args.rate),
        warm_up_ns: u64::from(args.warm_up) * NS_PER_S,
        measure_ns: u64::from(args.seconds) * NS_PER_S,
    };
    let (warm_up_ns, measure_ns) = (job.warm_up_ns, job.measure_ns);
    // Every process has somebody online.
    let processes = args.processes.min(online);
    let mut run = Run::start(&args.common, processes, args.members, Job::Group(job)).await?;
    run.boundary(run.patience).await?;
    let before = run.metrics.read().await;
    let go = run.go().await?;
    let (mut outcome, usage) = watched(&mut run, go, warm_up_ns, measure_ns).await?;
    let from = go.start_ns + warm_up_ns;
    let timing = Timing { measure_from: from, measure_to: from + measure_ns, stop_sending: 0, give_up: 0 };
    fold_all(&mut outcome, online - 1, &timing);
    let rss = run.rss()?;
    tokio::time::sleep(ACKS_WRITTEN).await;
    let after = run.metrics.read().await;

    let mut report = Report::default();
    report.text("scenario", "group");
    report.text("strategy", args.strategy.name());
    report.count("members", args.members.into());
    report.count("online", online.into());
    report.count("senders", args.senders.into());
    report.figure("messages_per_s", per_second(outcome.group.messages, measure_ns));
    report.figure("deliveries_per_s", per_second(outcome.measured, measure_ns));
    report.latency("", &outcome.delivered_latency);
    report.latency("first_", &outcome.group.first);
    report.latency("median_", &outcome.group.median);
    report.latency("accepted_", &outcome.accepted_latency);
    report.figure("server_cpu_us_per_message", us_each(usage.server, outcome.group.messages));
    report.figure("server_cpu_us_per_delivery", us_each(usage.server, outcome.measured));
    report.figure("client_cpu_us_per_delivery", us_each(usage.clients, outcome.measured));
    report.figure("server_cpu_cores", cores(usage.server, measure_ns));
    put_rss(&mut report, rss);
    put_written(&mut report, "", after.written(&before).each(outcome.sent));
    // In inboxes it cannot be told from what acks remove.
    if args.strategy == Strategy::Log {
        put_written(&mut report, "send_", after.written_by_sends(&before).each(outcome.sent));
    }
    after.since(&before, &mut report);
    report.count("messages", outcome.sent);
    report.count("deliveries", outcome.delivered);
    report.verdict(&outcome);
    run.end().await?;
    Ok(report)
}

/// A timed phase, and the processor time of its measured part.
async fn watched(run: &mut Run, go: Go, warm_up_ns: u64, measure_ns: u64) -> Result<(Outcome, Usage)> {
    let from = go.start_ns + warm_up_ns;
    let patience = BASE_PATIENCE + Duration::from_nanos(warm_up_ns + measure_ns);
    let watching = Run::usage_between(run.probe, run.clients.clone(), from, from + measure_ns);
    tokio::try_join!(run.fleet.boundary(patience), watching).map_err(|error| with_obituary(error, run.server.as_mut()))
}

fn cores(cpu: Option<Duration>, ns: u64) -> Option<f64> {
    cpu.map(|cpu| cpu.as_secs_f64() * NS_PER_S as f64 / ns.max(1) as f64)
}

fn put_written(report: &mut Report, prefix: &str, each: Written) {
    report.figure(&format!("{prefix}writes_per_message"), each.records);
    report.figure(&format!("{prefix}bytes_per_message"), each.bytes);
}

pub async fn reconnect(args: &Reconnect) -> Result<Report> {
    check_members(args.strategy, args.members)?;
    let makers = args.groups.div_ceil(GROUPS_PER_OWNER);
    ensure!(makers <= args.members, "{} groups need {makers} members to make them", args.groups);
    let job = ReconnectJob {
        strategy: args.strategy,
        groups: args.groups,
        members: args.members,
        messages: args.messages,
        repeats: args.repeats,
        size: args.size as usize,
        patience_ns: PHASE_MAX_NS,
    };
    let patience = BASE_PATIENCE + 2 * Duration::from_nanos(PHASE_MAX_NS);
    let mut run = Run::start(&args.common, 1, args.members, Job::Reconnect(job)).await?;
    let making = PER_GROUP * args.groups;
    run.boundary(run.patience + making + patience).await?;
    let mut spent = Some(Duration::ZERO);
    let mut outcome = Outcome::default();
    for visit in 1..=args.repeats {
        let before = run.usage()?;
        run.go().await?;
        outcome = run.boundary(patience).await?;
        let usage = run.usage()?.since(before);
        spent = spent.zip(usage.server).map(|(sum, more)| sum + more);
        if outcome.group.reconnects < u64::from(visit) {
            // Something is missing, and the worker has ended.
            break;
        }
        if visit < args.repeats {
            run.go().await?;
            run.boundary(patience).await?;
        }
    }
    let mut report = Report::default();
    report.text("scenario", "reconnect");
    report.text("strategy", args.strategy.name());
    report.count("groups", args.groups.into());
    report.count("members", args.members.into());
    report.count("missed", args.messages);
    report.count("reconnects", outcome.group.reconnects);
    put_reconnects(&mut report, "", &outcome, spent);
    put_rss(&mut report, run.rss()?);
    report.count("messages", outcome.sent);
    report.verdict(&outcome);
    run.end().await?;
    Ok(report)
}

/// Making a group: a signature, a request, a sync. Generous, as `PER_ACCOUNT` is.
const PER_GROUP: Duration = Duration::from_millis(200);

fn put_reconnects(report: &mut Report, prefix: &str, outcome: &Outcome, cpu: Option<Duration>) {
    let group = &outcome.group;
    let each = |sum: f64| (group.reconnects > 0).then(|| sum / group.reconnects as f64);
    report.figure("reconnect_ms", group.reconnect.quantile_ms(0.5));
    report.latency(prefix, &group.reconnect);
    report.latency("welcome_", &group.welcome);
    report.figure("reconnect_bytes", each(group.reconnect_bytes as f64));
    report.figure("reconnect_cpu_ms", cpu.and_then(|cpu| each(cpu.as_secs_f64() * 1000.0)));
    report.figure("reconnect_cpu_us_per_message", us_each(cpu, group.reconnect_messages));
}

/// What is asked of a row of the comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FanoutRow {
    pub strategy: Strategy,
    pub members: u32,
    pub missed: u64,
    pub readers: u32,
    pub size: u32,
    pub warm_up_ms: u64,
    pub timed_ms: u64,
    /// Between phases, until acks are written and the server rests.
    pub rest_ms: u64,
}

/// Deliveries per second of the paced phase: far below what any size can do, so that nothing waits for its turn.
pub const PACED_DELIVERIES: f64 = 20_000.0;
/// And never more messages than this.
pub const PACED_MESSAGES: f64 = 50.0;
const WINDOW: usize = 8;
/// Messages that are sent one after another to count what one of them writes.
const SINGLE: u64 = 100;

impl FanoutRow {
    /// Messages per second on the schedule.
    pub fn rate(&self) -> f64 {
        (PACED_DELIVERIES / f64::from(self.members)).min(PACED_MESSAGES)
    }

    /// Groups of that size, so that there are readers enough.
    pub fn groups(&self) -> u32 {
        self.readers.div_ceil(self.members.saturating_sub(1).max(1)).max(1)
    }
}

pub async fn fanout_row(common: &Common, row: &FanoutRow) -> Result<Report> {
    const NS_PER_MS: u64 = 1_000_000;
    check_members(row.strategy, row.members)?;
    let (groups, timed_ns, warm_up_ns) = (row.groups(), row.timed_ms * NS_PER_MS, row.warm_up_ms * NS_PER_MS);
    let job = FanoutJob {
        strategy: row.strategy,
        members: row.members,
        groups,
        readers: row.readers.min(groups * (row.members - 1)),
        missed: row.missed,
        single: row.missed.min(SINGLE),
        size: row.size as usize,
        rate: row.rate(),
        paced_ns: timed_ns,
        window: WINDOW,
        warm_up_ns,
        closed_ns: timed_ns,
        patience_ns: PHASE_MAX_NS,
    };
    let accounts = groups * row.members;
    check_own_limit(common, row.members + groups)?;
    let mut run = Run::start(common, 1, accounts, Job::Fanout(job)).await?;
    let patience = run.patience + Duration::from_nanos(2 * PHASE_MAX_NS);
    let rest = Duration::from_millis(row.rest_ms);
    run.boundary(patience).await?;
    tokio::time::sleep(rest).await;

    let before = run.metrics.read().await;
    let go = run.go().await?;
    let (paced, paced_usage) = watched(&mut run, go, 0, timed_ns).await?;
    tokio::time::sleep(rest).await;
    let with_acks = run.metrics.read().await.written(&before).each(paced.sent);

    let go = run.go().await?;
    let (closed, usage) = watched(&mut run, go, warm_up_ns, timed_ns).await?;
    tokio::time::sleep(rest).await;

    let before = run.metrics.read().await;
    run.go().await?;
    let single = run.boundary(patience).await?;
    let by_sends = run.metrics.read().await.written_by_sends(&before).each(single.sent);
    run.go().await?;
    let stored = run.boundary(patience).await?;
    tokio::time::sleep(rest).await;

    let cpu_before = run.usage()?;
    run.go().await?;
    let drained = run.boundary(patience).await?;
    let cpu = run.usage()?.since(cpu_before).server;

    let mut report = Report::default();
    report.text("scenario", "fanout");
    report.text("strategy", row.strategy.name());
    report.count("members", row.members.into());
    put_written(&mut report, "send_", by_sends);
    put_written(&mut report, "", with_acks);
    report.figure("server_cpu_us_per_message", us_each(usage.server, closed.group.messages));
    report.figure("server_cpu_us_per_delivery", us_each(usage.server, closed.measured));
    report.figure("messages_per_s", per_second(closed.group.messages, timed_ns));
    report.figure("deliveries_per_s", per_second(closed.measured, timed_ns));
    report.figure("paced_messages_per_s", Some(row.rate()));
    report.figure("paced_server_cpu_us_per_message", us_each(paced_usage.server, paced.group.messages));
    report.latency("", &paced.delivered_latency);
    report.latency("first_", &paced.group.first);
    report.latency("median_", &paced.group.median);
    report.count("missed", row.missed);
    report.count("reconnects", drained.group.reconnects);
    put_reconnects(&mut report, "reconnect_", &drained, cpu);
    let mut all = Outcome::default();
    [&paced, &closed, &single, &stored, &drained].into_iter().for_each(|part| all.merge(part));
    report.count("messages", all.sent);
    report.verdict(&all);
    run.end().await?;
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_members_is_at_least_a_pair() {
        for (members, share, want) in [(1024, 1.0, 1024), (1024, 0.5, 512), (10, 0.01, 2), (2, 0.1, 2), (5, 0.5, 3)] {
            assert_eq!(online_of(members, share), want, "{members} {share}");
        }
    }

    #[test]
    fn rows_have_readers_enough_and_a_bearable_pace() {
        let row = |members, readers| FanoutRow {
            strategy: Strategy::Log,
            members,
            missed: 1,
            readers,
            size: 1,
            warm_up_ms: 0,
            timed_ms: 1,
            rest_ms: 1,
        };
        for (members, readers, groups) in [(2, 128, 128), (4, 128, 43), (128, 128, 2), (129, 128, 1), (1024, 1, 1)] {
            assert_eq!(row(members, readers).groups(), groups, "{members} {readers}");
        }
        assert!((row(2, 1).rate() - 50.0).abs() < 1e-9);
        assert!((row(1024, 1).rate() - 19.53).abs() < 0.01);
    }

    #[test]
    fn pairwise_groups_have_their_limit() {
        assert!(check_members(Strategy::Pairwise, 128).is_ok());
        assert!(check_members(Strategy::Pairwise, 129).is_err_and(|error| error.to_string().contains("at most 128")));
        assert!(check_members(Strategy::Log, 1024).is_ok());
    }
}
