//! The parent's side of each run: start the server and the workers, measure the server between the phases, make the report.
//! Always true: every wait has an end; whatever fails, dropping the run ends the workers and our own server.

mod groups;
mod presence;

pub use groups::{FanoutRow, PACED_DELIVERIES, PACED_MESSAGES, fanout_row, group, reconnect};
pub use presence::presence;

use crate::accounts::Registration;
use crate::args::{Common, Direct, Idle, Offline, SignIn};
use crate::clock::{NS_PER_S, now_ns, sleep_until};
use crate::fleet::Fleet;
use crate::metrics::Metrics;
use crate::outcome::Outcome;
use crate::plan::{DirectJob, Go, IdleJob, Job, OfflineJob, Plan, SignInJob};
use crate::report::Report;
use crate::server::{Probe, Server};
use crate::target::{Target, open_files_max};
use anyhow::{Result, bail};
use std::time::Duration;

/// From the order to begin until the first send, so that all workers have read it.
const LEAD_NS: u64 = 100_000_000;
/// Preparing one account: making keys, registering, signing in, connecting. Generous: it only ends what hangs.
const PER_ACCOUNT: Duration = Duration::from_millis(50);
const BASE_PATIENCE: Duration = Duration::from_secs(60);
const SETTLE: Duration = Duration::from_secs(15);
/// For runs that end by a count.
const COUNTED_MAX_S: u64 = 600;

/// A server and the workers against it.
struct Run {
    server: Option<Server>,
    probe: Option<Probe>,
    clients: Vec<Probe>,
    metrics: Metrics,
    fleet: Fleet,
    patience: Duration,
}

impl Run {
    async fn start(common: &Common, processes: u32, accounts: u32, job: Job) -> Result<Self> {
        let (server, target, probe) = match &common.server {
            Some(url) => {
                let probe = common.server_pid.map(Probe::of).transpose()?;
                (None, Target::parse(url).await?, probe)
            }
            None => {
                let server = Server::start(&common.server_options()).await?;
                eprintln!("started sottod on {}", server.target.address);
                let (target, probe) = (server.target.clone(), server.probe());
                (Some(server), target, Some(probe))
            }
        };
        let metrics = Metrics::new(server.as_ref().and_then(|server| server.metrics));
        let run = hex::encode(rand::random::<[u8; 4]>());
        let registration = Registration { run, invite: common.invite.clone() };
        let workers = processes.min(accounts).max(1);
        let plan = |worker| Plan {
            target: target.clone(),
            registration: registration.clone(),
            worker,
            workers,
            job: job.clone(),
        };
        let plans: Vec<_> = (0..workers).map(plan).collect();
        let fleet = Fleet::start(&plans).await?;
        let clients = fleet.probes();
        Ok(Self { server, probe, clients, metrics, fleet, patience: BASE_PATIENCE + PER_ACCOUNT * accounts })
    }

    /// Waits for the workers; if they failed because the server died, says that.
    async fn boundary(&mut self, patience: Duration) -> Result<Outcome> {
        let result = self.fleet.boundary(patience).await;
        match (result, self.server.as_mut().and_then(Server::obituary)) {
            (Err(error), Some(obituary)) => Err(error.context(obituary)),
            (result, _) => result,
        }
    }

    async fn go(&mut self) -> Result<Go> {
        let go = Go { start_ns: now_ns() + LEAD_NS };
        self.fleet.go(go).await?;
        Ok(go)
    }

    fn usage(&self) -> Result<Usage> {
        Usage::now(self.probe, &self.clients)
    }

    fn rss(&self) -> Result<Option<u64>> {
        self.probe.map(Probe::rss).transpose()
    }

    async fn settled_rss(&self) -> Result<Option<u64>> {
        match self.probe {
            Some(probe) => Ok(Some(probe.settled_rss(SETTLE).await?)),
            None => Ok(None),
        }
    }

    /// Processor time between two moments; apart from `self`, whose fleet is waited for meanwhile.
    async fn usage_between(probe: Option<Probe>, clients: Vec<Probe>, from_ns: u64, to_ns: u64) -> Result<Usage> {
        sleep_until(from_ns).await;
        let before = Usage::now(probe, &clients)?;
        sleep_until(to_ns).await;
        Ok(Usage::now(probe, &clients)?.since(before))
    }

    async fn end(self) -> Result<()> {
        drop(self.fleet);
        match self.server {
            Some(server) => server.end().await,
            None => Ok(()),
        }
    }
}

/// Processor time of the server and of the client processes, as far as it is known.
#[derive(Debug, Clone, Copy)]
struct Usage {
    server: Option<Duration>,
    clients: Option<Duration>,
}

impl Usage {
    fn now(server: Option<Probe>, clients: &[Probe]) -> Result<Self> {
        // A client that has finished is no error, only no figure.
        let clients = clients.iter().map(|client| client.cpu().ok()).sum();
        Ok(Self { server: server.map(Probe::cpu).transpose()?, clients })
    }

