//! `pillion attach`: another terminal for a session that is open somewhere.

use std::io::{self, Write};

use super::{
    dialogue::{Dialogue, NAME},
    show::Screen,
};
use crate::{
    face::attach,
    protocol::{Request, SessionInfo, SessionLoadParams},
    store::Store,
};

/// Follows a session that an editor, a server or another terminal has open, and answers its approvals
///
/// Ends with 0 when you leave (Ctrl-C), which harms nothing, or when the other process ends; 2 if nobody has the session
/// open.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The session, as `pillion sessions list` or the first event of `pillion run --json` names it
    session: String,
    /// Print one event a line, as JSON
    #[arg(long)]
    json: bool,
}

/// Follows until the person or the other process leaves; returns the exit code.
pub async fn run(args: Args) -> anyhow::Result<u8> {
    let link = match attach::find_session(&args.session, NAME).await {
        Ok(Some(link)) => link,
        Ok(None) => {
            let id = &args.session;
            match Store::open(None)?.info(id) {
                Ok(_) => writeln!(
                    io::stderr(),
                    "pillion: nobody has session {id} open. Go on with it by: pillion run --session {id} PROMPT"
                )?,
                Err(error) => writeln!(io::stderr(), "pillion: {error}")?,
            }
            return Ok(2);
        }
        Err(error) => {
            writeln!(io::stderr(), "pillion: {error}")?;
            return Ok(2);
        }
    };
    let (terminal, mut dialogue) = Dialogue::new(Screen::new(), args.json);
    let me = link.attach(terminal);
    let load =
        SessionLoadParams { session_id: args.session.clone(), from_seq: Some(1), roots: None, mcp_servers: None };
    if let Err(error) = link.call::<SessionInfo>(me, Request::SessionLoad(load)).await {
        writeln!(io::stderr(), "pillion: {error}")?;
        return Ok(2);
    }
    let is_left = loop {
        tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => break true,
            event = dialogue.next() => if event?.is_none() {
                writeln!(io::stderr(), "pillion: the process that had the session open has ended")?;
                break false;
            },
        }
    };
    link.detach(me);
    if !is_left {
        tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => {}
            written = dialogue.written() => written?,
        }
    }
    Ok(0)
}
