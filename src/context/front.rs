//! The front matter of a Markdown file: the part of YAML that people write there.

use std::collections::HashMap;

/// A Markdown file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page<'a> {
    /// What stands between the `---` lines, by name. A list is its items with spaces between them; a table is left out.
    pub fields: HashMap<String, String>,
    /// What comes after it.
    pub body: &'a str,
}

/// Takes a file apart. One without front matter is all body.
///
/// # Errors
/// What is wrong, with its line.
pub fn parse(text: &str) -> Result<Page<'_>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let Some(rest) =
        text.strip_prefix("---").and_then(|rest| rest.trim_start_matches([' ', '\t', '\r']).strip_prefix('\n'))
    else {
        return Ok(Page { fields: HashMap::new(), body: text });
    };
    let mut lines = Vec::new();
    let mut ends = None;
    let mut at = 0;
    for line in rest.split_inclusive('\n') {
        at += line.len();
        if matches!(line.trim_end(), "---" | "...") {
            ends = Some(at);
            break;
        }
        lines.push(line.trim_end());
    }
    let Some(ends) = ends else {
        return Err("the front matter that begins in line 1 never ends with `---`".to_owned());
    };
    Ok(Page { fields: fields(&lines)?, body: &rest[ends..] })
}

fn fields(lines: &[&str]) -> Result<HashMap<String, String>, String> {
    let mut fields = HashMap::new();
    let mut lines = lines.iter().enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        // The line of the `---` comes before.
        let wrong = |what: &str| format!("line {} of the front matter {what}: {line}", index + 2);
        let key = line.split_once(':').filter(|(key, value)| {
            let is_name = |char: char| char.is_ascii_alphanumeric() || "-_".contains(char);
            !key.is_empty() && key.chars().all(is_name) && (value.is_empty() || value.starts_with([' ', '\t']))
        });
        let Some((key, value)) = key else { return Err(wrong("is not `name: value`")) };
        let mut below = Vec::new();
        // A list may stand as far left as its name.
        while let Some((_, line)) =
            lines.next_if(|(_, line)| line.is_empty() || line.starts_with([' ', '\t']) || line.starts_with("- "))
        {
            below.push(*line);
        }
        let value = value_of(value.trim(), &below).ok_or_else(|| wrong("has a quote that never ends"))?;
        fields.insert(key.to_ascii_lowercase(), value);
    }
    Ok(fields)
}

/// A value of what stands behind its name and in the lines below; `None` if a quote does not end.
fn value_of(first: &str, below: &[&str]) -> Option<String> {
    let folded = || {
        let lines = std::iter::once(first).chain(below.iter().map(|line| line.trim()));
        lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
    };
    match first.chars().next() {
        Some('|' | '>') if first.len() <= 3 => {
            let indent = below
                .iter()
                .find(|line| !line.trim().is_empty())
                .map_or(0, |line| line.len() - line.trim_start().len());
            let lines: Vec<_> = below.iter().map(|line| line.get(indent..).unwrap_or_default()).collect();
            let separator = if first.starts_with('|') { "\n" } else { " " };
            Some(lines.join(separator).trim().to_owned())
        }
        Some('"') => {
            let text = folded();
            let mut value = serde_json::Deserializer::from_str(&text).into_iter::<String>();
            value.next()?.ok()
        }
        Some('\'') => {
            let text = folded();
            let inner = text.strip_prefix('\'')?;
            let end = (0..inner.len()).find(|&at| {
                let quotes = inner.as_bytes()[..at].iter().rev().take_while(|byte| **byte == b'\'').count();
                inner.as_bytes()[at] == b'\'' && inner.as_bytes().get(at + 1) != Some(&b'\'') && quotes % 2 == 0
            })?;
            Some(inner[..end].replace("''", "'"))
        }
        None => {
            let items: Vec<_> = below.iter().filter_map(|line| line.trim().strip_prefix("- ")).map(str::trim).collect();
            let is_table =
                below.iter().any(|line| line.trim().split(' ').next().is_some_and(|word| word.ends_with(':')));
            Some(if !items.is_empty() {
                items.join(" ")
            } else if is_table {
                String::new()
            } else {
                folded()
            })
        }
        Some(_) => {
            let text = folded();
            Some(text.split(" #").next().unwrap_or_default().trim_end().to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)], body: &str) {
        let page = parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        let expected = expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        assert_eq!(page, Page { fields: expected, body });
    }

    #[test]
    fn what_people_write_is_read() {
        check("# Title\n", &[], "# Title\n");
        check("---\n---\nbody", &[], "body");
        check("---\r\nname: a b # no\r\n---\r\nbody\r\n", &[("name", "a b")], "body\r\n");
        check("\u{feff}---\nDescription: Use when: it rains\n...\n", &[("description", "Use when: it rains")], "");
        check("---\na: \"x: \\\"y\\\"\"\nb: 'it''s'\n---\n", &[("a", "x: \"y\""), ("b", "it's")], "");
        check(
            "---\na: |\n  one\n    two\n\nb: >-\n  three\n  four\n---\n",
            &[("a", "one\n  two"), ("b", "three four")],
            "",
        );
        check("---\na: one\n  two\n\n# note\nb:\n- x\n- y\n---\n", &[("a", "one two"), ("b", "x y")], "");
        check("---\nmetadata:\n  author: me\nc: [d] [e]\n---\n", &[("metadata", ""), ("c", "[d] [e]")], "");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let check = |text: &str, expected: &str| {
            let error = parse(text).expect_err(text);
            assert!(error.contains(expected), "{error}");
        };
        check("---\nname: x\n", "never ends");
        check("---\nname: x\nnonsense\n---\n", "line 3");
        check("---\nname:x\n---\n", "line 2");
        check("---\nname: \"x\n---\n", "quote");
        check("---\nname: 'x\n---\n", "quote");
    }
}
