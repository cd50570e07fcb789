//! Session logs of processes that end as processes do.
//!
//! The writer is this test program, started again with [`WRITER`] set: see [`writer`].

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use pillion::{
    protocol::{
        ContentBlock, Limits, Mode, NoticeLevel, SessionEvent, TurnStopReason, Usage, convert::unresolved_prompt,
    },
    store::{Log, Meta, Settings, Store},
    transcript::{self, Content, Message, Role, ToolCall, ToolResult},
};
use serde_json::{json, value::to_raw_value};

/// The state folder to write in.
const WRITER: &str = "PILLION_TEST_WRITER";

/// Starts the writer; `before` is what a shell does first.
#[allow(clippy::disallowed_methods)]
fn start_writer(folder: &Path, before: &str) -> Child {
    let program = env::current_exe().expect("this program");
    let arguments = ["store::writer", "--exact", "--nocapture", "--test-threads=1"];
    let mut command = if before.is_empty() {
        Command::new(program)
    } else {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("{before}; exec \"$@\"")).arg("sh").arg(program);
        shell
    };
    command.args(arguments).env(WRITER, folder).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the writer")
}

/// Says that something is in the log.
fn acknowledge(what: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nack {what}").and_then(|()| out.flush()).expect("the test reads");
}

struct Writer {
    log: Log,
    seq: u64,
    /// The last line did not fit on the disk.
    is_full: bool,
    acknowledge: fn(&str),
}

impl Writer {
    fn event(&mut self, event: &SessionEvent) {
        self.seq += 1;
        let json = to_raw_value(event).expect("it encodes");
        self.is_full = self.log.append_event(self.seq, &json).is_err();
        (self.acknowledge)(&format!("event {} {}", self.seq, json.get()));
    }

    fn message(&mut self, message: &Message) {
        self.is_full = self.log.append_message(message).is_err();
        (self.acknowledge)(&format!("message {}", serde_json::to_string(message).expect("it encodes")));
    }

    /// A turn with a call, as a session writes it.
    fn turn(&mut self, number: u64) {
        let turn_id = format!("t{number}");
        let prompt = vec![ContentBlock::Text { text: format!("prompt {number}") }];
        self.event(&SessionEvent::TurnStarted {
            turn_id: turn_id.clone(),
            prompt: prompt.clone(),
            by: None,
            output_schema: None,
        });
        self.message(&unresolved_prompt(&prompt));
        self.log.sync();
        for piece in ["I ", "will ", "look."] {
            self.event(&SessionEvent::MessageDelta { text: piece.into() });
        }
        let call = ToolCall { id: format!("c{number}"), name: "read".into(), input: json!({"path": "a"}) };
        let said = Content::Text { text: "I will look.".into() };
        self.message(&Message { role: Role::Assistant, content: vec![said, Content::ToolCall(call.clone())] });
        self.event(&SessionEvent::ToolCall {
            call_id: call.id.clone(),
            tool: call.name,
            input: call.input,
            class: pillion::protocol::ToolClass::Read,
            title: "Read a".into(),
        });
        let text = "line\n".repeat(2000);
        self.event(&SessionEvent::ToolResult {
            call_id: call.id.clone(),
            status: pillion::protocol::ToolStatus::Ok,
            text: text.clone(),
            diff: None,
        });
        let result = Content::ToolResult(ToolResult::text(call.id, text, false));
        self.message(&Message { role: Role::User, content: vec![result] });
        self.event(&SessionEvent::MessageDelta { text: "Done.".into() });
        self.message(&Message::assistant("Done."));
        let (stop_reason, usage) = (TurnStopReason::EndTurn, Usage::default());
        self.event(&SessionEvent::TurnEnded { turn_id, stop_reason, usage, error: None });
        self.log.sync();
    }
}

/// Not a test: writes turns until it is killed, or until the disk is full, and says what it has written.
#[test]
fn writer() {
    let Some(folder) = env::var_os(WRITER) else { return };
    let store = Store::open(Some(folder.into())).expect("a store");
    let settings = Settings { model: "scripted/x".into(), mode: Mode::Ask, limits: Limits::default() };
    let meta = Meta::new(vec!["/project".into()], settings.clone());
    let mut writer = Writer { log: store.create(&meta).expect("a log"), seq: 0, is_full: false, acknowledge };
    acknowledge(&format!("session {}", meta.session_id));
    for number in 1.. {
        let was_full = writer.is_full;
        writer.turn(number);
        if was_full {
            break;
        }
    }
    // Full for new logs, too, from somewhere in their middle on.
    limit(Some(1000));
    assert!(store.fork(&meta.session_id, None).is_err(), "there is no room for a copy");
    limit(Some(10));
    assert!(store.create(&Meta::new(vec!["/project".into()], settings)).is_err(), "there is no room for a log");
    acknowledge("full");
    limit(None);
    writer.event(&SessionEvent::Notice { level: NoticeLevel::Info, message: "after".into() });
    assert!(!writer.is_full, "there is room again");
    acknowledge("done");
}

/// How long a file may become, in bytes.
#[cfg(unix)]
fn limit(bytes: Option<u64>) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: bytes.or(maximum), maximum }).expect("another limit");
}

#[cfg(not(unix))]
fn limit(_: Option<u64>) {}

