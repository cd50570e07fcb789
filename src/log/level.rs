//! How much is logged, as a person says it.

use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

/// A level such as `debug`, or one for some targets besides, such as `warn,pillion::rpc=trace`.
#[derive(Clone, Debug)]
pub struct Levels(Targets);

/// What is wrong with such a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no level. Use off, error, warn, info, debug or trace, or TARGET=LEVEL, with commas between several.")]
pub struct LevelError(String);

impl FromStr for Levels {
    type Err = LevelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut targets = Targets::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (target, level) = part.split_once('=').map_or((None, part), |(target, level)| (Some(target), level));
            let level: LevelFilter = level.trim().parse().map_err(|_| LevelError(part.to_owned()))?;
            targets = match target {
                Some(target) => targets.with_target(target.trim(), level),
                None => targets.with_default(level),
            };
        }
        Ok(Self(targets))
    }
}

impl From<Levels> for Targets {
    fn from(Levels(targets): Levels) -> Self {
        targets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels() {
        let Levels(targets) = "WARN, pillion::rpc=trace".parse().unwrap();
        assert_eq!(targets.default_level(), Some(LevelFilter::WARN));
        assert!(targets.would_enable("pillion::rpc::peer", &tracing::Level::TRACE));
        let error = "info,debgu".parse::<Levels>().unwrap_err().to_string();
        assert!(error.starts_with("\"debgu\" is no level. Use off, error"), "{error}");
        assert!("pillion=loud".parse::<Levels>().is_err());
    }
}
