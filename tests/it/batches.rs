//! `pillion batch` with the real program against a server that plays Anthropic's Message Batches.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Instant,
};

use serde_json::{Value, json};

use crate::{
    http_server::{Asked, Reply, Server, json as answer},
    support::{Ground, LIMIT},
};

/// What happens to the next batch that is handed over.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Taken,
    /// It arrives, and nobody is told.
    TakenInSilence,
    /// It does not arrive, and nobody is told.
    LostInSilence,
    /// It arrives, and the connection breaks.
    TakenAndCut,
    TooBusy,
}

#[derive(Default)]
struct Account {
    /// The latest first: id, and the ids of its requests.
    batches: Vec<(String, Vec<String>)>,
    fates: Vec<Fate>,
    ended: BTreeSet<String>,
    cancelled: BTreeSet<String>,
    /// What the results say instead of an answer to each request.
    results: Option<String>,
    /// The body is announced to be longer than it is.
    cuts_results: bool,
    /// Results come whole and the connection stays open without a word.
    holds_results: bool,
    /// How many looks at a batch until it has ended by itself.
    looks: Option<usize>,
}

struct World {
    ground: Ground,
    server: Server,
    account: Arc<Mutex<Account>>,
    silences: Receiver<()>,
}

impl World {
    fn new(lines: &str) -> Self {
        let account: Arc<Mutex<Account>> = Arc::default();
        let (silence, silences) = channel();
        let (ours, silence) = (account.clone(), Mutex::new(silence));
        let server = Server::start(move |asked| play(&ours, &silence, asked));
        let ground = Ground::new(&json!([]));
        let config =
            format!("[retry]\nfirst_wait = 0.001\ntries = 3\n[providers.anthropic]\nbase_url = \"{}\"\n", server.url());
        std::fs::write(ground.folder().join("config.toml"), config).expect("a configuration");
        let world = Self { ground, server, account, silences };
        std::fs::write(world.file("jobs.jsonl"), lines).expect("a file of requests");
        world
    }

    fn file(&self, name: &str) -> PathBuf {
        self.ground.project().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pillion"));
        command
            .arg("batch")
            .args(args)
            .envs(self.ground.env.iter().cloned())
            .env("PILLION_MODEL", "anthropic/claude-haiku-4-5")
            .env("ANTHROPIC_API_KEY", "sk-of-this-test")
            .current_dir(self.ground.project())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end; returns its exit code and all that it said.
    fn run(&self, args: &[&str]) -> (i32, String) {
        told(&self.command(args).output().expect("it runs"))
    }

    #[track_caller]
    fn check(&self, args: &[&str], code: i32, says: &[&str]) {
        let (ended, said) = self.run(args);
        assert_eq!(ended, code, "{said}");
        for text in says {
            assert!(said.contains(text), "{text:?} is missing in: {said}");
        }
    }

    /// Starts a command and kills it as soon as the server keeps silent.
    fn kill_in_silence(&self, args: &[&str]) {
        self.kill_when(args, || true);
    }

    /// The same, once this holds too.
    fn kill_when(&self, args: &[&str], holds: impl Fn() -> bool) {
        let mut child: Child = self.command(args).spawn().expect("it starts");
        self.silences.recv_timeout(LIMIT).expect("the server is asked");
        let give_up = Instant::now() + LIMIT;
        while !holds() {
            assert!(Instant::now() < give_up, "waited too long");
            thread::yield_now();
        }
        child.kill().expect("it is killed");
        child.wait().expect("it ends");
    }

    fn account(&self) -> std::sync::MutexGuard<'_, Account> {
        self.account.lock().expect("the account")
    }

    fn fates(&self, fates: &[Fate]) {
        self.account().fates = fates.iter().rev().copied().collect();
    }

    fn end_all(&self) {
        let mut account = self.account();
        account.ended = account.batches.iter().map(|(id, _)| id.clone()).collect();
    }

    fn posted(&self) -> Vec<Asked> {
        self.server.asked().into_iter().filter(|asked| asked.method == "POST").collect()
    }

    fn results(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.file("jobs.jsonl.results.jsonl")).expect("results");
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }
}

fn told(output: &Output) -> (i32, String) {
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().expect("it ends by itself"), said)
}

