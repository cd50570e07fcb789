//! Who gets in, and for how long.

use std::{os::unix::fs::PermissionsExt, process::Stdio, sync::Arc};

use jsonrpsee::{
    core::client::{ClientT, SubscriptionClientT},
    rpc_params,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};

use super::{
    served::{self, Served, TOKEN},
    talking,
};
use crate::support::LIMIT;

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test]
async fn name_origin_and_token_are_asked_for() {
    let ground = talking();
    let served = Served::start(&ground, &["--origin", "https://ride.example", "--host", "pillion.lan"]).await;
    let token = format!("authorization: Bearer {TOKEN}\r\n");
    for (path, headers, expected) in [
        ("/metrics", format!("host: localhost\r\n{token}"), "200"),
        ("/metrics", "host: localhost\r\n".to_owned(), "401"),
        ("/metrics", "host: localhost\r\nauthorization: Bearer another-token-of-tests\r\n".to_owned(), "401"),
        ("/metrics", format!("host: rebound.example\r\n{token}"), "421"),
        ("/metrics", format!("host: pillion.lan\r\n{token}"), "200"),
        ("/metrics", format!("host: localhost\r\norigin: https://other.example\r\n{token}"), "403"),
        ("/metrics", format!("host: localhost\r\norigin: https://ride.example\r\n{token}"), "200"),
        ("/healthz", "host: localhost\r\n".to_owned(), "200"),
        ("/readyz", "host: localhost\r\n".to_owned(), "200"),
        ("/healthz", "host: rebound.example\r\n".to_owned(), "421"),
        ("/", format!("host: localhost\r\n{token}"), "405"),
    ] {
        let answer = served.get(path, &headers).await;
        assert_eq!(status(&answer), expected, "{path} {headers}: {answer}");
    }
    let upgrade = "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nhost: localhost\r\n";
    assert_eq!(status(&served.get("/", upgrade).await), "401", "a WebSocket is refused before it is one");
    let preflight =
        "OPTIONS / HTTP/1.1\r\nconnection: close\r\nhost: localhost\r\norigin: https://ride.example\r\n\r\n";
    let answer = served.raw(preflight).await;
    assert!(
        status(&answer) == "204" && answer.contains("access-control-allow-origin: https://ride.example"),
        "{answer}"
    );
    served.stop().await;
}

#[tokio::test]
async fn the_token_is_made_once_told_once_and_kept_private() {
    let ground = talking();
    let mut told = Vec::new();
    for _ in 0..2 {
        let served = start_without_token(&ground).await;
        let log = served::read(&ground.folder().join("stderr.log"));
        let token = served::read(&ground.state().join("serve-token"));
        told.push(log.matches(token.trim()).count());
        let headers = format!("host: localhost\r\nauthorization: Bearer {}\r\n", token.trim());
        assert_eq!(status(&served.get("/metrics", &headers).await), "200");
        served.stop().await;
    }
    assert_eq!(told, [1, 1], "told at the first start alone");
    let file = ground.state().join("serve-token");
    let mode = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("permissions");
    assert_eq!(std::fs::metadata(&file).expect("the file").permissions().mode() & 0o777, 0o600);
    mode(0o644);
    let refused = served::command(&ground, &[]).env_remove("PILLION_SERVE_TOKEN").stderr(Stdio::piped()).output().await;
    let refused = refused.expect("it runs");
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("chmod 600"), "{refused:?}");
}

async fn start_without_token(ground: &crate::support::Ground) -> Served {
    use tokio::io::AsyncBufReadExt;
    let mut command = served::command(ground, &[]);
    let mut child = command.env_remove("PILLION_SERVE_TOKEN").stdout(Stdio::piped()).spawn().expect("it starts");
    let mut lines = tokio::io::BufReader::new(child.stdout.take().expect("stdout")).lines();
    let line = lines.next_line().await.expect("a line").expect("where it listens");
    Served { child, address: line.trim_start_matches("http://").to_owned() }
}

#[tokio::test]
async fn what_other_machines_reach_is_meant() {
    let ground = talking();
    let refused = served::command(&ground, &["--listen", "0.0.0.0:0"]).stderr(Stdio::piped()).output().await;
    let refused = refused.expect("it runs");
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--allow-remote"), "{refused:?}");
    let served = Served::start(&ground, &["--listen", "0.0.0.0:0", "--allow-remote"]).await;
    served.stop().await;
}

