//! Where a text that was not found was most likely meant to be.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use ropey::Rope;

use crate::tool::{files::likeness, lines};

/// The longest text, in lines, that is looked through: a hint is not worth seconds.
const LOOKED_AT: usize = 100_000;

/// Lines that are compared letter by letter at most; each costs some microseconds.
const COMPARED: usize = 300;

/// Lines around the longest wanted one that are compared with each of the likeliest places.
const AROUND: usize = 40;

/// Characters of a line that are compared at most.
const LETTERS: usize = 200;

/// The lines (from 0) of `text` that are most like `wanted`; `None` if nothing is like it.
pub(super) fn lines_like(text: &Rope, wanted: &str) -> Option<Range<usize>> {
    let total = lines::count(text);
    if total > LOOKED_AT {
        return None;
    }
    let bare: Vec<String> = (0..total).map(|number| lines::bare(text.line(number)).trim().to_owned()).collect();
    let wanted: Vec<&str> = wanted.lines().map(str::trim).collect();
    let (offset, anchor) = wanted.iter().enumerate().max_by_key(|(_, line)| line.len().min(LETTERS))?;
    if anchor.is_empty() {
        return None;
    }
    // Lines that share words with the longest wanted one are candidates for it, the more the better.
    let words = |line: &str| -> HashSet<String> {
        let words = line.split(|char: char| !char.is_alphanumeric() && char != '_').filter(|word| !word.is_empty());
        words.map(str::to_owned).collect()
    };
    let mut rarity: HashMap<String, usize> = words(anchor).into_iter().map(|word| (word, 0)).collect();
    let shared: Vec<Vec<String>> =
        bare.iter().map(|line| words(line).into_iter().filter(|word| rarity.contains_key(word)).collect()).collect();
    shared.iter().flatten().for_each(|word| *rarity.entry(word.clone()).or_default() += 1);
    let score = |number: usize| -> f32 { shared[number].iter().map(|word| 1.0 / rarity[word] as f32).sum() };
    let mut candidates: Vec<usize> = (0..total).filter(|number| !bare[*number].is_empty()).collect();
    candidates.sort_by(|a, b| score(*b).total_cmp(&score(*a)));
    candidates.truncate(COMPARED);

    // How alike the whole block is that a candidate would stand in.
    let clipped = |line: &str| line.chars().take(LETTERS).collect::<String>();
    let alike = |at: usize| -> f32 {
        let first = offset.saturating_sub(AROUND / 2);
        let each = wanted.iter().enumerate().skip(first).take(AROUND).map(|(index, line)| {
            let there = (at + index).checked_sub(offset).and_then(|number| bare.get(number));
            there.map_or(0.0, |there| likeness(&clipped(there), &clipped(line)))
        });
        each.sum()
    };
    let own = |at: usize| likeness(&clipped(&bare[at]), &clipped(anchor));
    let mut best: Vec<(f32, usize)> = candidates.into_iter().map(|at| (own(at), at)).collect();
    best.sort_by(|(a, a_at), (b, b_at)| b.total_cmp(a).then(a_at.cmp(b_at)));
    let best = best.into_iter().take(20).map(|(own, at)| (own, alike(at), at));
    let (own, _, at) = best.max_by(|(_, a, a_at), (_, b, b_at)| a.total_cmp(b).then(b_at.cmp(a_at)))?;
    let start = at.saturating_sub(offset);
    // Chosen by trying: below it, what is shown has nothing to do with what was meant.
    (own >= 0.5).then(|| start..(start + wanted.len()).min(total).max(at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, wanted: &str, expected: Option<Range<usize>>) {
        assert_eq!(lines_like(&Rope::from_str(text), wanted), expected, "{wanted:?}");
    }

    #[test]
    fn the_block_that_is_most_alike_is_found() {
        let text = "fn one() {\n    call(1);\n}\n\nfn two() {\n    call(2);\n    other();\n}\n";
        check(text, "fn two() {\n  call(3);\n  other();\n}", Some(4..8));
        check(text, "fn one() {\n    call( 1 );\n}\n", Some(0..3));
        check(text, "    cal(2);", Some(5..6));
    }

    #[test]
    fn of_a_long_text_what_is_around_the_longest_line_counts() {
        let lines = |word: &str| format!("{word}\n").repeat(50);
        let anchor = "the longest line of them all\n";
        let (far, near) = (lines("far"), "near\n".repeat(15));
        let wanted = format!("{far}{near}{anchor}{near}{far}");
        let elsewhere = "qqqq\n".repeat(15);
        let text = format!("{far}{elsewhere}{anchor}{elsewhere}{far}{0}{near}{anchor}{near}{0}", lines("xyz"));
        let start = 131;
        check(&text, &wanted, Some(start..start + 131));
    }

    #[test]
    fn what_is_like_nothing_is_not_found() {
        check("alpha\nbeta\n", "something entirely different", None);
        check("", "x", None);
        check("alpha\n", "", None);
        check("alpha\n", "\n\n", None);
    }
}