/// What the writer acknowledged.
#[derive(Default)]
struct Acknowledged {
    session: String,
    messages: Vec<Message>,
    events: Vec<(u64, String)>,
}

impl Acknowledged {
    fn take(&mut self, line: &str) {
        match line.strip_prefix("ack ").and_then(|line| line.split_once(' ')) {
            Some(("session", id)) => id.clone_into(&mut self.session),
            Some(("message", json)) => self.messages.push(serde_json::from_str(json).expect("a message")),
            Some(("event", event)) => {
                let (seq, json) = event.split_once(' ').expect("a number and an event");
                self.events.push((seq.parse().expect("a number"), json.to_owned()));
            }
            _ => {}
        }
    }

    /// Everything is there, and what is there can be gone on with.
    fn check(&self, store: &Store) {
        let (mut log, recovered) = store.load(&self.session).expect("it loads");
        assert_eq!(recovered.damaged, 0);
        assert_eq!(recovered.messages[..self.messages.len()], self.messages);
        let last_seq = self.events.last().map_or(0, |(seq, _)| *seq);
        assert!(recovered.last_seq >= last_seq, "{} is lost", last_seq);
        let past = store.replay(&self.session, 1..=last_seq).expect("it replays");
        let past: Vec<_> = past.map(|(seq, event)| (seq, event.get().to_owned())).collect();
        assert!(past == self.events, "the events differ");
        let all = [recovered.messages, recovered.repairs.clone()].concat();
        assert!(transcript::is_whole(&all));
        let said: String = all.iter().filter(|message| message.role == Role::Assistant).map(Message::text).collect();
        for (_, json) in &self.events {
            if let Ok(SessionEvent::MessageDelta { text }) = serde_json::from_str(json) {
                assert!(said.contains(text.trim()));
            }
        }

        for message in &recovered.repairs {
            log.append_message(message).expect("room");
        }
        let mut seq = recovered.last_seq;
        for event in &recovered.closing {
            seq += 1;
            log.append_event(seq, &to_raw_value(event).expect("it encodes")).expect("room");
        }
        drop(log);
        let log = store.load(&self.session).expect("it loads again").0;
        Writer { log, seq, is_full: false, acknowledge: |_| {} }.turn(1_000_000);
        let (_, again) = store.load(&self.session).expect("it loads once more");
        assert_eq!((again.repairs, again.closing), (vec![], vec![]));
        assert_eq!(again.messages[..all.len()], all);
        assert_eq!(again.messages.last(), Some(&Message::assistant("Done.")));
    }
}

#[test]
fn what_a_killed_process_acknowledged_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(Some(folder.path().to_owned())).expect("a store");
    for _ in 0..25 {
        let mut child = start_writer(folder.path(), "");
        let mut lines = BufReader::new(child.stdout.take().expect("its output"));
        let mut acknowledged = Acknowledged::default();
        let mut line = String::new();
        // A moment of its own choosing: it goes on writing while this is read.
        let enough = fastrand::usize(2..400);
        for _ in 0..enough {
            line.clear();
            lines.read_line(&mut line).expect("a line");
            acknowledged.take(line.trim_end());
        }
        child.kill().expect("it is killed");
        child.wait().expect("it is gone");
        let mut rest = String::new();
        lines.read_to_string(&mut rest).expect("the rest");
        // The last line may have been cut with the process.
        let whole = rest.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().for_each(|line| acknowledged.take(line));
        if !acknowledged.session.is_empty() {
            acknowledged.check(&store);
        }
    }
    assert!(!store.list(None, None, 100).expect("a list").sessions.is_empty());
}

#[test]
fn another_process_is_refused_while_one_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(Some(folder.path().to_owned())).expect("a store");
    let mut child = start_writer(folder.path(), "");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let mut acknowledged = Acknowledged::default();
    while acknowledged.events.is_empty() {
        acknowledged.take(&lines.next().expect("more").expect("a line"));
    }
    let refused = store.load(&acknowledged.session);
    assert!(matches!(refused, Err(pillion::store::StoreError::Busy { .. })), "it must be refused");
    assert!(store.replay(&acknowledged.session, 1..=1).expect("reading is free").next().is_some());
    child.kill().expect("it is killed");
    child.wait().expect("it is gone");
    assert!(store.load(&acknowledged.session).is_ok());
}

#[test]
#[cfg(unix)]
fn what_does_not_fit_on_the_disk_is_there_once_there_is_room_again_and_no_half_of_a_log_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(Some(folder.path().to_owned())).expect("a store");
    // Writing beyond the limit fails as on a full disk, in the middle of a record.
    let mut child = start_writer(folder.path(), "trap '' XFSZ; ulimit -S -f 100");
    let mut said = String::new();
    child.stdout.take().expect("its output").read_to_string(&mut said).expect("lines");
    assert!(child.wait().expect("it ends").success(), "{}", &said[said.len().saturating_sub(500)..]);
    assert!(said.contains("\nack full\n") && said.contains("\nack done\n"));
    let mut acknowledged = Acknowledged::default();
    said.lines().for_each(|line| acknowledged.take(line));
    acknowledged.check(&store);
    let logs = std::fs::read_dir(folder.path().join("sessions")).expect("the folder of the logs");
    assert_eq!(logs.count(), 1, "what could not be begun is left behind");
}
