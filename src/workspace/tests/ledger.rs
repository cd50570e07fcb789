//! What was changed, looked at and taken back, while a person goes on typing.

use proptest::prelude::*;

use super::{diffs::text, editor::*, *};

/// A conversation that edits, with all that its ledger told.
struct Desk {
    workspace: Arc<Workspace>,
    ledger: Ledger,
    told: Arc<Mutex<Vec<Landed>>>,
    calls: u32,
}

impl Desk {
    fn new(workspace: Arc<Workspace>) -> Self {
        let (ledger, told) = (Ledger::default(), Arc::<Mutex<Vec<Landed>>>::default());
        let keeping = told.clone();
        ledger.listen(move |landed| lock(&keeping).push(landed));
        ledger.begin_turn("t1");
        Self { workspace, ledger, told, calls: 0 }
    }

    fn call(&mut self) -> Ledger {
        self.calls += 1;
        self.ledger.by(&format!("c{}", self.calls))
    }

    async fn edit(&mut self, location: &Location, old: &str, new: &str) {
        let applied = edit(&self.workspace, location, old, new).await.unwrap();
        self.call().note_edit(location, &applied).await;
    }

    async fn write(&mut self, location: &Location, text: &str) {
        let base = self.workspace.read(location).await.ok();
        let plan = self.workspace.plan_write(location, base.as_ref(), text).await.unwrap();
        let applied = self.workspace.apply(plan, None).await.unwrap();
        self.call().note_edit(location, &applied).await;
    }

    async fn review(&self) -> Vec<Reviewed> {
        self.ledger.review(&self.workspace, None).await
    }

    async fn revert(&self, selection: Selection) -> Reverted {
        self.ledger.revert(&self.workspace, &Bins { trash: false, kept_in: None }, &selection).await
    }

    async fn revert_turn(&self, turn: &str) -> Reverted {
        self.revert(Selection { turn_id: Some(turn.to_owned()), ..Selection::default() }).await
    }
}

/// An untitled buffer in an editor, and a conversation about it.
fn at_a_buffer(text: &str) -> (Arc<Editor>, Location, Desk) {
    let workspace = Workspace::with_limits(Vec::new(), limits(LONG));
    let editor = Editor::open(&workspace, "untitled:1", text);
    let location = workspace.resolve("untitled:1").unwrap();
    (editor, location, Desk::new(workspace))
}

fn states(reviewed: &[Reviewed]) -> Vec<Vec<(ChangeState, &str, &str)>> {
    reviewed
        .iter()
        .map(|change| change.hunks.iter().map(|hunk| (hunk.state, &*hunk.old, &*hunk.new)).collect())
        .collect()
}

use ChangeState::{ChangedSince, Kept, Reverted as Back};

#[test]
fn the_edits_of_a_turn_are_one_change_and_one_undo_step_takes_them_back() {
    let (editor, location, mut desk) = at_a_buffer("one\ntwo\nthree\nfour\nfive\n");
    run(async {
        desk.edit(&location, "two", "TWO\nand more").await;
        desk.edit(&location, "and more", "and much more").await;
        desk.edit(&location, "five", "FIVE").await;
        let reviewed = desk.review().await;
        let expect = [vec![(Kept, "two\n", "TWO\nand much more\n"), (Kept, "five\n", "FIVE\n")]];
        assert_eq!(states(&reviewed), expect);
        assert_eq!((reviewed[0].kind, reviewed[0].calls.len()), (ChangeKind::Edit, 3));
        let at = |line| Position { line, column: 0 };
        assert_eq!(reviewed[0].hunks[0].range, Some(at(1)..at(3)));

        // Typing elsewhere moves a hunk and does nothing to it.
        editor.types(typing(0, 0, "zero\n"));
        let reviewed = desk.review().await;
        assert_eq!(reviewed[0].hunks[0].range, Some(at(2)..at(4)));
        let made = editor.desk().made.len();
        let done = desk.revert_turn("t1").await;
        assert_eq!((done.reverted.len(), done.refused.len()), (1, 0), "{done:?}");
        assert_eq!(editor.text(), "zero\none\ntwo\nthree\nfour\nfive\n");
        assert_eq!(editor.desk().made.len(), made + 1, "one step");
        assert_eq!(
            states(&desk.review().await),
            [vec![(Back, "two\n", "TWO\nand much more\n"), (Back, "five\n", "FIVE\n")]]
        );
        let again = desk.revert_turn("t1").await;
        assert_eq!(again, Reverted::default());
    });
}

