//! What editors, scripts and vandals send.

use serde_json::{Value, json};

use super::{Outcome, frame, request, run};
use crate::rpc::{End, Settings};

const MAX: usize = 1_000;

/// Feeds the input whole, byte by byte and in odd pieces; each time this must come back, as
/// `<id> <code>` for an error and `<id> = <result>` for a result.
#[track_caller]
fn check(input: impl AsRef<[u8]>, expect: &[&str]) {
    let input = input.as_ref();
    for size in [usize::MAX, 1, 2, 7, 61] {
        let Outcome { sent, end, .. } = run_in_pieces(Settings { message_max: MAX, ..Settings::LSP }, input, size);
        assert_eq!(summarize(&sent), expect, "in pieces of {size}: {sent:?}");
        assert!(matches!(end, End::Eof { .. }), "{end:?}");
    }
}

fn run_in_pieces(settings: Settings, input: &[u8], size: usize) -> Outcome {
    run(settings, input.chunks(size.min(input.len().max(1))).map(<[u8]>::to_vec))
}

fn summarize(sent: &[String]) -> Vec<String> {
    let summary = |message: &Value| match &message["error"]["code"] {
        Value::Null => format!("{} = {}", message["id"], message["result"]),
        code => format!("{} {code}", message["id"]),
    };
    sent.iter()
        .map(|text| match serde_json::from_str::<Value>(text).unwrap() {
            Value::Array(messages) => format!("{:?}", messages.iter().map(summary).collect::<Vec<_>>()),
            message => summary(&message),
        })
        .collect()
}

/// Input, then a good request to see that the connection still works.
fn then_good(input: impl AsRef<[u8]>) -> Vec<u8> {
    [input.as_ref(), &request(9, "echo", json!([1]))].concat()
}

#[test]
fn malformed_json_is_answered_and_forgotten() {
    for body in ["", " ", "{", "{\"jsonrpc\":\"2.0\",", "nonsense", "{\"a\":\0}", "\"\0\"", "{\"id\":1}{}", "[1,"] {
        check(then_good(frame(body)), &["null -32700", "9 = [1]"]);
    }
}

