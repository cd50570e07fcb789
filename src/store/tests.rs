use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use proptest::prelude::*;
use serde_json::{
    json,
    value::{RawValue, to_raw_value},
};
use tempfile::TempDir;

use super::*;
use crate::{
    agent::{CallStatus, Settled},
    protocol::{
        Approval, ApprovalOutcome, ContentBlock, Limits, Mode, Question, QuestionOutcome, SessionEvent, Task,
        TaskStatus, ToolClass, ToolStatus, TurnStopReason, Usage, convert::unresolved_prompt,
    },
    tool::{Class, TasksSnapshot},
    transcript::{self, Content, Image, Message, ResultContent, Role, ToolCall, ToolResult},
};

mod random;
mod waiting;

fn store() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Some(folder.path().join("state"))).unwrap();
    (folder, store)
}

fn settings(model: &str) -> Settings {
    Settings { model: model.into(), mode: Mode::Ask, limits: Limits::default() }
}

fn meta() -> Meta {
    Meta::new(vec![PathBuf::from("/project")], settings("scripted/one"))
}

fn prompt(text: &str) -> Vec<ContentBlock> {
    vec![ContentBlock::Text { text: text.into() }]
}

fn started(turn: &str, text: &str) -> SessionEvent {
    SessionEvent::TurnStarted { turn_id: turn.into(), prompt: prompt(text), by: None, output_schema: None }
}

fn delta(text: &str) -> SessionEvent {
    SessionEvent::MessageDelta { text: text.into() }
}

fn call_event(id: &str) -> SessionEvent {
    SessionEvent::ToolCall {
        call_id: id.into(),
        tool: "bash".into(),
        input: json!({"command": "make"}),
        class: ToolClass::Execute,
        title: "make".into(),
    }
}

fn result_event(id: &str, text: &str) -> SessionEvent {
    SessionEvent::ToolResult { call_id: id.into(), status: ToolStatus::Ok, text: text.into(), diff: None }
}

fn asked(id: &str, call: &str) -> SessionEvent {
    let approval = Approval {
        approval_id: id.into(),
        session_id: "s".into(),
        turn_id: "t".into(),
        call_id: call.into(),
        tool: "bash".into(),
        input: json!({}),
        class: ToolClass::Execute,
        title: "make".into(),
        command: None,
        paths: vec![],
        outside: false,
        risk: None,
        diff: None,
        rules: vec![],
        agent: None,
    };
    SessionEvent::ApprovalRequested { approval }
}

fn ended(turn: &str, stop_reason: TurnStopReason) -> SessionEvent {
    SessionEvent::TurnEnded { turn_id: turn.into(), stop_reason, usage: Usage::default(), error: None }
}

fn calls(text: &str, ids: &[&str]) -> Message {
    let call = |id: &&str| {
        Content::ToolCall(ToolCall { id: (*id).into(), name: "bash".into(), input: json!({"command": "make"}) })
    };
    let content = [Content::Text { text: text.into() }].into_iter().chain(ids.iter().map(call)).collect();
    Message { role: Role::Assistant, content }
}

fn results(results: &[(&str, &str, bool)]) -> Message {
    let result =
        |(id, text, is_error): &(&str, &str, bool)| Content::ToolResult(ToolResult::text(*id, *text, *is_error));
    Message { role: Role::User, content: results.iter().map(result).collect() }
}

/// A thing that a session appends.
#[derive(Clone, Debug)]
enum Entry {
    Event(Box<SessionEvent>),
    Message(Message),
    Transcript(Vec<Message>),
    Settled(Settled),
    Settings(Settings),
}

fn event(event: SessionEvent) -> Entry {
    Entry::Event(Box::new(event))
}

fn append(log: &mut Log, last_seq: &mut u64, entry: &Entry) {
    match entry {
        Entry::Event(event) => {
            *last_seq += 1;
            log.append_event(*last_seq, &to_raw_value(event).unwrap()).unwrap();
        }
        Entry::Message(message) => log.append_message(message).unwrap(),
        Entry::Transcript(messages) => log.append_transcript(messages).unwrap(),
        Entry::Settled(settled) => log.append_settled(settled).unwrap(),
        Entry::Settings(settings) => log.append_settings(settings).unwrap(),
    }
}