fn play(account: &Mutex<Account>, silence: &Mutex<Sender<()>>, asked: &Asked) -> Reply {
    let is_allowed = asked.headers.get("x-api-key").is_some_and(|key| key == "sk-of-this-test")
        && asked.headers.contains_key("anthropic-version");
    if !is_allowed {
        return answer(401, r#"{"type":"error","error":{"type":"authentication_error","message":"who are you?"}}"#);
    }
    let tell = silence.lock().expect("a way to tell").clone();
    let mut account = account.lock().expect("the account");
    let path = asked.target.strip_prefix("/v1/messages/batches").expect("only batches are asked for");
    if asked.method == "POST" && path.is_empty() {
        let body: Value = serde_json::from_str(&asked.body).expect("JSON");
        let requests = body["requests"].as_array().expect("requests");
        let ids = requests.iter().map(|item| item["custom_id"].as_str().expect("an id").to_owned()).collect();
        let fate = account.fates.pop().unwrap_or(Fate::Taken);
        let id = format!("msgbatch_{}", account.batches.len() + 1);
        if matches!(fate, Fate::Taken | Fate::TakenInSilence | Fate::TakenAndCut) {
            account.batches.insert(0, (id.clone(), ids));
        }
        return match fate {
            Fate::Taken => answer(200, &described(&account, &id).to_string()),
            Fate::TakenAndCut => Reply::HangUp,
            Fate::TooBusy => answer(429, r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}"#),
            Fate::TakenInSilence | Fate::LostInSilence => {
                drop(account);
                be_silent(&tell)
            }
        };
    }
    if let Some(query) = path.strip_prefix('?') {
        // Two a page, so that there are pages.
        let after = query.split('&').find_map(|part| part.strip_prefix("after_id="));
        let start = after.map_or(0, |id| 1 + account.batches.iter().position(|(known, _)| known == id).expect("an id"));
        let page: Vec<Value> =
            account.batches.iter().skip(start).take(2).map(|(id, _)| described(&account, id)).collect();
        let has_more = start + page.len() < account.batches.len();
        return answer(200, &json!({"data": page, "has_more": has_more}).to_string());
    }
    let (id, rest) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
    let Some((_, ids)) = account.batches.iter().find(|(known, _)| known == id).cloned() else {
        return answer(404, r#"{"type":"error","error":{"type":"not_found_error","message":"no such batch"}}"#);
    };
    match (asked.method.as_str(), rest) {
        ("POST", "cancel") => {
            account.cancelled.insert(id.to_owned());
            answer(200, &described(&account, id).to_string())
        }
        ("GET", "results") => {
            let text = account.results.clone().unwrap_or_else(|| ids.iter().rev().map(|id| succeeded(id)).collect());
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", text.len());
            if account.holds_results {
                drop(account);
                return Reply::SayAndWait(format!("HTTP/1.1 200 OK\r\n\r\n{text}"), Box::new(move || be_silent(&tell)));
            }
            match std::mem::take(&mut account.cuts_results) {
                true => Reply::Say(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len() + 9)),
                false => Reply::Say(head + &text),
            }
        }
        ("GET", "") => {
            let looks = account.looks.as_mut().map(|looks| {
                *looks = looks.saturating_sub(1);
                *looks
            });
            if looks == Some(0) {
                account.ended.insert(id.to_owned());
            }
            answer(200, &described(&account, id).to_string())
        }
        other => panic!("{other:?}"),
    }
}

/// Never says anything, after it has told that.
fn be_silent(tell: &Sender<()>) -> ! {
    tell.send(()).expect("somebody listens");
    loop {
        thread::park();
    }
}

fn described(account: &Account, id: &str) -> Value {
    let (_, ids) = account.batches.iter().find(|(known, _)| known == id).expect("a batch");
    let status = match (account.ended.contains(id), account.cancelled.contains(id)) {
        (true, _) => "ended",
        (false, true) => "canceling",
        (false, false) => "in_progress",
    };
    let (processing, succeeded) = if status == "ended" { (0, ids.len()) } else { (ids.len(), 0) };
    json!({
        "id": id, "type": "message_batch", "processing_status": status,
        "request_counts": {"processing": processing, "succeeded": succeeded, "errored": 0, "canceled": 0, "expired": 0},
        "created_at": "2026-01-01T00:00:00Z", "archived_at": null,
    })
}

fn succeeded(id: &str) -> String {
    let message = json!({
        "type": "message", "role": "assistant", "model": "claude-haiku-4-5-20251001",
        "content": [{"type": "text", "text": format!("Answer to {id}")}],
        "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 2},
    });
    ended(id, json!({"type": "succeeded", "message": message}))
}

fn ended(id: &str, result: Value) -> String {
    format!("{}\n", json!({"custom_id": id, "result": result}))
}

fn requests(ids: &[&str]) -> String {
    ids.iter().map(|id| format!("{}\n", json!({"id": id, "prompt": format!("Question {id}")}))).collect()
}

const FILE: &str = "jobs.jsonl";

#[test]
fn the_whole_way() {
    let lines = requests(&["a", "b", "c"])
        + "\n"
        + &json!({
            "id": "d", "model": "anthropic/claude-opus-4-5", "system": "Be brief.", "max_tokens": 7,
            "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": [{"type": "text", "text": "Ho"}]},
                {"role": "user", "content": "And?"}],
        })
        .to_string();
    let world = World::new(&lines);
    world.check(&["status", FILE], 2, &["Nothing of jobs.jsonl was submitted"]);
    world.check(&["submit", FILE, "--system", "Be kind."], 0, &["msgbatch_1: 4 requests", "All 4 requests"]);
    let body: Value = serde_json::from_str(&world.posted()[0].body).expect("JSON");
    let params = |index: usize| body["requests"][index]["params"].clone();
    assert_eq!(
        (&params(0)["model"], &params(0)["system"][0]["text"]),
        (&json!("claude-haiku-4-5"), &json!("Be kind."))
    );
    assert_eq!(params(0)["messages"], json!([{"role": "user", "content": [{"type": "text", "text": "Question a"}]}]));
    assert!(params(0).get("stream").is_none());
    assert_eq!((&params(3)["model"], &params(3)["max_tokens"]), (&json!("claude-opus-4-5"), &json!(7)));
    assert_eq!(
        (&params(3)["system"][0]["text"], params(3)["messages"].as_array().map(Vec::len)),
        (&json!("Be brief."), Some(3))
    );

    world.check(&["status", FILE], 3, &["msgbatch_1: 4 of 4 requests are being worked on"]);
    world.check(&["results", FILE], 3, &["0 of 4 requests have a result", "1 of 1 batches have not ended yet"]);
    world.end_all();
    world.check(&["status", FILE, "--json"], 0, &[r#""status":"ended""#]);
    world.check(
        &["results", FILE],
        0,
        &["4 of 4 requests have a result in jobs.jsonl.results.jsonl: 4 answers, 0 failures"],
    );
    let results = world.results();
    let ids: Vec<_> = results.iter().map(|result| result["id"].as_str().expect("an id")).collect();
    assert_eq!(ids, ["d", "c", "b", "a"], "in the order in which they came");
    let a = &results[3];
    assert_eq!(
        (&a["outcome"], &a["text"], &a["usage"]["outputTokens"]),
        (&json!("succeeded"), &json!("Answer to a"), &json!(2))
    );
}

#[test]
fn each_request_has_an_outcome_of_its_own_and_a_bad_line_ends_nothing() {
    let world = World::new(&requests(&["a", "b", "c", "d", "e"]));
    world.check(&["submit", FILE], 0, &[]);
    world.end_all();
    let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "too busy"}});
    world.account().results = Some(
        succeeded("c")
            + "{\"custom_id\": \"b\", \"resu\n"
            + &ended("a", json!({"type": "errored", "error": error}))
            + &ended("e", json!({"type": "expired"}))
            + &ended("d", json!({"type": "canceled"})),
    );
    world.check(&["results", FILE], 1, &["4 of 5 requests have a result", "1 answers, 3 failures", "1 lines"]);
    let outcomes: Vec<_> = world.results().iter().map(|line| line["outcome"].clone()).collect();
    assert_eq!(outcomes, ["succeeded", "unreadable", "errored", "expired", "cancelled"]);
    let errored = &world.results()[2];
    assert_eq!((&errored["class"], &errored["error"]), (&json!("overloaded"), &json!("too busy")));
    assert_eq!(world.results()[1]["line"], 2);

    let asked = world.server.asked().len();
    world.check(&["results", FILE], 1, &["4 of 5"]);
    assert_eq!((world.results().len(), world.server.asked().len()), (5, asked), "what is there is not fetched again");
    std::fs::remove_file(world.file("jobs.jsonl.results.jsonl")).expect("it was there");
    world.check(&["results", FILE], 1, &["4 of 5"]);
    assert_eq!(world.results().len(), 5, "results that were lost are fetched again");
}

