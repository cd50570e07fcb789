//! A real process on a real pipe. The process is this test binary, told by its environment to serve.
#![allow(clippy::disallowed_methods)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::fd::OwnedFd,
    process::{Command, Stdio},
};

use serde_json::json;

use super::{Sample, request};
use crate::rpc::{Connection, Settings, stdio};

const SERVE: &str = "PILLION_TEST_SERVE";

/// The child's part; without its variable it does nothing.
#[test]
fn serve_on_stdio() {
    if std::env::var_os(SERVE).is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (input, output) = stdio::take().unwrap();
        // Neither what this process prints nor what a child prints or reads may touch the wire.
        std::io::stdout().write_all(b"stray print\n").unwrap();
        let mut child = Command::new("sh").args(["-c", "cat; echo stray child"]).spawn().unwrap();
        child.wait().unwrap();
        let connection = Connection::new(Settings::LSP);
        let mut service = Sample::new(connection.peer());
        connection.serve(input, output, &mut service).await;
    });
}

fn check(child_stdin: Stdio, child_stdout: Stdio, mut input: impl Write, output: impl Read) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "rpc::tests::wire::serve_on_stdio", "--nocapture", "--test-threads=1"])
        .env(SERVE, "1")
        .stdin(child_stdin)
        .stdout(child_stdout)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let big = "x".repeat(300_000);
    for round in 0..3 {
        input.write_all(&request(round, "echo", json!([&big]))).unwrap();
    }
    drop(input);
    let mut output = BufReader::new(output);
    let mut line = String::new();
    // What the test harness prints before the child takes its standard output.
    while !line.ends_with("\r\n") {
        assert!(!line.contains("stray"), "{line}");
        line.clear();
        assert!(output.read_line(&mut line).unwrap() > 0, "the child said nothing");
    }
    for round in 0..3 {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{round},"result":["{big}"]}}"#);
        let expect = format!("Content-Length: {}\r\n\r\n{body}", body.len());
        // The harness does not end its line before the first header.
        let header = if round == 0 { line.rfind("Content-Length").map_or(0, |start| line.len() - start) } else { 0 };
        let expect = &expect[header..];
        let mut received = vec![0; expect.len()];
        output.read_exact(&mut received).unwrap();
        assert!(received == expect.as_bytes(), "round {round}");
    }
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    child.wait().unwrap();
}

#[test]
fn pipes() {
    let (child_in, input) = std::io::pipe().unwrap();
    let (output, child_out) = std::io::pipe().unwrap();
    check(child_in.into(), child_out.into(), input, output);
}

#[test]
fn sockets() {
    let (near_in, far_in) = std::os::unix::net::UnixStream::pair().unwrap();
    let (near_out, far_out) = std::os::unix::net::UnixStream::pair().unwrap();
    check(OwnedFd::from(far_in).into(), OwnedFd::from(far_out).into(), near_in, near_out);
}
