//! Generated files say what the sources say. A stale one is written anew, and then the test fails: look at the change
//! and commit it.
#![allow(clippy::disallowed_methods)]

mod conversation;
mod example;
mod schema;
mod settings;

use std::{fs, path::PathBuf};

use pillion::protocol::generate;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    // A checkout may have its platform's line ends.
    fs::read_to_string(path(name)).unwrap_or_default().replace("\r\n", "\n")
}

fn check(name: &str, fresh: &str) {
    if read(name) == fresh {
        return;
    }
    let path = path(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("the folder can be made");
    // In one step: another test may be reading it.
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    fs::write(&beside, fresh).and_then(|()| fs::rename(&beside, &path)).expect("the file can be written");
    panic!("{name} was stale and has been written anew. Look at the change and commit it.");
}

/// The text with what stands between the markers of `section` replaced.
fn replaced(text: &str, section: &str, fresh: &str) -> String {
    let (begin, end) = (format!("<!-- generated: {section} -->\n"), "<!-- end of generated -->");
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("protocol.md lacks {begin}"));
    let (_, after) = rest.split_once(end).unwrap_or_else(|| panic!("protocol.md lacks {end} after {begin}"));
    format!("{before}{begin}\n{fresh}\n{end}{after}")
}

#[test]
fn the_schema_is_fresh() {
    check(
        "src/protocol/schema.json",
        &format!("{}\n", serde_json::to_string_pretty(&generate::schema()).expect("JSON")),
    );
}

#[test]
fn the_typescript_types_are_fresh() {
    check("editors/vscode/src/protocol.ts", &generate::typescript(&generate::schema()));
}

#[test]
fn the_lua_types_are_fresh() {
    check("editors/nvim/lua/pillion/protocol.lua", &generate::lua(&generate::schema()));
}

#[test]
fn the_settings_of_vs_code_are_fresh() {
    check("editors/vscode/package.json", &settings::held(&read("editors/vscode/package.json")));
}

/// One test for the whole file, since two would undo each other's work.
#[tokio::test]
async fn protocol_md_is_fresh() {
    let schema = generate::schema();
    let mut text = read("protocol.md");
    // It shows the paths of a Unix.
    if cfg!(unix) {
        text = conversation::held(&text).await;
    }
    let text = replaced(&text, "methods", &generate::methods_table(&schema));
    check("protocol.md", &replaced(&text, "types", &generate::types_table(&schema)));
}
