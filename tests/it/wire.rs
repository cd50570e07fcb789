//! The provider code over real HTTP: recorded answers of real providers, and the ways a connection can go.

mod connection;
mod formats;
mod prefix;
mod server;

use std::path::PathBuf;

use pillion::wire_check::{self, Cuts};

/// The folder of recorded answers: `PILLION_WIRE`, or `wire` in the folder `shared` beside the project.
fn corpus() -> Option<PathBuf> {
    let folder = match std::env::var_os("PILLION_WIRE") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/wire"),
    };
    if folder.is_dir() {
        return Some(folder);
    }
    let optional = std::env::var_os("PILLION_WIRE_OPTIONAL").is_some();
    assert!(
        optional,
        "There are no recorded answers at `{}`. Set PILLION_WIRE to their folder, or PILLION_WIRE_OPTIONAL=1 to do without.",
        folder.display()
    );
    None
}

/// Every recorded answer gives what the reference says, however its bytes are cut. There are no exceptions; the rules by
/// which the reference is read are in `wire_check::expect`.
async fn check(cuts: Cuts) {
    let Some(folder) = corpus() else { return };
    let mut report = Vec::new();
    let summary = wire_check::check(&folder, &[cuts], &mut report).await.unwrap();
    let report = String::from_utf8(report).unwrap();
    assert_eq!(summary.failed, 0, "\n{report}");
    assert!(summary.passed > 700, "\n{report}");
}

#[tokio::test]
async fn recorded_answers_whole() {
    check(Cuts::Whole).await;
}

#[tokio::test]
async fn recorded_answers_byte_by_byte() {
    check(Cuts::Bytes).await;
}

#[tokio::test]
async fn recorded_answers_in_random_pieces() {
    check(Cuts::Random(fastrand::u64(..))).await;
}
