//! What a collector of OpenTelemetry gets of the real program, built with the feature `otel`.
#![allow(clippy::disallowed_methods, reason = "tests play the person, who has files and programs of their own")]

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

const KEY: &str = "sk-test-3fa0c2d1e5";
const PROMPT: &str = "How far is it to Shap, by the old road?";

/// A turn with a command, run by a nested agent.
fn script() -> Value {
    json!([
        {"match": "How far", "steps": [
            {"toolCall": {"id": "call_a", "name": "sub_agent", "input": {"task": "measure the road"}}},
            {"usage": {"inputTokens": 100, "cacheReadTokens": 20, "outputTokens": 7}},
        ]},
        {"match": "measure the road", "steps": [
            {"toolCall": {"name": "bash", "input": {"command": "echo measured-it; exit 3"}}},
        ]},
        {"afterTools": true, "steps": [{"text": "It is 48 km."}], "reuse": true},
    ])
}

/// Runs `pillion run` on the prompt, with these variables besides.
fn run(folder: &Path, script: &Value, variables: &[(&str, &str)]) -> Output {
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    std::fs::create_dir_all(path("project")).expect("a project folder");
    std::fs::write(path("script.json"), script.to_string()).expect("a script");
    let config = format!("[providers.scripted]\nkind = \"scripted\"\nscript = {:?}\n", path("script.json"));
    std::fs::write(path("config.toml"), config).expect("a configuration");
    Command::new(env!("CARGO_BIN_EXE_pillion"))
        .args(["run", "--json", "--mode", "auto", PROMPT])
        .env("PILLION_CONFIG", path("config.toml"))
        .env("PILLION_STATE_DIR", path("state"))
        .env("PILLION_MODEL", "scripted/any")
        .env("EXAMPLE_API_KEY", KEY)
        .envs(variables.iter().copied())
        .current_dir(path("project"))
        .stdin(Stdio::null())
        .output()
        .expect("it runs")
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("state/logs/pillion.log")).unwrap_or_default()
}

/// The events on the standard output, which holds nothing else.
fn events(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

#[derive(Clone)]
struct Delivery {
    path: String,
    headers: String,
    body: Vec<u8>,
}

/// A collector that takes everything.
struct Collector {
    address: SocketAddr,
    deliveries: Arc<Mutex<Vec<Delivery>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("its address");
        let deliveries: Arc<Mutex<Vec<Delivery>>> = Arc::default();
        let kept = deliveries.clone();
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let kept = kept.clone();
                thread::spawn(move || {
                    let mut reader = BufReader::new(&socket);
                    loop {
                        let mut head = String::new();
                        while !head.ends_with("\r\n\r\n") {
                            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                                return;
                            }
                        }
                        let head = head.to_ascii_lowercase();
                        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                        let mut body = vec![0; length.expect("a length").parse().expect("a number")];
                        reader.read_exact(&mut body).expect("the body");
                        let path = head.split(' ').nth(1).expect("a path").to_owned();
                        kept.lock().expect("the list").push(Delivery { path, headers: head, body });
                        (&socket).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").expect("it listens");
                    }
                });
            }
        });
        Self { address, deliveries }
    }

    fn deliveries(&self) -> Vec<Delivery> {
        self.deliveries.lock().expect("the list").clone()
    }
}

/// A field of a message in the wire format of protocol buffers.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn fields(mut message: &[u8]) -> Vec<(u64, Field<'_>)> {
    fn varint(message: &mut &[u8]) -> u64 {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = message[0];
            *message = &message[1..];
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        number
    }
    let mut found = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message);
        let length = match tag & 7 {
            0 => {
                found.push((tag >> 3, Field::Number(varint(&mut message))));
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut message)).expect("a length"),
            5 => 4,
            kind => panic!("no such kind of field: {kind}"),
        };
        let (field, rest) = message.split_at(length);
        found.push((tag >> 3, Field::Bytes(field)));
        message = rest;
    }
    found
}

/// The messages, or texts, in a field.
fn inner(message: &[u8], number: u64) -> Vec<&[u8]> {
    let all = fields(message).into_iter();
    all.filter_map(|(found, field)| match field {
        Field::Bytes(bytes) if found == number => Some(bytes),
        _ => None,
    })
    .collect()
}

fn text(message: &[u8], number: u64) -> String {
    String::from_utf8_lossy(inner(message, number).first().copied().unwrap_or_default()).into_owned()
}

