//! A person and a model at the same text, in every order that chance finds.

use proptest::prelude::*;

use super::{diffs::text, editor::*, *};

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    Type(Typing),
    /// What was gathered is reported.
    Flush,
    /// The model reads, and plans an edit: at a part of the text from 0 to 1, so many characters.
    Plan {
        at: f64,
        length: usize,
        new: &'static str,
    },
    /// It plans to write the whole text with its characters from `keep` on in place of the first so many.
    Write {
        keep: usize,
        new: &'static str,
    },
    Apply {
        which: usize,
        manner: Manner,
    },
    Drop {
        which: usize,
    },
    Reopen,
}

fn some_typing() -> impl Strategy<Value = Typing> {
    // Private characters of two units: nobody else writes them.
    let new = prop::sample::select(vec!["", "\u{F0000}", "\u{F0001}\n", "\r\u{F0002}", "\r\n", "a", "\u{301}"]);
    (0..60usize, 0..4usize, new).prop_map(|(at, delete, text)| typing(at, delete, text))
}

fn new_text() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "M", "a", "M\n", "\nM\n", "🏍", "\u{301}", "aM\r\nb"])
}

fn step(manner: impl Strategy<Value = Manner> + 'static) -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => some_typing().prop_map(Step::Type),
        1 => Just(Step::Flush),
        3 => (0.0..1.0, 0..5usize, new_text()).prop_map(|(at, length, new)| Step::Plan { at, length, new }),
        1 => (0..9usize, new_text()).prop_map(|(keep, new)| Step::Write { keep, new }),
        3 => (0..4usize, manner).prop_map(|(which, manner)| Step::Apply { which, manner }),
        1 => (0..4usize).prop_map(|which| Step::Drop { which }),
        1 => Just(Step::Reopen),
    ]
}

fn well_behaved() -> impl Strategy<Value = Manner> {
    prop_oneof![
        Just(Manner::Obey),
        Just(Manner::ReportLate),
        Just(Manner::Piecemeal),
        some_typing().prop_map(Manner::TypeFirst),
    ]
}

fn any_manner() -> impl Strategy<Value = Manner> {
    prop_oneof![
        4 => well_behaved(),
        4 => some_typing().prop_map(Manner::TypeAfter),
        1 => some_typing().prop_map(Manner::StaleYes),
        1 => prop::sample::select(vec![
            Manner::Refuse,
            Manner::Lie,
            Manner::Fail,
            Manner::Silent { apply: false },
            Manner::Silent { apply: true },
            Manner::LineEnds("\r\n"),
            Manner::DenyDoing,
        ]),
    ]
}

fn encoding() -> impl Strategy<Value = PositionEncoding> {
    prop::sample::select(vec![PositionEncoding::Utf8, PositionEncoding::Utf16, PositionEncoding::Utf32])
}

fn reports() -> impl Strategy<Value = Reports> {
    prop::sample::select(vec![Reports::Each, Reports::Gathered, Reports::Whole])
}

/// A plan, the text it is based on, and which characters it replaces if that is one run.
struct Waiting {
    plan: Plan,
    base: String,
    run: Option<Vec<u64>>,
}

struct Ride {
    workspace: Arc<Workspace>,
    editor: Arc<Editor>,
    location: Location,
    waiting: Vec<Waiting>,
    /// Whether each change is known as it was made, so that the outcome of an edit is, too.
    exact: bool,
}

impl Ride {
    fn new(text: &str, encoding: PositionEncoding, reports: Reports, limits: Limits, exact: bool) -> Self {
        let workspace = Workspace::with_limits(Vec::new(), limits);
        let editor = Editor::open_with(&workspace, "untitled:1", text, encoding, reports);
        let location = workspace.resolve("untitled:1").unwrap();
        Self { workspace, editor, location, waiting: Vec::new(), exact }
    }

