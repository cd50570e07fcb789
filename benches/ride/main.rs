//! How quick a ride is: `cargo bench --bench ride`.
//!
//! Drives `pillion lsp` as an editor does, against a model server in this process, and beside it the floor: the least
//! any program could do. Both are measured in the same run with the same driver, whose own cost is in every figure, so
//! the ratio is what to read. `cargo test --bench ride` takes the same ride once, shortly, and prints no figures: it
//! proves that every delta arrives and every cancel is honoured.

#![allow(clippy::disallowed_methods, reason = "it measures the program from outside")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table is what it is for")]

mod client;
mod floor;
mod model;
mod system;
mod wire;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use client::{Client, Program};
use model::Model;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, url] = arguments.as_slice()
        && flag == "--floor"
    {
        return Ok(floor::run(url)?);
    }
    // cargo bench passes `--bench`, cargo test does not.
    let ride = if arguments.iter().any(|argument| argument == "--bench") { Ride::WHOLE } else { Ride::SHORT };
    let bench = std::env::current_exe()?;
    let floor = Program { name: "floor", path: bench, arguments: &["--floor", client::URL], keeps_log: false };
    let pillion =
        Program { name: "pillion", path: env!("CARGO_BIN_EXE_pillion").into(), arguments: &["lsp"], keeps_log: true };
    let model = Model::start()?;

    if ride.whole {
        println!("{:<58} {:>8} {:>10} {:>10} {:>7}", "", "aim", "pillion", "floor", "ratio");
    }
    for (figures, measure) in FIGURES {
        let mut columns = [Vec::new(), Vec::new()];
        for (column, program) in columns.iter_mut().zip([&floor, &pillion]) {
            *column = measure(&ride, program, &model)
                .with_context(|| format!("{}, measuring {:?}", program.name, figures[0].name))?;
        }
        for (index, figure) in figures.iter().enumerate() {
            let [floor, pillion] = columns.each_ref().map(|values| values.get(index).copied());
            figure.print(&ride, pillion, floor);
        }
    }
    if !ride.whole {
        println!("A short ride: everything arrived. For figures: cargo bench --bench ride");
    }
    Ok(())
}

/// How often and how much.
struct Ride {
    whole: bool,
    repeats: usize,
    deltas: usize,
    paced: usize,
    sessions: usize,
    flood: usize,
    /// For a program to come to rest before the clock starts.
    settle: Duration,
}

impl Ride {
    const WHOLE: Self = Self {
        whole: true,
        repeats: 10,
        deltas: 20_000,
        paced: 500,
        sessions: 50,
        flood: 400_000,
        settle: Duration::from_millis(300),
    };
    const SHORT: Self = Self {
        whole: false,
        repeats: 1,
        deltas: 2_000,
        paced: 20,
        sessions: 10,
        flood: 100_000,
        settle: Duration::ZERO,
    };
}

struct Figure {
    name: &'static str,
    unit: &'static str,
    aim: f64,
}

impl Figure {
    fn print(&self, ride: &Ride, pillion: Option<f64>, floor: Option<f64>) {
        if !ride.whole {
            return;
        }
        let cell = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
        let ratio = match (pillion, floor) {
            (Some(pillion), Some(floor)) if floor > 0.0 => format!("{:.2}", pillion / floor),
            _ => "-".to_owned(),
        };
        let missed = if pillion.is_some_and(|value| value > self.aim) { " missed" } else { "" };
        let name = format!("{}, {}", self.name, self.unit);
        println!("{name:<58} {:>8} {:>10} {:>10} {ratio:>7}{missed}", self.aim, cell(pillion), cell(floor));
    }
}

const fn figure(name: &'static str, unit: &'static str, aim: f64) -> Figure {
    Figure { name, unit, aim }
}

/// Gives one value a figure; fewer where the system does not tell.
type Measure = fn(&Ride, &Program, &Model) -> Result<Vec<f64>>;

const FIGURES: &[(&[Figure], Measure)] = &[
    (&[figure("spawn to the answer to initialize", "ms", 3.0)], initialize),
    (&[figure("prompt to the model's socket, session log written", "ms", 1.0)], prompt),
    (&[figure("20,000 deltas, request to last", "ms", 60.0), figure("their CPU", "s", 0.06)], stream),
    (
        &[
            figure("latency added to a delta every 5 ms, p50", "ms", 0.13),
            figure("latency added to a delta every 5 ms, p99", "ms", 0.3),
        ],
        paced,
    ),
    (
        &[
            figure("50 sessions at once, latency added every 20 ms, p50", "ms", 0.5),
            figure("50 sessions at once, latency added every 20 ms, p99", "ms", 1.0),
            figure("resident memory after them", "MiB", 40.0),
        ],
        sessions,
    ),
    (&[figure("cancel to turnEnded", "ms", 0.6)], cancel),
    (&[figure("cancel to turnEnded in a flood of 400,000 deltas", "ms", 4.0)], cancel_flood),
    (
        &[
            figure("resident memory after initialize", "MiB", 8.0),
            figure("resident memory after 40,000 deltas", "MiB", 12.0),
        ],
        memory,
    ),
];

fn initialize(ride: &Ride, program: &Program, model: &Model) -> Result<Vec<f64>> {
    let mut took = Vec::new();
    for _ in 0..=ride.repeats {
        let begin = Instant::now();
        let client = Client::start(program, &model.url)?;
        took.push(client.answered - begin);
    }
    Ok(vec![median(&took[1..])])
}

