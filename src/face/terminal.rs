//! The terminal: `pillion run` does one job headless, `pillion batch` many at once, `pillion demo` shows the main job with nothing set up.

mod answer;
mod asking;
pub mod attach;
pub mod batch;
pub mod demo;
mod dialogue;
pub mod doctor;
mod export;
mod pipe;
pub mod run;
pub mod sessions;
pub mod settings;
mod show;
mod signals;
