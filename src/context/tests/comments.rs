//! Comments that are prompts.

use ropey::Rope;

use crate::context::{PromptComment, comments};

/// What the only such comment of a text says, and the text without it.
fn check(text: &str, words: &str, without: &str) {
    let rope = Rope::from_str(text);
    let found = comments(&rope);
    let [comment] = found.as_slice() else { panic!("{text:?}: {found:?}") };
    let mut rest = rope.clone();
    rest.remove(comment.range.clone());
    assert_eq!((comment.words.as_str(), rest.to_string().as_str()), (words, without), "{text:?}");
}

#[test]
fn comments_of_every_language_are_found() {
    for opener in ["//", "///", "//!", "#", "##", "--", ";", ";;", "%", "'", "\"", "!", "REM", "::", "..", "dnl"] {
        check(&format!("a\n{opener} pillion: do it\nb\n"), "do it", "a\nb\n");
        check(&format!("a\r\n\t{opener} Pillion:do it \r\nb"), "do it", "a\r\nb");
    }
    for (begin, end) in [("/*", "*/"), ("<!--", "-->"), ("(*", "*)"), ("{-", "-}"), ("--[[", "]]"), ("{#", "#}")] {
        check(&format!("a\n  {begin} pillion: do it {end}\nb\n"), "do it", "a\nb\n");
        check(&format!("a\n{begin}pillion: do\n   it{end}\nb\n"), "do\nit", "a\nb\n");
    }
    check("/**\n * pillion: do it\n * well\n */\nfn a() {}\n", "do it\nwell", "fn a() {}\n");
    check("<!--\npillion: do it\n-->", "do it", "");
}

#[test]
fn a_comment_goes_on_in_the_next_line() {
    check("  // pillion: do it\n  // well\n  //\n  // now\n/// Other.\n", "do it\nwell\n\nnow", "/// Other.\n");
    // Elsewhere, otherwise, or no comment.
    check("  # pillion: do it\n# other\n", "do it", "# other\n");
    check("x = 1  # pillion: do it\n# other\n", "do it", "x = 1\n# other\n");
    check("# pillion: do it\n#!other\n", "do it", "#!other\n");
}

#[test]
fn nothing_is_left_of_it_and_nothing_else_goes() {
    check("let é = 1; // pillion: do it\nb\n", "do it", "let é = 1;\nb\n");
    check("f(/* pillion: do it */ 1)\n", "do it", "f(1)\n");
    check("  /* pillion: do it */ f();\n", "do it", "  f();\n");
    check("a\n# pillion: do it", "do it", "a");
    check("a\r\n# pillion: do it", "do it", "a");
    check("# pillion: do it", "do it", "");
}

#[test]
fn what_is_none_is_none() {
    for text in [
        "pillion: do it\n",
        "let pillion: u8 = 1;\n",
        "see http://pillion: x\n",
        "/* pillion: do it\n",
        "# the pillion: do it\n",
        "x ' pillion: do it\n",
        "/*\n * other\n * pillion: do it\n */\n",
        "",
    ] {
        assert_eq!(comments(&Rope::from_str(text)), [], "{text:?}");
    }
}

#[test]
fn several_are_told_apart() {
    let text = Rope::from_str("# pillion: one\n# pillion: two\n\n/* pillion: three\n*/ # x\n");
    let found = comments(&text);
    let words: Vec<_> =
        found.iter().map(|PromptComment { lines, words, .. }| (lines.clone(), words.as_str())).collect();
    assert_eq!(words, [(0..1, "one"), (1..2, "two"), (3..5, "three")]);
}
