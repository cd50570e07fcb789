//! A model server on a loopback socket that speaks Anthropic's streaming wire and does what the prompt says:
//!
//! - `RIDE:STREAM n`: n deltas as fast as the socket takes them.
//! - `RIDE:PACED n ms`: n deltas, one every ms, each with the time it was written.

use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::LazyLock;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// What the stamps in paced deltas count from, in nanoseconds.
pub static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

pub struct Model {
    pub url: String,
    arrivals: Receiver<Instant>,
}

impl Model {
    pub fn start() -> io::Result<Self> {
        LazyLock::force(&EPOCH);
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let (arrived, arrivals) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let arrived = arrived.clone();
                // It fails when the client hangs up, which is what a cancelled turn's client does.
                std::thread::spawn(move || serve(stream, &arrived));
            }
        });
        Ok(Self { url, arrivals })
    }

    /// When the latest request was here whole. Waits for one if none came since the last call.
    pub fn arrival(&self) -> Result<Instant> {
        let first = self.arrivals.recv_timeout(Duration::from_secs(30)).context("no request reached the model")?;
        Ok(self.arrivals.try_iter().last().unwrap_or(first))
    }
}

/// The text of the delta with this number. Needs no escaping.
pub fn delta(number: usize) -> String {
    format!("tok {number:07} ")
}

fn serve(stream: TcpStream, arrived: &Sender<Instant>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = BufReader::new(stream.try_clone()?);
    let mut output = BufWriter::with_capacity(32 * 1024, stream);
    while let Some(body) = read_request(&mut input)? {
        let _ = arrived.send(Instant::now());
        answer(&mut output, &script(&body))?;
    }
    Ok(())
}

fn read_request(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let header = line.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(|_| io::ErrorKind::InvalidData)?;
        }
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body)?;
    Ok(Some(body))
}

enum Script {
    Stream(usize),
    Paced(usize, Duration),
}

/// The conversation's latest instruction.
fn script(body: &[u8]) -> Script {
    let at = memchr::memmem::rfind(body, b"RIDE:").unwrap_or(body.len());
    let end = memchr::memchr(b'"', &body[at..]).map_or(body.len(), |length| at + length);
    let text = String::from_utf8_lossy(&body[at..end]);
    // A client may put more behind the prompt.
    let mut words = text.split([' ', '\\']);
    let kind = words.next();
    let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or(1);
    match kind {
        Some("RIDE:PACED") => Script::Paced(number(), Duration::from_millis(number() as u64)),
        _ => Script::Stream(number()),
    }
}

fn answer(output: &mut impl Write, script: &Script) -> io::Result<()> {
    output.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")?;
    event(
        output,
        "message_start",
        r#","message":{"id":"msg_1","type":"message","role":"assistant","model":"fake","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":10,"output_tokens":1}}"#,
    )?;
    event(output, "content_block_start", r#","index":0,"content_block":{"type":"text","text":""}"#)?;
    let count = match *script {
        Script::Stream(count) => {
            for number in 0..count {
                text_delta(output, &delta(number))?;
            }
            count
        }
        Script::Paced(count, every) => {
            let begin = Instant::now();
            for number in 0..count {
                std::thread::sleep((begin + every * number as u32).saturating_duration_since(Instant::now()));
                text_delta(output, &format!("[t={}] ", EPOCH.elapsed().as_nanos()))?;
                output.flush()?;
            }
            count
        }
    };
    event(output, "content_block_stop", r#","index":0"#)?;
    event(
        output,
        "message_delta",
        &format!(
            r#","delta":{{"stop_reason":"end_turn","stop_sequence":null}},"usage":{{"output_tokens":{}}}"#,
            count + 1
        ),
    )?;
    event(output, "message_stop", "")?;
    output.write_all(b"0\r\n\r\n")?;
    output.flush()
}

fn text_delta(output: &mut impl Write, text: &str) -> io::Result<()> {
    event(output, "content_block_delta", &format!(r#","index":0,"delta":{{"type":"text_delta","text":"{text}"}}"#))
}

/// One server-sent event as one HTTP chunk.
fn event(output: &mut impl Write, kind: &str, fields: &str) -> io::Result<()> {
    let event = format!("event: {kind}\ndata: {{\"type\":\"{kind}\"{fields}}}\n\n");
    write!(output, "{:x}\r\n{event}\r\n", event.len())
}
