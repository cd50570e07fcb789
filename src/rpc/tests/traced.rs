//! What is written down of a connection.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use super::{frame, request, run_traced};
use crate::rpc::{Error, Settings, Trace};

#[derive(Clone, Default)]
struct Out(Arc<Mutex<Vec<u8>>>);

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Feeds the input in pieces of several sizes; each time this must be written down, a message a line.
#[track_caller]
fn check(input: &[u8], expect: &[&str]) {
    for size in [1, 7, 1000] {
        let out = Out::default();
        let trace = Trace::new(Box::new(out.clone()), |text| text.replace("sk-hidden", "***"));
        run_traced(Settings::LSP, Some(trace), input.chunks(size).map(<[u8]>::to_vec));
        let written = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        assert_eq!(parsed(written.lines()), parsed(expect.iter().copied()), "{size} bytes at a time");
    }
}

fn parsed<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Value> {
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn messages_are_written_whole_in_their_order_and_without_secrets() {
    let asked = request(1, "echo", json!({ "api_key": "sk-1", "text": "sk-hidden é" }));
    let told = frame(r#"{"jsonrpc":"2.0","method":"exit"}"#);
    let expect = [
        r#"{"from":"client","message":{"id":1,"jsonrpc":"2.0","method":"echo","params":{"api_key":"***","text":"*** é"}}}"#,
        r#"{"from":"server","message":{"id":1,"jsonrpc":"2.0","result":{"api_key":"***","text":"*** é"}}}"#,
        r#"{"from":"client","message":{"jsonrpc":"2.0","method":"exit"}}"#,
    ];
    check(&[asked, told].concat(), &expect);
}

#[test]
fn a_bad_frame_is_not_the_end_of_the_trace() {
    let asked = request(9, "echo", json!([1]));
    let expect = [
        r#"{"from":"client","message":{"id":9,"jsonrpc":"2.0","method":"echo","params":[1]}}"#,
        r#"{"from":"server","message":{"id":9,"jsonrpc":"2.0","result":[1]}}"#,
    ];
    let too_long = json!({ "from": "server", "message": { "jsonrpc": "2.0", "id": null, "error": {
        "code": Error::INVALID_REQUEST,
        "message": "a message of 99999999999 bytes or more was skipped: at most 268435456 bytes are taken; send less at once",
    } } });
    let input = [b"Content-Length: 99999999999\r\n\r\n{\"x\":1}".to_vec(), asked.clone()].concat();
    check(&input, &[&[too_long.to_string().as_str()], &expect[..]].concat());
    // A head may end its lines by `\n` alone.
    let plain = String::from_utf8(asked).unwrap().replace("\r\n", "\n");
    check(plain.as_bytes(), &expect);
}
