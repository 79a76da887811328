//! `sottod serve`: start, serve, stop.
//! Flow: data folder -> listeners -> store -> domain -> gateway and api -> admin socket -> ready line.
//!       Stop: no new connections -> `Drain` to all -> sends in flight -> listeners -> store.
//! Always true: what can fail at start fails before the ready line, with one line that says what to do; a second signal ends
//! the process at once.

use crate::admin::{self, Admin};
use crate::clock_watch::ClockWatch;
use crate::config::{Config, Loaded};
use crate::demo::Demo;
use crate::exit::{Failure, Reason, failed};
use crate::paths::Paths;
use crate::tls::{self, TlsFiles};
use crate::web::{Web, What};
use crate::{limits, logging, pages};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use sotto_api::ApiConfig;
use sotto_domain::{Domain, DomainConfig, DomainParts, Presence, RegistrationPolicy};
use sotto_embedded::{EmbeddedConfig, EmbeddedStore};
use sotto_gateway::{Gateway, GatewayConfig, Router, TlsSource};
use sotto_ports::memory::{MemoryEphemeral, MemoryPresence};
use sotto_types::{Clock, SystemClock};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpSocket, UnixListener};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const SWEEP_EVERY: Duration = Duration::from_secs(60);
const BLOCKING_ENDS_WITHIN: Duration = Duration::from_secs(2);
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// Link sessions, link codes and used challenges, all together.
const EPHEMERAL_VALUES: usize = 400_000;
const EPHEMERAL_BYTES: usize = 64 << 20;
const LATENCY_BUCKETS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];
const COUNT_BUCKETS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0];

pub fn run(loaded: Loaded, json: bool) -> Result<(), Failure> {
    logging::start(&loaded.config);
    limits::raise_open_files();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let workers @ 1.. = loaded.config.server.workers {
        runtime.worker_threads(usize::try_from(workers).unwrap_or(1));
    }
    let runtime = runtime.enable_all().build().map_err(|error| failed(format!("cannot start threads: {error}")))?;
    let served = runtime.block_on(async {
        // Before anything is announced: a signal that comes early is not lost.
        let mut signals = Signals::listen()?;
        let hangups = listen_for(SignalKind::hangup())?;
        let server = Server::start(&loaded.config, hangups).await?;
        server.announce(&loaded, json);
        signals.first().await;
        signals.exit_on_second();
        server.stop().await;
        Ok(())
    });
    // A backup may still be copying: it ends with the process, and its folder is no backup without its manifest.
    runtime.shutdown_timeout(BLOCKING_ENDS_WITHIN);
    served
}

fn listen_for(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| failed(format!("cannot listen for signals: {error}")))
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        Ok(Self { terminate: listen_for(SignalKind::terminate())?, interrupt: listen_for(SignalKind::interrupt())? })
    }

    async fn first(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    fn exit_on_second(mut self) {
        tokio::spawn(async move {
            self.first().await;
            eprintln!("sottod: second signal, ending at once");
            // As a shell reports SIGINT.
            std::process::exit(130);
        });
    }
}

pub fn store_config(config: &Config, paths: &Paths) -> EmbeddedConfig {
    let size = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
    let store = &config.store;
    EmbeddedConfig {
        cache_bytes: u64::from(store.cache_mib) << 20,
        memtable_bytes: u64::from(store.memtable_mib) << 20,
        journal_bytes: u64::from(store.journal_mib) << 20,
        worker_threads: size(store.worker_threads),
        free_space_floor: u64::from(store.free_space_floor_mib) << 20,
        commit_hang_limit: Duration::from_secs(store.commit_hang_limit_s.into()),
        queue_ops: size(store.queue_ops),
        queue_bytes: size(store.queue_mib) << 20,
        cached_accounts: size(store.cached_accounts),
        sync_delay: (store.sync_delay_ms > 0).then(|| Duration::from_millis(store.sync_delay_ms.into())),
        ..EmbeddedConfig::new(paths.store())
    }
}

fn gateway_config(config: &Config) -> GatewayConfig {
    let size = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
    let seconds = |value: u32| Duration::from_secs(value.into());
    let gateway = &config.gateway;
    GatewayConfig {
        hello_timeout: seconds(gateway.hello_timeout_s),
        idle_timeout: seconds(gateway.idle_timeout_s),
        write_timeout: seconds(gateway.write_timeout_s),
        window_entries: size(gateway.window_entries),
        window_bytes: size(gateway.window_kib) << 10,
        sends_in_flight: size(gateway.sends_in_flight),
        frames_per_second: gateway.frames_per_second,
        frames_burst: gateway.frames_burst,
        max_connections: size(gateway.max_connections),
        max_connections_per_ip: size(gateway.max_connections_per_ip),
        drain_span: seconds(gateway.drain_span_s),
        drain_timeout: seconds(gateway.drain_timeout_s),
        trusted_proxies: config.trusted_proxies(),
        ..GatewayConfig::default()
    }
}