/// A stored session of these entries; its id and its file.
fn written(store: &Store, entries: &[Entry]) -> (String, PathBuf) {
    let meta = meta();
    let mut log = store.create(&meta).unwrap();
    let mut last_seq = 0;
    entries.iter().for_each(|entry| append(&mut log, &mut last_seq, entry));
    (meta.session_id.clone(), store.path(&meta.session_id).unwrap())
}

fn recovered(entries: &[Entry]) -> Recovered {
    let (_folder, store) = store();
    let (id, _) = written(&store, entries);
    store.load(&id).unwrap().1
}

fn replayed(store: &Store, id: &str, seqs: std::ops::RangeInclusive<u64>) -> Vec<(u64, SessionEvent)> {
    let parse = |(seq, event): (u64, Box<RawValue>)| (seq, serde_json::from_str(event.get()).unwrap());
    store.replay(id, seqs).unwrap().map(parse).collect()
}

fn interrupted(turn: &str) -> SessionEvent {
    let error = Some("Pillion ended in the middle of this turn. What it had done until then is kept.".into());
    SessionEvent::TurnEnded {
        turn_id: turn.into(),
        stop_reason: TurnStopReason::Interrupted,
        usage: Usage::default(),
        error,
    }
}

const LOST: &str = "interrupted: Pillion ended before this call returned. Whether it had an effect is not known.";

fn settled(id: &str, text: &str) -> Entry {
    Entry::Settled(Settled { result: ToolResult::text(id, text, false), status: CallStatus::Ok, diff: None })
}

fn resolved(id: &str, outcome: ApprovalOutcome) -> Entry {
    event(SessionEvent::ApprovalResolved { approval_id: id.into(), outcome })
}

fn cancelled(id: &str) -> SessionEvent {
    SessionEvent::ToolResult { call_id: id.into(), status: ToolStatus::Cancelled, text: LOST.into(), diff: None }
}

#[test]
fn a_shorter_transcript_takes_the_place_of_the_one_before_which_stays_in_the_log() {
    let (_folder, store) = store();
    let said = |text: &str| Entry::Message(Message::assistant(text));
    let entries = [
        event(started("t1", "go")),
        Entry::Message(Message::user("go")),
        said("much"),
        event(ended("t1", TurnStopReason::EndTurn)),
        Entry::Transcript(vec![Message::user("summary")]),
        event(started("t2", "on")),
        Entry::Message(Message::user("on")),
        said("more"),
        event(ended("t2", TurnStopReason::EndTurn)),
    ];
    let (id, path) = written(&store, &entries);
    let (log, recovered) = store.load(&id).unwrap();
    let expect = vec![Message::user("summary"), Message::user("on"), Message::assistant("more")];
    assert_eq!((recovered.messages, recovered.repairs), (expect, vec![]));
    drop(log);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("much"), "the original is kept");

    // A transcript that was torn while it was written never was: the one before it holds.
    let torn = text.split_inclusive('\n').take_while(|line| !line.starts_with("{\"transcript\""));
    let torn = torn.collect::<String>() + "{\"transcript\":[{\"role\":\"user\",\"con";
    fs::write(&path, torn).unwrap();
    let (_log, recovered) = store.load(&id).unwrap();
    assert_eq!(recovered.messages, [Message::user("go"), Message::assistant("much")]);
}

#[test]
fn costs_are_summed_over_turns_and_one_that_is_not_known_is_not_free() {
    let (_folder, store) = store();
    let cost = |nano_dollars| Some(crate::protocol::Cost { nano_dollars, at_least: false });
    let usage = |cost| {
        let round = Usage { output_tokens: Some(1), cost, ..Usage::default() };
        event(SessionEvent::Usage { round, turn: round, context: None })
    };
    let (id, _) = written(&store, &[event(started("t1", "go")), usage(cost(5)), usage(cost(7))]);
    let total = store.load(&id).unwrap().1.usage.cost;
    assert_eq!(total, Some(transcript::Cost::nano_dollars(12)));
    let (id, _) = written(&store, &[event(started("t1", "go")), usage(cost(5)), usage(None)]);
    let total = store.load(&id).unwrap().1.usage.cost;
    assert_eq!(total, Some(transcript::Cost { nano_dollars: 5, at_least: true }));
}