#[test]
fn json_that_is_no_message_is_an_invalid_request() {
    check(then_good(frame("42")), &["null -32600", "9 = [1]"]);
    check(then_good(frame("null")), &["null -32600", "9 = [1]"]);
    check(then_good(frame("{}")), &["null -32600", "9 = [1]"]);
    check(then_good(frame(r#"{"jsonrpc":"2.0","id":3}"#)), &["3 -32600", "9 = [1]"]);
    check(then_good(frame(r#"{"jsonrpc":"2.0","id":3,"method":4}"#)), &["3 -32600", "9 = [1]"]);
    check(then_good(frame(r#"{"jsonrpc":"1.0","id":3,"method":"echo"}"#)), &["3 -32600", "9 = [1]"]);
    check(then_good(frame(r#"{"id":3,"method":"echo"}"#)), &["3 -32600", "9 = [1]"]);
    check(then_good(frame(r#"{"jsonrpc":"2.0","id":3,"id":4,"method":"echo"}"#)), &["null -32600", "9 = [1]"]);
}

#[test]
fn a_length_that_is_too_short_costs_its_message() {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"echo","params":{"a":"b"}}"#;
    for length in [1, 2, 20, body.len() - 1] {
        let input = format!("Content-Length: {length}\r\n\r\n{body}");
        // The message cut in two, and its other half that is no header.
        check(then_good(&input), &["null -32700", "null -32700", "9 = [1]"]);
    }
}

#[test]
fn a_length_that_is_too_long_ends_where_the_next_message_begins() {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"echo","params":[2]}"#;
    let next = request(9, "echo", json!([1]));
    for surplus in [1, 15, 17, 19, 20, 21, 22, 30, next.len(), 900] {
        let input = format!("Content-Length: {}\r\n\r\n{body}", body.len() + surplus);
        check(then_good(&input), &["1 = [2]", "9 = [1]"]);
    }
    // Far too long, though not so that it looks like a giant.
    let input = format!("content-length: {MAX}\r\n\r\n{body}");
    check(then_good(&input), &["1 = [2]", "9 = [1]"]);
}

#[test]
fn headers_that_make_no_sense_cost_one_error() {
    for header in [
        "Content-Type: application/vscode-jsonrpc; charset=utf-8\r\n\r\n{}",
        "Content-Length: -5\r\n\r\n{}",
        "Content-Length: five\r\n\r\n{}",
        "Content-Length: 5.0\r\n\r\n{}",
        "Content-Length: 0x5\r\n\r\n{}",
        "Content-Length:\r\n\r\n{}",
        "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "Content-Length 5\r\n\r\n{}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "\u{16}\u{3}\u{1}",
    ] {
        check(then_good(header), &["null -32700", "9 = [1]"]);
    }
    check(then_good(vec![b'x'; 100_000]), &["null -32700", "9 = [1]"]);
    check(then_good("X-Long: a\r\n".repeat(5_000)), &["null -32700", "9 = [1]"]);
}

#[test]
fn headers_come_in_any_case_and_order() {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"echo","params":[]}"#;
    for header in [
        "content-length: NNN\r\n\r\n",
        "CONTENT-LENGTH:NNN\r\n\r\n",
        "Content-Length:   NNN  \r\n\r\n",
        "Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: NNN\r\n\r\n",
        "Content-Length: NNN\r\nContent-Type: application/vscode-jsonrpc; charset=utf8\r\n\r\n",
        "Content-Length: NNN\r\nX-Other: a:b\r\nContent-Length: NNN\r\n\r\n",
        "Content-Length: 00NNN\r\n\r\n",
        "Content-Length: NNN\n\n",
        "\r\n\nContent-Length: NNN\r\n\r\n",
    ] {
        let header = header.replace("NNN", &body.len().to_string());
        check(then_good(format!("{header}{body}")), &["1 = []", "9 = [1]"]);
    }
}

#[test]
fn a_giant_is_skipped_and_answered() {
    let giant = request(1, "echo", json!("x".repeat(2 * MAX)));
    check(then_good(&giant), &["null -32600", "9 = [1]"]);
    // One that lies about its size, so that what follows would be skipped as well.
    for length in ["5000", "18446744073709551615", "99999999999999999999999999"] {
        check(then_good(format!("Content-Length: {length}\r\n\r\n{{}}")), &["null -32600", "9 = [1]"]);
    }
}

#[test]
fn nesting_of_any_depth_is_no_danger() {
    let settings = Settings { message_max: 1 << 30, ..Settings::LSP };
    for depth in [10_000, 1_000_000] {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let bodies = [
            (format!(r#"{{"jsonrpc":"2.0","id":1,"method":"echo","params":{deep}}}"#), "1 -32602"),
            (format!(r#"{{"jsonrpc":"2.0","id":1,"method":"other","params":{deep}}}"#), "1 -32601"),
            (format!(r#"{{"jsonrpc":"2.0","id":{deep},"method":"echo"}}"#), "null -32600"),
            (format!(r#"{{"jsonrpc":"2.0","id":1,"other":{deep}}}"#), "1 -32600"),
            ("[".repeat(depth), "null -32700"),
        ];
        for (body, expect) in bodies {
            let sent = run_in_pieces(settings, &then_good(frame(body)), usize::MAX).sent;
            assert_eq!(summarize(&sent), [expect, "9 = [1]"]);
        }
        let sent = run_in_pieces(settings, &then_good(frame(deep)), usize::MAX).sent;
        assert_eq!(summarize(&sent), ["[\"null -32600\"]", "9 = [1]"]);
    }
}

#[test]
fn text_that_is_no_unicode_reads_as_replacement_characters() {
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"echo","params":["\ud800 \ude00\\ud800 \ud83d\ude00 \u0000"]}"#;
    check(then_good(frame(body)), &["1 = [\"\u{fffd} \u{fffd}\\\\ud800 \u{1f600} \\u0000\"]", "9 = [1]"]);
    let body = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":[\"caf\xe9 \xff\"]}";
    check(then_good(frame(body)), &["1 = [\"caf\u{fffd} \u{fffd}\"]", "9 = [1]"]);
    check(then_good(frame(b"\xEF\xBB\xBF{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\"}")), &["1 -32601", "9 = [1]"]);
}

#[test]
fn an_id_goes_back_exactly_as_it_came() {
    for id in [
        "0",
        "-1",
        "9007199254740993",
        "-9223372036854775808",
        "1.5",
        "1.0",
        "1e3",
        "\"a\"",
        "\"\"",
        "null",
        "\"\\u00e9\\n\"",
        "123456789012345678901234567890",
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"echo","params":7}}"#);
        let sent = run_in_pieces(Settings::LSP, &frame(body), usize::MAX).sent;
        assert_eq!(sent, [format!(r#"{{"jsonrpc":"2.0","id":{id},"result":7}}"#)]);
    }
    for id in ["true", "{}", "[1]", &format!("\"{}\"", "x".repeat(5_000))] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"echo","params":7}}"#);
        let sent = run_in_pieces(Settings::LSP, &frame(body), usize::MAX).sent;
        assert_eq!(summarize(&sent), ["null -32600"]);
    }
}

#[test]
fn the_second_of_two_requests_with_one_id_is_refused() {
    let input = [request(1, "hold", json!([])), request(1, "echo", json!([])), request(2, "release", json!([]))];
    check(input.concat(), &["1 -32600", "2 = true", "1 = \"held\""]);
    // Once answered, an id is free again.
    check([request(1, "echo", json!(1)), request(1, "echo", json!(2))].concat(), &["1 = 1", "1 = 2"]);
}

#[test]
fn only_so_many_requests_may_wait() {
    let settings = Settings { in_flight_max: 2, ..Settings::LSP };
    let input = [request(1, "hold", json!([])), request(2, "hold", json!([])), request(3, "echo", json!([]))].concat();
    assert_eq!(summarize(&run_in_pieces(settings, &input, usize::MAX).sent), ["3 -32600"]);
}

#[test]
fn unknown_requests_are_refused_and_unknown_notifications_ignored() {
    let input = [
        request(1, "no/such", json!({})),
        frame(r#"{"jsonrpc":"2.0","method":"no/such"}"#),
        frame(r#"{"jsonrpc":"2.0","method":"$/other","params":null}"#),
    ];
    check(then_good(input.concat()), &["1 -32601", "9 = [1]"]);
}

#[test]
fn a_panic_is_an_internal_error() {
    check(then_good(request(1, "panic", json!([]))), &["1 -32603", "9 = [1]"]);
}

#[test]
fn responses_to_nothing_are_ignored() {
    for body in [
        r#"{"jsonrpc":"2.0","id":77,"result":null}"#,
        r#"{"jsonrpc":"2.0","id":"x","error":{"code":1,"message":"m"}}"#,
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"m"}}"#,
        r#"{"jsonrpc":"2.0","id":77,"result":1,"error":{"code":1}}"#,
        r#"{"id":77,"result":{}}"#,
    ] {
        check(then_good(frame(body)), &["9 = [1]"]);
    }
    check(then_good(frame(r#"{"jsonrpc":"2.0","result":1}"#)), &["null -32600", "9 = [1]"]);
}

#[test]
fn a_batch_is_answered_by_one_array() {
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"echo","params":5}, 3,
        {"jsonrpc":"2.0","method":"noted"}, {"jsonrpc":"2.0","id":2,"method":"other"},
        {"jsonrpc":"2.0","id":1,"result":5}, {"jsonrpc":"2.0","id":4,"method":"panic"}]"#;
    check(then_good(frame(batch)), &[r#"["1 = 5", "null -32600", "2 -32601", "4 -32603"]"#, "9 = [1]"]);
    check(then_good(frame("[]")), &["null -32600", "9 = [1]"]);
    check(then_good(frame(r#"[{"jsonrpc":"2.0","method":"noted"}]"#)), &["9 = [1]"]);
    let held = r#"[{"jsonrpc":"2.0","id":1,"method":"hold"},{"jsonrpc":"2.0","id":2,"method":"echo","params":6}]"#;
    let input = [frame(held), request(3, "release", json!([]))].concat();
    check(input, &["3 = true", r#"["2 = 6", "1 = \"held\""]"#]);
    let settings = Settings::LSP;
    let many = format!("[{}0]", "0,".repeat(100_000));
    assert_eq!(
        summarize(&run_in_pieces(settings, &then_good(frame(many)), usize::MAX).sent),
        ["null -32600", "9 = [1]"]
    );
}

#[test]
fn the_end_inside_a_message_is_told_from_the_end_between_two() {
    let whole = request(1, "echo", json!([]));
    for (length, expect) in [(0, false), (whole.len(), false), (whole.len() - 1, true), (10, true)] {
        let Outcome { end, sent, .. } = run_in_pieces(Settings::LSP, &whole[..length], 3);
        assert!(matches!(end, End::Eof { inside_message } if inside_message == expect), "{length}: {end:?}");
        assert_eq!(sent.len(), usize::from(length == whole.len()));
    }
}

#[test]
fn nothing_is_read_after_the_connection_was_closed() {
    let input = [frame(r#"{"jsonrpc":"2.0","method":"exit"}"#), request(1, "echo", json!([]))].concat();
    let Outcome { sent, notified, end } = run_in_pieces(Settings::LSP, &input, usize::MAX);
    assert!(sent.is_empty() && matches!(end, End::Closed), "{sent:?} {end:?}");
    assert_eq!(notified, ["exit"]);
}

#[test]
fn lines_are_messages_too() {
    let settings = Settings { message_max: MAX, ..Settings::LINES };
    let input = format!(
        "{}\r\n\n  \n{}\n{{\n\"{}\"\n{}",
        r#"{"jsonrpc":"2.0","id":1,"method":"echo","params":{"a":[1, 2]}}"#,
        r#"{"jsonrpc":"2.0","id":2,"method":"echo","params":"a\nb"}"#,
        "x".repeat(2 * MAX),
        r#"{"jsonrpc":"2.0","id":3,"method":"echo","params":[]}"#,
    );
    for size in [usize::MAX, 1, 2, 61] {
        let sent = run_in_pieces(settings, input.as_bytes(), size).sent;
        let expect = ["1 = {\"a\":[1,2]}", "2 = \"a\\nb\"", "null -32700", "null -32600", "3 = []"];
        assert_eq!(summarize(&sent), expect);
    }
}

/// Whatever comes in, the connection survives it and the good request behind it is served.
#[test]
fn random_bytes_do_no_harm() {
    use proptest::prelude::*;
    let pieces = prop_oneof![
        Just("Content-Length: ".to_owned()),
        Just("\r\n".to_owned()),
        Just("\r\n\r\n".to_owned()),
        Just("{\"jsonrpc\":\"2.0\",\"id\":1,".to_owned()),
        Just("\"method\":\"echo\"}".to_owned()),
        Just("\\ud800".to_owned()),
        "[0-9]{1,3}",
        any::<String>(),
    ];
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 500, ..ProptestConfig::default() });
    let inputs = (proptest::collection::vec(pieces, 0..20), 1_usize..40);
    runner
        .run(&inputs, |(pieces, size)| {
            // A blank line first: what came before may have been the beginning of a header block.
            let input = [pieces.concat().as_bytes(), b"\r\n\r\n", &request(9, "echo", json!([1]))].concat();
            let settings = Settings { message_max: MAX, ..Settings::LSP };
            let sent = run_in_pieces(settings, &input, size).sent;
            prop_assert_eq!(summarize(&sent).pop(), Some("9 = [1]".to_owned()));
            Ok(())
        })
        .unwrap();
}