    fn since(self, before: Self) -> Self {
        let spent = |now: Option<Duration>, before: Option<Duration>| Some(now?.saturating_sub(before?));
        Self { server: spent(self.server, before.server), clients: spent(self.clients, before.clients) }
    }
}

fn per_second(count: u64, ns: u64) -> Option<f64> {
    (ns > 0).then(|| count as f64 * NS_PER_S as f64 / ns as f64)
}

fn us_each(cpu: Option<Duration>, count: u64) -> Option<f64> {
    cpu.filter(|_| count > 0).map(|cpu| cpu.as_secs_f64() * 1e6 / count as f64)
}

fn put_rss(report: &mut Report, rss: Option<u64>) {
    if let Some(bytes) = rss {
        report.mib("server_rss_mib", bytes);
    }
}

pub async fn direct(args: &Direct) -> Result<Report> {
    let talking = args.pairs * 2;
    let idle = args.connections.saturating_sub(talking);
    let measure_s = args.messages.map_or(u64::from(args.seconds), |_| COUNTED_MAX_S);
    let job = DirectJob {
        pairs: args.pairs,
        window: args.window as usize,
        size: args.size as usize,
        real_crypto: args.real_crypto,
        rate: args.rate,
        messages: args.messages,
        warm_up_ns: if args.messages.is_some() { 0 } else { u64::from(args.warm_up) * NS_PER_S },
        measure_ns: measure_s * NS_PER_S,
        idle,
    };
    check_own_limit(&args.common, talking + idle)?;
    let (warm_up_ns, measure_ns) = (job.warm_up_ns, job.measure_ns);
    let mut run = Run::start(&args.common, args.processes.min(args.pairs), talking + idle, Job::Direct(job)).await?;
    run.boundary(run.patience).await?;
    let before = run.metrics.read().await;
    let go = run.go().await?;
    let from = go.start_ns + warm_up_ns;
    let patience = BASE_PATIENCE + Duration::from_nanos(warm_up_ns + measure_ns);
    let (outcome, usage, elapsed_ns) = if args.messages.is_some() {
        let before = run.usage()?;
        let outcome = run.boundary(patience).await?;
        let elapsed = outcome.last_ns.saturating_sub(go.start_ns);
        (outcome, run.usage()?.since(before), elapsed)
    } else {
        let watching = Run::usage_between(run.probe, run.clients.clone(), from, from + measure_ns);
        let (outcome, usage) = tokio::try_join!(run.fleet.boundary(patience), watching)
            .map_err(|error| with_obituary(error, run.server.as_mut()))?;
        (outcome, usage, measure_ns)
    };
    let mut report = Report::default();
    report.text("scenario", "direct");
    report.figure("messages_per_s", per_second(outcome.measured, elapsed_ns));
    report.latency("", &outcome.delivered_latency);
    report.latency("accepted_", &outcome.accepted_latency);
    report.figure("server_cpu_us_per_message", us_each(usage.server, outcome.measured));
    report.figure("client_cpu_us_per_message", us_each(usage.clients, outcome.measured));
    report.figure("server_cpu_cores", usage.server.map(|cpu| cpu.as_secs_f64() * 1e9 / elapsed_ns.max(1) as f64));
    put_rss(&mut report, run.rss()?);
    run.metrics.read().await.since(&before, &mut report);
    report.count("messages", outcome.sent);
    report.verdict(&outcome);
    run.end().await?;
    Ok(report)
}

fn with_obituary(error: anyhow::Error, server: Option<&mut Server>) -> anyhow::Error {
    match server.and_then(Server::obituary) {
        Some(obituary) => error.context(obituary),
        None => error,
    }
}

pub async fn idle(args: &Idle) -> Result<Report> {
    check_own_limit(&args.common, args.connections)?;
    let hold_ns = u64::from(args.hold) * NS_PER_S;
    let job = Job::Idle(IdleJob { connections: args.connections, hold_ns });
    let mut run = Run::start(&args.common, args.processes, args.connections, job).await?;
    run.boundary(run.patience).await?;
    let rss_0 = run.settled_rss().await?;
    let begun = run.go().await?.start_ns;
    let half = run.boundary(run.patience).await?;
    let opened_ns = now_ns().saturating_sub(begun);
    let rss_half = run.settled_rss().await?;
    run.go().await?;
    let all = run.boundary(run.patience).await?;
    let rss_n = run.settled_rss().await?;
    let go = run.go().await?;
    let watching = Run::usage_between(run.probe, Vec::new(), go.start_ns, go.start_ns + hold_ns);
    let holding = run.fleet.boundary(BASE_PATIENCE + Duration::from_nanos(hold_ns));
    let (outcome, usage) =
        tokio::try_join!(holding, watching).map_err(|error| with_obituary(error, run.server.as_mut()))?;
    let mut report = Report::default();
    report.text("scenario", "idle");
    report.count("connections", all.connects);
    let per = |from: Option<u64>, to: Option<u64>, count: u64| {
        let (from, to) = (from? as f64, to? as f64);
        (count > 0).then(|| (to - from) / count as f64)
    };
    report.figure("bytes_per_connection", per(rss_0, rss_n, all.connects));
    report.figure("bytes_per_connection_second_half", per(rss_half, rss_n, all.connects - half.connects));
    put_rss(&mut report, rss_n);
    if let Some(rss) = rss_0 {
        report.mib("server_rss_mib_before", rss);
    }
    report.figure("connects_per_s", per_second(half.connects, opened_ns));
    if hold_ns > 0 {
        report.figure("server_cpu_percent", usage.server.map(|cpu| cpu.as_secs_f64() * 1e11 / hold_ns as f64));
    }
    report.verdict(&outcome);
    run.end().await?;
    Ok(report)
}