#[tokio::test]
async fn a_unix_socket_is_for_this_user_and_needs_no_token() {
    let ground = talking();
    let path = ground.folder().join("serve.sock");
    let socket = path.to_string_lossy().into_owned();
    let served = Served::start(&ground, &["--socket", &socket]).await;
    assert_eq!(std::fs::metadata(&path).expect("the socket").permissions().mode() & 0o777, 0o600);
    let mut stream = UnixStream::connect(&path).await.expect("a connection");
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "session/new"}).to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: pillion\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.expect("it is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.contains("sessionId"), "{answer}");

    // A file of the person's is none that may be taken away.
    let notes = ground.folder().join("notes.txt");
    std::fs::write(&notes, "notes").expect("a file");
    let refused =
        served::command(&ground, &["--socket", &notes.to_string_lossy()]).stderr(Stdio::piped()).output().await;
    let refused = refused.expect("it runs");
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert_eq!(served::read(&notes), "notes");

    // One that was killed leaves its file behind, and the next one takes its place.
    let Served { mut child, .. } = served;
    child.kill().await.expect("kill -9");
    assert!(path.exists());
    Served::start(&ground, &["--socket", &socket]).await.stop().await;
    assert!(!path.exists(), "it goes with the server");
}

/// Connects to a socket and asks who waits: by itself, and by a child that is gone when it speaks.
#[cfg(target_os = "linux")]
const SNEAK: &str = r#"
import os, socket, sys
request = b'POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n'
body = b'{"jsonrpc":"2.0","id":1,"method":"approval/list","params":{}}'
for by_child in (False, True):
    speaker = socket.socket(socket.AF_UNIX)
    child = os.fork() if by_child else 0
    if child == 0:
        speaker.connect(sys.argv[1])
        if by_child:
            os._exit(0)
    else:
        os.waitpid(child, 0)
    try:
        speaker.sendall(request + b'content-length: %d\r\n\r\n' % len(body) + body)
        print("heard", speaker.recv(100))
    except OSError as error:
        print("turned away", error)
"#;

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_a_tool_has_started_does_not_get_in_by_the_socket() {
    let Some(python) = crate::mcp::python() else { return };
    let command = format!("{python} sneak.py ../serve.sock; echo over");
    let call = json!({"toolCall": {"name": "bash", "input": {"command": command}}});
    let ground = crate::support::Ground::new(&crate::support::script::always(json!([call])));
    ground.write("sneak.py", SNEAK);
    let path = ground.project().join("../serve.sock");
    let served = Served::start(&ground, &["--socket", &path.to_string_lossy(), "--listen", "127.0.0.1:0"]).await;
    let client = served.websocket().await;
    let session = served::call(&client, "session/new", json!({"mode": "auto"})).await["sessionId"].clone();
    let mut events = served::subscribe(&client, session.as_str().expect("an id"), Some(1)).await;
    served::call(&client, "turn/start", served::prompt(session.as_str().expect("an id"), "go")).await;
    let turn = served::until_ended(&mut events).await;
    let result = turn.iter().find(|event| event["event"]["type"] == "toolResult").expect("a result");
    let said = result["event"]["text"].as_str().expect("text");
    assert!(said.contains("over") && !said.contains("approvals") && !said.contains("HTTP"), "{said}");
    served.stop().await;
}