#[test]
fn nothing_is_sent_of_a_file_with_mistakes() {
    let lines = [
        r#"{"id": "a b", "prompt": "x"}"#,
        r#"{"id": "ok", "prompt": "x"}"#,
        r#"{"id": "ok", "prompt": "y"}"#,
        r#"{"id": "c", "prompt": "x", "messages": []}"#,
        r#"{"id": "d"}"#,
        r#"{"id": "e", "prompt": "x", "modle": "y"}"#,
        r#"{"id": "f", "prompt": "x", "model": "openai/gpt"}"#,
        "no JSON",
    ];
    let world = World::new(&lines.join("\n"));
    let says = [
        "Nothing was sent",
        "line 1: \"a b\" cannot be the id",
        "line 3: the id `ok` is that of an earlier line",
        "line 4: it has both",
        "line 5: it needs",
        "line 6: unknown field `modle`",
        "line 7: `openai/gpt` is no model of anthropic",
        "line 8: expected",
    ];
    world.check(&["submit", FILE], 2, &says);
    std::fs::write(world.file("empty.jsonl"), "\n \n").expect("a file");
    world.check(&["submit", "empty.jsonl"], 2, &["empty.jsonl has no requests"]);
    world.check(&["submit", "none.jsonl"], 2, &["none.jsonl cannot be read"]);
    world.check(&["submit", FILE, "--per-batch", "0"], 2, &["1 or more"]);
    let other = [("PILLION_MODEL", "ollama/any")];
    let output = world.command(&["submit", FILE]).envs(other).output().expect("it runs");
    assert_eq!(told(&output).0, 2);
    assert!(world.server.asked().is_empty());
}

