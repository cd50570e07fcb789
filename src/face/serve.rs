//! `pillion serve`: JSON-RPC over WebSocket and HTTP, for programs without an editor.
//!
//! jsonrpsee speaks the two protocols. What it leaves to its user is here: who may come in (`guard`), on which ports
//! and sockets, for how long a silent peer is kept (`patience`), and an end that tells the clients.
//!
//! A connection is no attachment: it may break at any time without any harm. The server itself watches the sessions that
//! its clients opened (`keeper`), and each subscription is an attachment of its own (`subscriber`).

mod door;

mod guard;

mod keeper;

mod listen;

mod methods;

mod metrics;

mod patience;

mod subscriber;

mod tls;

mod token;

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use jsonrpsee::server::{
    BatchRequestConfig, PingConfig, RandomStringIdProvider, Server as Rpc, ServerConfig, ServerHandle, stop_channel,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use self::{door::Door, guard::Guard, keeper::Keeper, listen::Listener, metrics::Metrics};
use super::{
    attach::{self, Joined},
    link::Link,
    roots,
};

/// How long the end waits for turns to end, and again for clients to have been told.
const END_LIMIT: Duration = Duration::from_secs(5);
/// The longest message that is taken, in bytes: a prompt with some images in it.
const MESSAGE_MAX: u32 = 64 << 20;
/// Messages of one connection on their way to its socket. Few, since what waits should be in the subscriptions' queues,
/// where it can be joined.
const IN_FLIGHT: u32 = 16;
const SUBSCRIPTIONS_MAX: u32 = 256;
const BATCH_MAX: u32 = 100;
/// The longest idle time-out, in seconds.
const DAY: u64 = 24 * 60 * 60;
/// Chosen by taste, and free of any use known to the person who chose it.
const PORT: u16 = 7455;

/// Serves programs over WebSocket and HTTP (JSON-RPC 2.0), with the methods of protocol.md
///
/// What listens is printed, one URL a line. Each request needs the header `Authorization: Bearer TOKEN`; the token is
/// made at the first start, told once, and kept in a file that only you can read.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:7455, unless there is a --socket]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Listen on a Unix socket, which only you can use and which needs no token
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Let --listen name an address that other machines can reach. Whoever has the token can run commands as you
    #[arg(long)]
    allow_remote: bool,
    /// The file with the token, which is made if it is not there; PILLION_SERVE_TOKEN holds one instead
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// An origin whose pages may use the server, such as `https://example.org`; may be given several times
    #[arg(long = "origin", value_name = "ORIGIN")]
    origins: Vec<String>,
    /// A name by which the server is reached, beside localhost and addresses; may be given several times
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// A certificate in PEM, with those above it, to serve https and wss
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// How many connections there may be
    #[arg(long, value_name = "NUMBER", default_value_t = 256)]
    max_connections: u32,
    /// After how many seconds a connection from which nothing comes is ended; a WebSocket is asked for a sign before
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=DAY))]
    idle_timeout: u64,
    /// Work alone, even if an editor is open in this folder
    #[arg(long)]
    no_attach: bool,
    /// A folder to work in, instead of the current one; may be given several times
    #[arg(long = "root")]
    roots: Vec<PathBuf>,
}

/// What every connection needs.
struct Server {
    core: RwLock<Arc<Core>>,
    metrics: Arc<Metrics>,
    guard: Guard,
    patience: Duration,
    /// Places for connections, and how many there are in all.
    places: (Arc<Semaphore>, usize),
    /// Cancelled when subscriptions are to end.
    ending: CancellationToken,
}

/// The hub that is served: an editor's for as long as there is one, else our own.
struct Core {
    joined: Joined,
    keeper: Arc<Keeper>,
    /// Cancelled when it is there no more.
    over: CancellationToken,
}

impl Core {
    fn start(joined: Joined, metrics: &Arc<Metrics>) -> Arc<Self> {
        let keeper = Keeper::start(&joined, metrics.clone());
        Arc::new(Self { joined, keeper, over: CancellationToken::new() })
    }

    fn link(&self) -> &Link {
        &self.joined.link
    }
}

impl Server {
    fn core(&self) -> Arc<Core> {
        self.core.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The page for `/metrics`.
    fn metrics(&self) -> String {
        let (sessions, running) = self.core().keeper.counts();
        let (free, all) = &self.places;
        self.metrics.page(sessions, running, all - free.available_permits())
    }
}

/// Serves until it is told to stop. Returns the exit code: 0 after SIGTERM or SIGINT, 2 if it could not begin.
pub async fn run(args: Args) -> anyhow::Result<u8> {
    let roots = match roots::existing(&args.roots) {
        Ok(roots) => roots,
        Err(error) => return refused(&error),
    };
    let prepared = match prepare(&args).await {
        Ok(prepared) => prepared,
        Err(error) => return refused(&error.to_string()),
    };
    let joined = attach::join(roots.clone(), attach::Kind::Server, keeper::NAME, args.no_attach).await?;
    serve(joined, roots, prepared, &args).await
}

fn refused(error: &str) -> anyhow::Result<u8> {
    writeln!(io::stderr(), "pillion: {error}")?;
    Ok(2)
}

/// What can fail before anything has begun.
struct Prepared {
    token: token::Token,
    listeners: Vec<Listener>,
}

async fn prepare(args: &Args) -> Result<Prepared, listen::Error> {
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => Some(tls::acceptor(certificate, key)?),
        _ => None,
    };
    let address = match (args.listen, &args.socket) {
        (None, Some(_)) => None,
        (listen, _) => Some(listen.unwrap_or_else(|| ([127, 0, 0, 1], PORT).into())),
    };
    let token = token::get(args.token_file.as_deref())?;
    let mut listeners = Vec::new();
    if let Some(address) = address {
        listeners.push(Listener::port(address, args.allow_remote, tls).await?);
    }
    if let Some(path) = &args.socket {
        listeners.push(Listener::socket(path)?);
    }
    Ok(Prepared { token, listeners })
}