/// A running server and what is needed to stop it.
struct Server {
    listening: SocketAddr,
    metrics: Option<SocketAddr>,
    web: What,
    gateway: Arc<Gateway>,
    tasks: TaskTracker,
    /// Listeners and what serves them.
    stop: CancellationToken,
    /// The demo bot, which goes first: it would only see its connection break.
    stop_demo: CancellationToken,
    paths: Paths,
    began: Instant,
}

impl Server {
    async fn start(config: &Config, hangups: Signal) -> Result<Self, Failure> {
        let began = Instant::now();
        let paths = Paths::new(&config.server.data);
        paths.make()?;
        let tls_files = TlsFiles::of(config);
        let tls_source = tls_files.as_ref().map(TlsFiles::load).transpose();
        let tls_source =
            tls_source.map_err(|problem| Failure::new(Reason::Access, format!("TLS: {problem}")))?.map(TlsSource::new);
        let listener = listen(config.listen_address().map_err(failed)?, "--listen")?;
        let listening = listener.local_addr().map_err(|error| failed(error.to_string()))?;
        let web = Web::load(config, listening.port())?;
        let what_web = web.what();
        let metrics_listener = listen_for_metrics(config)?;
        let metrics = metrics_listener.as_ref().and_then(|listener| listener.local_addr().ok());
        // Before the store and the domain make their counters.
        let prometheus = install_metrics()?;

        let router = Router::new();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = open_store(config, &paths, router.clone()).await?;
        let admin_listener = admin::bind(&paths.admin_socket())?;
        let domain = make_domain(config, &store, &clock, &router).await?;
        let presence =
            Presence::new(|feed| Arc::new(MemoryPresence::new(feed)), store.clone(), domain.people(), clock.clone());
        let gateway = Gateway::new(domain.clone(), router, presence.clone(), clock.clone(), gateway_config(config));

        let (tasks, stop, stop_demo) = (TaskTracker::new(), CancellationToken::new(), CancellationToken::new());
        let source_url = Some(config.web.source_url.clone()).filter(|url| !url.is_empty());
        let mut app = app(&domain, &gateway, web, source_url);
        if config.web.developer_stats {
            app = app.merge(pages::developer(prometheus.clone(), domain.clone(), began));
        }
        tasks.spawn(gateway.clone().watch(stop.clone()));
        tasks.spawn(gateway.clone().dispatch(stop.clone()));
        tasks.spawn(keep_cursors(domain.clone(), stop.clone()));
        tasks.spawn(keep_presence(presence, stop.clone()));
        tasks.spawn(sotto_gateway::serve(gateway.clone(), listener, tls_source.clone(), app, stop.clone()));
        if let Some(listener) = metrics_listener {
            tasks.spawn(serve_metrics(listener, prometheus.clone(), stop.clone()));
        }
        tasks.spawn(upkeep(prometheus, stop.clone()));
        tasks.spawn(sweep(domain.clone(), clock.clone(), stop.clone()));
        match (tls_files, tls_source) {
            (Some(files), Some(source)) => tasks.spawn(files.watch(source, hangups, stop.clone())),
            _ => tasks.spawn(tls::nothing_to_reload(hangups, stop.clone())),
        };
        if config.demo.enabled {
            match Demo::find(&config.demo.script) {
                Ok(demo) => {
                    let invite = invite_for_demo(config, &paths, &domain).await;
                    let (paths, stop) = (paths.clone(), stop_demo.clone());
                    tasks.spawn(demo.run(paths, listening, config.has_tls(), invite, stop));
                }
                Err(problem) => tracing::warn!("the demo bot does not run: {problem}"),
            }
        }
        let data = std::path::absolute(&paths.data).unwrap_or_else(|_| paths.data.clone());
        spawn_admin(
            &tasks,
            Admin { domain, gateway: gateway.clone(), store, clock, listening, metrics, data, started: began },
            admin_listener,
            &stop,
        );
        Ok(Self { listening, metrics, web: what_web, gateway, tasks, stop, stop_demo, paths, began })
    }

