//! Names that every provider takes: letters, digits, `_` and `-`, 64 at most.

use std::collections::BTreeSet;

/// The longest name of a tool that providers take.
const LONGEST: usize = 64;

/// How much of it a server's name may be.
const LONGEST_SERVER: usize = 24;

/// What stands for a server in the names of its tools. Two servers never get the same, and none gets one that reads as
/// another's with a tool's name after it: a rule for a tool of one is never one for a tool of the other.
pub fn of_server(name: &str) -> String {
    let mut plain = String::new();
    for letter in name.chars() {
        let letter = if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' };
        if letter != '_' || !plain.ends_with('_') {
            plain.push(letter);
        }
    }
    let plain = plain.trim_matches('_');
    if plain == name && plain.len() <= LONGEST_SERVER {
        return plain.to_owned();
    }
    let kept = plain[..plain.len().min(LONGEST_SERVER - 9)].trim_end_matches('_');
    // Of hexadecimal digits, so it ends in none of those that were trimmed.
    format!("{kept}{}{}", if kept.is_empty() { "" } else { "_" }, hash(name))
}

/// `mcp__server__tool` for each of these, in their order. What must be changed makes way for what need not.
pub fn of_tools(server: &str, tools: &[&str]) -> Vec<String> {
    plain(&format!("mcp__{server}__"), "_-", tools)
}

/// Names of fields as Anthropic takes them, in their order: those of tools, with dots. All others take any.
pub fn of_fields(fields: &[&str]) -> Vec<String> {
    plain("", "_-.", fields)
}

/// Each with the prefix, made of letters, digits and `others`.
fn plain(prefix: &str, others: &str, names: &[&str]) -> Vec<String> {
    let simplified = |name: &str| -> String {
        let plain = |letter: char| if letter.is_ascii_alphanumeric() || others.contains(letter) { letter } else { '_' };
        name.chars().map(plain).collect()
    };
    let is_plain = |name: &str| !name.is_empty() && prefix.len() + name.len() <= LONGEST && name == simplified(name);
    let mut taken: BTreeSet<String> =
        names.iter().filter(|name| is_plain(name)).map(|name| format!("{prefix}{name}")).collect();
    let name = |name: &&str| {
        if is_plain(name) {
            return format!("{prefix}{name}");
        }
        let simple = format!("{prefix}{}", simplified(name));
        if simple.len() <= LONGEST && simple.len() > prefix.len() && taken.insert(simple.clone()) {
            return simple;
        }
        format!("{}_{}", &simple[..simple.len().min(LONGEST - 9)], hash(name))
    };
    names.iter().map(name).collect()
}

/// FNV-1a in 32 bits: the same in every version, since rules that the person stored hold such names.
fn hash(text: &str) -> String {
    let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{hash:08x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_have_plain_names_of_their_own() {
        assert_eq!(of_server("github"), "github");
        assert_eq!(of_server("my-server_2"), "my-server_2");
        let odd = ["a b", "a.b", "a__b", "_a", "a_", "", "é", "a_b"];
        let names: BTreeSet<String> = odd.iter().map(|name| of_server(name)).collect();
        assert_eq!(names.len(), odd.len(), "{names:?}");
        for name in &names {
            assert!(!name.contains("__") && !name.starts_with('_') && !name.ends_with('_'), "{name}");
        }
        assert!(of_server(&"x".repeat(100)).len() <= LONGEST_SERVER);
    }

    #[test]
    fn tools_have_names_that_providers_take() {
        let long = "l".repeat(100);
        let tools = ["a.b", "a_b", "a b", "list", "", &long, &format!("{long}2"), "日本", "日本語"];
        let names = of_tools("s", &tools);
        assert_eq!(&names[..2], ["mcp__s__a_b_108bf50c".to_owned(), "mcp__s__a_b".to_owned()].as_slice());
        assert_eq!(names[3], "mcp__s__list");
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), tools.len(), "{names:?}");
        for name in &names {
            let is_plain = name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter));
            assert!(is_plain && name.len() <= LONGEST, "{name}");
        }
        assert_eq!(of_tools("s", &["a.b"]), ["mcp__s__a_b"], "as readable as can be");
        assert!(of_tools(&of_server(&"s".repeat(90)), &[&long]).iter().all(|name| name.len() <= LONGEST));
    }
}
