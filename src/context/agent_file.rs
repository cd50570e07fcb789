//! Sub-agents with a name, kept in Markdown files.

use std::{collections::HashSet, path::Path};

use super::{
    command::Listed,
    front,
    place::{Owner, Places, entries, read},
};
use crate::workspace::Workspace;

/// A sub-agent as its file describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentFile {
    pub name: String,
    /// What it is for; the model that chooses reads this.
    pub description: String,
    /// The file's text: what the sub-agent is told beside its task.
    pub instructions: String,
    /// `provider/model`; the parent's without.
    pub model: Option<String>,
    /// Of the parent's tools, only these.
    pub tools: Option<Vec<String>>,
    /// The most model calls, where that is less than the parent's.
    pub turn_limit: Option<u32>,
}

/// The sub-agents in `agents/*.md` of the user's folder, and in `.pillion/agents/*.md` of each root, sorted by where they
/// come from and by name.
///
/// The front matter has a `description` and may have a `name` (the file's without), `model`, `tools` and `turn_limit`. A
/// project's file can take tools and model calls away and nothing else: which model is asked, and so who reads along and
/// what it costs, is the user's to say.
pub async fn agent_files(places: &Places, workspace: &Workspace) -> Listed<AgentFile> {
    let user = places.of_user(workspace).map(|(user, owner)| (user.join("agents"), owner));
    let roots = workspace.resolved_roots();
    let project = roots.iter().map(|root| (root.join(".pillion").join("agents"), Owner::Project));
    let mut listed = Listed::default();
    let mut names = HashSet::new();
    for (folder, owner) in user.into_iter().chain(project) {
        let paths = match entries(workspace, &folder, owner).await {
            Ok(paths) => paths,
            Err(warning) => {
                listed.warnings.push(warning);
                continue;
            }
        };
        for path in paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
            match agent_in(&path, owner, workspace).await {
                Ok(None) => {}
                Ok(Some(agent)) if names.insert(agent.name.clone()) => listed.items.push(agent),
                Ok(Some(agent)) => listed.warnings.push(format!(
                    "The agent in {} is not used: another one is named {:?} too.",
                    path.display(),
                    agent.name
                )),
                Err(warning) => listed.warnings.push(warning),
            }
        }
    }
    listed
}

async fn agent_in(path: &Path, owner: Owner, workspace: &Workspace) -> Result<Option<AgentFile>, String> {
    let Some(found) = read(workspace, path, owner).await? else { return Ok(None) };
    let wrong = |what: &str| format!("The agent in {} is not used: {what}.", path.display());
    let page = front::parse(&found.text).map_err(|error| wrong(&error))?;
    let field = |name: &str| page.fields.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let name = field("name").unwrap_or(stem);
    let is_fine = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
    if name.is_empty() || name.len() > 64 || !name.chars().all(is_fine) {
        return Err(wrong(&format!("{name:?} is no name: use up to 64 letters, digits, `-`, `_` and `.`")));
    }
    let Some(description) = field("description") else {
        return Err(wrong("its front matter has no `description`, by which the model would know when to use it"));
    };
    let model = field("model").map(str::to_owned);
    if model.is_some() && owner == Owner::Project {
        return Err(wrong("it names a `model`, and a project's file may not say which one is asked"));
    }
    let tools = page.fields.get("tools").map(|tools| {
        let words = tools.split(|char: char| char.is_whitespace() || ",[]\"'".contains(char));
        words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
    });
    let turn_limit = field("turn_limit").map(|limit| match limit.parse() {
        Ok(limit) if limit > 0 => Ok(limit),
        _ => Err(wrong(&format!("its `turn_limit` is {limit}, which is no number from 1"))),
    });
    Ok(Some(AgentFile {
        name: name.to_owned(),
        description: description.split_whitespace().collect::<Vec<_>>().join(" "),
        instructions: page.body.trim().to_owned(),
        model,
        tools,
        turn_limit: turn_limit.transpose()?,
    }))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests make files")]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn agents_are_read_from_the_users_folder_and_the_projects() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (user, project) = (root.join("user"), root.join("project"));
        let write = |path: &Path, name: &str, text: &str| {
            fs::create_dir_all(path).unwrap();
            fs::write(path.join(name), text).unwrap();
        };
        let (mine, theirs) = (user.join("agents"), project.join(".pillion/agents"));
        write(&mine, "a.md", "---\nname: reviewer\ndescription: Looks\n  for bugs.\nmodel: x/y\n---\nBe strict.\n");
        write(&mine, "notes.txt", "no agent");
        write(&theirs, "looker.md", "---\ndescription: d\ntools: [read, grep]\nturn_limit: 5\n---\n");
        write(&theirs, "b.md", "---\nname: reviewer\ndescription: takes the user's place\n---\n");
        write(&theirs, "c.md", "---\ndescription: d\nmodel: costly/one\n---\n");
        write(&theirs, "d.md", "Nothing in front.");
        write(&theirs, "e.md", "---\ndescription: d\nturn_limit: 0\n---\n");
        write(&theirs, "none.md", "---\ndescription: d\ntools:\n---\n");

        let places = Places { user: Some(user), ..Places::default() };
        let Listed { items, warnings } = agent_files(&places, &Workspace::new(vec![project])).await;
        let reviewer = AgentFile {
            name: "reviewer".into(),
            description: "Looks for bugs.".into(),
            instructions: "Be strict.".into(),
            model: Some("x/y".into()),
            tools: None,
            turn_limit: None,
        };
        assert_eq!(items[0], reviewer);
        let looker = (items[1].name.as_str(), items[1].tools.as_deref(), items[1].turn_limit);
        assert_eq!(looker, ("looker", Some(&["read".to_owned(), "grep".to_owned()][..]), Some(5)));
        assert_eq!(items[2].tools, Some(vec![]), "an empty list is no tools, not all of them");
        for (warning, expected) in warnings.iter().zip(["another one", "`model`", "no `description`", "no number"]) {
            assert!(warning.contains(expected), "{warning}");
        }
        assert_eq!((items.len(), warnings.len()), (3, 4), "{warnings:?}");
    }
}
