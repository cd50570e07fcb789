use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

fn roots() -> Vec<PathBuf> {
    vec![absolute("project"), absolute("other/deep")]
}

fn absolute(path: &str) -> PathBuf {
    PathBuf::from(if cfg!(windows) { "C:\\" } else { "/" }).join(path)
}

fn rules(texts: &[&str]) -> Vec<Rule> {
    texts.iter().map(|text| text.parse().expect("a rule")).collect()
}

fn bash(policy_rules: &[&str], command: &str) -> Decision {
    let policy = Policy { mode: Mode::Ask, rules: rules(policy_rules) };
    let call = Call {
        tool: "bash",
        class: Class::Execute,
        paths: &[],
        outside: false,
        command: Some(command),
        host: None,
        roots: &roots(),
    };
    decide(&policy, &call)
}

fn file(mode: Mode, policy_rules: &[&str], tool: &str, class: Class, paths: &[&str]) -> Decision {
    let (roots, paths): (_, Vec<_>) = (roots(), paths.iter().map(|path| absolute(path)).collect());
    let outside = paths.iter().any(|path| !roots.iter().any(|root| path.starts_with(root)));
    let call = Call { tool, class, paths: &paths, outside, command: None, host: None, roots: &roots };
    decide(&Policy { mode, rules: rules(policy_rules) }, &call)
}

#[test]
fn modes_decide_by_class_and_place() {
    use Class::{Edit, Execute, Network, Read};
    use Mode::{AcceptEdits, Ask, Auto, Plan};
    let word = |mode, class, path| match file(mode, &[], "any", class, &[path]) {
        Decision::Allow => "allow",
        Decision::Ask => "ask",
        Decision::Deny(_) => "deny",
    };
    let inside = |mode| [Read, Edit, Execute, Network].map(|class| word(mode, class, "project/a"));
    let outside = |mode| [Read, Edit, Execute, Network].map(|class| word(mode, class, "etc/a"));
    assert_eq!(inside(Ask), ["allow", "ask", "ask", "ask"]);
    assert_eq!(inside(AcceptEdits), ["allow", "allow", "ask", "ask"]);
    assert_eq!(inside(Plan), ["allow", "deny", "deny", "ask"]);
    assert_eq!(inside(Auto), ["allow"; 4]);
    for mode in [Ask, AcceptEdits, Auto] {
        assert_eq!(outside(mode), ["ask"; 4], "{mode:?}");
    }
    assert_eq!(outside(Plan), ["ask", "deny", "deny", "ask"]);
}

#[test]
fn what_other_programs_run_is_changed_only_by_the_persons_word() {
    use Mode::{AcceptEdits, Ask, Auto};
    let hook = &["project/.git/hooks/pre-commit"];
    for mode in [Ask, AcceptEdits, Auto] {
        assert_eq!(file(mode, &[], "edit", Class::Edit, hook), Decision::Ask, "{mode:?}");
        assert_eq!(file(mode, &[], "read", Class::Read, hook), Decision::Allow, "{mode:?}");
    }
    let both = &["project/src/a.rs", "project/.envrc"];
    assert_eq!(file(AcceptEdits, &[], "edit", Class::Edit, both), Decision::Ask);
    for rule in ["edit", "edit(**)", "edit(.git/**)", "edit(.git/hooks/pre-commi?)", "edit({.git/hooks/pre-commit})"] {
        assert_eq!(file(Ask, &[rule], "edit", Class::Edit, hook), Decision::Ask, "{rule}");
    }
    assert_eq!(file(Ask, &["edit(.git/hooks/pre-commit)"], "edit", Class::Edit, hook), Decision::Allow);
    assert_eq!(file(Ask, &["edit(**)", "edit(.envrc)"], "edit", Class::Edit, both), Decision::Allow);
    let paths = [absolute("project/.idea/a[1].xml")];
    let call = Call {
        tool: "edit",
        class: Class::Edit,
        paths: &paths,
        outside: false,
        command: None,
        host: None,
        roots: &roots(),
    };
    assert_eq!(decide(&Policy { mode: Ask, rules: suggest(&call) }, &call), Decision::Allow, "offered as it is named");
}

