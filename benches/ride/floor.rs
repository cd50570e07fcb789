//! The least a program can do that takes our prompts and relays a model's text: a socket read, a search for the text,
//! a frame made by hand, one write for all that one read brought. No HTTP, no JSON of what the model says, no log.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use memchr::memmem;
use serde_json::{Value, json};

use crate::wire;

/// The sockets of running turns, by session: what a cancel closes.
#[derive(Clone, Default)]
struct Running(Arc<Mutex<HashMap<String, TcpStream>>>);

impl Running {
    fn set(&self, session: &str, socket: TcpStream) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(session.to_owned(), socket);
    }

    fn take(&self, session: &str) -> Option<TcpStream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(session)
    }
}

pub fn run(url: &str) -> io::Result<()> {
    let address = url.trim_start_matches("http://").to_owned();
    let running = Running::default();
    let mut input = io::stdin().lock();
    let (mut sessions, mut turns) = (0, 0);
    while let Some(frame) = wire::read_frame(&mut input)? {
        let message: Value = serde_json::from_slice(&frame)?;
        let session = message["params"]["sessionId"].as_str().unwrap_or_default().to_owned();
        let answer = |result: Value| send(&json!({"jsonrpc": "2.0", "id": message["id"], "result": result}));
        match message["method"].as_str().unwrap_or_default() {
            "initialize" => answer(json!({"capabilities": {}}))?,
            "session/new" => {
                sessions += 1;
                answer(json!({"sessionId": format!("s{sessions}")}))?;
            }
            "turn/start" => {
                turns += 1;
                let turn = format!("t{turns}");
                answer(json!({"turnId": turn}))?;
                let prompt = message["params"]["prompt"][0]["text"].as_str().unwrap_or_default().to_owned();
                let (address, running) = (address.clone(), running.clone());
                std::thread::spawn(move || {
                    let whole = relay(&address, &session, &prompt, &running).unwrap_or(false);
                    let stop_reason = if whole { "endTurn" } else { "cancelled" };
                    let event = json!({"type": "turnEnded", "turnId": turn, "stopReason": stop_reason});
                    let params = json!({"sessionId": session, "seq": 0, "event": event});
                    send(&json!({"jsonrpc": "2.0", "method": "session/event", "params": params}))
                });
            }
            "turn/cancel" => {
                if let Some(socket) = running.take(&session) {
                    let _ = socket.shutdown(Shutdown::Both);
                }
                answer(json!({"cancelled": true}))?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn send(message: &Value) -> io::Result<()> {
    wire::write_frame(&mut io::stdout().lock(), message)
}

/// Relays one answer; true if it came to its end.
fn relay(address: &str, session: &str, prompt: &str, running: &Running) -> io::Result<bool> {
    const TEXT: &[u8] = br#""text_delta","text":""#;
    let body = json!({"model": "fake", "stream": true, "messages": [{"role": "user", "content": prompt}]}).to_string();
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    running.set(session, socket.try_clone()?);
    let length = body.len();
    let head = format!("POST /v1/messages HTTP/1.1\r\nhost: {address}\r\ncontent-length: {length}\r\n\r\n");
    socket.write_all((head + &body).as_bytes())?;
    let before = format!(
        r#"{{"jsonrpc":"2.0","method":"session/event","params":{{"sessionId":"{session}","seq":0,"event":{{"type":"messageDelta","text":""#
    );
    let after = [br#""}}}"#, wire::END].concat();
    let (mut buffer, mut held, mut frames) = (vec![0; 64 * 1024], Vec::new(), Vec::new());
    loop {
        let count = socket.read(&mut buffer)?;
        if count == 0 {
            return Ok(false);
        }
        held.extend_from_slice(&buffer[..count]);
        let mut start = 0;
        while let Some(length) = memmem::find(&held[start..], b"\n\n") {
            let event = &held[start..start + length];
            start += length + 2;
            if let Some(at) = memmem::find(event, TEXT) {
                let text = &event[at + TEXT.len()..];
                let text = &text[..memmem::find(text, b"\"}").unwrap_or(text.len())];
                write!(frames, "Content-Length: {}\r\n\r\n{before}", before.len() + text.len() + after.len())?;
                frames.extend_from_slice(text);
                frames.extend_from_slice(&after);
            } else if memmem::find(event, b"event: message_stop").is_some() {
                io::stdout().write_all(&frames)?;
                running.take(session);
                return Ok(true);
            }
        }
        held.drain(..start);
        let mut output = io::stdout().lock();
        output.write_all(&frames)?;
        output.flush()?;
        frames.clear();
    }
}