#[test]
fn a_second_submit_does_not_submit_twice() {
    let world = World::new(&requests(&["a", "b"]));
    world.check(&["submit", FILE, "--max-tokens", "5"], 0, &["msgbatch_1"]);
    world.check(&["submit", FILE], 0, &["msgbatch_1"]);
    assert_eq!(world.posted().len(), 1);
    world.check(&["submit", FILE, "--max-tokens", "6"], 2, &["with other options"]);
    std::fs::write(world.file(FILE), requests(&["a", "c"])).expect("another file");
    world.check(&["submit", FILE], 2, &["has changed since"]);
    world.check(&["status", FILE], 3, &["has changed since", "msgbatch_1"]);
    assert_eq!(world.posted().len(), 1);
}

#[test]
fn killed_before_the_answer_it_finds_the_batch_that_arrived() {
    let world = World::new(&requests(&["a", "b"]));
    // Others of the account: before, with as many requests, and after, with more.
    world.account().batches.push(("msgbatch_old".into(), vec!["x".into(), "y".into()]));
    world.fates(&[Fate::TakenInSilence]);
    world.kill_in_silence(&["submit", FILE]);
    world.account().batches.insert(0, ("msgbatch_new".into(), vec!["x".into()]));
    world.check(&["cancel", FILE], 1, &["was interrupted"]);
    world.check(&["submit", FILE], 0, &["msgbatch_2: 2 requests"]);
    assert_eq!(world.posted().len(), 1);
    world.end_all();
    world.check(&["results", FILE], 0, &["2 of 2"]);
}

#[test]
fn killed_before_it_arrived_it_is_handed_over_again() {
    let world = World::new(&requests(&["a", "b"]));
    world.fates(&[Fate::LostInSilence]);
    world.kill_in_silence(&["submit", FILE]);
    world.check(&["submit", FILE], 0, &["msgbatch_1: 2 requests"]);
    assert_eq!((world.posted().len(), world.account().batches.len()), (2, 1));
}

#[test]
fn a_broken_connection_is_no_reason_to_submit_twice() {
    let world = World::new(&requests(&["a"]));
    world.fates(&[Fate::TooBusy, Fate::TakenAndCut]);
    world.check(&["submit", FILE], 1, &["It is not known whether the batch arrived"]);
    assert_eq!(world.posted().len(), 2, "what was not taken is tried again, what may have been is not");
    world.check(&["submit", FILE], 0, &["msgbatch_1"]);
    assert_eq!((world.posted().len(), world.account().batches.len()), (2, 1));
}

#[test]
fn where_several_batches_may_be_it_the_person_says_which() {
    let world = World::new(&requests(&["a"]));
    world.fates(&[Fate::TakenInSilence]);
    world.kill_in_silence(&["submit", FILE]);
    for number in 2..5 {
        world.account().batches.insert(0, (format!("msgbatch_{number}"), vec!["z".into()]));
    }
    let all = "msgbatch_4, msgbatch_3, msgbatch_2, msgbatch_1";
    world.check(&["submit", FILE], 1, &[all, "--adopt", "--again"]);
    world.check(&["submit", FILE, "--adopt", "msgbatch_3"], 0, &["msgbatch_3"]);
    // It was the wrong one, which shows at its first answer.
    world.end_all();
    world.check(&["results", FILE], 1, &["but it is another one: it answers `z`", "--again"]);
    assert_eq!(world.results().len(), 0);
    world.check(&["submit", FILE, "--again"], 0, &["msgbatch_5"]);
    world.end_all();
    world.check(&["results", FILE], 0, &["1 of 1"]);
}

