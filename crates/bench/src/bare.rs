//! The yardstick: what the sockets and the disk of this machine cost by themselves, below any server. A heartbeat is at least an
//! echo; a message to a group at least a sync and a write to each socket.
//! Flow: `bare` (the clients, one thread) starts a child (`peer`: two threads, `epoll`, no runtime) and connects to it -> it
//!       answers what it reads, or writes a stamp to every connection at once -> `Report`.
//! Always true: the child ends with its connections, and with this process.

use crate::args::Bare;
use crate::clock::{NS_PER_S, now_ns, sleep_until};
use crate::latency::Latency;
use crate::report::Report;
use crate::server::Probe;
use anyhow::{Context, Result, bail};
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::process::{Signal, set_parent_process_death_signal};
use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::{JoinSet, LocalSet};

const THREADS: usize = 2;
/// About a heartbeat and its answer, with what a WebSocket puts around them.
const ECHO_BYTES: usize = 16;
/// What a message to a group adds to the log.
const SYNCED_BYTES: usize = 766;
const SYNCS: u32 = 50;
const READ_BYTES: usize = 4096;
/// All connections are there by then.
const OPENING: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(30);

pub async fn bare(args: &Bare) -> Result<Report> {
    let mut report = Report::default();
    report.text("scenario", "bare");
    report.count("connections", args.connections.into());
    LocalSet::new()
        .run_until(async {
            echo(args, &mut report).await?;
            broadcast(args, &mut report).await
        })
        .await?;
    report.latency("sync_", &syncs(args)?);
    Ok(report)
}

