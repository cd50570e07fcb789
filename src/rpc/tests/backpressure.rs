//! A client that does not read.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{LONG, Sample, frame, request};
use crate::rpc::{Connection, End, Settings};

#[tokio::test]
async fn producers_wait_and_the_reader_does_not() {
    let (near, mut far) = tokio::io::duplex(1 << 10);
    let connection = Connection::new(Settings::LSP);
    let peer = connection.peer().clone();
    let mut service = Sample::new(&peer);
    let notified = service.notified.clone();
    let served = tokio::spawn(async move {
        let (reader, writer) = tokio::io::split(near);
        connection.serve(reader, writer, &mut service).await
    });
    let said = Arc::new(AtomicUsize::new(0));
    let producers: Vec<_> = (0..8)
        .map(|_| {
            let (peer, said) = (peer.clone(), said.clone());
            tokio::spawn(async move {
                for _ in 0..10_000 {
                    peer.writable().await;
                    peer.notify("delta", &json!({ "text": "x".repeat(100) }));
                    said.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    // Let the producers run into the wall, then send what the reader must see nevertheless.
    while peer.is_writable() {
        tokio::task::yield_now().await;
    }
    let cancel = frame(r#"{"jsonrpc":"2.0","method":"cancel"}"#);
    far.write_all(&[cancel, request(1, "echo", json!([]))].concat()).await.unwrap();
    let seen = async {
        while notified.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, seen).await.expect("a client that does not read must be able to cancel");
    let bytes_said = said.load(Ordering::Relaxed) * 150;
    assert!(bytes_said < Settings::LSP.high_water * 2, "{bytes_said} bytes were queued");

    // Once it reads, everything arrives.
    let (mut reader, writer) = tokio::io::split(far);
    let drained = tokio::spawn(async move {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).await.unwrap();
        all
    });
    for producer in producers {
        producer.await.unwrap();
    }
    peer.close();
    served.await.unwrap();
    drop(writer);
    let all = String::from_utf8(drained.await.unwrap()).unwrap();
    assert_eq!(all.matches("\"delta\"").count(), 80_000);
    assert_eq!(all.matches("\"result\"").count(), 1);
}

#[tokio::test]
async fn answers_that_nobody_reads_end_the_connection() {
    let (near, mut far) = tokio::io::duplex(1 << 10);
    let settings = Settings { unread_max: 1 << 20, stall: Duration::ZERO, ..Settings::LSP };
    let connection = Connection::new(settings);
    let mut service = Sample::new(connection.peer());
    let served = tokio::spawn(async move {
        let (reader, writer) = tokio::io::split(near);
        connection.serve(reader, writer, &mut service).await
    });
    let ask = request(1, "echo", json!("x".repeat(10_000)));
    let mut sent = 0;
    // The write fails once the connection is gone.
    while far.write_all(&ask).await.is_ok() {
        sent += ask.len();
        assert!(sent < 10 * settings.unread_max, "the connection is still there");
    }
    let end = served.await.unwrap();
    assert!(matches!(end, End::Unread(unread) if unread < 2 * settings.unread_max), "{end:?}");
}

#[tokio::test]
async fn one_who_reads_may_ask_for_much_at_once() {
    let (near, far) = tokio::io::duplex(1 << 10);
    let connection = Connection::new(Settings { unread_max: 1 << 20, ..Settings::LSP });
    let mut service = Sample::new(connection.peer());
    let served = tokio::spawn(async move {
        let (reader, writer) = tokio::io::split(near);
        connection.serve(reader, writer, &mut service).await
    });
    let (mut reader, mut writer) = tokio::io::split(far);
    let large = request(1, "echo", json!("x".repeat(3 << 20)));
    let asked = tokio::spawn(async move {
        writer.write_all(&[large, request(2, "echo", json!("a")), request(3, "echo", json!("b"))].concat()).await?;
        writer.shutdown().await
    });
    let mut all = Vec::new();
    reader.read_to_end(&mut all).await.unwrap();
    asked.await.unwrap().unwrap();
    let end = served.await.unwrap();
    assert!(matches!(end, End::Eof { inside_message: false }), "{end:?}");
    assert_eq!(String::from_utf8(all).unwrap().matches("\"result\"").count(), 3);
}

/// Neither the end that someone asks for nor the one for too much unread needs the client to do anything.
#[tokio::test]
async fn a_connection_that_is_stuck_can_end() {
    for (size, count) in [(100, 100), (300_000, 10)] {
        let (near, far) = tokio::io::duplex(1 << 10);
        let linger = Duration::from_millis(20);
        let connection =
            Connection::new(Settings { unread_max: 1 << 20, stall: Duration::ZERO, linger, ..Settings::LSP });
        let peer = connection.peer().clone();
        let mut service = Sample::new(&peer);
        let served = tokio::spawn(async move {
            let (reader, writer) = tokio::io::split(near);
            connection.serve(reader, writer, &mut service).await
        });
        peer.notify("first", &json!({ "text": "x".repeat(100_000) }));
        while peer.is_writable() {
            tokio::task::yield_now().await;
        }
        for _ in 0..10 {
            // The server is at its write by now and has nothing else to wake it.
            tokio::task::yield_now().await;
        }
        for _ in 0..count {
            peer.notify("more", &json!({ "text": "x".repeat(size) }));
        }
        peer.close();
        let end = tokio::time::timeout(LONG, served).await.expect("it does not end").unwrap();
        assert!(matches!((size, &end), (100, End::Closed) | (300_000, End::Unread(_))), "{end:?}");
        drop(far);
    }
}

#[tokio::test]
async fn the_last_messages_have_a_time_limit() {
    let (near, far) = tokio::io::duplex(1 << 10);
    let linger = Duration::from_millis(20);
    let connection = Connection::new(Settings { linger, ..Settings::LSP });
    let mut service = Sample::new(connection.peer());
    for _ in 0..100 {
        connection.peer().notify("last", &json!({ "text": "x".repeat(100) }));
    }
    connection.peer().close();
    let (reader, writer) = tokio::io::split(near);
    let end = tokio::time::timeout(LONG, connection.serve(reader, writer, &mut service)).await;
    assert!(matches!(end, Ok(End::Closed)), "{end:?}");
    drop(far);
}