#[test]
fn a_session_comes_back_as_it_was() {
    let (_folder, store) = store();
    let changed = Settings { mode: Mode::Plan, ..settings("scripted/two") };
    let usage = Usage { input_tokens: Some(7), ..Usage::default() };
    let messages = [Message::user("fix it"), Message::assistant("done")];
    let entries = [
        event(started("t1", "fix\n  it")),
        Entry::Message(messages[0].clone()),
        event(delta("done")),
        event(SessionEvent::Usage { round: usage, turn: usage, context: None }),
        Entry::Message(messages[1].clone()),
        event(ended("t1", TurnStopReason::EndTurn)),
        Entry::Settings(changed.clone()),
    ];
    let (id, path) = written(&store, &entries);
    let before = fs::read(&path).unwrap();
    let (log, recovered) = store.load(&id).unwrap();
    let expect = Recovered {
        title: "fix it".into(),
        roots: vec!["/project".into()],
        settings: changed,
        created_at: recovered.created_at,
        updated_at: recovered.updated_at,
        usage: usage.into(),
        last_seq: 4,
        messages: messages.to_vec(),
        repairs: vec![],
        closing: vec![],
        waiting: None,
        landed: Vec::new(),
        tasks: TasksSnapshot::default(),
        damaged: 0,
    };
    assert_eq!(recovered, expect);
    assert!(recovered.updated_at >= recovered.created_at && recovered.created_at > 1_700_000_000);
    drop(log);
    assert_eq!(fs::read(&path).unwrap(), before, "loading a log that ended well changes nothing");
}

fn task(number: u32, status: TaskStatus) -> Task {
    let (task_id, title) = (format!("task-{number}"), format!("make {number}"));
    Task { task_id, call_id: "c".into(), title, status, started_at: 7, ended_at: None }
}

#[test]
fn background_tasks_end_with_the_process_and_what_the_model_was_not_told_is_kept() {
    let started = |number| event(SessionEvent::TaskStarted { task: task(number, TaskStatus::Running) });
    let ended = |number| {
        event(SessionEvent::TaskEnded { task: task(number, TaskStatus::Ended), text: format!("built {number}") })
    };
    let entries = [
        started(1),
        started(2),
        started(3),
        ended(1),
        Entry::Message(Message::user("[task-1 (`make 1`): ended. This is what came of it.]\nbuilt 1")),
        ended(2),
    ];
    let (_folder, store) = store();
    let (id, _) = written(&store, &entries);
    let (_, recovered) = store.load(&id).unwrap();
    assert_eq!(recovered.tasks.count, 3, "no number is given twice");
    let open: Vec<_> = recovered.tasks.open.iter().map(|(task, text)| (task.id.as_str(), text.as_str())).collect();
    assert_eq!(open[0], ("task-2", "built 2"), "the model was told of the first");
    assert_eq!((open.len(), open[1].0), (2, "task-3"));
    let [SessionEvent::TaskEnded { task, text }] = &recovered.closing[..] else { panic!("{:?}", recovered.closing) };
    assert_eq!((task.task_id.as_str(), task.status), ("task-3", TaskStatus::Lost));
    assert!(text.contains("ended with Pillion"), "{text}");
}

#[test]
fn an_open_question_is_closed_and_a_sub_agents_usage_counts() {
    let question = Question {
        question_id: "q1".into(),
        session_id: "s".into(),
        turn_id: "t1".into(),
        call_id: "c".into(),
        agent: None,
        text: "Which?".into(),
        choices: vec![],
        allows_text: true,
    };
    let used = |input_tokens| Usage { input_tokens: Some(input_tokens), ..Usage::default() };
    let nested = SessionEvent::Nested {
        call_id: "c".into(),
        event: Box::new(SessionEvent::Usage { round: used(5), turn: used(8), context: None }),
    };
    let entries = [
        event(started("t1", "go")),
        event(SessionEvent::Usage { round: used(3), turn: used(3), context: None }),
        event(nested),
        event(SessionEvent::QuestionAsked { question }),
    ];
    let (_folder, store) = store();
    let (id, _) = written(&store, &entries);
    let (_, recovered) = store.load(&id).unwrap();
    assert_eq!(recovered.usage.input_tokens, Some(8));
    let resolved = SessionEvent::QuestionResolved { question_id: "q1".into(), outcome: QuestionOutcome::Cancelled };
    assert_eq!(recovered.closing[0], resolved);
    let Some(SessionEvent::TurnEnded { usage, .. }) = recovered.closing.last() else { panic!("{recovered:?}") };
    assert_eq!(*usage, used(8));
}