/// The child, and a connection to it for each client.
async fn open(args: &Bare, rounds: u32) -> Result<(Child, Vec<tokio::net::TcpStream>)> {
    let mut command = Command::new(std::env::current_exe().context("this executable has no path")?);
    command.args(["bare-peer", "--connections", &args.connections.to_string(), "--rounds", &rounds.to_string()]);
    command.args(["--pause-ms", &args.pause_ms.to_string(), "--bytes", &args.size.to_string()]);
    let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().context("cannot start the peer")?;
    let stdout = child.stdout.take().context("the peer's output was asked for")?;
    let line = BufReader::new(stdout).lines().next_line().await?.context("the peer ended before it listened")?;
    let address: SocketAddr = line.parse().context("the peer did not say where it listens")?;
    let mut streams = Vec::new();
    for _ in 0..args.connections {
        let stream = tokio::net::TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    Ok((child, streams))
}

/// One write under way on each connection.
async fn echo(args: &Bare, report: &mut Report) -> Result<()> {
    let (child, streams) = open(args, 0).await?;
    let probe = Probe::of(child.id().context("the peer ended at once")?)?;
    let from = now_ns() + NS_PER_S;
    let to = from + u64::from(args.seconds) * NS_PER_S;
    let count = Rc::new(Cell::new(0u64));
    let mut tasks = JoinSet::new();
    for mut stream in streams {
        let count = Rc::clone(&count);
        tasks.spawn_local(async move {
            let mut bytes = [0; ECHO_BYTES];
            loop {
                stream.write_all(&bytes).await?;
                stream.read_exact(&mut bytes).await?;
                match now_ns() {
                    now if now >= to => return anyhow::Ok(()),
                    now if now >= from => count.set(count.get() + 1),
                    _ => {}
                }
            }
        });
    }
    sleep_until(from).await;
    let before = probe.cpu()?;
    sleep_until(to).await;
    let spent = probe.cpu()?.saturating_sub(before).as_secs_f64();
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let count = count.get() as f64;
    report.figure("echoes_per_s", Some(count / f64::from(args.seconds)));
    report.figure("peer_cpu_us_per_echo", (count > 0.0).then(|| spent * 1e6 / count));
    report.figure("echoes_per_core_s", (spent > 0.0).then(|| count / spent));
    end(child).await
}

/// A stamp to every connection at once, again and again: the time to the last.
async fn broadcast(args: &Bare, report: &mut Report) -> Result<()> {
    let (child, streams) = open(args, args.rounds).await?;
    // Of each round: how many have it, and when the first and the last had it.
    let rounds: Rc<RefCell<Vec<(u32, u64, u64)>>> = Rc::new(RefCell::new(vec![(0, 0, 0); args.rounds as usize]));
    let mut tasks = JoinSet::new();
    for mut stream in streams {
        let (rounds, size) = (Rc::clone(&rounds), args.size as usize);
        tasks.spawn_local(async move {
            let mut bytes = vec![0; size];
            for round in 0.. {
                if stream.read_exact(&mut bytes).await.is_err() {
                    break;
                }
                let stamp = bytes.first_chunk().map_or(0, |stamp| u64::from_be_bytes(*stamp));
                let passed = now_ns().saturating_sub(stamp);
                let mut rounds = rounds.borrow_mut();
                let Some((count, first, last)) = rounds.get_mut(round) else {
                    bail!("more rounds than were asked for")
                };
                *first = if *count == 0 { passed } else { *first };
                *count += 1;
                *last = passed;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let (mut first, mut last) = (Latency::default(), Latency::default());
    for (count, first_ns, last_ns) in rounds.borrow().iter() {
        if *count != args.connections {
            bail!("a broadcast reached {count} of {} connections", args.connections);
        }
        first.record_ns(*first_ns);
        last.record_ns(*last_ns);
    }
    report.latency("broadcast_first_", &first);
    report.latency("broadcast_last_", &last);
    end(child).await
}

async fn end(mut child: Child) -> Result<()> {
    let status = tokio::time::timeout(PATIENCE, child.wait()).await.context("the peer does not end")??;
    if !status.success() {
        bail!("the peer ended with {status}");
    }
    Ok(())
}

/// Appending to a file and having it on the disk.
fn syncs(args: &Bare) -> Result<Latency> {
    let mut file: File = match &args.folder {
        Some(folder) => tempfile::tempfile_in(folder),
        None => tempfile::tempfile(),
    }?;
    let mut latency = Latency::default();
    for _ in 0..SYNCS {
        let begun = Instant::now();
        file.write_all(&[1; SYNCED_BYTES])?;
        file.sync_data()?;
        latency.record_ns(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
        thread::sleep(Duration::from_millis(5));
    }
    Ok(latency)
}

/// What the child does.
#[derive(Debug, Clone, clap::Args)]
pub struct Peer {
    #[arg(long)]
    pub connections: u32,
    /// Of the broadcast. 0: it echoes.
    #[arg(long)]
    pub rounds: u32,
    #[arg(long)]
    pub pause_ms: u32,
    #[arg(long)]
    pub bytes: u32,
}

/// `sotto-bench bare-peer`.
pub fn peer(peer: &Peer) -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).context("cannot tie this process to its parent")?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", listener.local_addr()?);
    let opened = Instant::now();
    let mut shares: [Vec<TcpStream>; THREADS] = Default::default();
    for index in 0..peer.connections as usize {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        if let Some(share) = shares.get_mut(index % THREADS) {
            share.push(stream);
        }
        if opened.elapsed() > OPENING {
            bail!("the connections did not come");
        }
    }
    let begin_ns = now_ns() + NS_PER_S;
    let work = |share: &[TcpStream]| if peer.rounds == 0 { answer(share) } else { write_to_all(share, peer, begin_ns) };
    thread::scope(|scope| {
        let threads: Vec<_> = shares.iter().map(|share| scope.spawn(|| work(share))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| bail!("a thread panicked")))
    })
}

fn answer(share: &[TcpStream]) -> Result<()> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    for (data, stream) in (0..).zip(share) {
        epoll::add(&epoll, stream, epoll::EventData::new_u64(data), epoll::EventFlags::IN)?;
    }
    let (mut left, mut events, mut bytes) = (share.len(), Vec::with_capacity(1024), [0; READ_BYTES]);
    while left > 0 {
        events.clear();
        epoll::wait(&epoll, spare_capacity(&mut events), None)?;
        for event in &events {
            let index = usize::try_from(event.data.u64())?;
            let mut stream = share.get(index).context("an event of no connection")?;
            match stream.read(&mut bytes) {
                Ok(count @ 1..) => stream.write_all(bytes.get(..count).unwrap_or_default())?,
                _ => {
                    epoll::delete(&epoll, stream)?;
                    left -= 1;
                }
            }
        }
    }
    Ok(())
}

fn write_to_all(share: &[TcpStream], peer: &Peer, begin_ns: u64) -> Result<()> {
    let mut bytes = vec![0; peer.bytes as usize];
    for round in 0..u64::from(peer.rounds) {
        // The same moment in both threads.
        let at = begin_ns + round * u64::from(peer.pause_ms) * 1_000_000;
        thread::sleep(crate::clock::until(at));
        bytes.get_mut(..8).context("no room for the stamp")?.copy_from_slice(&at.to_be_bytes());
        for mut stream in share {
            stream.write_all(&bytes)?;
        }
    }
    Ok(())
}
