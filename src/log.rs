//! Where `tracing` goes: to a file of its own, and to whoever reads along: a client that shows a server's log itself, else
//! the standard error.
//!
//! Nothing is logged before [`start`], which a program calls that embeds no other subscriber. Secrets are taken out of each
//! line, wherever it goes.

mod client;
mod file;
mod level;
#[cfg(feature = "otel")]
mod otel;
mod veil;

use std::{
    io,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Layer, Registry,
    filter::Targets,
    fmt::layer,
    layer::SubscriberExt,
    reload::{self, Handle},
    util::SubscriberInitExt,
};

use self::{client::Queue, file::Rotating, veil::Veiled};
pub use self::{
    client::{Line, Lines},
    level::Levels,
};
use crate::{
    config::{self, log_file},
    mcp,
    provider::span,
};

/// The target of all that Pillion itself says.
const OWN: &str = env!("CARGO_PKG_NAME");

/// The one log of this process, once it is started.
static LOG: OnceLock<Log> = OnceLock::new();

struct Log {
    /// What the person said at the start, over what is set.
    said: Option<Targets>,
    stderr: Handle<Targets, Registry>,
    file: Handle<Targets, Registry>,
    client: Handle<Targets, Registry>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What is set.
    level: Option<LevelFilter>,
    /// A client reads along, in this queue.
    reader: Option<Arc<Queue>>,
    /// It asked for all there is.
    verbose: bool,
    /// Whoever reads the standard error sees what sessions say.
    sees_sessions: bool,
}

/// A client that reads along. When it is dropped, the standard error gets the log again.
pub struct Reading(());

/// Starts logging. `said` goes over the variable `PILLION_LOG`, and that over the settings.
///
/// `logs/pillion.log` in the state folder, with the three before it as `pillion.log.1` to `.3`, gets what is of note at
/// least. The standard error gets warnings and errors where nothing else is said, unless somebody [listens](listen). With
/// the feature `otel`, spans and metrics go to the collector that the environment names; that needs a Tokio runtime.
pub fn start(said: Option<Levels>) {
    let variable = std::env::var("PILLION_LOG").ok().filter(|text| !text.trim().is_empty());
    let variable = variable.map(|text| text.parse::<Levels>()).filter(|_| said.is_none());
    let (said, wrong) = match variable.transpose() {
        Ok(variable) => (said.or(variable), None),
        Err(wrong) => (said, Some(wrong)),
    };
    let state = State::default();
    let said = said.map(Targets::from);
    let filters = Filters::new(said.as_ref(), &state);
    let (to_stderr, stderr) = reload::Layer::new(filters.stderr);
    let (to_file, file) = reload::Layer::new(filters.file);
    let (to_client, client) = reload::Layer::new(filters.client);
    let plain = || layer().with_ansi(false).log_internal_errors(false);
    let mut layers = vec![
        plain().with_writer(Veiled(io::stderr)).with_filter(to_stderr).boxed(),
        plain().without_time().with_level(false).with_writer(Veiled(client::Writer)).with_filter(to_client).boxed(),
    ];
    if let Some(path) = log_file() {
        layers.push(plain().with_writer(Veiled(Rotating::new(path))).with_filter(to_file).boxed());
    }
    #[cfg(feature = "otel")]
    let collecting = otel::layer().map(|layer| layers.extend(layer));
    // Somebody who embeds the library may have a subscriber of their own.
    if tracing_subscriber::registry().with(layers).try_init().is_ok() {
        let _ = LOG.set(Log { said, stderr, file, client, state: Mutex::new(state) });
    }
    if let Some(wrong) = wrong {
        tracing::warn!("PILLION_LOG is passed over: {wrong}");
    }
    #[cfg(feature = "otel")]
    if let Err(wrong) = collecting {
        tracing::warn!("no spans and metrics are collected: {wrong}");
    }
}

/// Delivers what was collected for others and still waits, if that is a matter of seconds.
pub async fn finish() {
    #[cfg(feature = "otel")]
    otel::finish().await;
}

/// Makes this the level that is set; `None` for the defaults.
pub fn set_level(level: Option<LevelFilter>) {
    change(|state| std::mem::replace(&mut state.level, level) != level);
}

/// Keeps out of the standard error what sessions say too: what is wrong with the settings.
pub fn leave_settings_to_sessions() {
    change(|state| !std::mem::replace(&mut state.sees_sessions, true));
}

/// Gives what is logged from now on to a client, in place of the standard error. `None` where nothing is logged from here,
/// or another client reads along already.
pub fn listen() -> Option<(Reading, Lines)> {
    let (mut lines, queue) = (None, Arc::new(Queue::default()));
    change(|state| {
        let is_first = state.reader.is_none();
        if is_first {
            state.reader = Some(queue.clone());
            lines = Some(Lines::new(queue));
        }
        is_first
    });
    lines.map(|lines| (Reading(()), lines))
}

impl Reading {
    /// Whether the client gets all that helps to find a mistake.
    pub fn set_verbose(&self, verbose: bool) {
        change(|state| std::mem::replace(&mut state.verbose, verbose) != verbose);
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        change(|state| {
            state.verbose = false;
            state.reader.take().inspect(|queue| queue.end()).is_some()
        });
    }
}

/// The queue of the client that reads along.
fn reader() -> Option<Arc<Queue>> {
    LOG.get()?.state.lock().unwrap_or_else(PoisonError::into_inner).reader.clone()
}

