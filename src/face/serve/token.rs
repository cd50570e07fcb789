//! The secret that a client has to show.
#![expect(clippy::disallowed_methods, reason = "the token's file is the server's own")]

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::listen::Error;
use crate::config::folder;

/// A variable that holds a token. Its name has it withheld from commands.
const VARIABLE: &str = "PILLION_SERVE_TOKEN";
/// Of a token that is given: with fewer letters it could be guessed.
const LENGTH_MIN: usize = 16;

pub struct Token {
    pub text: String,
    /// Where it was put, if it was made just now.
    pub new_file: Option<PathBuf>,
}

/// The token that is given, or that of an earlier start, or a new one.
pub fn get(file: Option<&Path>) -> Result<Token, Error> {
    if let (None, Some(given)) = (file, std::env::var(VARIABLE).ok().filter(|given| !given.is_empty())) {
        return Ok(Token { text: checked(given.trim(), VARIABLE)?, new_file: None });
    }
    let path = match file {
        Some(file) => file.to_owned(),
        None => folder::state()
            .ok_or_else(|| Error::Token("there is no home folder to keep one in".to_owned()))?
            .join("serve-token"),
    };
    let failed = |error: io::Error| Error::Token(format!("{} cannot be used: {error}", path.display()));
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            is_private(&path)?;
            Ok(Token { text: checked(text.trim(), &path.display().to_string())?, new_file: None })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = make()?;
            if let Some(folder) = path.parent().filter(|_| file.is_none()) {
                folder::make_private(folder).map_err(failed)?;
            }
            // It appears whole or not at all. `tempfile` makes files of mode 0600.
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let mut new = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
            writeln!(new, "{text}").and_then(|()| new.as_file().sync_all()).map_err(failed)?;
            new.persist_noclobber(&path).map_err(|error| failed(error.error))?;
            Ok(Token { text, new_file: Some(path) })
        }
        Err(error) => Err(failed(error)),
    }
}

fn checked(text: &str, place: &str) -> Result<String, Error> {
    if text.len() < LENGTH_MIN || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::Token(format!(
            "{place} must hold at least {LENGTH_MIN} letters and digits, without spaces between them. Where there is no \
             file, a new token is made"
        )));
    }
    Ok(text.to_owned())
}

fn is_private(path: &Path) -> Result<(), Error> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::metadata(path).map_err(|error| Error::Token(error.to_string()))?;
        if metadata.mode() & 0o077 != 0 {
            let path = path.display();
            return Err(Error::Token(format!("others can read {path}: put it right with chmod 600 {path}")));
        }
    }
    let _ = path;
    Ok(())
}

/// 256 bits that nobody can guess.
fn make() -> Result<String, Error> {
    let mut bytes = [0; 32];
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_| Error::Token("the system gives no random numbers".to_owned()))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}