#[tokio::test]
async fn who_does_not_show_a_token_has_little_time_and_who_waits_for_an_answer_has_much() {
    let ground = crate::support::Ground::new(&crate::support::script::always(json!([{"hang": true}])));
    let served = Served::start(&ground, &["--idle-timeout", "1"]).await;
    let mut slow = TcpStream::connect(&served.address).await.expect("a connection");
    let dripping = async {
        // Its time is over when it cannot be written to any more.
        while slow.write_all(b"x").await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LIMIT, dripping).await.expect("it is ended");

    let http = served.http();
    let session: Value = http.request("session/new", served::named(json!({}))).await.expect("a session");
    let session = session["sessionId"].as_str().expect("an id").to_owned();
    let go = served::named(served::prompt(&session, "go"));
    http.request::<Value, _>("turn/start", go).await.expect("it starts");
    let mut queued = served::prompt(&session, "next");
    queued["queue"] = json!(true);
    let began = std::time::Instant::now();
    let waiting = tokio::spawn(async move { http.request::<Value, _>("turn/start", served::named(queued)).await });
    while began.elapsed() < std::time::Duration::from_secs(3) {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    served.eventually("pillion_requests_total{method=\"turn/start\"} 2").await;
    served
        .http()
        .request::<Value, _>("turn/cancel", served::named(json!({"sessionId": session})))
        .await
        .expect("taken");
    let answer = tokio::time::timeout(LIMIT, waiting).await.expect("in time").expect("no panic");
    assert!(answer.expect_err("it was taken back").to_string().contains("taken back"));
    served.stop().await;
}

#[tokio::test]
async fn silent_connections_are_ended_and_there_are_not_too_many() {
    let ground = talking();
    let served = Served::start(&ground, &["--idle-timeout", "1", "--max-connections", "2"]).await;
    let mut silent = Vec::new();
    for _ in 0..2 {
        silent.push(TcpStream::connect(&served.address).await.expect("a connection"));
    }
    let ended = |mut stream: TcpStream| async move {
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(LIMIT, stream.read_to_end(&mut rest)).await.expect("it is ended");
        String::from_utf8_lossy(&rest).into_owned()
    };
    let answer = ended(TcpStream::connect(&served.address).await.expect("a connection")).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    for stream in silent {
        assert_eq!(ended(stream).await, "");
    }
    // A WebSocket that answers pings is not silent, however little it says.
    let client = served.websocket().await;
    let began = std::time::Instant::now();
    while began.elapsed() < std::time::Duration::from_secs(3) {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let models: Value = client.request("model/list", rpc_params![]).await.expect("it is still there");
    assert_eq!(models["default"], "scripted/any");
    served.stop().await;
}

#[tokio::test]
async fn messages_batches_and_subscriptions_have_their_limits() {
    let ground = talking();
    let served = Served::start(&ground, &[]).await;
    let post = |length: usize, body: String| {
        format!(
            "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {TOKEN}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    };
    let answer = served.raw(&post((64 << 20) + 1, String::new())).await;
    assert_eq!(status(&answer), "413", "{answer}");
    let batch = |count: usize| {
        let one = json!({"jsonrpc": "2.0", "id": 1, "method": "model/list"});
        let all = Value::Array(vec![one; count]).to_string();
        post(all.len(), all)
    };
    let answer = served.raw(&batch(100)).await;
    assert_eq!(answer.matches("\"result\"").count(), 100, "{answer}");
    let answer = served.raw(&batch(101)).await;
    assert!(answer.contains("\"error\"") && !answer.contains("\"result\""), "{answer}");

    let client = served.websocket().await;
    let session = served::new_session(&client).await;
    let mut following = Vec::new();
    for _ in 0..256 {
        following.push(served::subscribe(&client, &session, None).await);
    }
    let params = served::named(json!({"sessionId": session}));
    let one_more = client.subscribe::<Value, _>("session/events", params, "session/events/stop").await;
    assert!(one_more.is_err(), "256 are enough");
    served.eventually("pillion_subscriptions 256").await;
    // The next begins where another has ended.
    following.pop();
    served.eventually("pillion_subscriptions 255").await;
    following.push(served::subscribe(&client, &session, None).await);
    served.stop().await;
}

#[tokio::test]
async fn tls_is_spoken_with_the_given_certificate() {
    let ground = talking();
    let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let (certificate, key) = (ground.folder().join("cert.pem"), ground.folder().join("key.pem"));
    std::fs::write(&certificate, signed.cert.pem()).expect("a file");
    std::fs::write(&key, signed.signing_key.serialize_pem()).expect("a file");
    let (certificate, key) = (certificate.to_string_lossy(), key.to_string_lossy());
    let served = Served::start(&ground, &["--tls-cert", &certificate, "--tls-key", &key]).await;

    let mut roots = rustls::RootCertStore::empty();
    roots.add(signed.cert.der().clone()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(&served.address).await.expect("a connection");
    let name = "localhost".try_into().expect("a name");
    let mut stream =
        tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("they agree on TLS");
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.expect("taken");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert_eq!(status(&answer), "200", "{answer}");
    drop(stream);
    // Who is slow to agree on TLS has a place all the same.
    let one = ["--tls-cert", &certificate, "--tls-key", &key, "--max-connections", "1"];
    let full = Served::start(&ground, &one).await;
    let silent = TcpStream::connect(&full.address).await.expect("a connection");
    let answer = full.raw("").await;
    assert_eq!(status(&answer), "503", "{answer}");
    drop(silent);
    full.stop().await;
    // Who speaks no TLS harms nobody.
    let plain = served.raw("GET /healthz HTTP/1.1\r\n\r\n").await;
    assert!(!plain.contains("200"), "{plain}");
    served.stop().await;

    let refused =
        served::command(&ground, &["--tls-cert", &key, "--tls-key", &key]).stderr(Stdio::piped()).output().await;
    let refused = refused.expect("it runs");
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("there is no certificate in it"), "{refused:?}");
}