    async fn go(&mut self, steps: Vec<Step>) {
        for step in steps {
            self.step(step).await;
        }
        self.editor.flush();
        assert_eq!(self.workspace.buffers()[0].text, self.editor.text());
        self.waiting.clear();
        assert!(lock(&self.workspace.state).pending.is_empty());
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Type(typing) => self.editor.types(typing),
            Step::Flush => self.editor.flush(),
            Step::Plan { at, length, new } => {
                self.editor.flush();
                let base = self.workspace.read(&self.location).await.unwrap();
                let count = base.text.len_chars();
                let start = (at * count as f64) as usize;
                let range = start..(start + length).min(count);
                let run = self.editor.desk().characters[range.clone()].to_vec();
                let edit = TextEdit { range, text: new.to_owned() };
                let plan = self.workspace.plan(&self.location, &base, vec![edit]).await.unwrap();
                let changes = !plan.pieces.is_empty();
                let run = (changes && !run.is_empty()).then_some(run);
                self.waiting.push(Waiting { plan, base: base.text.to_string(), run });
            }
            Step::Write { keep, new } => {
                self.editor.flush();
                let base = self.workspace.read(&self.location).await.unwrap();
                let kept: String = base.text.chars().skip(keep).collect();
                let new = format!("{new}{kept}");
                let plan = self.workspace.plan_write(&self.location, Some(&base), &new).await.unwrap();
                self.waiting.push(Waiting { plan, base: base.text.to_string(), run: None });
            }
            Step::Apply { which, manner } if which < self.waiting.len() => self.apply(which, manner).await,
            Step::Drop { which } if which < self.waiting.len() => _ = self.waiting.remove(which),
            Step::Apply { .. } | Step::Drop { .. } => {}
            Step::Reopen => {
                self.editor.flush();
                let (text, version) = {
                    let desk = self.editor.desk();
                    (desk.text.clone(), desk.version)
                };
                self.editor.close();
                self.workspace.open(self.editor.id(), &self.editor.uri, "text", version, &text);
            }
        }
    }

    async fn apply(&mut self, which: usize, manner: Manner) {
        let Waiting { plan, base, run } = self.waiting.remove(which);
        let made = self.editor.desk().made.len();
        self.editor.will([manner.clone()]);
        let result = self.workspace.apply(plan, None).await;
        self.editor.desk().forget_manners();
        tokio::task::yield_now().await;
        self.editor.flush();

        let desk = self.editor.desk();
        for (before, after) in &desk.made[made..] {
            for typed in ['\u{F0000}', '\u{F0001}', '\u{F0002}'] {
                let count = |text: &str| text.matches(typed).count();
                let lost = count(before).saturating_sub(count(after));
                assert!(lost <= count(&base), "{typed:?} was lost: {before:?} became {after:?}");
            }
        }
        match &result {
            Err(EditError::Conflict { fresh, .. }) => {
                // An editor that denies what it did is the one case in which something was made.
                assert!(manner == Manner::DenyDoing || desk.made.len() == made, "{manner:?}: made, and a conflict");
                assert!(!self.exact || fresh.text == desk.text);
            }
            Err(_) => assert!(!self.exact, "{manner:?}: {result:?}"),
            Ok(applied) => {
                assert!(desk.made.len() <= made + 1, "made twice");
                // Of what is gathered the last may not have been reported then.
                assert!(!self.exact || applied.snapshot.text == desk.text);
            }
        }
        if self.exact
            && let Some(run) = run
        {
            let whole = |characters: &[u64]| characters.windows(run.len()).any(|window| window == run);
            match result {
                // The person may have taken away the same just before: it must not be done twice.
                Ok(_) if desk.made.len() == made => {
                    assert!(matches!(&manner, Manner::TypeFirst(typing) if typing.delete > 0), "{manner:?}: not made");
                }
                // Whoever was replaced is gone; who is still there was not.
                Ok(_) => assert_eq!(desk.made.len(), made + 1),
                Err(_) => assert!(!whole(&desk.characters), "a conflict where nothing was typed"),
            }
        }
    }
}

/// Of as many cases as are worth the time.
fn cases(count: u32) -> ProptestConfig {
    ProptestConfig { max_shrink_iters: 2000, ..ProptestConfig::with_cases(count) }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn no_typed_character_is_lost_and_edits_land_where_they_were_meant(
        text in text(),
        encoding in encoding(),
        steps in prop::collection::vec(step(well_behaved()), 1..25),
    ) {
        run(Ride::new(&text, encoding, Reports::Each, limits(LONG), true).go(steps));
    }

    #[test]
    fn however_changes_are_reported(
        text in text(),
        encoding in encoding(),
        reports in reports(),
        steps in prop::collection::vec(step(well_behaved()), 1..25),
    ) {
        // Several edits at once of what was gathered may be more than can be told apart.
        let limits = limits(Duration::from_millis(5));
        run(Ride::new(&text, encoding, reports, limits, false).go(steps));
    }
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn whatever_the_editor_does(
        text in text(),
        encoding in encoding(),
        reports in reports(),
        steps in prop::collection::vec(step(any_manner()), 1..20),
    ) {
        let limits = limits(Duration::from_millis(2));
        run(Ride::new(&text, encoding, reports, limits, false).go(steps));
    }
}

#[test]
fn a_person_who_types_all_the_time_loses_nothing() {
    const LINES: usize = 40;
    let text: String = (0..LINES).map(|line| format!("line {line}.\n")).collect();
    let workspace = Workspace::with_limits(Vec::new(), limits(LONG));
    let editor = Editor::open_with(&workspace, "untitled:1", &text, PositionEncoding::Utf16, Reports::Each);
    let location = workspace.resolve("untitled:1").unwrap();
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let person = std::thread::spawn({
        let (editor, done) = (editor.clone(), done.clone());
        move || {
            let mut typed = 0;
            // An end of its own: on a slow machine the text would grow faster than it is edited.
            while typed < 100 || (typed < 3_000 && !done.load(std::sync::atomic::Ordering::Relaxed)) {
                editor.types(typing(typed % 7 * 50, 0, "\u{F0000}"));
                typed += 1;
                std::thread::yield_now();
            }
            typed
        }
    });
    let mut applied = 0;
    run(async {
        for line in 0..LINES {
            let base = workspace.read(&location).await.unwrap();
            let Some(at) = base.text.to_string().find(&format!("line {line}.")) else { continue };
            let start = base.text.byte_to_char(at);
            let edit = TextEdit { range: start..start + 4, text: "✎".to_owned() };
            let planned = workspace.plan(&location, &base, vec![edit]).await;
            match planned {
                Ok(plan) => match workspace.apply(plan, None).await {
                    Ok(_) => applied += 1,
                    Err(EditError::Conflict { .. } | EditError::Restless(_)) => {}
                    Err(error) => panic!("{error:?}"),
                },
                Err(EditError::Conflict { .. }) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    });
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    let typed = person.join().unwrap();
    let result = editor.text();
    assert_eq!(workspace.buffers()[0].text, result);
    assert_eq!(result.matches('\u{F0000}').count(), typed);
    assert_eq!(result.matches('✎').count(), applied);
}
