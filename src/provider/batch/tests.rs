use serde_json::json;

use super::{results::Lines, *};
use crate::{
    provider::{
        http::{Auth, Limits, Route},
        key::KeySource,
    },
    transcript::{Content, Message, StopReason},
};

fn item(id: &str) -> Item {
    Item::new(id, &Request { model: "m".into(), messages: vec![Message::user("Hi")], ..Request::default() })
}

/// Nobody listens there, so whatever was sent would fail otherwise.
fn nowhere() -> Batches {
    Batches::new(Endpoint {
        name: "nowhere".into(),
        base_url: "http://127.0.0.1:9".into(),
        key: KeySource::None,
        needs_key: false,
        auth: Auth::Bearer,
        headers: Vec::new(),
        limits: Limits::default(),
        route: Route::default(),
    })
}

#[test]
fn a_request_is_put_as_a_live_one() {
    let request = Request {
        model: "claude-haiku-4-5".into(),
        system: vec!["Be brief.".into()],
        messages: vec![Message::user("Hi")],
        max_tokens: Some(9),
        ..Request::default()
    };
    let mut live = anthropic::body(&request, "anthropic");
    assert_eq!(live["stream"], true);
    live.as_object_mut().unwrap().remove("stream");
    let item = Item::new("a\"b", &request);
    let sent: Value = serde_json::from_str(&item.json).unwrap();
    assert_eq!(sent, json!({"custom_id": "a\"b", "params": live}));
}

#[tokio::test]
async fn what_is_wrong_is_told_before_anything_is_sent() {
    let create = async |items: &[Item]| match nowhere().create(items).await {
        Err(BatchError::Bad(bad)) => bad,
        other => panic!("{other:?}"),
    };
    assert_eq!(create(&[]).await, BadBatch::Empty);
    for id in ["", "a b", "a/b", "é", "a\n", &"x".repeat(65)] {
        assert_eq!(create(&[item("fine"), item(id)]).await, BadBatch::BadId { id: id.into() }, "{id:?}");
    }
    assert_eq!(create(&[item("a"), item("b"), item("a")]).await, BadBatch::SameId { id: "a".into() });
    let many: Vec<Item> = (0..=MOST_ITEMS).map(|number| Item { id: number.to_string(), json: String::new() }).collect();
    assert_eq!(create(&many).await, BadBatch::TooMany { count: MOST_ITEMS + 1 });
    let large = Item { id: "a".into(), json: " ".repeat(LARGEST_BATCH) };
    assert!(matches!(create(&[large]).await, BadBatch::TooLarge { .. }));

    let longest = "A-z_9".repeat(12) + "abcd";
    let sent = nowhere().create(&[item(&longest)]).await;
    assert!(matches!(&sent, Err(BatchError::Provider(error)) if error.class == ErrorClass::Network), "{sent:?}");
    // An id that leads elsewhere is no id.
    for id in ["", "../models", "a?b", "a/b"] {
        assert!(matches!(nowhere().retrieve(id).await, Err(BatchError::NotFound { .. })), "{id}");
    }
}

#[test]
fn each_line_has_an_outcome_of_its_own() {
    let line = |value: Value| wire::line(value.to_string().as_bytes(), "anthropic");
    let message = json!({
        "id": "msg", "type": "message", "role": "assistant", "model": "claude-haiku-4-5-20251001",
        "content": [{"type": "text", "text": "Hello"}], "stop_reason": "end_turn",
        "usage": {"input_tokens": 3, "output_tokens": 5},
    });
    let answer = line(json!({"custom_id": "a", "result": {"type": "succeeded", "message": message}})).unwrap();
    let Outcome::Succeeded(completion) = answer.outcome else { panic!("{answer:?}") };
    assert_eq!(completion.content, [Content::Text { text: "Hello".into() }]);
    assert_eq!(completion.stop_reason, Some(StopReason::EndTurn));
    assert_eq!((completion.usage.input_tokens, completion.usage.output_tokens), (Some(3), Some(5)));
    assert_eq!(completion.model.as_deref(), Some("claude-haiku-4-5-20251001"));

    let error = json!({"type": "error", "error": {"type": "invalid_request_error", "message": "too short"}});
    let answer = line(json!({"custom_id": "b", "result": {"type": "errored", "error": error}})).unwrap();
    let expected = Outcome::Errored { class: ErrorClass::BadRequest, message: "too short".into() };
    assert_eq!((answer.id.as_str(), answer.outcome), ("b", expected));
    let outcome = |kind: &str| line(json!({"custom_id": "c", "result": {"type": kind}})).map(|answer| answer.outcome);
    assert_eq!(outcome("canceled"), Ok(Outcome::Cancelled));
    assert_eq!(outcome("expired"), Ok(Outcome::Expired));
    assert!(outcome("succeeded").unwrap_err().contains("no message"));
    assert!(outcome("lost").unwrap_err().contains("`lost`"));
    assert!(wire::line(b"{\"custom_id\":", "anthropic").is_err());
}

#[test]
fn lines_come_out_however_they_are_cut() {
    let text = "one\r\n\n  two\nthr\u{e9}e";
    for size in 1..text.len() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            lines.push(piece);
            while let Some(line) = lines.next() {
                seen.push((lines.number, String::from_utf8(line.unwrap()).unwrap()));
            }
        }
        lines.end();
        while let Some(line) = lines.next() {
            seen.push((lines.number, String::from_utf8(line.unwrap()).unwrap()));
        }
        let expected = [(1, "one"), (3, "two"), (4, "thr\u{e9}e")].map(|(number, line)| (number, line.to_owned()));
        assert_eq!(seen, expected, "in pieces of {size}");
    }
}

#[test]
fn a_line_without_end_costs_no_memory() {
    let mut lines = Lines::default();
    let piece = vec![b'x'; 8 * 1024 * 1024];
    for _ in 0..10 {
        lines.push(&piece);
        assert!(lines.next().is_none());
    }
    lines.push(b"x\nnext\n");
    assert!(lines.next().unwrap().unwrap_err().contains("83886081 bytes"));
    assert_eq!(lines.next().unwrap().unwrap(), b"next");
}

#[test]
fn batches_as_the_api_describes_them() {
    let raw = json!({
        "id": "msgbatch_1", "type": "message_batch", "processing_status": "canceling",
        "request_counts": {"processing": 2, "succeeded": 1, "errored": 1, "canceled": 4, "expired": 5},
        "created_at": "2024-08-20T18:37:24.100435Z", "archived_at": null, "results_url": null,
    });
    let batch = wire::batch(raw.to_string().as_bytes()).unwrap();
    assert_eq!((batch.status, batch.counts.total(), batch.is_archived), (Status::Canceling, 13, false));
    let page =
        |has_more: bool| wire::page(json!({"data": [raw], "has_more": has_more}).to_string().as_bytes()).unwrap();
    assert_eq!(page(true).next.as_deref(), Some("msgbatch_1"));
    assert_eq!(page(false).next, None);
    let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}});
    assert_eq!(wire::batch(error.to_string().as_bytes()).unwrap_err().class, ErrorClass::Overloaded);
    assert_eq!(wire::batch(b"<html>").unwrap_err().class, ErrorClass::Malformed);
}