/// Makes a change, and brings it into force if it says that it is one.
fn change(make: impl FnOnce(&mut State) -> bool) {
    let Some(log) = LOG.get() else { return };
    let mut state = log.state.lock().unwrap_or_else(PoisonError::into_inner);
    if !make(&mut state) {
        return;
    }
    let filters = Filters::new(log.said.as_ref(), &state);
    // While the state is locked, so that of two changes the later one stays.
    for (handle, filter) in [(&log.stderr, filters.stderr), (&log.file, filters.file), (&log.client, filters.client)] {
        // It fails only if the subscriber is gone.
        let _ = handle.reload(filter);
    }
}

/// What goes where.
struct Filters {
    stderr: Targets,
    file: Targets,
    client: Targets,
}

impl Filters {
    fn new(said: Option<&Targets>, state: &State) -> Self {
        let said = said.cloned().or_else(|| state.level.map(own));
        let or = |level: LevelFilter| said.clone().unwrap_or_else(|| own(level));
        let (off, info) = (LevelFilter::OFF, LevelFilter::INFO);
        let (stderr, client) = match &state.reader {
            None => (or(LevelFilter::WARN), own(off)),
            Some(_) if state.verbose => (own(off), own_at_least(or(info), LevelFilter::DEBUG)),
            Some(_) => (own(off), or(info)),
        };
        let all = or(info);
        let level = all.default_level().map_or(info, |level| level.max(info));
        let file = own_at_least(all.with_default(level), info);
        // It names the addresses of MCP servers, which may hold keys. Spans are for who collects them.
        let lines = |targets: Targets| targets.with_target(mcp::LOG_TARGET, off).with_target(span::TARGET, off);
        // What is said of single messages must not be the reason for another one.
        let messages = level_of_own(&client).min(info);
        let mut stderr = lines(stderr);
        if state.sees_sessions {
            stderr = stderr.with_target(config::LOG_TARGET, off);
        }
        Self { stderr, file: lines(file), client: lines(client).with_target("pillion::rpc", messages) }
    }
}

/// So much of what Pillion says, and what may be wrong of what its libraries say.
fn own(level: LevelFilter) -> Targets {
    Targets::new().with_default(level.min(LevelFilter::WARN)).with_target(OWN, level)
}

fn own_at_least(targets: Targets, level: LevelFilter) -> Targets {
    let level = level_of_own(&targets).max(level);
    targets.with_target(OWN, level)
}

fn level_of_own(targets: &Targets) -> LevelFilter {
    let named = targets.iter().find(|(target, _)| *target == OWN).map(|(_, level)| level);
    named.or_else(|| targets.default_level()).unwrap_or(LevelFilter::OFF)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn who_gets_what() {
        let check = |said: Option<&str>, state: State, expect: [LevelFilter; 3]| {
            let said = said.map(|text| Targets::from(text.parse::<Levels>().unwrap()));
            let filters = Filters::new(said.as_ref(), &state);
            let most = |targets: &Targets| {
                let levels = [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR];
                let most = levels.into_iter().find(|level| targets.would_enable("pillion::agent", level));
                most.map_or(LevelFilter::OFF, LevelFilter::from)
            };
            assert_eq!([&filters.stderr, &filters.file, &filters.client].map(most), expect, "{said:?}");
            for targets in [filters.stderr, filters.file, filters.client] {
                assert!(!targets.would_enable("rmcp::transport", &Level::ERROR));
            }
        };
        let (off, warn, info) = (LevelFilter::OFF, LevelFilter::WARN, LevelFilter::INFO);
        let (debug, trace) = (LevelFilter::DEBUG, LevelFilter::TRACE);
        let set = |level| State { level: Some(level), ..State::default() };
        let reader = || Some(Arc::default());
        check(None, State::default(), [warn, info, off]);
        check(None, set(debug), [debug, debug, off]);
        check(None, set(off), [off, info, off]);
        check(Some("error"), set(debug), [LevelFilter::ERROR, info, off]);
        check(Some("warn,pillion::agent=debug"), State::default(), [debug, debug, off]);
        check(None, State { reader: reader(), ..State::default() }, [off, info, info]);
        check(None, State { reader: reader(), level: Some(warn), ..State::default() }, [off, info, warn]);
        check(
            None,
            State { reader: reader(), level: Some(warn), verbose: true, ..State::default() },
            [off, info, debug],
        );
        check(Some("trace"), State { reader: reader(), verbose: true, ..State::default() }, [off, trace, trace]);
    }

    #[test]
    fn libraries_are_heard_where_something_is_wrong() {
        let client = |said: Option<&str>| {
            let said = said.map(|text| Targets::from(text.parse::<Levels>().unwrap()));
            Filters::new(said.as_ref(), &State { reader: Some(Arc::default()), ..State::default() }).client
        };
        assert!(!client(None).would_enable("hyper::client", &Level::INFO));
        assert!(client(None).would_enable("hyper::client", &Level::WARN));
        assert!(client(Some("debug")).would_enable("hyper::client", &Level::DEBUG));
    }

    #[test]
    fn a_message_is_no_reason_for_another() {
        let state = State { reader: Some(Arc::default()), verbose: true, ..State::default() };
        let client = Filters::new(None, &state).client;
        assert!(client.would_enable("pillion::rpc::peer", &Level::INFO));
        assert!(!client.would_enable("pillion::rpc::peer", &Level::DEBUG));
    }
}
