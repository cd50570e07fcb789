//! Editors that behave, and editors that do not.

use ropey::Rope;

use super::{editor::*, *};
use crate::workspace::{
    edit::make,
    landing::{Expectation, Landing},
};

const TEXT: &str = "fn main() {\n    old();\n}\n";

struct Desk {
    workspace: Arc<Workspace>,
    editor: Arc<Editor>,
    location: Location,
}

/// An untitled document, so that nothing can reach it but the editor.
fn desk(text: &str, reports: Reports, wait: Duration) -> Desk {
    let workspace = Workspace::with_limits(Vec::new(), limits(wait));
    let editor = Editor::open_with(&workspace, "untitled:1", text, PositionEncoding::Utf16, reports);
    let location = workspace.resolve("untitled:1").unwrap();
    Desk { workspace, editor, location }
}

impl Desk {
    async fn edit(&self, old: &str, new: &str) -> Result<Applied, EditError> {
        edit(&self.workspace, &self.location, old, new).await
    }

    async fn plan(&self, old: &str, new: &str) -> Plan {
        plan(&self.workspace, &self.location, old, new).await.unwrap()
    }

    async fn apply(&self, plan: Plan) -> Result<Applied, EditError> {
        self.workspace.apply(plan, None).await
    }

    /// Both sides have this text.
    #[track_caller]
    fn check(&self, text: &str) {
        assert_eq!(self.editor.text(), text);
        assert_eq!(self.workspace.buffers()[0].text, text);
    }
}

#[track_caller]
fn conflict(result: Result<Applied, EditError>) -> String {
    match result {
        Err(EditError::Conflict { fresh, .. }) => fresh.text.to_string(),
        other => panic!("no conflict: {other:?}"),
    }
}

/// One edit of `old()` to `new()` by an editor with this manner; what the text is afterwards.
#[track_caller]
fn check(reports: Reports, manner: Manner, text: &str) -> Applied {
    run(async {
        let desk = desk(TEXT, reports, LONG);
        desk.editor.will([manner]);
        let applied = desk.edit("    old();\n", "    new(1);\n").await.unwrap();
        desk.check(text);
        assert_eq!(applied.snapshot.text, text);
        assert_eq!(applied.diff.hunks.len(), 1);
        assert!(applied.diff.unified.contains("-    old();\n+    new(1);\n"), "{}", applied.diff.unified);
        applied
    })
}

const NEW: &str = "fn main() {\n    new(1);\n}\n";
const ALL: [Reports; 3] = [Reports::Each, Reports::Gathered, Reports::Whole];

#[test]
fn an_edit_is_one_versioned_request_with_no_more_text_than_needed() {
    run(async {
        let desk = desk("a\r\nfoo(x)\r\nb\r\n", Reports::Each, LONG);
        desk.editor.types(typing(0, 0, "🏍"));
        let applied = desk.edit("🏍a\r\nfoo(x)\r\nb", "🏍a\nfoo(x, y)\nb").await.unwrap();
        let asked = desk.editor.desk().asked.clone();
        let at = Position { line: 1, column: 5 };
        assert_eq!(asked.len(), 1);
        assert_eq!((asked[0].version, asked[0].edits.clone()), (2, vec![(at..at, ", y".to_owned())]));
        assert!(!applied.rebased);
        assert!(applied.snapshot.unsaved);
        desk.check("🏍a\r\nfoo(x, y)\r\nb\r\n");
    });
}

#[test]
fn several_edits_are_one_request() {
    run(async {
        let desk = desk("one\ntwo\nthree\n", Reports::Each, LONG);
        let base = desk.workspace.read(&desk.location).await.unwrap();
        let edits = vec![replacing(&base, "three", "3"), replacing(&base, "one", "1\n1")];
        let plan = desk.workspace.plan(&desk.location, &base, edits).await.unwrap();
        desk.apply(plan).await.unwrap();
        desk.check("1\n1\ntwo\n3\n");
        assert_eq!(desk.editor.desk().asked.len(), 1);
    });
}

