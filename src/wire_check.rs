//! Recorded answers of real providers, fed to the provider code over a real socket and compared with what an independent
//! reference makes of the same bytes: `pillion wire-check DIR`.
//!
//! A case is a folder with `meta.json` (API, status, headers, body file), the body, and `expect.json` (the reference's
//! reading). Each body is sent whole, byte by byte and in random pieces. The file `expect.rs` has the rules of the
//! comparison.
#![expect(clippy::disallowed_methods, reason = "reads recorded cases that a developer names, not a workspace")]

mod batches;
mod expect;
mod server;

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures::StreamExt;
use serde::Deserialize;
use serde_json::Value;

use self::{expect::Outcome, server::Server};
use crate::{
    provider::{
        Provider, Request,
        key::{Key, KeySource},
        presets::{self, Api, Settings},
    },
    transcript::Message,
};

/// How long one case may take. Chosen to be far more than any needs, even on a busy machine.
const CASE_LIMIT: Duration = Duration::from_secs(60);
/// Any long text that occurs in no case: it must not show in an error.
const KEY: &str = "wire-check-secret-key-0123456789";

/// How a body is cut into pieces on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cuts {
    Whole,
    /// One byte a piece.
    Bytes,
    /// Pieces of 1 to 64 bytes, from this seed.
    Random(u64),
}

/// How many cases passed, failed, and were not for us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub passed: usize,
    pub failed: usize,
    /// Cases of what Pillion never asks for: the count of a prompt's tokens.
    pub skipped: usize,
}

/// A case's `meta.json`, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Meta {
    api: String,
    status: u16,
    body_file: String,
    #[serde(default)]
    request_url: String,
    #[serde(default)]
    streaming: bool,
    #[serde(default)]
    headers: Vec<(String, String)>,
}

/// Checks every case below `folder`, each with all kinds of cuts. Writes a line for each failure and the counts at the end.
///
/// # Errors
/// If the folder cannot be read, has no case, or `out` cannot be written.
pub async fn run(folder: &Path, out: &mut (dyn Write + Send)) -> io::Result<Summary> {
    check(folder, &[Cuts::Whole, Cuts::Bytes, Cuts::Random(1)], out).await
}

/// [`run`], with the cuts chosen by the caller.
///
/// # Errors
/// As for [`run`].
pub async fn check(folder: &Path, cuts: &[Cuts], out: &mut (dyn Write + Send)) -> io::Result<Summary> {
    let mut cases = Vec::new();
    find(folder, &mut cases)?;
    cases.sort();
    if cases.is_empty() {
        let message = format!("there is no case (a folder with a `meta.json`) below `{}`", folder.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, message));
    }
    let server = Server::start().await?;
    let mut summary = Summary::default();
    for case in cases {
        let name = case.strip_prefix(folder).unwrap_or(&case).display();
        match check_case(&case, cuts, &server).await {
            Ok(None) => summary.skipped += 1,
            Ok(Some(problems)) if problems.is_empty() => summary.passed += 1,
            Ok(Some(problems)) => {
                summary.failed += 1;
                writeln!(out, "FAIL {name}: {}", problems.join("; "))?;
            }
            Err(error) => {
                summary.failed += 1;
                writeln!(out, "FAIL {name}: the case cannot be read: {error}")?;
            }
        }
    }
    let Summary { passed, failed, skipped } = summary;
    writeln!(out, "{passed} passed, {failed} failed, {skipped} skipped")?;
    Ok(summary)
}

fn find(folder: &Path, cases: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if path.join("meta.json").is_file() {
                cases.push(path);
            } else {
                find(&path, cases)?;
            }
        }
    }
    Ok(())
}

/// What is wrong with one case, or `None` if it is of an API that Pillion does not speak.
async fn check_case(case: &Path, cuts: &[Cuts], server: &Server) -> io::Result<Option<Vec<String>>> {
    let meta: Meta = serde_json::from_slice(&fs::read(case.join("meta.json"))?)?;
    let api = match meta.api.as_str() {
        "anthropic-messages" | "anthropic-batches" => Api::Anthropic,
        "openai-chat" => Api::Chat,
        "openai-responses" => Api::Responses,
        "gemini" => Api::Gemini,
        _ => return Ok(None),
    };
    let expected: Value = serde_json::from_slice(&fs::read(case.join("expect.json"))?)?;
    let body = fs::read(case.join(&meta.body_file))?;
    let mut problems = Vec::new();
    for cuts in cuts {
        let base_url = server.serve(&meta, &body, *cuts);
        let looking = async {
            let provider = open(api, base_url)?;
            if meta.api == "anthropic-batches" {
                return Some(batches::check(&provider.batches()?, &expected).await);
            }
            let outcome = ask(&*provider).await;
            let mut found = expect::compare(api, &expected, meta.streaming, &body, &outcome);
            if outcome.result.as_ref().is_err_and(|error| format!("{error:?}").contains(KEY)) {
                found.push("the error shows the key".into());
            }
            Some(found)
        };
        let found = match tokio::time::timeout(CASE_LIMIT, looking).await {
            Ok(found) => found.unwrap_or_else(|| vec!["the provider cannot be opened".into()]),
            Err(_) => vec![format!("no answer within {CASE_LIMIT:?}")],
        };
        if !found.is_empty() {
            problems.push(format!("{cuts:?}: {}", found.join(", ")));
            // The other cuts would say the same again.
            break;
        }
    }
    Ok(Some(problems))
}

fn open(api: Api, base_url: String) -> Option<Arc<dyn Provider>> {
    let settings = Settings {
        name: "recorded".into(),
        api: Some(api),
        base_url: Some(base_url),
        key: Key::new(KEY).map(KeySource::Value),
        ..Settings::default()
    };
    presets::open(settings).ok()
}

async fn ask(provider: &dyn Provider) -> Outcome {
    let mut outcome = Outcome::default();
    let request = Request { model: "any".into(), messages: vec![Message::user("Hello")], ..Request::default() };
    let mut events = provider.stream(Arc::new(request));
    while let Some(event) = events.next().await {
        outcome.take(event);
    }
    outcome
}
