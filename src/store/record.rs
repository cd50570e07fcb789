//! What the lines of a log say.

use std::{
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use memchr::memmem;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::id;
use crate::{
    agent::Settled,
    protocol::{ContentBlock, Limits, Mode, SessionEvent},
    transcript::{Message, Usage},
    workspace::Landed,
};

/// The version of the format. It changes when an older Pillion would misread what it cannot skip.
pub const VERSION: u32 = 1;

/// A session's fixed facts, and the settings it begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct Meta {
    pub session_id: String,
    /// Absolute. Kept as text: what is not Unicode is lost.
    pub roots: Vec<PathBuf>,
    pub settings: Settings,
    /// Seconds since 1970-01-01T00:00:00Z.
    pub created_at: u64,
}

/// What can be changed while a session lives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// `provider/model`.
    pub model: String,
    pub mode: Mode,
    pub limits: Limits,
}

impl Meta {
    /// A new session, beginning now under a new id.
    pub fn new(roots: Vec<PathBuf>, settings: Settings) -> Self {
        let now = SystemTime::now();
        Self { session_id: id::new(now), roots, settings, created_at: unix_seconds(now) }
    }
}

/// [`Meta`] as it is written.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetaLine {
    pub version: u32,
    pub session_id: String,
    pub roots: Vec<String>,
    #[serde(flatten)]
    pub settings: Settings,
    pub created_at: u64,
}

/// Where a session stands. Written at the end of each turn, so that a list of sessions is made of heads and tails.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    pub title: String,
    pub settings: Settings,
    pub last_seq: u64,
    /// Over all turns.
    pub usage: Usage,
}

/// A line to be written; events are written by hand, since they come encoded.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Line<'a> {
    Meta(&'a MetaLine),
    Settings(&'a Settings),
    State(&'a State),
    Message(&'a Message),
    /// The whole transcript is this from here on.
    Transcript(&'a [Message]),
    /// A call has its result, which is not in the transcript yet.
    Settled(&'a Settled),
    /// A tool has changed something, or the person has taken it back.
    Landed(&'a Landed),
}

/// A line that was read.
pub enum Record<'a> {
    Meta(MetaLine),
    Settings(Settings),
    State(State),
    Message(Message),
    /// The messages before it are these now.
    Transcript(Vec<Message>),
    Settled(Settled),
    Landed(Landed),
    Event {
        seq: u64,
        event: &'a RawValue,
    },
    /// Of a newer Pillion; not for this one.
    Unknown,
}

/// What a line may hold; one key of these, or `seq` and `event`.
#[derive(Deserialize)]
struct Fields<'a> {
    meta: Option<MetaLine>,
    settings: Option<Settings>,
    state: Option<State>,
    message: Option<Message>,
    transcript: Option<Vec<Message>>,
    settled: Option<Settled>,
    landed: Option<Landed>,
    seq: Option<u64>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
}

impl<'a> Record<'a> {
    /// `None` if the line is damaged.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let fields: Fields<'a> = serde_json::from_slice(line).ok()?;
        Some(match fields {
            Fields { seq: Some(seq), event: Some(event), .. } => Self::Event { seq, event },
            Fields { message: Some(message), .. } => Self::Message(message),
            Fields { transcript: Some(messages), .. } => Self::Transcript(messages),
            Fields { settled: Some(settled), .. } => Self::Settled(settled),
            Fields { landed: Some(landed), .. } => Self::Landed(landed),
            Fields { state: Some(state), .. } => Self::State(state),
            Fields { settings: Some(settings), .. } => Self::Settings(settings),
            Fields { meta: Some(meta), .. } => Self::Meta(meta),
            _ => Self::Unknown,
        })
    }
}

impl From<&Meta> for MetaLine {
    fn from(meta: &Meta) -> Self {
        let Meta { session_id, roots, settings, created_at } = meta.clone();
        let roots = roots.iter().map(|root| root.to_string_lossy().into_owned()).collect();
        Self { version: VERSION, session_id, roots, settings, created_at }
    }
}

impl State {
    pub fn new(settings: Settings) -> Self {
        Self { title: String::new(), settings, last_seq: 0, usage: Usage::default() }
    }

    /// Takes in an event. True if it ended a turn.
    pub fn note(&mut self, seq: u64, event: &RawValue) -> bool {
        self.last_seq = self.last_seq.max(seq);
        // Nearly all events are deltas, and this runs for each: the tag, which comes first, says which to look into.
        match tag(event) {
            Some("turnEnded") => return true,
            Some("turnStarted") if self.title.is_empty() => {
                if let Ok(SessionEvent::TurnStarted { prompt, .. }) = serde_json::from_str(event.get()) {
                    self.title = title(&prompt);
                }
            }
            Some("sessionRenamed") => {
                if let Ok(SessionEvent::SessionRenamed { title }) = serde_json::from_str(event.get()) {
                    self.title = title;
                }
            }
            // Most of what is nested are deltas, too.
            Some("usage" | "nested") if memmem::find(event.get().as_bytes(), br#""type":"usage""#).is_some() => {
                if let Ok(event) = serde_json::from_str::<SessionEvent>(event.get()) {
                    self.usage += usage_of(&event);
                }
            }
            _ => {}
        }
        false
    }
}

/// What a model call took, as an event says, however deep it is nested.
fn usage_of(event: &SessionEvent) -> Usage {
    match event {
        SessionEvent::Usage { round, .. } => (*round).into(),
        SessionEvent::Nested { event, .. } => usage_of(event),
        _ => Usage::default(),
    }
}

/// The event's `type`, without parsing the event.
pub fn tag(event: &RawValue) -> Option<&str> {
    event.get().strip_prefix("{\"type\":\"")?.split('"').next()
}

/// The first words of a prompt: what a session is called until the person calls it something else.
pub fn title(prompt: &[ContentBlock]) -> String {
    title_of(&prompt.iter().find_map(ContentBlock::words).unwrap_or_default())
}

/// The first words of a text, on one line.
pub fn title_of(text: &str) -> String {
    /// In characters; fits a picker's line; chosen by taste.
    const LONGEST: usize = 80;
    // Two characters more than fit are enough to know that it does not; a prompt may be a whole pasted file.
    let mut title = String::new();
    for word in text.split_whitespace().take(LONGEST) {
        if !title.is_empty() {
            title.push(' ');
        }
        title.extend(word.chars().take(LONGEST + 1));
    }
    match title.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", title[..cut].trim_end()),
        None => title,
    }
}

pub fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
