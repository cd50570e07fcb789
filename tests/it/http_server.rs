//! A server for HTTP/1.1, one request a connection, and a proxy: what stands in for models' servers and what is between.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// What was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub target: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

/// What the server does with it.
pub enum Reply {
    /// Writes this and closes.
    Say(String),
    /// Connects the client to this address.
    Tunnel(SocketAddr),
    /// Writes this and then waits as long as that takes.
    SayAndWait(String, Box<dyn FnOnce()>),
    /// Closes without a word.
    HangUp,
}

#[derive(Clone)]
pub struct Server {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub fn start(handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::serve(handler, None)
    }

    /// A server for this host with a certificate that it signed itself; returned as PEM.
    pub fn start_tls(host: &str, handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> (Self, String) {
        let signed = rcgen::generate_simple_self_signed([host.to_owned()]).expect("a certificate");
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(vec![signed.cert.der().clone()], key.into())
            .expect("a key to the certificate");
        (Self::serve(handler, Some(Arc::new(config))), signed.cert.pem())
    }

    fn serve(
        handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("its address");
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (log, handler) = (asked.clone(), Arc::new(handler));
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (log, handler, tls) = (log.clone(), handler.clone(), tls.clone());
                // A client that goes away is what some tests are about.
                thread::spawn(move || match tls {
                    None => drop(answer(socket.try_clone().expect("a socket"), Some(socket), &log, &*handler)),
                    Some(config) => {
                        let session = rustls::ServerConnection::new(config).expect("a session");
                        let mut stream = rustls::StreamOwned::new(session, socket);
                        let _ = answer(&mut stream, None, &log, &*handler);
                        stream.conn.send_close_notify();
                        let _ = stream.flush();
                    }
                });
            }
        });
        Self { address, asked }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("the log").clone()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn answer(
    stream: impl Read + Write,
    socket: Option<TcpStream>,
    log: &Mutex<Vec<Asked>>,
    handler: &dyn Fn(&Asked) -> Reply,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().expect("a length"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let asked = Asked { method, target, headers, body: String::from_utf8(body).expect("text") };
    log.lock().expect("the log").push(asked.clone());
    match handler(&asked) {
        Reply::Say(text) => {
            stream.get_mut().write_all(text.as_bytes())?;
            stream.get_mut().flush()
        }
        Reply::Tunnel(address) => tunnel(socket.expect("a proxy speaks no TLS"), TcpStream::connect(address)?),
        Reply::SayAndWait(text, wait) => {
            stream.get_mut().write_all(text.as_bytes())?;
            wait();
            Ok(())
        }
        Reply::HangUp => Ok(()),
    }
}

fn tunnel(mut client: TcpStream, server: TcpStream) -> io::Result<()> {
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let pipe = |mut from: TcpStream, mut to: TcpStream| {
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        })
    };
    let there = pipe(client.try_clone()?, server.try_clone()?);
    let back = pipe(server, client);
    let _ = (there.join(), back.join());
    Ok(())
}

/// An answer with a body of JSON, or of lines of it.
pub fn json(status: u16, body: &str) -> Reply {
    let head = format!("HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\nconnection: close\r\n");
    Reply::Say(format!("{head}content-length: {}\r\n\r\n{body}", body.len()))
}

/// A whole answer of a model in chat completions.
pub fn chat(text: &str) -> Reply {
    let message = serde_json::json!({"choices": [
        {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"},
    ]});
    json(200, &message.to_string())
}
