//! A person at a terminal who is asked.

#![cfg(unix)]

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
    process::Stdio,
    sync::{Arc, Mutex},
};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::json;
use tokio::process::{Child, Command};

use crate::support::{Ground, LIMIT, eventually, everything, script, text};

/// A `pillion` on a terminal of its own.
struct Person {
    keyboard: File,
    screen: Arc<Mutex<String>>,
    child: Child,
}

impl Person {
    fn sit_down(ground: &Ground, arguments: &[&str]) -> Self {
        let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&near).and_then(|()| unlockpt(&near)).expect("its other side");
        let name = ptsname(&near, Vec::new()).expect("a name").into_string().expect("UTF-8");
        let far = || -> OwnedFd { File::options().read(true).write(true).open(&name).expect("the other side").into() };
        let child = Command::new(env!("CARGO_BIN_EXE_pillion"))
            .args(arguments)
            .envs(ground.env.iter().cloned())
            .env("TERM", "dumb")
            .current_dir(ground.project())
            .stdin(Stdio::from(far()))
            .stdout(Stdio::from(far()))
            .stderr(Stdio::from(far()))
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let keyboard = File::from(near);
        let (mut shown, screen) = (keyboard.try_clone().expect("the same again"), Arc::<Mutex<String>>::default());
        let seen = screen.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // It fails when nobody has the other side open any more.
            while let Ok(length @ 1..) = shown.read(&mut bytes) {
                seen.lock().expect("nobody panics").push_str(&String::from_utf8_lossy(&bytes[..length]));
            }
        });
        Self { keyboard, screen, child }
    }

    fn screen(&self) -> String {
        self.screen.lock().expect("nobody panics").clone()
    }

    async fn sees(&self, text: &str) {
        let what = || format!("waited too long for {text:?} on the screen:\n{}", self.screen());
        let shown = eventually("it is shown", || self.screen().contains(text));
        tokio::time::timeout(LIMIT / 2, shown).await.unwrap_or_else(|_| panic!("{}", what()));
    }

    fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).expect("a key");
    }

    async fn ends(mut self) -> Option<i32> {
        let ended = tokio::time::timeout(LIMIT, self.child.wait()).await;
        ended.unwrap_or_else(|_| panic!("it does not end:\n{}", self.screen())).expect("a status").code()
    }
}

fn write(name: &str) -> serde_json::Value {
    json!({"toolCall": {"name": "write", "input": {"path": name, "content": "made\n"}}})
}

#[tokio::test]
async fn what_is_not_understood_is_asked_again_in_one_line() {
    let ground = Ground::new(&script::always(json!([write("made.txt")])));
    let mut person = Person::sit_down(&ground, &["run", "go"]);
    person.sees("[y] yes, once").await;
    person.types("perhaps\n");
    person.sees("not understood; type y, s, p, u, n (and why) or c").await;
    assert_eq!(person.screen().matches("[y] yes").count(), 1, "{}", person.screen());
    assert!(!ground.project().join("made.txt").exists());
    person.types("y\n");
    person.sees("✓ done").await;
    assert_eq!(person.ends().await, Some(0));
    assert!(ground.project().join("made.txt").exists());
}

#[tokio::test]
async fn always_stores_the_rule_that_was_shown() {
    for (key, stored_in) in [("p", "state/projects"), ("u", "rules.toml")] {
        let ground = Ground::new(&script::always(json!([write("made.txt"), write("made.txt")])));
        let mut person = Person::sit_down(&ground, &["run", "go"]);
        person.sees("yes to write(made.txt) [s] in this session, [p] always in this project, [u] always").await;
        person.types(&format!("{key}\n"));
        assert_eq!(person.ends().await, Some(0), "it asks once");
        assert!(ground.project().join("made.txt").exists());
        let stored = ground.folder().join(stored_in);
        let stored = match std::fs::read_dir(&stored) {
            Ok(mut projects) => projects.next().expect("a project").expect("its folder").path().join("rules.toml"),
            Err(_) => stored,
        };
        let rules = std::fs::read_to_string(stored).expect("rules");
        assert!(rules.contains("\"write(made.txt)\""), "{rules}");
    }
}