#[test]
fn rules_never_lift_plan_mode() {
    assert!(matches!(file(Mode::Plan, &["edit"], "edit", Class::Edit, &["project/a"]), Decision::Deny(_)));
}

#[test]
fn a_command_matches_exactly_or_by_a_prefix_of_words() {
    let rules = &["bash(cargo test *)", "bash(make && make install)"];
    for command in ["cargo test", "cargo test --lib", "  cargo test a b ", "make && make install"] {
        assert_eq!(bash(rules, command), Decision::Allow, "{command}");
    }
    for command in ["cargo tests", "cargo", "/bin/cargo test", "X=1 cargo test", "make", "make && make install x", ""] {
        assert_eq!(bash(rules, command), Decision::Ask, "{command}");
    }
}

#[test]
fn an_empty_list_and_empty_patterns_allow_nothing() {
    assert_eq!(bash(&[], "ls"), Decision::Ask);
    let odd = |pattern: &str| Policy {
        mode: Mode::Ask,
        rules: vec![Rule { tool: "bash".into(), pattern: Some(pattern.into()) }],
    };
    for pattern in ["", " *", "  *", "*"] {
        let call = Call {
            tool: "bash",
            class: Class::Execute,
            paths: &[],
            outside: false,
            command: Some("ls"),
            host: None,
            roots: &[],
        };
        assert_eq!(decide(&odd(pattern), &call), Decision::Ask, "{pattern:?}");
    }
    assert_eq!(file(Mode::Ask, &["edit(**)"], "edit", Class::Edit, &[]), Decision::Ask, "a pattern needs a path");
}

#[test]
fn a_prefix_never_covers_a_second_command() {
    for tail in [
        "; rm x",
        "| sh",
        "& rm x",
        "&& rm x",
        "`rm x`",
        "$(rm x)",
        "\nrm x",
        "> x",
        "< x",
        "<(rm x)",
        "\"; rm x\"",
        "\r\nrm",
    ] {
        assert_eq!(bash(&["bash(rm *)", "bash(echo *)"], &format!("echo a {tail}")), Decision::Ask, "{tail:?}");
    }
    assert_eq!(bash(&["bash(echo; *)"], "echo; rm x"), Decision::Ask, "not even if the prefix holds it");
}

#[test]
fn a_prefix_covers_no_option_that_names_a_program_or_a_file() {
    let rules = &["bash(git log *)", "bash(cargo test *)"];
    for command in ["git log --oneline -3 --", "cargo test -- --nocapture", "git log --color"] {
        assert_eq!(bash(rules, command), Decision::Allow, "{command}");
    }
    for word in [
        "--output=x",
        "--outp=x",
        "--out\"put\"=x",
        "\\--output x",
        "{--output=x,-1}",
        "--ext-diff",
        "--exec x",
        "--open-files-in-pager=sh",
        "-Osh",
        "-c core.pager=sh",
        "'-c' x",
    ] {
        assert_eq!(bash(rules, &format!("git log {word}")), Decision::Ask, "{word}");
    }
    assert_eq!(bash(rules, "cargo test --config x.runner='sh'"), Decision::Ask);
    assert_eq!(bash(&["bash(git log --output=x)"], "git log --output=x"), Decision::Allow, "the very command");
    for command in [
        "go test -exec sh",
        "go build -toolexec=sh",
        "go test -o x",
        "git diff --no-index a b",
        "git blame --contents a b",
        "git blame --ignore-revs-file a",
        "git commit -F a",
        "git commit -aFa",
        "git commit --file=a",
        "git add --pathspec-from-file=a",
        "du --files0-from=a",
        "sort a -o b",
        "npm test --script-shell=sh",
    ] {
        let rule = format!("bash({} *)", command.split(" -").next().unwrap());
        assert_eq!(bash(&[&rule], command), Decision::Ask, "{command}");
    }
    assert_eq!(bash(&["bash(go test *)"], "go test -run=TestFold ./..."), Decision::Allow);
}