#[test]
fn an_edit_that_changes_nothing_asks_for_nothing() {
    run(async {
        let desk = desk(TEXT, Reports::Each, LONG);
        let applied = desk.edit("old", "old").await.unwrap();
        assert_eq!((applied.diff.hunks.len(), applied.rebased), (0, false));
        assert!(desk.editor.desk().asked.is_empty());
    });
}

#[test]
fn an_edit_of_a_line_end_alone_is_not_taken_for_made_before_it_is() {
    run(async {
        let desk = desk("a\r\nb", Reports::Each, LONG);
        // The version moves and the text does not, so that the editor refuses the first try.
        desk.editor.will([Manner::TypeFirst(Typing { at: 9, delete: 0, text: String::new() })]);
        desk.edit("\n", "").await.unwrap();
        desk.check("a\rb");
    });
}

#[test]
fn an_obedient_editor_however_it_reports() {
    for reports in ALL {
        assert!(!check(reports, Manner::Obey, NEW).rebased);
        assert!(!check(reports, Manner::ReportLate, NEW).rebased);
    }
    check(Reports::Each, Manner::Piecemeal, NEW);
}

#[test]
fn typing_before_the_edit_arrives_moves_it() {
    for reports in ALL {
        let first = typing(0, 0, "// mine\n");
        let text = format!("// mine\n{NEW}");
        assert!(check(reports, Manner::TypeFirst(first.clone()), &text).rebased);
        assert!(check(reports, Manner::TypeFirst(typing(99, 0, "// mine\n")), &format!("{NEW}// mine\n")).rebased);
    }
}

#[test]
fn a_yes_to_a_stale_edit_is_seen_through() {
    run(async {
        let mut limits = limits(LONG);
        limits.settle = SHORT;
        let workspace = Workspace::with_limits(Vec::new(), limits);
        let editor = Editor::open_with(&workspace, "untitled:1", TEXT, PositionEncoding::Utf8, Reports::Gathered);
        let location = workspace.resolve("untitled:1").unwrap();
        editor.will([Manner::StaleYes(typing(0, 0, "// mine\n"))]);
        let applied = edit(&workspace, &location, "old", "new").await.unwrap();
        assert!(applied.rebased);
        assert_eq!(editor.text(), "// mine\nfn main() {\n    new();\n}\n");
        assert_eq!(editor.desk().asked.len(), 2);
    });
}

#[test]
fn a_line_feed_that_joins_a_carriage_return_is_looked_for_where_it_is() {
    let before = Rope::from_str("a\rbb");
    let edits = [TextEdit { range: 2..3, text: "\n".to_owned() }];
    let expected = Expectation::new(&before, &edits);
    assert_eq!(expected.judge(&before), Landing::No);
    assert_eq!(expected.judge(&make(&before, &edits)), Landing::Exact);
    assert_eq!(expected.judge(&Rope::from_str("za\r\nb")), Landing::Among);
}

#[test]
fn typing_that_is_reported_together_with_the_edit_is_told_from_it() {
    for reports in [Reports::Gathered, Reports::Whole] {
        for (typed, text) in [
            (typing(0, 0, "// mine\n"), format!("// mine\n{NEW}")),
            (typing(99, 0, "end"), format!("{NEW}end")),
            // Right at both edges of what the edit brought.
            (typing(16, 0, "X"), "fn main() {\n    Xnew(1);\n}\n".to_owned()),
            (typing(21, 0, "X"), "fn main() {\n    new(1X);\n}\n".to_owned()),
        ] {
            assert!(check(reports, Manner::TypeAfter(typed), &text).rebased);
        }
    }
    // What the edit brought is the person's to change, too: if they are seen as one, it is not known.
    run(async {
        let desk = desk(TEXT, Reports::Gathered, SHORT);
        desk.editor.will([Manner::TypeAfter(typing(16, 3, "other"))]);
        let error = desk.edit("old();", "new(1);").await.unwrap_err();
        assert!(matches!(error, EditError::Unconfirmed { .. }), "{error:?}");
        desk.check("fn main() {\n    other(1);\n}\n");
    });
}

