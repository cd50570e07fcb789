//! The terminal: `pillion run` does one job headless, `pillion demo` shows the main job with nothing set up.

pub mod demo;
pub mod log;
pub mod run;
mod show;