#[test]
fn what_the_person_changed_is_refused_and_the_rest_taken_back() {
    let (editor, location, mut desk) = at_a_buffer("one\ntwo\nthree\nfour\nfive\n");
    run(async {
        desk.edit(&location, "two", "TWO").await;
        desk.edit(&location, "five", "FIVE").await;
        editor.types(typing(7, 0, "!"));
        assert_eq!(editor.text(), "one\nTWO!\nthree\nfour\nFIVE\n");
        let reviewed = desk.review().await;
        assert_eq!(states(&reviewed), [vec![(Kept, "five\n", "FIVE\n"), (ChangedSince, "two\n", "TWO\n")]]);
        let done = desk.revert_turn("t1").await;
        assert_eq!(editor.text(), "one\nTWO!\nthree\nfour\nfive\n");
        let [refusal] = &done.refused[..] else { panic!("{done:?}") };
        assert_eq!(refusal.hunk.as_ref(), Some(&reviewed[0].hunks[1].id));
        assert!(refusal.reason.contains("has been changed since"), "{refusal:?}");
        // Once the person takes theirs back, it can be.
        editor.types(typing(7, 1, ""));
        assert_eq!(desk.revert_turn("t1").await.reverted.len(), 1);
        assert_eq!(editor.text(), "one\ntwo\nthree\nfour\nfive\n");
    });
}

#[test]
fn an_undo_in_the_editor_counts_and_so_does_a_redo() {
    let (editor, location, mut desk) = at_a_buffer("one\ntwo\nthree\n");
    run(async {
        desk.edit(&location, "two\n", "").await;
        assert_eq!(states(&desk.review().await), [vec![(Kept, "two\n", "")]]);
        editor.types(typing(4, 0, "two\n"));
        assert_eq!(states(&desk.review().await), [vec![(Back, "two\n", "")]]);
        assert_eq!(desk.revert_turn("t1").await, Reverted::default(), "nothing is brought twice");
        editor.types(typing(4, 4, ""));
        assert_eq!(states(&desk.review().await), [vec![(Kept, "two\n", "")]]);
        desk.revert_turn("t1").await;
        assert_eq!(editor.text(), "one\ntwo\nthree\n");
    });
}

#[test]
fn single_hunks_are_taken_back_and_names_go_stale() {
    let (editor, location, mut desk) = at_a_buffer("one\ntwo\nthree\n");
    run(async {
        desk.edit(&location, "one", "ONE").await;
        let stale = desk.review().await[0].hunks[0].id.clone();
        desk.edit(&location, "three", "THREE").await;
        let [first, last] = &desk.review().await[0].hunks[..] else { panic!("two hunks") };
        let only = |id: &str| Selection { hunks: Some(vec![id.to_owned()]), ..Selection::default() };
        let done = desk.revert(only(&last.id)).await;
        assert_eq!(done.reverted[0].hunks, std::slice::from_ref(&last.id));
        assert_eq!(editor.text(), "ONE\ntwo\nthree\n");
        assert!(desk.revert(only(&last.id)).await.refused[0].reason.contains("already"));
        assert!(desk.revert(only(&stale)).await.refused[0].reason.contains("no such hunk"));
        // What comes next leaves out what was taken back.
        desk.edit(&location, "two", "TWO").await;
        let reviewed = desk.review().await;
        let expect = vec![(Kept, "one\ntwo\n", "ONE\nTWO\n"), (Back, "three\n", "THREE\n")];
        assert_eq!(states(&reviewed), [expect]);
        assert_ne!(reviewed[0].hunks[0].id, first.id);
    });
}

#[test]
fn a_later_turn_goes_first() {
    let (editor, location, mut desk) = at_a_buffer("one\ntwo\nthree\n");
    run(async {
        desk.edit(&location, "two", "TWO").await;
        desk.ledger.begin_turn("t2");
        desk.edit(&location, "TWO", "TWO and a half").await;
        assert_eq!(
            states(&desk.review().await),
            [vec![(ChangedSince, "two\n", "TWO\n")], vec![(Kept, "TWO\n", "TWO and a half\n")]]
        );
        assert_eq!(desk.revert_turn("t1").await.refused.len(), 1);
        let texts =
            desk.ledger.texts(&desk.workspace, "t2", std::slice::from_ref(&location.path)).await.unwrap().unwrap();
        assert_eq!((&*texts.before, &*texts.after), ("one\nTWO\nthree\n", "one\nTWO and a half\nthree\n"));
        // Both at once, by file: the later one first, in one step.
        let made = editor.desk().made.len();
        let file = Selection { paths: Some(vec![location.path.clone()]), ..Selection::default() };
        let done = desk.revert(file).await;
        assert_eq!((done.reverted.len(), done.refused.len()), (2, 0), "{done:?}");
        assert_eq!((editor.text().as_str(), editor.desk().made.len()), ("one\ntwo\nthree\n", made + 1));
    });
}