    fn announce(&self, loaded: &Loaded, json: bool) {
        let config = &loaded.config;
        let registration = config.registration_policy().as_str();
        let data = std::path::absolute(&self.paths.data).unwrap_or_else(|_| self.paths.data.clone());
        let tls = config.has_tls();
        if json {
            let line = serde_json::json!({
                "listening": self.listening,
                "tls": tls,
                "metrics": self.metrics,
                "web": self.web.as_str(),
                "registration": registration,
                "data": data,
                "pid": std::process::id(),
                "version": env!("CARGO_PKG_VERSION"),
            });
            println!("{line}");
        } else {
            let scheme = if tls { "https" } else { "http" };
            println!("Sotto {} listens on {scheme}://{}", env!("CARGO_PKG_VERSION"), self.listening);
            println!("  web app       {}", self.how_to_open(config));
            let how = match registration {
                "open" => "open: anyone who reaches this address can register",
                "invite" => "by invite: make a code with `sottod invite`",
                _ => "closed",
            };
            println!("  registration  {how}");
            println!("  data          {}", data.display());
            match self.metrics {
                Some(address) => println!("  metrics       http://{address}/metrics"),
                None => println!("  metrics       off"),
            }
            println!("  stop          Ctrl-C, or: kill {}", std::process::id());
        }
        let took_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(took_ms, listening = %self.listening, registration, "ready");
    }

    fn how_to_open(&self, config: &Config) -> String {
        match self.web {
            What::Off => "off".into(),
            What::NotBuilt => "missing: this program was built without it; `make build` builds both".into(),
            What::Embedded | What::Folder if config.server.behind_proxy => {
                "open the address of your reverse proxy in a browser".into()
            }
            // The certificate knows the name, we do not.
            What::Embedded | What::Folder if config.has_tls() => {
                format!("open https://YOUR-HOST:{} in a browser", self.listening.port()).replace(":443 ", " ")
            }
            What::Embedded | What::Folder => format!("open http://{} in a browser", self.listening),
        }
    }

    async fn stop(self) {
        tracing::info!(connections = self.gateway.connection_count(), "stopping");
        let began = Instant::now();
        self.stop_demo.cancel();
        let left = self.gateway.drain().await;
        self.stop.cancel();
        self.tasks.close();
        // Requests in progress have a little time; the store finishes what is queued in any case.
        if tokio::time::timeout(Duration::from_secs(5), self.tasks.wait()).await.is_err() {
            tracing::warn!("some requests were cut off");
        }
        let _ = std::fs::remove_file(self.paths.admin_socket());
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(cut_off = left, took_ms, "stopped");
    }
}

/// Connections that may wait to be accepted: after a restart all clients come at once.
const BACKLOG: u32 = 4096;

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart need not wait for the connections of the last life to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn listen(address: SocketAddr, flag: &str) -> Result<TcpListener, Failure> {
    bind(address).map_err(|error| {
        let what_to_do = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                let next = address.port().checked_add(1).unwrap_or(8080);
                format!(
                    "another program listens there. Stop it, or choose another port: {flag} {}:{next}",
                    address.ip()
                )
            }
            std::io::ErrorKind::PermissionDenied => {
                "this user may not use that port. Take one above 1023, or put a reverse proxy in front".into()
            }
            std::io::ErrorKind::AddrNotAvailable => "this machine has no such address; `ip address` lists them".into(),
            _ => error.to_string(),
        };
        Failure::new(Reason::Listen, format!("cannot listen on {address}: {what_to_do}"))
    })
}