#[test]
fn a_prefix_covers_no_wildcard_that_may_become_an_option() {
    let rules = &["bash(git log *)"];
    for word in ["*/hooks/*", "?-output=x", "[-]-output=x", "--outp?t=x", "'*'", ".?/secret", "src/.*/.?/secret"] {
        assert_eq!(bash(rules, &format!("git log -1 {word}")), Decision::Ask, "{word}");
    }
    for word in ["src/*.rs", "./*", "HEAD~2..", "a?"] {
        assert_eq!(bash(rules, &format!("git log -1 {word}")), Decision::Allow, "{word}");
    }
}

#[test]
fn a_prefix_covers_no_path_that_leads_out_of_the_roots() {
    let rules = &["bash(git diff *)"];
    let inside = absolute("project/src").display().to_string().replace('\\', "/");
    for words in [
        "/dev/null ../secret",
        "a ..",
        "a src/../../secret",
        "--x=/etc/passwd",
        "~/.ssh/id",
        "--x=../y",
        r"a ..\secret",
        r"src\..\..\x",
    ] {
        assert_eq!(bash(rules, &format!("git diff {words}")), Decision::Ask, "{words}");
    }
    for words in ["main..topic", "main...", "src/a.rs", &inside] {
        assert_eq!(bash(rules, &format!("git diff {words}")), Decision::Allow, "{words}");
    }
}

#[test]
fn a_command_that_leaves_the_roots_always_asks() {
    let policy = Policy { mode: Mode::Auto, rules: rules(&["bash", "bash(ls *)", "bash(ls)"]) };
    let call = Call {
        tool: "bash",
        class: Class::Execute,
        paths: &[absolute("etc")],
        outside: true,
        command: Some("ls"),
        host: None,
        roots: &roots(),
    };
    assert_eq!(decide(&policy, &call), Decision::Ask);
    assert_eq!(suggest(&call), []);
}

#[test]
fn globs_are_relative_to_the_root() {
    let edit = |rules: &[&str], paths: &[&str]| file(Mode::Ask, rules, "edit", Class::Edit, paths);
    let src = &["edit(src/**)"];
    assert_eq!(edit(src, &["project/src/a.rs"]), Decision::Allow);
    assert_eq!(edit(src, &["other/deep/src/x/y.rs"]), Decision::Allow);
    assert_eq!(edit(src, &["project/src/a.rs", "project/b.rs"]), Decision::Ask, "each path needs a rule");
    assert_eq!(edit(&["edit(src/*)", "edit(b.rs)"], &["project/src/a.rs", "project/b.rs"]), Decision::Allow);
    for path in ["project/lib/src/a.rs", "project/srcs/a", "elsewhere/src/a.rs", "project/src/../../etc/x"] {
        assert_eq!(edit(src, &[path]), Decision::Ask, "{path}");
    }
    assert_eq!(edit(&["edit(src/*)"], &["project/src/x/y.rs"]), Decision::Ask, "* stays in its folder");
    assert_eq!(edit(&["edit([)"], &["project/["]), Decision::Ask, "a broken glob matches nothing");
    assert_eq!(edit(&["write(src/**)"], &["project/src/a.rs"]), Decision::Ask, "another tool");
    assert_eq!(edit(&["edit"], &["etc/passwd"]), Decision::Ask, "a whole tool means inside the roots");
}

#[cfg(unix)]
#[test]
fn only_an_absolute_glob_reaches_outside() {
    let read = |rules, path| file(Mode::Ask, rules, "read", Class::Read, &[path]);
    assert_eq!(read(&["read(/usr/include/**)"], "usr/include/stdio.h"), Decision::Allow);
    assert_eq!(read(&["read(**)"], "usr/include/stdio.h"), Decision::Ask);
    assert_eq!(read(&["read(/usr/include/**)"], "usr/include/../../etc/shadow"), Decision::Ask);
}