#[test]
fn what_was_said_of_an_unfinished_answer_is_kept() {
    let entries = [
        event(started("t1", "go")),
        Entry::Message(Message::user("go")),
        event(delta("I will ")),
        event(SessionEvent::TurnSteered { prompt: prompt("faster"), by: None }),
        event(delta("now")),
    ];
    let recovered = recovered(&entries);
    assert_eq!(recovered.messages, [Message::user("go")]);
    assert_eq!(recovered.repairs, [Message::assistant("I will now"), Message::user("faster")]);
    assert_eq!(recovered.closing, [interrupted("t1")]);
}

#[test]
fn what_was_withdrawn_is_not_kept() {
    let entries = [
        event(started("t1", "go")),
        Entry::Message(Message::user("go")),
        event(delta("I will not")),
        event(SessionEvent::Superseded),
        event(delta("I will")),
    ];
    assert_eq!(recovered(&entries).repairs, [Message::assistant("I will")]);
}

#[test]
fn a_replaced_transcript_is_the_transcript_and_the_original_stays_in_the_log() {
    let (_folder, store) = store();
    let entries = [
        event(started("t1", "a long story")),
        Entry::Message(Message::user("a long story")),
        Entry::Message(Message::assistant("well")),
        Entry::Transcript(vec![Message::user("in short")]),
        Entry::Message(Message::assistant("so")),
        event(ended("t1", TurnStopReason::EndTurn)),
    ];
    let (id, path) = written(&store, &entries);
    let (_, recovered) = store.load(&id).unwrap();
    assert_eq!(recovered.messages, [Message::user("in short"), Message::assistant("so")]);
    assert_eq!((recovered.repairs, recovered.closing), (vec![], vec![]));
    let log = fs::read_to_string(path).unwrap();
    assert!(log.lines().any(|line| line.starts_with("{\"message\"") && line.contains("a long story")));
}

#[test]
fn a_prompt_that_is_no_message_yet_becomes_one() {
    let recovered = recovered(&[event(started("t1", "go"))]);
    assert_eq!(recovered.repairs, [Message::user("go")]);
    assert_eq!(recovered.title, "go");
}

#[test]
fn steering_that_became_a_message_is_not_said_twice() {
    let entries = [
        event(started("t1", "go")),
        Entry::Message(Message::user("go")),
        event(SessionEvent::TurnSteered { prompt: prompt("faster"), by: None }),
        Entry::Message(Message::assistant("ok")),
        Entry::Message(Message::user("faster")),
    ];
    assert_eq!(recovered(&entries).repairs, []);
}

#[test]
fn open_calls_get_the_results_the_log_knows_and_say_so_otherwise() {
    let entries = [
        event(started("t1", "go")),
        Entry::Message(Message::user("go")),
        event(delta("three calls")),
        Entry::Message(calls("three calls", &["a", "b", "c"])),
        event(call_event("a")),
        event(result_event("a", "made")),
        event(call_event("b")),
        event(asked("q", "b")),
    ];
    let recovered = recovered(&entries);
    let repaired = results(&[("a", "made", false), ("b", LOST, true), ("c", LOST, true)]);
    assert_eq!(recovered.repairs, [repaired]);
    let expect = [
        SessionEvent::ApprovalResolved { approval_id: "q".into(), outcome: ApprovalOutcome::Cancelled },
        cancelled("b"),
        // Nobody had been told of the third.
        SessionEvent::ToolCall {
            call_id: "c".into(),
            tool: "bash".into(),
            input: json!({"command": "make"}),
            class: ToolClass::Read,
            title: "Bash make".into(),
        },
        cancelled("c"),
        interrupted("t1"),
    ];
    assert_eq!(recovered.closing, expect);
}

