//! The conversation in `protocol.md`, byte by byte.

use std::collections::HashMap;

use pillion::protocol::{ClientCapabilities, METHODS, Request, SessionEventNotification, generate};
use serde_json::{Value, json, value::to_raw_value};

use super::{read, schema};

/// A block of `protocol.md` with frames.
pub struct Block<'a> {
    /// `client`, `server`, or `nobody` for one that is no part of the conversation.
    pub who: &'static str,
    /// All of it, as it stands there.
    pub text: &'a str,
    /// The bodies of its frames.
    pub frames: Vec<&'a str>,
}

pub fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    for block in text.split("\n```").skip(1).step_by(2) {
        let (language, text) = block.split_once('\n').expect("a block has a first line");
        let who = match language {
            "client" => "client",
            "server" => "server",
            "text" => "nobody",
            other => panic!("a block of an unknown kind: {other}"),
        };
        blocks.push(Block { who, text, frames: text.lines().filter(|line| line.starts_with('{')).collect() });
    }
    blocks
}

/// Every frame of `protocol.md`, in order, and who says it. Lengths are checked on the way.
fn frames() -> Vec<(&'static str, Value)> {
    let text = read("protocol.md");
    let mut frames = Vec::new();
    for block in blocks(&text) {
        let form = |json: &&str| match block.who {
            // Outside of the conversation, line ends are spelt out.
            "nobody" => format!("Content-Length: {}\\r\\n\n\\r\\n\n{json}", json.len()),
            _ => format!("Content-Length: {}\n\n{json}", json.len()),
        };
        let expect: Vec<String> = block.frames.iter().map(form).collect();
        assert_eq!(block.text.trim_end(), expect.join("\n\n"), "a length or the form of a frame");
        for json in block.frames {
            frames.push((block.who, serde_json::from_str(json).unwrap_or_else(|error| panic!("{error} in {json}"))));
        }
    }
    assert!(frames.len() > 20, "the conversation is gone");
    frames
}

fn check(schema: &Value, method: &str, part: &str, value: &Value) {
    let errors = schema::errors(schema, &schema["methods"][method][part], value, method);
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn the_conversation_is_as_the_schema_says() {
    let schema = generate::schema();
    let mut asked: HashMap<(&str, String), String> = HashMap::new();
    let mut seen = Vec::new();
    for (who, frame) in frames() {
        assert_eq!(frame["jsonrpc"], "2.0");
        let id = frame.get("id").map(Value::to_string);
        let Some(method) = frame["method"].as_str() else {
            let asker = if who == "client" { "server" } else { "client" };
            let method = asked.remove(&(asker, id.expect("an answer has an id"))).expect("an answer has a question");
            if METHODS.iter().any(|known| known.name == method) {
                check(&schema, &method, "result", &frame["result"]);
            }
            continue;
        };
        if let Some(id) = id {
            assert!(asked.insert((who, id.clone()), method.to_owned()).is_none(), "id {id} is used twice");
        }
        if let Some(known) = METHODS.iter().find(|known| known.name == method) {
            let params = frame.get("params").cloned().unwrap_or_else(|| json!({}));
            check(&schema, method, "params", &params);
            seen.push(known.name);
            let params = to_raw_value(&params).expect("JSON");
            if let Some(parsed) = Request::parse(method, Some(&params)) {
                assert!(parsed.is_ok(), "{parsed:?}");
            }
        }
        if method == "initialize" {
            let pillion = &frame["params"]["capabilities"]["experimental"]["pillion"];
            let errors = schema::errors(&schema, &schema["$defs"]["ClientCapabilities"], pillion, "pillion");
            assert!(errors.is_empty(), "{errors:#?}");
            serde_json::from_value::<ClientCapabilities>(pillion.clone()).expect("capabilities");
        }
    }
    // The framing's example is asked by nobody.
    asked.retain(|(who, _), _| *who != "nobody");
    assert!(asked.is_empty(), "without an answer: {asked:?}");
    for method in ["session/new", "turn/start", "session/event", "approval/request"] {
        assert!(seen.contains(&method), "the conversation should show {method}");
    }
}

#[test]
fn the_conversation_keeps_the_order_it_promises() {
    let events: Vec<SessionEventNotification> = frames()
        .into_iter()
        .filter(|(_, frame)| frame["method"] == "session/event")
        .map(|(_, frame)| serde_json::from_value(frame["params"].clone()).expect("an event"))
        .collect();
    assert!(events.iter().map(|event| event.seq).eq(1..=events.len() as u64), "a gap");
    let kind = |event: &SessionEventNotification| {
        serde_json::to_value(&event.event).expect("JSON")["type"].as_str().expect("a type").to_owned()
    };
    let kinds: Vec<String> = events.iter().map(kind).collect();
    assert_eq!(kinds.first().map(String::as_str), Some("turnStarted"));
    assert_eq!(kinds.iter().position(|kind| kind == "turnEnded"), Some(kinds.len() - 1));
    let count = |name: &str| kinds.iter().filter(|kind| *kind == name).count();
    assert_eq!(count("toolCall"), count("toolResult"));
    assert_eq!(count("approvalRequested"), count("approvalResolved"));
}

#[test]
fn the_schema_takes_what_it_should_and_nothing_else() {
    let schema = generate::schema();
    let good = [
        ("session/new", r#"{"roots":null,"mode":"plan","limits":{"turnLimit":3,"temperature":0.5}}"#),
        ("turn/start", r#"{"sessionId":"s","prompt":[{"type":"image","mediaType":"image/png","data":""}]}"#),
        ("approval/respond", r#"{"approvalId":"a","decision":{"type":"allow","input":{"x":[1]},"hunks":[0,2]}}"#),
        ("approval/respond", r#"{"approvalId":"a","decision":{"type":"cancelTurn"}}"#),
    ];
    for (method, json) in good {
        check(&schema, method, "params", &serde_json::from_str(json).expect("JSON"));
    }
    let bad = [
        ("session/new", r#"{"mode":"yolo"}"#),
        ("session/new", r#"{"limits":{"turnLimit":-1}}"#),
        ("turn/start", r#"{"sessionId":"s"}"#),
        ("turn/start", r#"{"sessionId":7,"prompt":[]}"#),
        ("turn/start", r#"{"sessionId":"s","prompt":[{"type":"video"}]}"#),
        ("approval/respond", r#"{"approvalId":"a","decision":{"type":"allow","hunks":[-1]}}"#),
    ];
    for (method, json) in bad {
        let value: Value = serde_json::from_str(json).expect("JSON");
        let errors = schema::errors(&schema, &schema["methods"][method]["params"], &value, method);
        assert!(!errors.is_empty(), "{json} should be refused");
        let params = to_raw_value(&value).expect("JSON");
        assert!(Request::parse(method, Some(&params)).expect("it is known").is_err(), "{json} is parsed all the same");
    }
}
