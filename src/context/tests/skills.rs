//! Skills, as they are listed and read.

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::tool::{Budget, Context, Desk, Output, Prepared, Progress, ToolError};

const SKILL: &str = "---\nname: brew\ndescription: Makes tea.\n---\nBoil the water.\n";

async fn call(home: &Home, input: Value) -> Result<Output, ToolError> {
    let context = Context {
        workspace: home.workspace.clone(),
        seen: Arc::default(),
        cancel: CancellationToken::new(),
        progress: Progress::none(),
        ledger: crate::workspace::Ledger::default(),
        outputs: Arc::default(),
        tasks: Arc::default(),
        call_id: "c".into(),
        hunks: None,
        prepared: Prepared::default(),
        budget: Budget::default(),
        terminals: None,
        desk: Desk::unattended(),
    };
    let tool = skill_tool(home.places.clone());
    let proposal = tool.propose(&input, &context).await?;
    assert!(!proposal.outside && proposal.class == crate::tool::Class::Read, "it asks for nothing");
    tool.run(input, &context).await
}

async fn read(home: &Home, input: Value) -> String {
    match call(home, input).await {
        Ok(output) => output
            .content
            .iter()
            .map(|part| match part {
                crate::transcript::ResultContent::Text { text } => text.as_str(),
                crate::transcript::ResultContent::Image(_) => "",
            })
            .collect(),
        Err(ToolError(message)) => message,
    }
}

#[tokio::test]
async fn skills_of_the_user_and_of_the_roots_are_listed_and_read() {
    let home = Home::new(&[
        ("user/skills/brew/SKILL.md", SKILL),
        ("root/.pillion/skills/fold/SKILL.md", "---\ndescription: Folds\n  paper.\n---\nFold it."),
        ("root/.agents/skills/deep/SKILL.md", "---\ndescription: Dives.\n---\nDive."),
        ("root/.claude/skills/other/SKILL.md", SKILL),
        ("user/skills/brew/scripts/run.sh", "echo"),
        ("user/skills/notes.txt", "no skill"),
    ]);
    let (system, news) = Told::default().opening(&home.places, &home.workspace, true).await;
    let list = "- brew: Makes tea.\n- fold: Folds paper.\n- deep: Dives.\n</skills>";
    assert!(system.as_ref().unwrap().ends_with(list), "{system:?}");
    assert_eq!(news.warnings, Vec::<String>::new());
    assert_eq!(
        Told::default().opening(&home.places, &home.workspace, false).await.0,
        None,
        "without the tool, no list"
    );

    let text = read(&home, json!({"name": "brew"})).await;
    assert!(text.starts_with("Boil the water.\n\n[the skill's folder: "), "{text}");
    assert!(text.contains("its files: scripts/run.sh; it is outside the roots"), "{text}");
    assert_eq!(
        read(&home, json!({"name": "brew", "file": "scripts/run.sh"})).await,
        "     1\techo\n[no line end at the end]"
    );
    let text = read(&home, json!({"name": "brwe"})).await;
    assert_eq!(text, "there is no skill \"brwe\". There are brew, fold, deep.");
}

#[tokio::test]
async fn a_bad_skill_is_a_warning_and_the_others_stand() {
    let home = Home::new(&[
        ("user/skills/brew/SKILL.md", SKILL),
        ("root/.pillion/skills/again/SKILL.md", SKILL),
        ("root/.pillion/skills/bare/SKILL.md", "Just text."),
        ("root/.pillion/skills/open/SKILL.md", "---\nname: open\n"),
        ("root/.pillion/skills/odd/SKILL.md", "---\nname: a/b\ndescription: x\n---\n"),
    ]);
    let (system, news) = Told::default().opening(&home.places, &home.workspace, true).await;
    assert!(system.unwrap().contains("- brew: Makes tea.\n</skills>"));
    let expect = ["another one is named \"brew\"", "no `description`", "\"a/b\" is no name", "never ends"];
    assert_eq!(news.warnings.len(), expect.len(), "{:?}", news.warnings);
    for (warning, expected) in news.warnings.iter().zip(expect) {
        assert!(warning.contains(expected), "{warning}");
    }
}

#[tokio::test]
async fn a_skill_gives_nothing_from_outside_its_folder() {
    let home = Home::new(&[("user/skills/brew/SKILL.md", SKILL), ("user/config.toml", "key"), ("root/x.rs", "x")]);
    let outside = home.path("root/x.rs").display().to_string();
    for file in ["../../config.toml", "/etc/passwd", outside.as_str()] {
        let text = read(&home, json!({"name": "brew", "file": file})).await;
        assert!(text.ends_with("is not in the folder of the skill brew"), "{file}: {text}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_projects_skill_is_not_a_way_out_of_the_roots() {
    let home =
        Home::new(&[("elsewhere/evil/SKILL.md", SKILL), ("root/.pillion/skills/x/SKILL.md", SKILL), ("key", "secret")]);
    std::os::unix::fs::symlink(home.path("elsewhere/evil"), home.path("root/.pillion/skills/evil")).unwrap();
    std::os::unix::fs::symlink(home.path("key"), home.path("root/.pillion/skills/x/key")).unwrap();
    let (_, news) = Told::default().opening(&home.places, &home.workspace, true).await;
    assert!(news.warnings.len() == 1 && news.warnings[0].contains("out of the project"), "{:?}", news.warnings);
    let text = read(&home, json!({"name": "brew", "file": "key"})).await;
    assert!(text.contains("out of the project"), "{text}");
}

#[tokio::test]
async fn a_skill_that_comes_later_is_a_note() {
    let home = Home::new(&[("user/skills/brew/SKILL.md", SKILL)]);
    let conversation = Told::default();
    conversation.opening(&home.places, &home.workspace, true).await;
    home.write("root/.pillion/skills/fold/SKILL.md", "---\ndescription: Folds.\n---\n");
    let begin = async |messages: &[Message]| {
        let beginning = Some(Beginning { with_skills: true });
        conversation.news(&home.places, &home.workspace, messages, &BTreeSet::new(), beginning).await
    };
    let news = begin(&[]).await;
    let messages: Vec<Message> = news.message.into_iter().collect();
    assert!(messages[0].text().contains("- brew: Makes tea.\n- fold: Folds."));
    assert_eq!(begin(&messages).await, News::default());
}