#[test]
fn typing_inside_the_edit_before_it_arrives_is_a_conflict_with_the_fresh_text() {
    for reports in ALL {
        run(async {
            let desk = desk(TEXT, reports, LONG);
            desk.editor.will([Manner::TypeFirst(typing(17, 0, "X"))]);
            let fresh = conflict(desk.edit("old();", "new();").await);
            assert_eq!(fresh, "fn main() {\n    oXld();\n}\n");
            desk.check(&fresh);
            assert_eq!(desk.editor.desk().asked.len(), 1);
        });
    }
}

#[test]
fn an_editor_that_writes_its_own_line_ends_is_believed() {
    run(async {
        for end in ["\r\n", "\r", "\n"] {
            let desk = desk("a\r\nb\nc\n", Reports::Each, LONG);
            desk.editor.will([Manner::LineEnds(end)]);
            desk.edit("b\n", "b1\nb2\n").await.unwrap();
            assert_eq!(desk.editor.text(), format!("a\r\nb1{end}b2\nc\n"));
        }
    });
}

#[test]
fn a_refusal_is_told() {
    run(async {
        let desk = desk(TEXT, Reports::Each, SHORT);
        desk.editor.will([Manner::Refuse]);
        let error = desk.edit("old", "new").await.unwrap_err();
        assert!(matches!(error, EditError::Refused(_)), "{error:?}");
        desk.check(TEXT);
        desk.edit("old", "new").await.unwrap();
    });
}

#[test]
fn a_yes_without_a_change_is_not_believed() {
    run(async {
        let desk = desk(TEXT, Reports::Each, SHORT);
        desk.editor.will([Manner::Lie]);
        let error = desk.edit("old", "new").await.unwrap_err();
        assert!(matches!(error, EditError::Unconfirmed { .. }), "{error:?}");
        desk.check(TEXT);
    });
}

#[test]
fn what_an_editor_did_and_denies_is_not_done_twice() {
    check(Reports::Each, Manner::DenyDoing, NEW);
    run(async {
        let desk = desk("a\n", Reports::Gathered, LONG);
        desk.editor.will([Manner::DenyDoing]);
        desk.edit("a\n", "a\na\n").await.unwrap();
        desk.check("a\na\n");
    });
}

#[test]
fn a_failure_is_told_with_its_reason() {
    run(async {
        let desk = desk(TEXT, Reports::Each, LONG);
        desk.editor.will([Manner::Fail]);
        let error = desk.edit("old", "new").await.unwrap_err();
        assert!(error.to_string().contains("it broke"), "{error}");
        desk.check(TEXT);
    });
}

#[test]
fn silence_is_told_unless_the_text_speaks() {
    run(async {
        let desk = desk(TEXT, Reports::Each, SHORT);
        desk.editor.will([Manner::Silent { apply: false }, Manner::Silent { apply: true }]);
        let error = desk.edit("old", "new").await.unwrap_err();
        assert!(matches!(error, EditError::Unanswered { .. }), "{error:?}");
        desk.check(TEXT);
        desk.edit("old", "new").await.unwrap();
        desk.check("fn main() {\n    new();\n}\n");
    });
}

#[test]
fn an_edit_that_lands_late_is_not_taken_for_the_next() {
    run(async {
        let desk = desk("a(b)\nc\n", Reports::Each, SHORT);
        desk.editor.will([Manner::Silent { apply: false }]);
        desk.edit("b", "b, new").await.unwrap_err();
        // The next one brings the first half of what the late one brings, and is never made.
        let next = desk.plan("b", "b, n").await;
        desk.editor.will([Manner::TypeFirst(typing(3, 0, ", new")), Manner::Refuse]);
        let error = desk.apply(next).await.unwrap_err();
        assert!(matches!(error, EditError::Refused(_)), "{error:?}");
        desk.check("a(b, new)\nc\n");
        desk.edit("c", "d").await.unwrap();
        desk.check("a(b, new)\nd\n");
    });
}