#[test]
fn a_line_torn_at_any_byte_is_cut_off_and_nothing_is_appended_to_it() {
    let (_folder, store) = store();
    let mut entries = vec![event(started("t1", "go")), Entry::Message(Message::user("go"))];
    let (id, path) = written(&store, &entries);
    let kept = fs::read(&path).unwrap();
    entries.push(event(delta("né\u{1f3cd}w")));
    let (_, longer) = written(&store, &entries);
    let longer = fs::read(longer).unwrap();
    let last = &longer[longer.len() - (longer.len() - kept.len())..];
    assert!(last.starts_with(b"{\"seq\":2"));
    for cut in 0..last.len() {
        fs::write(&path, [&kept, &last[..cut]].concat()).unwrap();
        let (mut log, recovered) = store.load(&id).unwrap();
        let whole = cut == last.len() - 1;
        assert_eq!(recovered.last_seq, if whole { 2 } else { 1 }, "cut at {cut}");
        assert_eq!(recovered.damaged, 0);
        let seq = recovered.last_seq + 1;
        log.append_event(seq, &to_raw_value(&delta("more")).unwrap()).unwrap();
        drop(log);
        assert_eq!(store.load(&id).unwrap().1.last_seq, seq, "cut at {cut}");
        assert_eq!(replayed(&store, &id, seq..=seq), [(seq, delta("more"))]);
    }
}

#[test]
fn a_damaged_line_costs_itself_alone() {
    let (_folder, store) = store();
    let entries = [
        event(started("t1", "go")),
        Entry::Message(Message::user("go")),
        event(delta("one")),
        event(delta("two")),
        Entry::Message(calls("onetwo", &["a"])),
        Entry::Message(results(&[("a", "made", false)])),
        Entry::Message(Message::assistant("good")),
        event(ended("t1", TurnStopReason::EndTurn)),
    ];
    let (id, path) = written(&store, &entries);
    let whole = fs::read_to_string(&path).unwrap();
    for garbage in [&b"\0\0\0\0"[..], b"{\"seq\":", b"\xff\xfe", b"", b"[]", b"{\"message\":{\"role\":7}}"] {
        for (index, line) in whole.lines().enumerate().skip(1) {
            let lines = whole.lines().enumerate().map(|(at, line)| if at == index { garbage } else { line.as_bytes() });
            fs::write(&path, lines.flat_map(|line| [line, b"\n"].concat()).collect::<Vec<u8>>()).unwrap();
            let (_, recovered) = store.load(&id).unwrap();
            assert_eq!(recovered.damaged, 1, "{line}");
            let all = [recovered.messages.clone(), recovered.repairs.clone()].concat();
            assert!(transcript::is_whole(&all), "{line}: {all:?}");
            if !line.contains("good") {
                assert!(all.contains(&Message::assistant("good")), "{line}: {all:?}");
            }
            let past = replayed(&store, &id, 1..=4);
            assert_eq!(past.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [1, 2, 3, 4], "{line}");
            let notices = past.iter().filter(|(_, event)| matches!(event, SessionEvent::Notice { .. })).count();
            assert_eq!(notices, usize::from(line.starts_with("{\"seq\"")), "{line}");
        }
    }
}

#[test]
fn a_second_writer_is_refused_until_the_first_is_done() {
    let (_folder, store) = store();
    let meta = meta();
    let mut log = store.create(&meta).unwrap();
    assert!(matches!(store.load(&meta.session_id), Err(StoreError::Busy { .. })));
    log.sync();
    drop(log);
    let loaded = store.load(&meta.session_id).unwrap();
    assert!(matches!(store.load(&meta.session_id), Err(StoreError::Busy { .. })));
    drop(loaded);
    assert!(store.load(&meta.session_id).is_ok());
}

#[test]
#[cfg(unix)]
fn only_the_user_can_look() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, store) = store();
    let sessions = folder.path().join("state/sessions");
    fs::create_dir_all(&sessions).unwrap();
    fs::set_permissions(&sessions, fs::Permissions::from_mode(0o755)).unwrap();
    let (_, path) = written(&store, &[]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&sessions), mode(&path)), (0o700, 0o600));
}

#[test]
fn opening_a_store_touches_no_disk() {
    let (folder, _store) = store();
    assert!(!folder.path().join("state").exists());
    assert_eq!(_store.list(None, None, 10).unwrap(), Page { sessions: vec![], next_cursor: None });
    assert!(!folder.path().join("state").exists());
}