#[test]
fn files_that_were_made_moved_and_deleted_are_as_they_were() {
    let (_folder, path) = folder();
    let bins = Bins { trash: false, kept_in: Some(path.join("bin")) };
    let project = path.join("project");
    std::fs::create_dir(&project).unwrap();
    std::fs::write(project.join("old"), "old\n").unwrap();
    std::fs::write(project.join("gone"), "gone\n").unwrap();
    let workspace = Workspace::with_limits(vec![project.clone()], limits(LONG));
    let mut desk = Desk::new(workspace.clone());
    let read = |name: &str| std::fs::read_to_string(project.join(name)).ok();
    run(async {
        let at = |name: &str| workspace.resolve(name).unwrap();
        desk.write(&at("new"), "brand new\n").await;
        workspace.relocate(&at("old"), &at("deep/moved")).await.unwrap();
        desk.call().note_move(&at("old"), &at("deep/moved")).await;
        desk.edit(&at("deep/moved"), "old", "edited").await;
        let holdings = workspace.holdings(&at("gone")).await.unwrap();
        let discarded = workspace.discard(&at("gone"), &holdings, &bins).await.unwrap();
        desk.call().note_delete(&at("gone"), &discarded).await;

        let kinds =
            |reviewed: &[Reviewed]| reviewed.iter().map(|change| (change.kind, change.state)).collect::<Vec<_>>();
        let of = |state| {
            [ChangeKind::Create, ChangeKind::Move, ChangeKind::Edit, ChangeKind::Delete].map(|kind| (kind, state))
        };
        assert_eq!(kinds(&desk.review().await), of(Kept));
        let texts = desk.ledger.texts(&workspace, "t1", &[at("gone").path]).await.unwrap().unwrap();
        assert_eq!((&*texts.before, &*texts.after), ("gone\n", ""));

        let selection = Selection { turn_id: Some("t1".to_owned()), ..Selection::default() };
        let done = desk.ledger.revert(&workspace, &bins, &selection).await;
        assert_eq!((done.reverted.len(), done.refused.len()), (4, 0), "{done:?}");
        assert_eq!((read("new"), read("old"), read("gone")), (None, Some("old\n".into()), Some("gone\n".into())));
        assert!(!project.join("deep/moved").exists());
        assert_eq!(kinds(&desk.review().await), of(Back));
        // A restart makes the same of what was told.
        let again = Ledger::restored(lock(&desk.told).clone());
        assert_eq!(again.review(&workspace, None).await, desk.review().await);
    });
}

#[test]
fn what_was_made_and_has_someone_elses_text_stays() {
    let (_folder, path) = folder();
    let workspace = Workspace::with_limits(vec![path.clone()], limits(LONG));
    let mut desk = Desk::new(workspace.clone());
    run(async {
        desk.write(&workspace.resolve("new").unwrap(), "mine\n").await;
        std::fs::write(path.join("new"), "mine\nyours\n").unwrap();
        let done = desk.revert_turn("t1").await;
        assert_eq!(done.refused, []);
        assert_eq!(std::fs::read_to_string(path.join("new")).unwrap(), "yours\n");

        desk.write(&workspace.resolve("other").unwrap(), "mine\n").await;
        std::fs::write(path.join("other"), "mine, not\n").unwrap();
        let done = desk.revert_turn("t1").await;
        assert_eq!((done.reverted.len(), done.refused.len()), (0, 1), "{done:?}");
        assert_eq!(std::fs::read_to_string(path.join("other")).unwrap(), "mine, not\n");

        std::fs::remove_file(path.join("other")).unwrap();
        assert!(desk.revert_turn("t1").await.refused[0].reason.contains("does not exist"));
    });
}

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    Type(Typing),
    /// The model replaces so many characters from a part of the text on.
    Edit {
        at: f64,
        length: usize,
        new: &'static str,
    },
    NextTurn,
    /// The person takes back a turn, or everything.
    Revert {
        turn: Option<u32>,
    },
    /// The first hunk that stands.
    RevertOne,
}