#[test]
fn closing_meanwhile_is_told_unless_the_text_spoke_before() {
    run(async {
        let desk1 = desk(TEXT, Reports::Each, LONG);
        desk1.editor.will([Manner::Close { apply: false }]);
        let error = desk1.edit("old", "new").await.unwrap_err();
        assert!(matches!(error, EditError::Closed(_)), "{error:?}");
        assert_eq!(desk1.editor.text(), TEXT);

        let desk2 = desk(TEXT, Reports::Each, LONG);
        desk2.editor.will([Manner::Close { apply: true }]);
        let applied = desk2.edit("old", "new").await.unwrap();
        assert_eq!(applied.snapshot.text, desk2.editor.text().as_str());
    });
}

#[test]
fn a_text_that_never_rests_ends_the_tries() {
    run(async {
        let desk = desk(TEXT, Reports::Each, LONG);
        desk.editor.will(std::iter::repeat_n(Manner::TypeFirst(typing(0, 0, "x")), 50));
        let error = desk.edit("old", "new").await.unwrap_err();
        assert!(matches!(error, EditError::Restless(_)), "{error:?}");
        let tries = desk.editor.desk().asked.len();
        desk.check(&format!("{}{TEXT}", "x".repeat(tries)));
    });
}

#[test]
fn an_edit_given_up_leaves_nothing_behind() {
    run(async {
        let desk = desk(TEXT, Reports::Each, LONG);
        desk.editor.will([Manner::Silent { apply: false }]);
        let plan = desk.plan("old", "new").await;
        let given_up = tokio::time::timeout(SHORT, desk.apply(plan)).await;
        assert!(given_up.is_err());
        assert!(lock(&desk.workspace.state).pending.is_empty());
        desk.edit("old", "new").await.unwrap();
        desk.check(&TEXT.replace("old", "new"));
    });
}

#[test]
fn while_a_plan_waits_typing_moves_it() {
    for reports in ALL {
        run(async {
            let desk = desk(TEXT, reports, LONG);
            let plan = desk.plan("old", "new").await;
            for typed in [typing(0, 0, "// one\n"), typing(99, 0, "end"), typing(0, 3, "//"), typing(6, 0, "\n")] {
                desk.editor.types(typed);
                desk.editor.flush();
            }
            assert!(desk.apply(plan).await.unwrap().rebased);
            desk.check("//one\n\nfn main() {\n    new();\n}\nend");
        });
    }
}

#[test]
fn typing_at_an_edge_stays_outside() {
    run(async {
        let desk = desk("a old b", Reports::Each, LONG);
        let plan = desk.plan("old", "new").await;
        desk.editor.types(typing(2, 0, "<"));
        desk.editor.types(typing(6, 0, ">"));
        desk.editor.types(typing(0, 2, ""));
        desk.editor.types(typing(5, 9, ""));
        desk.check("<old>");
        desk.apply(plan).await.unwrap();
        desk.check("<new>");
    });
}

#[test]
fn typing_inside_conflicts_until_it_is_undone() {
    run(async {
        let desk = desk("a old b", Reports::Each, LONG);
        let (plan, undone) = (desk.plan("old", "new").await, desk.plan("old", "new").await);
        desk.editor.types(typing(3, 0, "x"));
        assert_eq!(conflict(desk.apply(plan).await), "a oxld b");
        desk.editor.types(typing(3, 1, ""));
        desk.apply(undone).await.unwrap();
        desk.check("a new b");
    });
}

#[test]
fn one_plan_moves_another() {
    run(async {
        let desk = desk("one two three", Reports::Each, LONG);
        let (first, second) = (desk.plan("one", "1").await, desk.plan("three", "3").await);
        let overlapping = desk.plan("two three", "2 3").await;
        desk.apply(first).await.unwrap();
        desk.apply(second).await.unwrap();
        desk.check("1 two 3");
        assert_eq!(conflict(desk.apply(overlapping).await), "1 two 3");
    });
}