#[test]
fn ids_cannot_leave_the_folder() {
    let (folder, store) = store();
    written(&store, &[]);
    fs::write(folder.path().join("secret.jsonl"), "{}").unwrap();
    for id in ["../../secret", "..", "", "/etc/passwd", "20261121-091503-../../", "20261121-091503-k3f9x2/../a"] {
        assert!(matches!(store.load(id), Err(StoreError::BadId { .. })), "{id}");
        assert!(matches!(store.replay(id, 1..=1), Err(StoreError::BadId { .. })), "{id}");
        assert!(
            matches!(store.create(&Meta { session_id: id.into(), ..meta() }), Err(StoreError::BadId { .. })),
            "{id}"
        );
    }
    assert!(matches!(store.load("20261121-091503-k3f9x2"), Err(StoreError::NotFound { .. })));
    assert!(matches!(store.replay("20261121-091503-k3f9x2", 1..=1), Err(StoreError::NotFound { .. })));
}

#[test]
fn a_log_of_a_newer_pillion_is_not_touched() {
    let (_folder, store) = store();
    let (id, path) = written(&store, &[]);
    let newer = fs::read_to_string(&path).unwrap().replace("\"version\":1", "\"version\":2") + "{\"torn";
    fs::write(&path, &newer).unwrap();
    assert!(matches!(store.load(&id), Err(StoreError::Newer { .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), newer);
    fs::write(&path, "garbage\n").unwrap();
    assert!(matches!(store.load(&id), Err(StoreError::Damaged { .. })));
}

#[test]
fn unknown_records_and_events_are_kept_and_passed_over() {
    let (_folder, store) = store();
    let (id, path) = written(&store, &[event(started("t1", "go"))]);
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"{\"future\":{\"x\":1}}\n{\"seq\":2,\"event\":{\"type\":\"hologram\",\"z\":[1]}}\n").unwrap();
    let (_, recovered) = store.load(&id).unwrap();
    assert_eq!((recovered.last_seq, recovered.damaged), (2, 0));
    let past: Vec<_> = store.replay(&id, 2..=2).unwrap().collect();
    assert_eq!(past[0].1.get(), "{\"type\":\"hologram\",\"z\":[1]}");
}

#[test]
fn line_ends_inside_an_event_stay_on_one_line() {
    let (_folder, store) = store();
    let meta = meta();
    let mut log = store.create(&meta).unwrap();
    let pretty = "{\n  \"type\": \"messageDelta\",\r\n  \"text\": \"a\\nb\"\n}".to_owned();
    log.append_event(1, &RawValue::from_string(pretty).unwrap()).unwrap();
    assert_eq!(replayed(&store, &meta.session_id, 1..=1), [(1, delta("a\nb"))]);
}

#[test]
fn replay_finds_its_place_in_a_long_log_that_grows() {
    let (_folder, store) = store();
    let meta = meta();
    let mut log = store.create(&meta).unwrap();
    let mut last_seq = 0;
    append(&mut log, &mut last_seq, &event(started("t1", "go")));
    for index in 0..3000 {
        append(&mut log, &mut last_seq, &event(delta(&"x".repeat(index % 100))));
        if index % 500 == 0 {
            append(&mut log, &mut last_seq, &Entry::Message(Message::user("y".repeat(100_000))));
        }
    }
    for (from, to) in [(1, 3), (2, 2), (1499, 1502), (2999, 3001), (3001, 3001)] {
        let past = replayed(&store, &meta.session_id, from..=to);
        let expect =
            |seq: u64| if seq == 1 { started("t1", "go") } else { delta(&"x".repeat((seq as usize - 2) % 100)) };
        assert_eq!(past, (from..=to).map(|seq| (seq, expect(seq))).collect::<Vec<_>>());
    }
    let mut replay = store.replay(&meta.session_id, 3000..=3002).unwrap();
    assert_eq!(replay.next().unwrap().0, 3000);
    append(&mut log, &mut last_seq, &event(delta("late")));
    assert_eq!(replay.map(|(seq, _)| seq).collect::<Vec<_>>(), [3001, 3002]);
}

#[test]
fn lists_the_latest_used_first_page_by_page() {
    let (folder, store) = store();
    let usage = Usage { output_tokens: Some(3), ..Usage::default() };
    let turn = |title: &str| {
        vec![
            event(started("t1", title)),
            event(SessionEvent::Usage { round: usage, turn: usage, context: None }),
            Entry::Settings(settings("scripted/late")),
            event(ended("t1", TurnStopReason::EndTurn)),
        ]
    };
    let mut ids = Vec::new();
    for index in 0..5_u64 {
        let (id, path) = written(&store, &turn(&format!("session {index}")));
        let used = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000 - index);
        fs::File::options().append(true).open(&path).unwrap().set_modified(used).unwrap();
        ids.push(id);
    }
    written(&store, &[]);
    fs::write(folder.path().join("state/sessions/20261121-091503-aaaaaa.jsonl"), "garbage").unwrap();
    fs::write(folder.path().join("state/sessions/notes.txt"), "mine").unwrap();

    let first = store.list(None, None, 2).unwrap();
    let listed = |page: &Page| page.sessions.iter().map(|session| session.session_id.clone()).collect::<Vec<_>>();
    assert_eq!(listed(&first), ids[..2]);
    let session = &first.sessions[0];
    assert_eq!((session.title.as_str(), session.model.as_str()), ("session 0", "scripted/late"));
    assert_eq!((session.last_seq, session.updated_at, session.usage), (3, 2_000_000_000, usage));
    let second = store.list(None, first.next_cursor.as_deref(), 2).unwrap();
    assert_eq!(listed(&second), ids[2..4]);
    let third = store.list(None, second.next_cursor.as_deref(), 2).unwrap();
    assert_eq!((listed(&third), third.next_cursor), (ids[4..].to_vec(), None));

    assert_eq!(store.list(Some(Path::new("/project")), None, 9).unwrap().sessions.len(), 5);
    assert_eq!(store.list(Some(Path::new("/other")), None, 9).unwrap().sessions.len(), 0);
    for cursor in ["", "x", "1.", "1.../../x", "-1.20261121-091503-aaaaaa"] {
        assert!(matches!(store.list(None, Some(cursor), 2), Err(StoreError::BadCursor { .. })), "{cursor}");
    }
}