fn step() -> impl Strategy<Value = Step> {
    let typed = prop::sample::select(vec!["", "P", "P\n", "\nP", "\r\n", "a"]);
    let new = prop::sample::select(vec!["", "M", "a", "M\n", "\nM\n", "aM\r\nb", "\n"]);
    prop_oneof![
        4 => (0..60usize, 0..4usize, typed).prop_map(|(at, delete, text)| Step::Type(typing(at, delete, text))),
        4 => (0.0..1.0, 0..6usize, new).prop_map(|(at, length, new)| Step::Edit { at, length, new }),
        1 => Just(Step::NextTurn),
        2 => prop::option::of(1..4u32).prop_map(|turn| Step::Revert { turn }),
        1 => Just(Step::RevertOne),
    ]
}

async fn ride(text: &str, steps: Vec<Step>) {
    let (editor, location, mut desk) = at_a_buffer(text);
    let mut turn = 1;
    // What the person types between two edits has a private character of its own, which nobody else writes.
    let mut edits = 0u32;
    let mark = |edits: u32| char::from_u32(0xF0000 + edits).unwrap();
    for step in steps {
        let selection = match step {
            Step::Type(Typing { at, delete, text }) => {
                editor.types(typing(at, delete, &text.replace('P', &mark(edits).to_string())));
                continue;
            }
            Step::Edit { at, length, new } => {
                let base = desk.workspace.read(&location).await.unwrap();
                let count = base.text.len_chars();
                let start = (at * count as f64) as usize;
                let edit = TextEdit { range: start..(start + length).min(count), text: new.to_owned() };
                let plan = desk.workspace.plan(&location, &base, vec![edit]).await.unwrap();
                let applied = desk.workspace.apply(plan, None).await.unwrap();
                desk.call().note_edit(&location, &applied).await;
                edits += 1;
                continue;
            }
            Step::NextTurn => {
                turn += 1;
                desk.ledger.begin_turn(&format!("t{turn}"));
                continue;
            }
            Step::Revert { turn } => Selection { turn_id: turn.map(|turn| format!("t{turn}")), ..Selection::default() },
            Step::RevertOne => {
                let reviewed = desk.review().await;
                let standing = reviewed.iter().flat_map(|change| &change.hunks).find(|hunk| hunk.state == Kept);
                let Some(hunk) = standing else { continue };
                Selection { hunks: Some(vec![hunk.id.clone()]), ..Selection::default() }
            }
        };
        let before = editor.text();
        let done = desk.revert(selection).await;
        let after = editor.text();
        // What was typed before is part of what the edits may have moved from one hunk to another.
        let typed = mark(edits);
        let count = |text: &str| text.matches(typed).count();
        assert_eq!(count(&after), count(&before), "{before:?} became {after:?}\n{done:?}");
        // Taking back what one turn made and another took away comes to nothing.
        let hunks: usize = done.reverted.iter().map(|undone| undone.hunks.len()).sum();
        assert!(before == after || hunks > 0, "{before:?} became {after:?}\n{done:?}");
        assert!(before != after || hunks != 1, "{before:?} stayed\n{done:?}");
    }
    let again = Ledger::restored(lock(&desk.told).clone());
    assert_eq!(again.review(&desk.workspace, None).await, desk.review().await, "after a restart");
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2000, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn a_revert_never_destroys_what_the_person_typed_since(
        text in text(),
        steps in prop::collection::vec(step(), 1..25),
    ) {
        run(ride(&text, steps));
    }

    #[test]
    fn a_turn_nobody_disturbed_is_taken_back_to_the_letter(
        text in text(),
        edits in prop::collection::vec((0.0..1.0, 0..6usize, prop::sample::select(vec!["", "M", "a\n", "\nM"])), 1..12),
    ) {
        run(async {
            let (editor, location, mut desk) = at_a_buffer(&text);
            for (at, length, new) in edits {
                let base = desk.workspace.read(&location).await.unwrap();
                let count = base.text.len_chars();
                let start = (at * count as f64) as usize;
                let edit = TextEdit { range: start..(start + length).min(count), text: new.to_owned() };
                let plan = desk.workspace.plan(&location, &base, vec![edit]).await.unwrap();
                let applied = desk.workspace.apply(plan, None).await.unwrap();
                desk.call().note_edit(&location, &applied).await;
            }
            let done = desk.revert_turn("t1").await;
            assert_eq!(done.refused, []);
            assert_eq!(editor.text(), text);
        });
    }
}