fn number(message: &[u8], number: u64) -> Option<u64> {
    fields(message).into_iter().find_map(|(found, field)| match field {
        Field::Number(value) if found == number => Some(value),
        _ => None,
    })
}

/// `KeyValue`s in a field.
fn attributes(message: &[u8], field: u64) -> BTreeMap<String, Value> {
    fn value(any: &[u8]) -> Value {
        match fields(any).into_iter().next() {
            Some((1, Field::Bytes(text))) => json!(String::from_utf8_lossy(text)),
            Some((3, Field::Number(number))) => json!(number),
            Some((5, Field::Bytes(array))) => inner(array, 1).into_iter().map(value).collect(),
            _ => panic!("another kind of value"),
        }
    }
    inner(message, field).into_iter().map(|pair| (text(pair, 1), value(inner(pair, 2)[0]))).collect()
}

#[derive(Debug)]
struct Span {
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
    name: String,
    kind: Option<u64>,
    status: Option<u64>,
    attributes: BTreeMap<String, Value>,
    resource: BTreeMap<String, Value>,
}

/// As `opentelemetry/proto/collector/trace/v1/trace_service.proto` numbers its fields.
fn spans(deliveries: &[Delivery]) -> Vec<Span> {
    let mut spans = Vec::new();
    for delivery in deliveries.iter().filter(|delivery| delivery.path == "/v1/traces") {
        for of_resource in inner(&delivery.body, 1) {
            let resource = attributes(inner(of_resource, 1)[0], 1);
            let messages = inner(of_resource, 2).into_iter().flat_map(|of_scope| inner(of_scope, 2));
            spans.extend(messages.map(|span| Span {
                trace: inner(span, 1)[0].to_vec(),
                id: inner(span, 2)[0].to_vec(),
                parent: inner(span, 4).first().map(|id| id.to_vec()).unwrap_or_default(),
                name: text(span, 5),
                kind: number(span, 6),
                status: inner(span, 15).first().and_then(|status| number(status, 3)),
                attributes: attributes(span, 9),
                resource: resource.clone(),
            }));
        }
    }
    spans
}

fn children<'a>(spans: &'a [Span], parent: &[u8]) -> Vec<&'a Span> {
    let mut children: Vec<&Span> = spans.iter().filter(|span| span.parent == parent).collect();
    children.sort_by(|one, other| one.name.cmp(&other.name));
    children
}

fn names<'a>(spans: &[&'a Span]) -> Vec<&'a str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

#[test]
fn a_collector_gets_what_was_done_and_nothing_of_what_was_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let collector = Collector::start();
    let endpoint = format!("http://{}", collector.address);
    let headers = format!("x-team=riders,authorization=Bearer {KEY}");
    let output = run(
        folder.path(),
        &script(),
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            ("OTEL_EXPORTER_OTLP_HEADERS", &headers),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test"),
        ],
    );
    assert!(output.status.success(), "{output:?}");
    let session = events(&output)[0]["sessionId"].as_str().expect("a session").to_owned();
    let deliveries = collector.deliveries();
    let spans = spans(&deliveries);

    let roots = children(&spans, &[]);
    assert_eq!(names(&roots), ["invoke_agent pillion"], "{spans:#?}");
    let in_turn = children(&spans, &roots[0].id);
    assert_eq!(names(&in_turn), ["chat any", "chat any", "execute_tool sub_agent"]);
    let in_call = children(&spans, &in_turn[2].id);
    assert_eq!(names(&in_call), ["invoke_agent sub-agent"]);
    let in_nested = children(&spans, &in_call[0].id);
    assert_eq!(names(&in_nested), ["chat any", "chat any", "execute_tool bash"]);
    assert!(spans.len() == 8 && spans.iter().all(|span| span.trace == roots[0].trace), "{spans:#?}");

    let check = |span: &Span, kind: u64, expect: Value| {
        assert_eq!((json!(span.attributes), span.kind), (expect, Some(kind)), "{}", span.name);
        assert_eq!(span.resource["service.name"], "pillion");
        assert_eq!(span.resource["deployment.environment"], "test");
    };
    let first = in_turn.iter().find(|span| span.attributes.contains_key("gen_ai.usage.input_tokens"));
    check(
        first.expect("the call that counted"),
        3,
        json!({
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "scripted",
            "gen_ai.request.model": "any",
            "gen_ai.response.model": "any",
            "gen_ai.response.finish_reasons": ["tool_call"],
            "gen_ai.conversation.id": session,
            "gen_ai.usage.input_tokens": 120,
            "gen_ai.usage.output_tokens": 7,
            "gen_ai.usage.cache_read.input_tokens": 20,
        }),
    );
    check(
        in_turn[2],
        1,
        json!({
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "sub_agent",
            "gen_ai.tool.call.id": "call_a",
            "gen_ai.tool.type": "function",
        }),
    );
    check(
        roots[0],
        1,
        json!({
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": "pillion",
            "gen_ai.provider.name": "scripted",
            "gen_ai.request.model": "any",
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.conversation.id": session,
            "gen_ai.usage.input_tokens": 120,
            "gen_ai.usage.output_tokens": 7,
            "gen_ai.usage.cache_read.input_tokens": 20,
        }),
    );

    let metrics = deliveries.iter().find(|delivery| delivery.path == "/v1/metrics").expect("metrics");
    let told = String::from_utf8_lossy(&metrics.body);
    for name in ["gen_ai.client.operation.duration", "gen_ai.client.token.usage", "gen_ai.token.type", "scripted"] {
        assert!(told.contains(name), "{name}: {told}");
    }
    for Delivery { path, headers, body } in &deliveries {
        assert!(
            headers.contains("x-team: riders") && headers.contains(&format!("authorization: bearer {KEY}")),
            "{headers}"
        );
        let body = String::from_utf8_lossy(body);
        for said in [KEY, "Shap", "old road", "measure the road", "measured-it", "48 km"] {
            assert!(!body.contains(said), "{path} tells {said:?}: {body}");
        }
    }
    let log = log(folder.path());
    assert!(!log.contains("collector") && !log.contains(KEY), "{log}");
}