fn prompt(ride: &Ride, program: &Program, model: &Model) -> Result<Vec<f64>> {
    let mut client = Client::start(program, &model.url)?;
    let session = client.session()?;
    std::thread::sleep(ride.settle);
    let mut took = Vec::new();
    for _ in 0..=ride.repeats {
        let turn = client.turn(&session, "RIDE:STREAM 1")?;
        took.push(model.arrival()? - turn.sent);
        std::thread::sleep(ride.settle / 3);
    }
    if program.keeps_log {
        let question = "RIDE:PACED 2 500";
        client.begin_turn(&session, question)?;
        model.arrival()?;
        ensure!(log_holds(&client.state(), question), "the model was asked before the session log held the prompt");
        client.end_turn()?;
    }
    Ok(vec![median(&took[1..])])
}

fn stream(ride: &Ride, program: &Program, model: &Model) -> Result<Vec<f64>> {
    let mut client = Client::start(program, &model.url)?;
    let expected: String = (0..ride.deltas).map(model::delta).collect();
    let (mut took, mut used) = (Vec::new(), Vec::new());
    for _ in 0..=ride.repeats.div_ceil(2) {
        let session = client.session()?;
        std::thread::sleep(ride.settle);
        let before = system::cpu(client.pid());
        let turn = client.turn(&session, &format!("RIDE:STREAM {}", ride.deltas))?;
        std::thread::sleep(ride.settle);
        used.extend(before.zip(system::cpu(client.pid())).map(|(before, after)| after - before));
        let last = turn.deltas.last().context("no delta arrived")?.0;
        took.push(last - model.arrival()?);
        ensure!(turn.text()? == expected, "the text that arrived is not the text that was sent");
    }
    // The system counts CPU in steps of 10 ms, so the runs are summed, not ranked.
    let mean = used.get(1..).filter(|used| !used.is_empty()).map(|used| used.iter().sum::<f64>() / used.len() as f64);
    Ok([median(&took[1..])].into_iter().chain(mean).collect())
}

fn paced(ride: &Ride, program: &Program, model: &Model) -> Result<Vec<f64>> {
    let mut client = Client::start(program, &model.url)?;
    let session = client.session()?;
    client.turn(&session, &format!("RIDE:PACED {} 5", ride.paced / 10))?;
    std::thread::sleep(ride.settle);
    let turn = client.turn(&session, &format!("RIDE:PACED {} 5", ride.paced))?;
    let mut added = turn.latencies()?;
    ensure!(added.len() == ride.paced, "{} of {} deltas arrived", added.len(), ride.paced);
    added.sort();
    Ok([50, 99].map(|percent| milliseconds(added[added.len() * percent / 100])).to_vec())
}

fn sessions(ride: &Ride, program: &Program, model: &Model) -> Result<Vec<f64>> {
    let mut client = Client::start(program, &model.url)?;
    let sessions = (0..ride.sessions).map(|_| client.session()).collect::<Result<Vec<_>>>()?;
    client.begin_turns(&sessions, "RIDE:PACED 5 20")?;
    client.end_turn()?;
    std::thread::sleep(ride.settle);
    client.begin_turns(&sessions, &format!("RIDE:PACED {} 20", ride.paced / 2))?;
    let mut added = client.end_turn()?.latencies()?;
    let expected = ride.sessions * (ride.paced / 2);
    ensure!(added.len() == expected, "{} of {expected} deltas arrived", added.len());
    added.sort();
    let latencies = [50, 99].map(|percent| milliseconds(added[added.len() * percent / 100]));
    Ok(latencies.into_iter().chain(system::resident(client.pid())).collect())
}

fn cancel(ride: &Ride, program: &Program, model: &Model) -> Result<Vec<f64>> {
    time_cancels(ride, program, model, "RIDE:PACED 4000 5")
}

fn cancel_flood(ride: &Ride, program: &Program, model: &Model) -> Result<Vec<f64>> {
    time_cancels(ride, program, model, &format!("RIDE:STREAM {}", ride.flood))
}

fn time_cancels(ride: &Ride, program: &Program, model: &Model, question: &str) -> Result<Vec<f64>> {
    let mut client = Client::start(program, &model.url)?;
    let mut took = Vec::new();
    for _ in 0..ride.repeats {
        let session = client.session()?;
        client.begin_turn(&session, question)?;
        client.until_text(1_000)?;
        let sent = client.cancel(&session)?;
        let turn = client.end_turn()?;
        ensure!(turn.stop_reason == "cancelled", "a cancelled turn ended with {:?}", turn.stop_reason);
        took.push(turn.ended - sent);
    }
    Ok(vec![median(&took)])
}

fn memory(ride: &Ride, program: &Program, model: &Model) -> Result<Vec<f64>> {
    let mut client = Client::start(program, &model.url)?;
    std::thread::sleep(ride.settle);
    let first = system::resident(client.pid());
    let session = client.session()?;
    for _ in 0..2 {
        client.turn(&session, &format!("RIDE:STREAM {}", ride.deltas))?;
    }
    std::thread::sleep(ride.settle);
    Ok(first.into_iter().chain(system::resident(client.pid())).collect())
}

fn log_holds(folder: &Path, text: &str) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        let path = entry.path();
        let found = std::fs::read(&path).is_ok_and(|held| memchr::memmem::find(&held, text.as_bytes()).is_some());
        found || (path.is_dir() && log_holds(&path, text))
    })
}

fn median(took: &[Duration]) -> f64 {
    let mut sorted = took.to_vec();
    sorted.sort();
    milliseconds(sorted[sorted.len() / 2])
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