#[test]
fn suggestions_are_as_narrow_as_is_of_use() {
    let command = |command| {
        let call = Call {
            tool: "bash",
            class: Class::Execute,
            paths: &[],
            outside: false,
            command: Some(command),
            host: None,
            roots: &[],
        };
        suggest(&call).iter().map(Rule::to_string).collect::<Vec<_>>()
    };
    assert_eq!(command("cargo test --lib"), ["bash(cargo test *)"]);
    assert_eq!(command("cargo test"), ["bash(cargo test *)"]);
    assert_eq!(command("ls -l"), ["bash(ls *)"]);
    assert_eq!(command("rm -rf target"), ["bash(rm -rf target)"]);
    assert_eq!(command("git -C x diff"), ["bash(git -C x diff)"]);
    assert_eq!(command("git log --output=x"), ["bash(git log --output=x)"]);
    assert_eq!(command("make"), ["bash(make)"]);
    for narrow in [
        "cat Makefile",
        "git rebase main",
        "git config user.name",
        "rg todo",
        "tar xf a.tar",
        "tail -n 9 x",
        "tail Makefile",
        "less README",
        "sort names",
        "du src",
        "gawk foo",
        "sqlite3 db",
        "nvim foo",
        "flock x touch",
        "uv run x",
        "npm exec x",
        "cargo run",
        "cargo install x",
        "git diff --no-index a b",
        "git log */x",
    ] {
        assert_eq!(command(narrow), [format!("bash({narrow})")], "open arguments would read, write or run anything");
    }
    for (wide, rule) in [
        ("git status --short", "bash(git status *)"),
        ("npm test", "bash(npm test *)"),
        ("go vet ./...", "bash(go vet *)"),
        ("ls src", "bash(ls *)"),
    ] {
        assert_eq!(command(wide), [rule]);
    }
    for wild in ["rm -rf *", "rm -rf * ", "ls *"] {
        assert!(command(wild).is_empty(), "{wild}: as a rule it would be a prefix");
    }
    assert_eq!(command("/bin/rm x"), ["bash(/bin/rm x)"]);
    assert_eq!(command("git log | head"), ["bash(git log | head)"]);

    let paths = [absolute("project/src/a[1].rs"), absolute("project/b.rs")];
    let call = Call {
        tool: "edit",
        class: Class::Edit,
        paths: &paths,
        outside: false,
        command: None,
        host: None,
        roots: &[absolute("project")],
    };
    assert_eq!(suggest(&call).iter().map(Rule::to_string).collect::<Vec<_>>(), ["edit(src/a[[]1[]].rs)", "edit(b.rs)"]);
}