#[tokio::test]
async fn some_hunks_can_be_allowed() {
    let edits = json!([{"old_string": "first", "new_string": "FIRST"}, {"old_string": "last", "new_string": "LAST"}]);
    let edit = json!({"toolCall": {"name": "edit", "input": {"path": "a.txt", "edits": edits}}});
    let ground = Ground::new(&script::always(json!([edit])));
    let between = "x\n".repeat(20);
    ground.write("a.txt", &format!("first\n{between}last\n"));
    let mut person = Person::sit_down(&ground, &["run", "go"]);
    person.sees("@@ hunk 2").await;
    person.sees("[h 1 ...] yes, to these hunks only").await;
    person.types("h 3\n");
    person.sees("h wants the numbers of hunks, from 1 to 2").await;
    person.types("h 2\n");
    assert_eq!(person.ends().await, Some(0));
    let written = std::fs::read_to_string(ground.project().join("a.txt")).expect("the file");
    assert_eq!(written, format!("first\n{between}LAST\n"));
}

#[tokio::test]
async fn an_answer_from_elsewhere_needs_no_enter_and_what_was_typed_for_it_answers_nothing_else() {
    let ground = Ground::new(&script::always(json!([write("one.txt"), write("two.txt")])));
    let mut editor = ground.client(everything()).await;
    let session = editor.new_session().await;
    editor.start(&session, "go").await;
    let (first, _) = editor.asked("approval/request").await;
    let mut person = Person::sit_down(&ground, &["attach", &session]);
    person.sees("? Create one.txt").await;
    person.sees("[y] yes, once").await;
    // Not yet sent by Enter.
    person.types("y");
    person.sees("> y").await;
    first.send(Ok(json!({"type": "allow"})));
    person.sees("answered elsewhere").await;
    person.sees("? Create two.txt").await;
    person.types("n not this one\n");
    let events = editor.events_until(&session, "turnEnded").await;
    let results: Vec<_> = events.iter().filter(|event| event["type"] == "toolResult").collect();
    assert_eq!(results.iter().map(|result| text(&result["status"])).collect::<Vec<_>>(), ["ok", "denied"]);
    assert!(text(&results[1]["text"]).contains("not this one"), "{results:?}");
    editor.leave().await;
    assert_eq!(person.ends().await, Some(0));
}

#[tokio::test]
async fn what_was_typed_before_a_question_was_shown_does_not_answer_it() {
    let ground = Ground::new(&script::always(json!([write("one.txt"), write("two.txt")])));
    let mut person = Person::sit_down(&ground, &["run", "go"]);
    person.types("y\n");
    person.sees("? Create one.txt").await;
    person.sees("[y] yes, once").await;
    assert!(!ground.project().join("one.txt").exists());
    // One line for the question, and one too many.
    person.types("y\ny\n");
    person.sees("? Create two.txt").await;
    person.types("n not this one\n");
    person.sees("✓ done").await;
    assert_eq!(person.ends().await, Some(0));
    let made = ["one.txt", "two.txt"].map(|name| ground.project().join(name).exists());
    assert_eq!(made, [true, false]);
}

#[tokio::test]
async fn a_run_whose_last_question_is_answered_elsewhere_ends_by_itself() {
    let ground = Ground::new(&script::always(json!([write("made.txt")])));
    let editor = ground.client(everything()).await;
    let person = Person::sit_down(&ground, &["run", "go"]);
    person.sees("[y] yes, once").await;
    let listed = editor.call("approval/list", json!({})).await;
    let approval = text(&listed["approvals"][0]["approvalId"]);
    editor.call("approval/respond", json!({"approvalId": approval, "decision": {"type": "allow"}})).await;
    assert_eq!(person.ends().await, Some(0));
    assert!(ground.project().join("made.txt").exists());
    editor.leave().await;
}

#[tokio::test]
async fn a_demo_that_is_stopped_leaves_nothing_behind() {
    let mut ground = Ground::new(&json!([]));
    let folder = ground.folder().join("tmp");
    std::fs::create_dir(&folder).expect("a folder");
    ground.env.push(("TMPDIR".to_owned(), folder.to_string_lossy().into_owned()));
    let person = Person::sit_down(&ground, &["demo"]);
    person.sees("[y] yes, once").await;
    let left = || std::fs::read_dir(&folder).expect("the folder").count();
    assert_eq!(left(), 1);
    let pid = rustix::process::Pid::from_raw(person.child.id().expect("it runs").cast_signed()).expect("an id");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it is told");
    assert_eq!(person.ends().await, Some(130));
    assert_eq!(left(), 0);
}