pub async fn offline(args: &Offline) -> Result<Report> {
    let patience_ns = COUNTED_MAX_S * NS_PER_S;
    let job = OfflineJob {
        pairs: args.pairs,
        window: args.window as usize,
        size: args.size as usize,
        messages: args.messages,
        patience_ns,
    };
    check_own_limit(&args.common, args.pairs * 2)?;
    let processes = args.processes.min(args.pairs);
    let mut run = Run::start(&args.common, processes, args.pairs * 2, Job::Offline(job)).await?;
    run.boundary(run.patience).await?;
    let patience = BASE_PATIENCE + Duration::from_nanos(patience_ns);
    let before = run.usage()?;
    let go = run.go().await?;
    let stored = run.boundary(patience).await?;
    let store_ns = stored.last_ns.saturating_sub(go.start_ns);
    let between = run.usage()?;
    if stored.accepted < args.messages {
        bail!("only {} of {} messages were accepted within {COUNTED_MAX_S} s", stored.accepted, args.messages);
    }
    eprintln!("stored {} messages in {:.1} s", stored.accepted, store_ns as f64 / 1e9);
    let go = run.go().await?;
    let drained = run.boundary(patience).await?;
    let drain_ns = drained.last_ns.saturating_sub(go.start_ns);
    let after = run.usage()?;
    let mut report = Report::default();
    report.text("scenario", "offline");
    report.count("messages", drained.delivered);
    report.figure("stored_per_s", per_second(stored.accepted, store_ns));
    report.figure("drained_per_s", per_second(drained.delivered, drain_ns));
    report.figure("messages_per_s", per_second(drained.delivered, store_ns + drain_ns));
    report.latency("accepted_", &stored.accepted_latency);
    report.figure("server_cpu_us_per_message", us_each(after.since(before).server, drained.delivered));
    report.figure("store_cpu_us_per_message", us_each(between.since(before).server, stored.accepted));
    report.figure("drain_cpu_us_per_message", us_each(after.since(between).server, drained.delivered));
    put_rss(&mut report, run.rss()?);
    report.verdict(&drained);
    run.end().await?;
    Ok(report)
}

pub async fn sign_in(args: &SignIn) -> Result<Report> {
    let (warm_up_ns, measure_ns) = (u64::from(args.warm_up) * NS_PER_S, u64::from(args.seconds) * NS_PER_S);
    let concurrency = args.concurrency.min(args.accounts);
    let job = Job::SignIn(SignInJob { accounts: args.accounts, concurrency, warm_up_ns, measure_ns });
    let mut run = Run::start(&args.common, args.processes.min(concurrency), args.accounts, job).await?;
    run.boundary(run.patience).await?;
    let go = run.go().await?;
    let from = go.start_ns + warm_up_ns;
    let watching = Run::usage_between(run.probe, run.clients.clone(), from, from + measure_ns);
    let working = run.fleet.boundary(BASE_PATIENCE + Duration::from_nanos(warm_up_ns + measure_ns));
    let (outcome, usage) =
        tokio::try_join!(working, watching).map_err(|error| with_obituary(error, run.server.as_mut()))?;
    let mut report = Report::default();
    report.text("scenario", "signin");
    report.figure("connects_per_s", per_second(outcome.connects, measure_ns));
    report.latency("", &outcome.connect_latency);
    report.figure("server_cpu_us_per_connect", us_each(usage.server, outcome.connects));
    report.figure("client_cpu_us_per_connect", us_each(usage.clients, outcome.connects));
    put_rss(&mut report, run.rss()?);
    report.verdict(&outcome);
    run.end().await?;
    Ok(report)
}

/// Our own server is one process with this process's limit: say so before thousands of accounts are made.
fn check_own_limit(common: &Common, connections: u32) -> Result<()> {
    /// Files of the store and lanes of registration.
    const SERVER_FILES: u64 = 400;
    if common.server.is_some() {
        return Ok(());
    }
    match open_files_max() {
        Some(limit) if limit < u64::from(connections) + SERVER_FILES => bail!(
            "a server of ours is one process, which may open {limit} files here: not enough for {connections} connections; raise \
             the limit (ulimit -Hn), or measure a server elsewhere with --server"
        ),
        _ => Ok(()),
    }
}