#[test]
fn more_than_fits_goes_into_several_batches() {
    let world = World::new(&requests(&["a", "b", "c", "d", "e"]));
    world.fates(&[Fate::Taken, Fate::TakenInSilence]);
    world.kill_in_silence(&["submit", FILE, "--per-batch", "2"]);
    world.check(&["status", FILE], 1, &["msgbatch_1: 2 of 2", "not handed over: 1 requests"]);
    world.check(
        &["submit", FILE],
        0,
        &["msgbatch_2: 2 requests (batch 2 of 3)", "msgbatch_3: 1 requests (batch 3 of 3)"],
    );
    let sizes: Vec<_> = world.account().batches.iter().rev().map(|(_, ids)| ids.join("")).collect();
    assert_eq!(sizes, ["ab", "cd", "e"]);
    world.account().ended.insert("msgbatch_2".into());
    world.check(&["results", FILE], 3, &["2 of 5 requests", "2 of 3 batches have not ended"]);
    world.end_all();
    world.check(&["results", FILE], 0, &["5 of 5 requests"]);
    let ids: BTreeSet<String> = world.results().iter().map(|line| line["id"].to_string()).collect();
    assert_eq!((ids.len(), world.results().len()), (5, 5));
}

#[test]
fn a_hundred_thousand_and_one() {
    let lines: String = (0..100_001).map(|number| format!("{{\"id\":\"i{number}\",\"prompt\":\"x\"}}\n")).collect();
    let world = World::new(&lines);
    world.check(&["submit", FILE], 0, &["100000 requests (batch 1 of 2)", "1 requests (batch 2 of 2)"]);
}

#[test]
fn interrupted_results_go_on_without_doubles() {
    let world = World::new(&requests(&["a", "b", "c"]));
    world.check(&["submit", FILE], 0, &[]);
    world.end_all();
    world.account().results = Some(succeeded("b") + &succeeded("a") + "{\"custom_id\": \"c\"");
    world.account().holds_results = true;
    let path = world.file("jobs.jsonl.results.jsonl");
    let written = || std::fs::read_to_string(&path).unwrap_or_default().lines().count();
    world.kill_when(&["results", FILE], || written() == 2);
    world.account().holds_results = false;
    // As if it had been killed in the middle of a line.
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    std::fs::write(&path, text + "{\"id\": \"c\", \"outc").expect("a torn line");
    world.account().results = None;
    world.check(&["results", FILE], 0, &["3 of 3"]);
    let mut ids: Vec<_> = world.results().iter().map(|line| line["id"].to_string()).collect();
    ids.sort();
    assert_eq!(ids, ["\"a\"", "\"b\"", "\"c\""]);
}

#[test]
fn results_that_break_off_are_taken_up_again() {
    let world = World::new(&requests(&["a", "b"]));
    world.check(&["submit", FILE], 0, &[]);
    world.end_all();
    world.account().cuts_results = true;
    world.check(&["results", FILE], 0, &["2 of 2"]);
    assert_eq!(world.results().len(), 2);
    let fetched = world.server.asked().iter().filter(|asked| asked.target.ends_with("/results")).count();
    assert_eq!(fetched, 2);
}

#[test]
fn waiting_ends_when_the_batches_do() {
    let world = World::new(&requests(&["a"]));
    world.check(&["submit", FILE], 0, &[]);
    world.account().looks = Some(4);
    let (code, said) = world.run(&["status", FILE, "--wait", "--every", "0.01"]);
    assert_eq!((code, said.as_str()), (0, "msgbatch_1: ended; 1 succeeded, 0 failed, 0 cancelled, 0 expired\n"));
    assert_eq!(world.account().looks, Some(0));
}

#[test]
fn a_batch_is_cancelled_and_one_that_is_gone_is_told_from_one_that_is_not_ready() {
    let world = World::new(&requests(&["a", "b"]));
    world.check(&["submit", FILE, "--per-batch", "1"], 0, &[]);
    world.account().ended.insert("msgbatch_1".into());
    world.check(&["cancel", FILE], 0, &["msgbatch_1: had ended before", "msgbatch_2: will end soon"]);
    assert_eq!(world.account().cancelled, BTreeSet::from(["msgbatch_2".to_owned()]));
    world.account().batches.clear();
    world.check(&["status", FILE], 1, &["There is no batch `msgbatch_1` in this account"]);
    world.check(&["results", FILE], 1, &["There is no batch `msgbatch_1` in this account"]);
}
