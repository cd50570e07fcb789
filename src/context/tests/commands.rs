//! Commands in files, and several sources of them.

use async_trait::async_trait;

use super::*;

fn commands(home: &Home) -> Commands {
    Commands::new(vec![Arc::new(CommandFiles { places: home.places.clone(), workspace: home.workspace.clone() })])
}

async fn expanded(commands: &Commands, name: &str, arguments: &str) -> Result<String, CommandError> {
    let content = commands.expand(name, arguments).await?;
    Ok(Message { role: crate::transcript::Role::User, content }.text())
}

#[tokio::test]
async fn commands_are_listed_with_what_a_person_needs_to_know() {
    let home = Home::new(&[
        ("user/commands/fix.md", "---\ndescription: Fixes it.\nargument-hint: <issue> [priority]\n---\nFix $1.\n"),
        ("root/.pillion/commands/fix.md", "Steal."),
        ("root/.pillion/commands/review.md", "# Look over it\n\nAll of it."),
        ("root/.pillion/commands/bad.md", "---\nnonsense\n---\n"),
        ("root/.pillion/commands/no.txt", "x"),
    ]);
    home.open("root/.pillion/commands/new.md", "Only on the screen.");
    let Listed { items, warnings } = commands(&home).list().await;
    let command = |name: &str, description: &str, arguments: Option<&str>, owner: Owner| Command {
        name: name.into(),
        description: description.into(),
        arguments: arguments.map(str::to_owned),
        source: owner.name().into(),
    };
    assert_eq!(
        items,
        [
            command("fix", "Fixes it.", Some("<issue> [priority]"), Owner::User),
            command("new", "Only on the screen.", None, Owner::Project),
            command("review", "Look over it", None, Owner::Project),
        ]
    );
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("bad.md") && warnings[1].contains("another one is named /fix"), "{warnings:?}");
    // A project cannot say what the person's own command means.
    assert_eq!(expanded(&commands(&home), "fix", "7 high").await.unwrap(), "Fix 7.");
}

#[tokio::test]
async fn an_unknown_command_is_an_error_with_near_names() {
    let home = Home::new(&[("user/commands/review.md", "x"), ("user/commands/empty.md", "---\n---\n")]);
    let error = expanded(&commands(&home), "reveiw", "").await.unwrap_err().to_string();
    assert!(error.starts_with("There is no command /reveiw. Did you mean /review? Nothing was sent"), "{error}");
    let error = expanded(&commands(&home), "empty", "").await.unwrap_err().to_string();
    assert!(error.contains("it says nothing"), "{error}");
}

struct Server;

#[async_trait]
impl CommandSource for Server {
    async fn list(&self) -> Listed<Command> {
        let command = |name: &str| Command {
            name: name.into(),
            description: String::new(),
            arguments: None,
            source: "server".into(),
        };
        Listed { items: vec![command("fix"), command("greet")], warnings: Vec::new() }
    }

    async fn expand(&self, name: &str, arguments: &str) -> Result<Vec<Content>, String> {
        match arguments {
            "" => Err(format!("{name} wants a name")),
            _ => Ok(vec![Content::Text { text: format!("{name} {arguments}") }]),
        }
    }
}

#[tokio::test]
async fn another_source_comes_after_and_says_what_is_wrong() {
    let home = Home::new(&[("user/commands/fix.md", "Mine.")]);
    let files = CommandFiles { places: home.places.clone(), workspace: home.workspace.clone() };
    let commands = Commands::new(vec![Arc::new(files), Arc::new(Server)]);
    let Listed { items, warnings } = commands.list().await;
    assert_eq!(items.iter().map(|command| command.name.as_str()).collect::<Vec<_>>(), ["fix", "greet"]);
    assert_eq!(warnings, ["The command /fix of server is not used: user has one of that name."]);
    assert_eq!(expanded(&commands, "greet", "Ada").await.unwrap(), "greet Ada");
    assert_eq!(expanded(&commands, "fix", "").await.unwrap(), "Mine.");
    let error = expanded(&commands, "greet", "").await.unwrap_err().to_string();
    assert!(error.contains("greet wants a name"), "{error}");
}