/// A busy default must not keep a second server on this machine from starting; a busy address that was asked for does.
fn listen_for_metrics(config: &Config) -> Result<Option<TcpListener>, Failure> {
    let Some(address) = config.metrics_address() else { return Ok(None) };
    let address = address.map_err(failed)?;
    match listen(address, "SOTTO_METRICS_LISTEN =") {
        Ok(listener) => Ok(Some(listener)),
        Err(failure) if config.metrics == crate::config::Metrics::default() => {
            tracing::warn!("metrics are off: {failure}");
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}

fn install_metrics() -> Result<PrometheusHandle, Failure> {
    let buckets = |builder: PrometheusBuilder, matcher, values| {
        builder.set_buckets_for_metric(matcher, values).map_err(|error| failed(error.to_string()))
    };
    let builder = buckets(PrometheusBuilder::new(), Matcher::Suffix("_seconds".into()), LATENCY_BUCKETS)?;
    let builder = buckets(builder, Matcher::Suffix("_ops".into()), COUNT_BUCKETS)?;
    builder.install_recorder().map_err(|error| failed(error.to_string()))
}

/// Opening may replay a journal, which takes seconds.
async fn open_store(config: &Config, paths: &Paths, router: Arc<Router>) -> Result<Arc<EmbeddedStore>, Failure> {
    let config = store_config(config, paths);
    let opened = tokio::task::spawn_blocking(move || EmbeddedStore::open(config, router)).await;
    Ok(Arc::new(opened.map_err(|error| failed(format!("opening the store broke off: {error}")))??))
}

async fn make_domain(
    config: &Config,
    store: &Arc<EmbeddedStore>,
    clock: &Arc<dyn Clock>,
    router: &Arc<Router>,
) -> Result<Arc<Domain>, Failure> {
    let parts = DomainParts {
        inbox: store.clone(),
        directory: store.clone(),
        people: store.clone(),
        reports: store.clone(),
        groups: store.clone(),
        prekeys: store.clone(),
        meta: store.clone(),
        ephemeral: Arc::new(MemoryEphemeral::new(EPHEMERAL_VALUES, EPHEMERAL_BYTES)),
        clock: clock.clone(),
        connections: router.clone(),
    };
    let config = DomainConfig {
        registration: config.registration_policy(),
        limits: config.limits.to_domain(),
        requests: config.messages.requests,
        version: env!("CARGO_PKG_VERSION").into(),
        ..DomainConfig::default()
    };
    Domain::new(parts, config)
        .await
        .map_err(|error| Failure::new(Reason::Store, format!("the store does not answer: {error}")))
}

/// Where an invite is needed, the bot gets one for its first start.
async fn invite_for_demo(config: &Config, paths: &Paths, domain: &Domain) -> Option<String> {
    let first_start = !paths.demo_profile().exists();
    if config.registration_policy() != RegistrationPolicy::Invite || !first_start {
        return None;
    }
    let made = domain.create_invite(1, Duration::from_secs(3600)).await;
    made.inspect_err(|error| tracing::warn!(%error, "no invite for the demo bot")).ok()
}

/// Everything on the main listener.
fn app(domain: &Arc<Domain>, gateway: &Arc<Gateway>, web: Web, source_url: Option<String>) -> axum::Router {
    let config = ApiConfig { version: env!("CARGO_PKG_VERSION").into(), source_url, ..ApiConfig::default() };
    sotto_api::router_and_files(domain.clone(), config, Arc::new(move |request| web.answer(request)))
        .merge(sotto_gateway::routes(gateway.clone()))
        .merge(pages::health(gateway.clone()))
}

async fn serve_metrics(listener: TcpListener, prometheus: PrometheusHandle, stop: CancellationToken) {
    let serving = axum::serve(listener, pages::metrics(prometheus)).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = serving.await {
        tracing::error!(%error, "the metrics listener ended");
    }
}

/// Histograms keep what was recorded until someone looks: this is that someone.
async fn upkeep(prometheus: PrometheusHandle, stop: CancellationToken) {
    while wait(UPKEEP_EVERY, &stop).await {
        prometheus.run_upkeep();
    }
}

/// Acks of group entries are written a moment later, and the last of them here.
async fn keep_cursors(domain: Arc<Domain>, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = domain.keep_cursors() => {}
    }
    if let Err(error) = domain.write_cursors().await {
        tracing::warn!(%error, "the last group cursors were not written; what they say is delivered again");
    }
}

/// When people were last seen is written a moment later, and the last of it here.
async fn keep_presence(presence: Arc<Presence>, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = presence.run() => {}
    }
    if let Err(error) = presence.write_last_seen().await {
        tracing::warn!(%error, "when people were last seen was not written");
    }
}

async fn sweep(domain: Arc<Domain>, clock: Arc<dyn Clock>, stop: CancellationToken) {
    let began = since_boot();
    let mut watch = ClockWatch::default();
    while wait(SWEEP_EVERY, &stop).await {
        let sound = watch.is_sound(clock.now(), since_boot().saturating_sub(began));
        let round = if sound { domain.sweep().await } else { domain.tidy().await };
        match round {
            Ok(done) if done == sotto_domain::SweepReport::default() => {}
            Ok(done) => tracing::info!(?done, "housekeeping"),
            Err(error) => tracing::warn!(%error, "housekeeping failed; it goes on in a minute"),
        }
    }
}

/// Monotonic, and unlike `Instant` it goes on while the machine sleeps.
fn since_boot() -> Duration {
    #[cfg(target_os = "linux")]
    let clock = rustix::time::ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = rustix::time::ClockId::Monotonic;
    let now = rustix::time::clock_gettime(clock);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// False when it is time to stop.
async fn wait(time: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = stop.cancelled() => false,
        () = tokio::time::sleep(time) => true,
    }
}

fn spawn_admin(tasks: &TaskTracker, admin: Admin, listener: UnixListener, stop: &CancellationToken) {
    tasks.spawn(admin::serve(Arc::new(admin), listener, stop.clone()));
}
