//! Pillion: an AI coding agent beside any editor. The person keeps the handlebars.
//!
//! # The map, from the wire to the core and back
//!
//! - [`rpc`] reads frames and keeps one ordered queue of what goes out.
//! - [`face`] translates: an LSP editor, a client of the Agent Client Protocol, a terminal. It holds no behaviour.
//! - [`sidecar`] is the hub: one loop over one `Event`, which owns the [`session`]s, those who watch them and what waits
//!   for a person. [`store`] keeps their logs, [`config`] says what is set, [`protocol`] holds the words on the wire.
//!   [`mod@log`] is where `tracing` goes.
//! - [`agent`] is the core and a library of its own: a model ([`provider`]), its [`tool`]s, the gate ([`permission`]) and
//!   the one loop that runs a turn over a [`transcript`].
//! - [`context`] is what people write for the model: instruction files, skills, prompt commands, and what a prompt points
//!   to.
//! - [`mcp`] brings tools of other programs, MCP servers, among the tools.
//! - [`workspace`] is the person's files as they see them, [`process`] the only way to start a program.
//!
//! # As a library
//!
//! The core needs no editor. An [`agent::Agent`] is a model with its tools; it holds nothing of a conversation, so that one
//! serves many. Who calls it keeps the history. The examples play scripts; [`provider::presets`] opens real models. Longer
//! ones are in `examples/`. With `default-features = false` the program and its doors (`faces`) are left out, and 87 crates
//! with them.
//!
//! One shot:
//!
//! ```
//! # use std::sync::Arc;
//! # use pillion::{agent::Agent, provider::scripted::Scripted, transcript::Message};
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let model = Arc::new(Scripted::parse(r#"["North, by the old road."]"#)?);
//! let agent = Agent::builder().provider(model).model("any").build()?;
//! let result = agent.run(&[Message::user("Which way to Shap?")]).await?;
//! assert_eq!(result.text, "North, by the old road.");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A chat that shows answers as they are written. Its turns share an [`agent::Scope`]: what the model has read, and what
//! it has running in the background, is of the conversation and not of one turn:
//!
//! ```
//! # use std::sync::Arc;
//! # use futures::StreamExt;
//! # use pillion::{agent::{Agent, Event, Scope}, provider::scripted::Scripted, transcript::Message};
//! # use tokio_util::sync::CancellationToken;
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let model = Arc::new(Scripted::parse(r#"[{"steps": [{"text": "Left, "}, {"text": "then right."}]}, "Yes."]"#)?);
//! let agent = Agent::builder().provider(model).model("any").build()?;
//! let scope = Scope::default();
//! let mut history = Vec::new();
//! let mut shown = String::new();
//! for prompt in ["Which way?", "Are you sure?"] {
//!     history.push(Message::user(prompt));
//!     let mut turn = agent.stream_in(&scope, &history, CancellationToken::new());
//!     while let Some(event) = turn.next().await {
//!         if let Event::Text(text) = event {
//!             shown.push_str(&text);
//!         }
//!     }
//!     turn.into_result().await?.apply(&mut history);
//! }
//! assert_eq!(shown, "Left, then right.Yes.");
//! assert_eq!(history.len(), 4);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A person at the gate, who sees what a call would do before it does it:
//!
//! ```
//! # use std::sync::Arc;
//! # use pillion::{agent::{Agent, Answer}, provider::scripted::Scripted, tool::Registry, transcript::Message};
//! # use pillion::workspace::Workspace;
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! # let folder = tempfile::tempdir()?;
//! let call = r#"{"toolCall": {"name": "write", "input": {"path": "note.txt", "content": "Fuel at Shap."}}}"#;
//! let model = Arc::new(Scripted::parse(&format!(r#"[{{"steps": [{call}]}}, "As you wish."]"#))?);
//! let agent = Agent::builder()
//!     .provider(model)
//!     .model("any")
//!     .tools(Registry::standard())
//!     .workspace(Workspace::new(vec![folder.path().to_owned()]))
//!     .approver(|request| async move {
//!         assert_eq!(request.title, "Create note.txt");
//!         Answer::Deny { reason: Some("no notes today".into()) }
//!     })
//!     .build()?;
//! agent.run(&[Message::user("Remember to fuel at Shap.")]).await?;
//! assert!(!folder.path().join("note.txt").exists());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Agents nested in an agent ([`agent::Builder::sub_agents`]); a tool of one's own is a [`tool::Typed`], see there and
//! `examples/custom_tool.rs`:
//!
//! ```
//! # use std::sync::Arc;
//! # use pillion::{agent::Agent, provider::scripted::Scripted, transcript::Message};
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let model = Arc::new(Scripted::parse(
//!     r#"[
//!         {"match": "How far", "steps": [{"toolCall": {"name": "sub_agent", "input": {"task": "measure it"}}}]},
//!         {"match": "measure it", "steps": [{"text": "48 km"}]},
//!         {"afterTools": true, "steps": [{"text": "It is 48 km."}]}
//!     ]"#,
//! )?);
//! let agent = Agent::builder().provider(model).model("any").sub_agents([]).build()?;
//! let result = agent.run(&[Message::user("How far is it?")]).await?;
//! assert_eq!(result.text, "It is 48 km.");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Step by step, for a host that must be able to stop anywhere and go on elsewhere ([`agent::Driver::snapshot`]):
//!
//! ```
//! # use std::sync::Arc;
//! # use pillion::{agent::{Agent, Interrupt, SessionConfig, Step}, provider::scripted::Scripted, transcript::Message};
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let model = Arc::new(Scripted::parse(r#"["Hello."]"#)?);
//! let agent = Agent::builder().provider(model).model("any").build()?;
//! let mut driver = agent.start(SessionConfig::default());
//! assert!(matches!(driver.next().await, Step::Interrupt(Interrupt::AwaitingInput)));
//! driver.submit(Message::user("Hello?"))?;
//! let mut driver = agent.restore(driver.snapshot());
//! let Step::Finished(result) = driver.next().await else { panic!("nothing else to wait for") };
//! assert_eq!(result?.text, "Hello.");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What never happens
//!
//! - The core never mentions an editor, JSON-RPC or a session; a test reads the sources for it.
//! - No file is touched outside `workspace`, `store` and `config`, no process started outside `process`: clippy refuses.
//! - No handler of a face waits for a turn or a person; the reader of a connection never waits at all.
//! - Nothing but protocol frames reaches the standard output of `pillion lsp`.
//! - No model's answer is trusted to be whole: a call that was cut is not run, a path is confined when it is used.
//! - No event of a turn follows its `turnEnded`; no call stays without its one result.

pub mod rpc;

#[cfg(feature = "faces")]
pub mod face;

pub mod sidecar;

pub mod session;

pub mod store;

#[cfg(feature = "faces")]
pub mod log;

pub mod config;

pub mod protocol;

pub mod agent;

pub mod context;

pub mod permission;

pub mod mcp;

pub mod tool;

pub mod process;

pub mod workspace;

pub mod provider;

pub mod wire_check;

pub mod transcript;