#[test]
fn a_running_or_torn_log_is_listed_as_far_as_it_goes() {
    let (_folder, store) = store();
    let usage = Usage { output_tokens: Some(3), ..Usage::default() };
    let mut entries = vec![event(started("t1", "first"))];
    entries.push(event(SessionEvent::Usage { round: usage, turn: usage, context: None }));
    entries.push(event(ended("t1", TurnStopReason::EndTurn)));
    entries.push(event(started("t2", "second")));
    // The state line is further back than one chunk.
    entries.extend((0..2000).map(|_| event(delta(&"z".repeat(100)))));
    entries.push(event(SessionEvent::Usage { round: usage, turn: usage, context: None }));
    let (_, path) = written(&store, &entries);
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"{\"state\":{\"title\":\"to").unwrap();
    let page = store.list(None, None, 9).unwrap();
    let session = &page.sessions[0];
    assert_eq!((session.title.as_str(), session.last_seq), ("first", 2005));
    assert_eq!(session.usage.output_tokens, Some(6));
}

#[test]
fn titles_are_the_first_words_on_one_line() {
    assert_eq!(title(&prompt("  fix\n\tthe   bug ")), "fix the bug");
    assert_eq!(title(&[]), "");
    assert_eq!(title(&prompt(&"é".repeat(80))), "é".repeat(80));
    assert_eq!(title(&prompt(&"é".repeat(1000))), format!("{}…", "é".repeat(80)));
    assert_eq!(title(&prompt(&"ab ".repeat(1000))), format!("{}…", "ab ".repeat(27).trim_end()));
}

#[test]
fn prompts_are_recognised_as_the_messages_they_become() {
    let blocks = vec![
        ContentBlock::Selection { path: "a.rs".into(), start_line: 1, end_line: 2, text: "fn".into() },
        ContentBlock::Text { text: "explain".into() },
    ];
    let entries = [
        event(SessionEvent::TurnStarted { turn_id: "t".into(), prompt: blocks.clone(), by: None, output_schema: None }),
        Entry::Message(unresolved_prompt(&blocks)),
    ];
    let recovered = recovered(&entries);
    assert_eq!((recovered.repairs, recovered.title.as_str()), (vec![], "explain"));
}
