//! A matcher that looks for the rarest words of a pattern first.

use grep_matcher::{ByteSet, LineMatchKind, LineTerminator, Match, Matcher, NoCaptures, NoError};
use grep_regex::RegexMatcher;
use memchr::memmem::Finder;
use regex_syntax::hir::{Hir, HirKind};

/// A regular expression and, if there is one that helps, a literal that every line it matches holds.
///
/// The regex engine itself jumps from one occurrence of the literal that a pattern *begins* with to the next. In
/// `name_[0-9]+ = compute\(12` that is a common one, and the longer one behind it is worth more.
#[derive(Clone, Debug)]
pub struct LineMatcher {
    regex: RegexMatcher,
    literal: Option<Finder<'static>>,
}

impl LineMatcher {
    /// `regex` is what `pattern` means, one line at a time.
    pub fn new(regex: RegexMatcher, pattern: &str) -> Self {
        let literal = regex_syntax::parse(pattern).ok().and_then(|hir| inner_literal(&hir));
        Self { regex, literal: literal.map(|literal| Finder::new(&literal).into_owned()) }
    }

    /// Without a literal: for matches over several lines and in any case.
    pub fn plain(regex: RegexMatcher) -> Self {
        Self { regex, literal: None }
    }
}

/// The longest literal that every match holds, unless the pattern begins with it.
fn inner_literal(hir: &Hir) -> Option<Vec<u8>> {
    let HirKind::Concat(parts) = hir.kind() else { return None };
    let literals = || parts.iter().filter_map(literal);
    let longest = literals().max_by_key(|literal| literal.len())?;
    let first = parts.first().and_then(literal).map_or(0, <[u8]>::len);
    (longest.len() > first && longest.len() > 2 && !longest.contains(&b'\n')).then(|| longest.to_vec())
}

fn literal(hir: &Hir) -> Option<&[u8]> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(&literal.0),
        HirKind::Capture(capture) => literal(&capture.sub),
        _ => None,
    }
}

impl Matcher for LineMatcher {
    type Captures = NoCaptures;
    type Error = NoError;

    fn find_at(&self, haystack: &[u8], at: usize) -> Result<Option<Match>, NoError> {
        self.regex.find_at(haystack, at)
    }

    fn new_captures(&self) -> Result<NoCaptures, NoError> {
        Ok(NoCaptures::new())
    }

    fn shortest_match_at(&self, haystack: &[u8], at: usize) -> Result<Option<usize>, NoError> {
        self.regex.shortest_match_at(haystack, at)
    }

    fn non_matching_bytes(&self) -> Option<&ByteSet> {
        self.regex.non_matching_bytes()
    }

    fn line_terminator(&self) -> Option<LineTerminator> {
        self.regex.line_terminator()
    }

    fn find_candidate_line(&self, haystack: &[u8]) -> Result<Option<LineMatchKind>, NoError> {
        match &self.literal {
            Some(literal) => Ok(literal.find(haystack).map(LineMatchKind::Candidate)),
            None => self.regex.find_candidate_line(haystack),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_literal_is_taken_unless_it_is_the_first() {
        let cases = [
            (r"name_[0-9]+ = compute\(12", Some(" = compute(12")),
            (r"\w+needle\s", Some("needle")),
            (r"(\w+)(needle)", Some("needle")),
            ("needle", None),
            ("needle.*pin", None),
            ("a|needle", None),
            ("x?ab", None),
            ("[ab]needle?", Some("needl")),
            ("(?i).needle", None),
            ("", None),
        ];
        for (pattern, expected) in cases {
            let literal = inner_literal(&regex_syntax::parse(pattern).unwrap());
            assert_eq!(literal.as_deref(), expected.map(str::as_bytes), "{pattern}");
        }
    }
}