#[test]
fn a_failure_is_told_by_its_class_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let collector = Collector::start();
    let fault = json!([{"steps": [{"error": {"class": "auth", "message": "the prompt was How far", "status": 401}}]}]);
    let endpoint = format!("http://{}/v1/traces", collector.address);
    let variables = [("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint.as_str()), ("OTEL_SERVICE_NAME", "my-editor")];
    let output = run(folder.path(), &fault, &variables);
    assert!(!output.status.success());
    let deliveries = collector.deliveries();
    let spans = spans(&deliveries);
    assert_eq!(spans.len(), 2, "{spans:#?}");
    for span in spans {
        assert_eq!((&span.attributes["error.type"], span.status), (&json!("auth"), Some(2)), "{}", span.name);
        assert_eq!(span.resource["service.name"], "my-editor");
    }
    assert!(deliveries.iter().all(|delivery| delivery.path == "/v1/traces"), "only traces have an address");
    assert!(deliveries.iter().all(|delivery| !String::from_utf8_lossy(&delivery.body).contains("the prompt was")));
}

/// Of the person's answer, its speed and the standard output.
fn undisturbed(variables: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let began = Instant::now();
    let output = run(folder.path(), &script(), variables);
    // A generous limit, and far less than the minutes that a collector could be waited for.
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert!(output.status.success(), "{output:?}");
    assert!(events(&output).iter().any(|event| event.to_string().contains("It is 48 km.")), "{output:?}");
    log(folder.path())
}

#[test]
fn a_collector_that_is_not_there_harms_nothing_and_is_told_once() {
    let told = |log: &str| log.matches("do not reach the collector").count();
    // Nobody listens there.
    let log = undisturbed(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")]);
    assert!(told(&log) == 1 && log.contains("127.0.0.1:9"), "{log}");
    // It takes the connection and says nothing.
    let silent = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let endpoint = format!("http://{}", silent.local_addr().expect("its address"));
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_EXPORTER_OTLP_TIMEOUT", "300")];
    assert_eq!(told(&undisturbed(&variables)), 1);
}

#[test]
fn what_is_not_asked_for_is_not_collected() {
    let collector = Collector::start();
    let endpoint = format!("http://{}", collector.address);
    let address = ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str());
    undisturbed(&[address, ("OTEL_SDK_DISABLED", "true")]);
    undisturbed(&[address, ("OTEL_TRACES_EXPORTER", "none"), ("OTEL_METRICS_EXPORTER", "none")]);
    let log = undisturbed(&[address, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
    assert!(log.contains("Pillion speaks http/protobuf only"), "{log}");
    assert_eq!(collector.deliveries().len(), 0);
}
