//! Each room knows only the rooms below it.

use std::{fs, path::Path};

/// From the lowest to the highest. A room may use itself and what stands before it.
const ROOMS: &[&str] = &[
    "transcript",
    "process",
    "provider",
    "workspace",
    "tool",
    "context",
    "mcp",
    "permission",
    "agent",
    "config",
    "log",
    "rpc",
    "protocol",
    "store",
    "session",
    "sidecar",
    "face",
    "wire_check",
];

/// Rooms and crates that only some may know, beside the order.
const ONLY: &[(&str, &[&str])] = &[
    ("crate::protocol", &["protocol", "store", "session", "sidecar", "face"]),
    ("crate::rpc", &["rpc", "face"]),
    ("tower_lsp", &["face"]),
    ("jsonrpsee", &["face"]),
    ("agent_client_protocol_schema", &["face"]),
    ("reqwest", &["provider", "tool", "mcp", "log", "wire_check"]),
    ("opentelemetry", &["log"]),
    ("opentelemetry_sdk", &["log"]),
    ("rmcp", &["mcp"]),
];

#[test]
fn each_room_knows_only_those_below_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    let mut files = 0;
    visit(&source, &mut |path| {
        let name = path.strip_prefix(&source).expect("a path below").to_string_lossy().replace('\\', "/");
        let room = name.split(['/', '.']).next().unwrap_or_default();
        // The map of the rooms and the way in stand above all of them; tests may look from above.
        if matches!(room, "lib" | "main") || name.split(['/', '.']).any(|part| part == "tests") {
            return;
        }
        files += 1;
        let text = fs::read_to_string(path).expect("a source file");
        wrong.extend(check(room, &text).into_iter().map(|what| format!("src/{name}: {what}")));
    });
    assert!(files > 20, "found the sources");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn visit(folder: &Path, each: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        match path.extension() {
            _ if path.is_dir() => visit(&path, each),
            Some(extension) if extension == "rs" => each(&path),
            _ => {}
        }
    }
}

/// What a file of this room says that it must not.
fn check(room: &str, text: &str) -> Vec<String> {
    let Some(rank) = ROOMS.iter().position(|&known| known == room) else {
        return vec![format!("`{room}` is a new room: give it its place in tests/it/layers.rs")];
    };
    let code = code_of(text);
    let mut wrong = Vec::new();
    for used in used_rooms(&code) {
        // What is no room is a macro or a name that lib.rs gives away.
        match ROOMS.iter().position(|&known| known == used) {
            Some(other) if other > rank => wrong.push(format!("`{room}` must not know `crate::{used}`")),
            Some(_) => {}
            None => wrong.push(format!("`crate::{used}` is not a room; name things by the room they live in")),
        }
        let path = format!("crate::{used}");
        wrong.extend(only(room, &path));
    }
    for (name, _) in ONLY.iter().filter(|(name, _)| !name.starts_with("crate::")) {
        if words(&code).any(|word| word == *name) {
            wrong.extend(only(room, name));
        }
    }
    wrong
}

fn only(room: &str, name: &str) -> Option<String> {
    let (_, rooms) = ONLY.iter().find(|(known, _)| *known == name)?;
    (!rooms.contains(&room)).then(|| format!("`{room}` must not know `{name}`; only {} may", rooms.join(", ")))
}

/// Without comments and the tests at the end.
fn code_of(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let line = |line: &str| if line.trim_start().starts_with("//") { String::new() } else { format!("{line}\n") };
    text.lines().map(line).collect()
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// The first parts of all `crate::` paths, those in `crate::{..}` too.
fn used_rooms(code: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let Some(group) = rest.strip_prefix('{') else {
            rooms.extend(words(rest).next().map(str::to_owned));
            continue;
        };
        let mut depth = 0;
        let mut is_first = true;
        for token in group.split_inclusive(['{', '}', ',']) {
            if depth == 0 && is_first {
                rooms.extend(words(token.trim_start()).next().filter(|word| !word.is_empty()).map(str::to_owned));
            }
            match token.chars().last() {
                Some('{') => depth += 1,
                Some('}') if depth == 0 => break,
                Some('}') => depth -= 1,
                _ => {}
            }
            is_first = depth == 0 && !token.ends_with('}');
        }
    }
    rooms
}

#[test]
fn the_check_sees_what_is_wrong() {
    let rooms =
        used_rooms("use crate::{\n    agent::{a, b::{c}},\n    tool, x::Y,\n};\nfn f() { crate::session::g() }");
    assert_eq!(rooms, ["agent", "tool", "x", "session"]);

    assert_eq!(
        check("agent", "use crate::{tool::Tool, transcript};\n// crate::session is above"),
        Vec::<String>::new()
    );
    assert_eq!(check("tool", "use crate::agent::Agent;"), ["`tool` must not know `crate::agent`"]);
    assert_eq!(check("sidecar", "use crate::rpc;").len(), 1);
    assert_eq!(check("agent", "use tower_lsp::LspService;").len(), 1);
    assert_eq!(check("attic", "").len(), 1);
    assert_eq!(check("tool", "#[cfg(test)]\nmod tests {\n    use crate::agent::Agent;\n}"), Vec::<String>::new());
}
