//! The terminal: `pillion run` does one job headless, `pillion batch` many at once, `pillion demo` shows the main job with nothing set up.

pub mod batch;
pub mod demo;
pub mod log;
pub mod run;
mod show;