#[test]
fn a_plan_for_an_older_read_is_moved_when_it_is_made() {
    run(async {
        let desk = desk("one\ntwo\n", Reports::Each, LONG);
        let base = desk.workspace.read(&desk.location).await.unwrap();
        let (late, touched) = (replacing(&base, "two", "2"), replacing(&base, "one", "1"));
        desk.editor.types(typing(1, 0, "x"));
        let plan = desk.workspace.plan(&desk.location, &base, vec![late]).await.unwrap();
        assert!(plan.diff().unified.contains(" oxne\n-two\n+2\n"), "{}", plan.diff().unified);
        let error = desk.workspace.plan(&desk.location, &base, vec![touched]).await.err().unwrap();
        assert!(matches!(error, EditError::Conflict { .. }), "{error:?}");
        desk.apply(plan).await.unwrap();
        desk.check("oxne\n2\n");
    });
}

#[test]
fn chosen_hunks_alone_are_made_and_judged() {
    run(async {
        let text: String = (0..30).map(|line| format!("line {line}.\n")).collect();
        let desk = desk(&text, Reports::Each, LONG);
        let base = desk.workspace.read(&desk.location).await.unwrap();
        let wanted = text.replace(" 2.", " two").replace(" 14.", " fourteen\n").replace(" 25.", "");
        let plan = desk.workspace.plan_write(&desk.location, Some(&base), &wanted).await.unwrap();
        assert_eq!(plan.diff().hunks.len(), 3);
        // A hunk that is not chosen may be in conflict.
        desk.editor.types(typing(text.find(" 14.").unwrap(), 1, "X"));
        let applied = desk.workspace.apply(plan, Some(&[2, 0])).await.unwrap();
        assert_eq!(applied.diff.hunks.len(), 2);
        desk.check(&text.replace(" 14.", "X14.").replace(" 2.", " two").replace(" 25.", ""));

        let base = desk.workspace.read(&desk.location).await.unwrap();
        let plan = desk.workspace.plan_write(&desk.location, Some(&base), &text).await.unwrap();
        let error = desk.workspace.apply(plan, Some(&[3])).await.unwrap_err();
        assert!(matches!(error, EditError::NoSuchHunk { index: 3, count: 3 }), "{error:?}");
    });
}

#[test]
fn one_edit_over_several_hunks_can_be_chosen_from() {
    run(async {
        let text: String = (0..20).map(|line| format!("{line}\n")).collect();
        let desk = desk(&text, Reports::Each, LONG);
        let base = desk.workspace.read(&desk.location).await.unwrap();
        let new = text.replacen("1\n", "one\n", 1).replace("18\n", "eighteen\n");
        let whole = TextEdit { range: 0..base.text.len_chars(), text: new };
        let plan = desk.workspace.plan(&desk.location, &base, vec![whole]).await.unwrap();
        assert_eq!(plan.diff().hunks.len(), 2);
        desk.workspace.apply(plan, Some(&[1])).await.unwrap();
        desk.check(&text.replace("18\n", "eighteen\n"));
    });
}

#[test]
fn edits_that_cannot_be_are_refused() {
    run(async {
        let desk = desk("text", Reports::Each, LONG);
        let base = desk.workspace.read(&desk.location).await.unwrap();
        let edit = |range| TextEdit { range, text: "x".to_owned() };
        #[allow(clippy::reversed_empty_ranges)]
        for edits in [vec![edit(3..5)], vec![edit(3..2)], vec![edit(0..2), edit(1..3)]] {
            let error = desk.workspace.plan(&desk.location, &base, edits).await.err().unwrap();
            assert!(matches!(error, EditError::BadEdits(_)), "{error:?}");
        }
        assert!(lock(&desk.workspace.state).pending.is_empty());
    });
}
