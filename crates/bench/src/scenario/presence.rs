use super::{BASE_PATIENCE, Run, check_own_limit, per_second, put_rss, us_each, with_obituary};
use crate::args::Presence;
use crate::clock::NS_PER_S;
use crate::plan::{Job, PresenceJob};
use crate::report::Report;
use anyhow::Result;
use std::time::Duration;

pub async fn presence(args: &Presence) -> Result<Report> {
    let watched = u32::from(args.watchers > 0);
    let accounts = args.connections + args.watchers + watched;
    check_own_limit(&args.common, accounts)?;
    let job = PresenceJob {
        connections: args.connections,
        interval_ns: (args.interval * NS_PER_S as f64) as u64,
        window: args.window as usize,
        subscriptions: args.subscriptions,
        churn: args.churn,
        watchers: args.watchers,
        flips: args.flips,
        warm_up_ns: u64::from(args.warm_up) * NS_PER_S,
        measure_ns: u64::from(args.seconds) * NS_PER_S,
    };
    let (warm_up_ns, measure_ns) = (job.warm_up_ns, job.measure_ns);
    let processes = args.processes.min(args.connections);
    let mut run = Run::start(&args.common, processes, accounts, Job::Presence(job)).await?;
    run.boundary(run.patience).await?;
    run.go().await?;
    run.boundary(run.patience).await?;
    let rss_background = run.settled_rss().await?;
    run.go().await?;
    run.boundary(run.patience).await?;
    let rss_foreground = run.settled_rss().await?;
    let go = run.go().await?;
    let from = go.start_ns + warm_up_ns;
    let watching = Run::usage_between(run.probe, run.clients.clone(), from, from + measure_ns);
    let patience = BASE_PATIENCE + Duration::from_nanos(warm_up_ns + measure_ns);
    let (mut outcome, usage) = tokio::try_join!(run.fleet.boundary(patience), watching)
        .map_err(|error| with_obituary(error, run.server.as_mut()))?;
    let (beaten, pushed) = (outcome.measured, outcome.delivered);
    let rss = run.rss()?;
    if args.watchers > 0 {
        run.go().await?;
        run.boundary(run.patience).await?;
        run.go().await?;
        outcome = run.boundary(BASE_PATIENCE + Duration::from_secs(u64::from(args.flips) + 10)).await?;
    }
    let mut report = Report::default();
    report.text("scenario", "presence");
    report.count("connections", args.connections.into());
    report.figure("heartbeats_per_s", per_second(beaten, measure_ns));
    let each = us_each(usage.server, beaten);
    report.figure("server_cpu_us_per_heartbeat", each);
    report.figure("heartbeats_per_core_s", each.map(|us| 1e6 / us));
    report.figure("client_cpu_us_per_heartbeat", us_each(usage.clients, beaten));
    report.latency("heartbeat_", &outcome.accepted_latency);
    report.count("pushed_to_subscribers", pushed);
    let grown = rss_foreground.zip(rss_background).map(|(after, before)| after as f64 - before as f64);
    report.figure("bytes_per_online_user", grown.map(|bytes| bytes / f64::from(args.connections)));
    put_rss(&mut report, rss);
    if args.watchers > 0 {
        report.count("watchers", args.watchers.into());
        report.count("pushes", outcome.delivered_latency.count());
        report.latency("push_", &outcome.delivered_latency);
        report.latency("push_late_", &outcome.late_latency);
    }
    report.verdict(&outcome);
    run.end().await?;
    Ok(report)
}
