//! What people write for the model: instruction files, skills, prompt commands, and what a prompt points to.
//!
//! All of it is text for the model to read. None of it runs anything, allows anything or sets anything, wherever it
//! comes from; what comes with a project is read only where it lies inside the roots.
//!
//! - **Instruction files** ([`Places::names`], `AGENTS.md` unless set otherwise): the user's own, then in each root, then
//!   in each folder on the way to a file that the conversation touches. The first two open the system text, fixed for the
//!   conversation so that a provider's prompt cache holds; the rest, and what has changed, comes as a note.
//!   [`Builder::instructions`](crate::agent::Builder::instructions) switches them on.
//! - **Skills**: folders with a `SKILL.md`, listed with the instructions and read by the tool that [`skill_tool`] makes.
//! - **Commands**: Markdown files that a prompt names, or other [`CommandSource`]s; see [`Commands`].
//! - **Agents**: Markdown files that describe sub-agents with a name; see [`agent_files`].
//! - **Comments** that are prompts, since they begin with `pillion:`; see [`comments`].
//! - **Mentions**: the [`Part`]s of a prompt, made into what the model reads by [`resolve`].
//!
//! ```
//! use pillion::{
//!     context::{Commands, Part, Surroundings, resolve},
//!     workspace::{Seen, Workspace},
//! };
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let folder = tempfile::tempdir()?;
//! std::fs::write(folder.path().join("poem.txt"), "roses\nviolets\n")?;
//! let workspace = Workspace::new(vec![folder.path().to_path_buf()]);
//!
//! let parts = [Part::Text("Shorten this.".into()), Part::File { path: "poem.txt".into() }];
//! let (seen, commands) = (Seen::default(), Commands::default());
//! let surroundings = Surroundings { workspace: &workspace, seen: &seen, commands: &commands };
//! let prompt = resolve(&parts, surroundings).await?;
//! assert_eq!(prompt.message.text(), "Shorten this.<file path=\"poem.txt\">\n     1\troses\n     2\tviolets\n</file>");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod agent_file;
mod clip;
mod command;
mod command_file;
mod comment;
mod folder;
mod front;
mod instructions;
mod mention;
mod place;
mod skill;

#[cfg(test)]
mod tests;

pub use self::{
    agent_file::{AgentFile, agent_files},
    command::{Command, CommandError, CommandSource, Commands, Listed},
    command_file::CommandFiles,
    comment::{PromptComment, comments},
    instructions::{Beginning, NOTE, News, Told},
    mention::{Diagnostic, Part, Resolved, Severity, Surroundings, resolve},
    place::Places,
    skill::{SKILL_TOOL, skill_tool},
};