#[test]
fn what_is_no_rule_is_refused() {
    for text in ["", "bash(", "bash()", "(x)", "bash(x", "ba sh(x)", "bash)x", "bash(x) y"] {
        assert!(text.parse::<Rule>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn rules_read_back_as_they_are_shown(tool in "[a-z_]{1,8}", pattern in prop::option::of("[^\\s].{0,12}")) {
        let rule = Rule { tool, pattern };
        prop_assert_eq!(rule.to_string().parse::<Rule>(), Ok(rule));
    }

    #[test]
    fn what_is_suggested_silences_the_call(
        command in prop::option::of("[a-z$;() *?\\[\\]-]{0,12}"),
        names in prop::collection::vec("[a-z\\[\\]{}*?!]{1,6}", 0..3),
        class in prop::sample::select(vec![Class::Read, Class::Edit, Class::Execute, Class::Network]),
        outside: bool,
    ) {
        let folder = if outside { "etc" } else { "project/src" };
        let paths: Vec<_> = names.iter().map(|name| absolute(folder).join(name)).collect();
        let call = Call { tool: "tool", class, paths: &paths, outside, command: command.as_deref(), host: None, roots: &roots() };
        let rules = suggest(&call);
        let offered = !rules.is_empty();
        let decision = decide(&Policy { mode: Mode::Ask, rules }, &call);
        prop_assert!(!offered || decision == Decision::Allow);
        let is_a_rule = |command: &str| !command.is_empty() && !command.ends_with(" *");
        let must_offer = !outside && command.as_deref().is_none_or(|command| is_a_rule(command.trim_matches(' ')));
        prop_assert!(offered || !must_offer);
    }

    #[test]
    fn no_prefix_covers_an_operator(head in "[a-z ]{0,8}", operator in "[;|&`<>\n]|\\$\\(", tail in "[a-z ]{0,8}") {
        let command = format!("{head}{operator}{tail}");
        let rules: Vec<Rule> = (1..=command.len())
            .filter(|&end| command.is_char_boundary(end))
            .map(|end| Rule { tool: "bash".into(), pattern: Some(format!("{} *", &command[..end])) })
            .collect();
        let call =
            Call { tool: "bash", class: Class::Execute, paths: &[], outside: false, command: Some(&command), host: None, roots: &[] };
        prop_assert_eq!(decide(&Policy { mode: Mode::Ask, rules }, &call), Decision::Ask);
    }
}

fn fetch(mode: Mode, policy_rules: &[&str], host: &str) -> Decision {
    let policy = Policy { mode, rules: rules(policy_rules) };
    let call = Call {
        tool: "web_fetch",
        class: Class::Network,
        paths: &[],
        outside: false,
        command: None,
        host: Some(host),
        roots: &roots(),
    };
    let decision = decide(&policy, &call);
    let suggested = suggest(&call);
    assert_eq!(suggested, rules(&[&format!("web_fetch({host})")]));
    let allowed = Policy { mode: Mode::Ask, rules: suggested };
    assert_eq!(decide(&allowed, &call), Decision::Allow, "what is suggested silences the call");
    decision
}

#[test]
fn a_rule_for_a_host_is_for_no_other() {
    for (rule, host) in [
        ("web_fetch(docs.rs)", "docs.rs"),
        ("web_fetch(Docs.RS)", "docs.rs"),
        ("web_fetch(*.docs.rs)", "a.docs.rs"),
        ("web_fetch(*.docs.rs)", "a.b.docs.rs"),
        ("web_fetch(docs.rs:8080)", "docs.rs:8080"),
        ("web_fetch", "docs.rs"),
    ] {
        assert_eq!(fetch(Mode::Ask, &[rule], host), Decision::Allow, "{rule} {host}");
    }
    for (rule, host) in [
        ("web_fetch(docs.rs)", "evil-docs.rs"),
        ("web_fetch(docs.rs)", "a.docs.rs"),
        ("web_fetch(docs.rs)", "docs.rs:8080"),
        ("web_fetch(docs.rs)", "docs.rs.evil.example"),
        ("web_fetch(*.docs.rs)", "docs.rs"),
        ("web_fetch(*.docs.rs)", "evildocs.rs"),
        ("web_fetch(*)", "docs.rs"),
        ("web_fetch(*.*)", "docs.rs"),
        ("other(docs.rs)", "docs.rs"),
    ] {
        assert_eq!(fetch(Mode::Ask, &[rule], host), Decision::Ask, "{rule} {host}");
    }
    assert_eq!(fetch(Mode::Ask, &[], "docs.rs"), Decision::Ask);
    assert_eq!(fetch(Mode::Auto, &[], "docs.rs"), Decision::Allow);
}

#[test]
fn bin_rm_is_not_what_a_rule_says_of_rm() {
    // Rules allow and never deny, so another spelling of a program slips past none: it asks.
    for command in ["/bin/rm -r x", "\\rm -r x", "'rm' -r x", "command rm -r x", "./rm -r x"] {
        assert_eq!(bash(&["bash(rm -r *)"], command), Decision::Ask, "{command}");
    }
    assert_eq!(bash(&["bash(rm -r *)"], "rm -r x"), Decision::Allow);
    assert_eq!(bash(&["bash(/bin/rm -r *)"], "rm -r x"), Decision::Ask);
}

#[test]
fn an_empty_allow_list_allows_nothing() {
    assert_eq!(bash(&[], "ls"), Decision::Ask);
    assert_eq!(fetch(Mode::Ask, &[], "docs.rs"), Decision::Ask);
}