async fn serve(joined: Joined, roots: Vec<PathBuf>, prepared: Prepared, args: &Args) -> anyhow::Result<u8> {
    let Prepared { token, listeners } = prepared;
    let metrics = Arc::new(Metrics::default());
    let patience = Duration::from_secs(args.idle_timeout);
    let places = args.max_connections as usize;
    let server = Arc::new(Server {
        core: RwLock::new(Core::start(joined, &metrics)),
        metrics,
        guard: Guard::new(&token.text, &args.origins, &args.hosts),
        patience,
        places: (Arc::new(Semaphore::new(places)), places),
        ending: CancellationToken::new(),
    });
    let (stop, handle) = stop_channel();
    let methods = methods::all(&server)?;
    let rpc = Rpc::builder().set_config(config(args.max_connections, patience)).to_service_builder();
    let mut addresses = Vec::new();
    let closed = CancellationToken::new();
    for listener in &listeners {
        addresses.push(listener.address()?);
    }
    let accepting: Vec<_> = listeners
        .into_iter()
        .map(|listener| {
            let (server, methods, rpc, stop) = (server.clone(), methods.clone(), rpc.clone(), stop.clone());
            tokio::spawn(listen::accept(listener, Door { server, methods, rpc, stop }, closed.clone()))
        })
        .collect();
    drop(stop);
    let told_to_stop = told_to_stop()?;
    if let Some(file) = &token.new_file {
        writeln!(io::stderr(), "pillion: the token, told this once and kept in {}: {}", file.display(), token.text)?;
    }
    let lines: String = addresses.iter().map(|address| format!("{address}\n")).collect();
    io::stdout().write_all(lines.as_bytes())?;
    io::stdout().flush()?;

    tokio::pin!(told_to_stop);
    loop {
        let core = server.core();
        tokio::select! {
            () = &mut told_to_stop => break,
            () = core.keeper.tend() => {}
            () = core.link().ended() => {
                writeln!(io::stderr(), "pillion: the editor has left; goes on with what is on the disk")?;
                server.metrics.nothing_waits();
                let own = Core::start(attach::alone(roots.clone(), attach::Kind::Server)?, &server.metrics);
                *server.core.write().unwrap_or_else(PoisonError::into_inner) = own;
                core.over.cancel();
                core.keeper.leave();
            }
        }
    }
    closed.cancel();
    for accepting in accepting {
        let _ = accepting.await;
    }
    end(&server, handle).await;
    Ok(0)
}

/// The turns are cancelled and their logs written first, so that clients are told of that before they are told to go.
async fn end(server: &Server, handle: ServerHandle) {
    server.metrics.is_ending();
    let core = server.core();
    let turns_end = async {
        // Those in an editor's process would go on.
        core.keeper.cancel_turns().await;
        core.link().shut_down().await;
    };
    if tokio::time::timeout(END_LIMIT, turns_end).await.is_err() {
        tracing::error!("some turns did not end in time");
    }
    server.ending.cancel();
    let told = async {
        server.metrics.no_subscriptions().await;
        // Who has gone already needs not be told.
        let _ = handle.stop();
        handle.stopped().await;
    };
    if tokio::time::timeout(END_LIMIT, told).await.is_err() {
        tracing::warn!("some clients could not be told that the server ends");
    }
}

/// Resolves at SIGTERM or SIGINT, of which none is missed from now on.
#[cfg(unix)]
fn told_to_stop() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn told_to_stop() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move { drop(interrupt.recv().await) })
}

fn config(max_connections: u32, patience: Duration) -> ServerConfig {
    let ping = PingConfig::new().ping_interval(patience / 3).inactive_limit(patience).max_failures(1);
    ServerConfig::builder()
        .max_request_body_size(MESSAGE_MAX)
        .max_response_body_size(MESSAGE_MAX)
        .max_connections(max_connections)
        .max_subscriptions_per_connection(SUBSCRIPTIONS_MAX)
        .set_batch_request_config(BatchRequestConfig::Limit(BATCH_MAX))
        .set_message_buffer_capacity(IN_FLIGHT)
        .set_id_provider(RandomStringIdProvider::new(16))
        .enable_ws_ping(ping)
        .build()
}
