#![allow(clippy::disallowed_methods)]
use std::{collections::HashMap, fs};

use serde_json::json;
use tempfile::TempDir;

use super::{rules::Files, *};
use crate::{
    provider::{
        Effort,
        cache::Retention,
        key::{Key, KeySource},
    },
    tool,
};

/// A user's file, a project with a file, an environment and an editor.
struct Ground {
    folder: TempDir,
    variables: HashMap<String, String>,
    editor: Option<Value>,
}

impl Ground {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("project/.pillion")).unwrap();
        let file = folder.path().join("config.toml").display().to_string();
        Self { folder, variables: HashMap::from([("PILLION_CONFIG".to_owned(), file)]), editor: None }
    }

    fn user(self, text: &str) -> Self {
        self.write("config.toml", text);
        self
    }

    fn project(self, text: &str) -> Self {
        self.write("project/.pillion/config.toml", text);
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    fn editor(mut self, settings: Value) -> Self {
        self.editor = Some(settings);
        self
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        #[cfg(unix)]
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }

    /// What is in force, and the warnings with the ground's folder taken out.
    fn load(&self) -> (Config, Vec<String>) {
        let roots = [self.folder.path().join("project")];
        let (config, warnings) =
            Config::load_with(&roots, &|name| self.variables.get(name).cloned(), self.editor.as_ref());
        let folder = format!("{}{}", self.folder.path().display(), std::path::MAIN_SEPARATOR);
        (config, warnings.iter().map(|warning| warning.to_string().replace(&folder, "").replace('\\', "/")).collect())
    }

    fn config(&self) -> Config {
        let (config, warnings) = self.load();
        assert_eq!(warnings, [""; 0]);
        config
    }

    /// What is wrong with the models and the ways to them.
    fn check_models(&self) -> Vec<String> {
        Providers::check(&self.config()).iter().map(ToString::to_string).collect()
    }

    fn providers(&self) -> Providers {
        Providers::new(&self.config())
    }
}

fn check_warnings(ground: &Ground, expect: &[&str]) {
    assert_eq!(ground.load().1, expect);
}

#[test]
fn nothing_set_means_the_defaults() {
    let config = Ground::new().config();
    assert_eq!((config.model, config.mode, config.turn_limit), (None, Mode::Ask, 50));
    assert_eq!((config.max_tokens, config.temperature, config.thinking), (None, None, None));
    assert_eq!(
        (config.cache, config.retry, config.limits),
        (Cache::default(), retry::Policy::default(), Limits::default())
    );
}

#[test]
fn each_layer_goes_over_the_one_before() {
    let ground = Ground::new().user(
        "model = 'a/user'\nmode = 'auto'\nturn_limit = 40\ncache = 'long'\nidle_timeout = 1.5\n[retry]\ntries = 2\n",
    );
    let config = ground.config();
    assert_eq!((config.model.as_deref(), config.mode, config.turn_limit), (Some("a/user"), Mode::Auto, 40));
    assert_eq!(
        (config.cache, config.limits.idle, config.retry.tries),
        (Cache::kept_for(Retention::Extended), Duration::from_millis(1500), 2)
    );

    let ground = ground.project("mode = 'ask'\nturn_limit = 30\n");
    let config = ground.config();
    assert_eq!((config.model.as_deref(), config.mode, config.turn_limit), (Some("a/user"), Mode::Ask, 30));

    let ground = ground.variable("PILLION_MODEL", "a/variable").variable("PILLION_MODE", "accept-edits");
    let config = ground.config();
    assert_eq!((config.model.as_deref(), config.mode), (Some("a/variable"), Mode::AcceptEdits));
    assert_eq!(Ground::new().user("mode = 'accept-edits'").config().mode, Mode::AcceptEdits);

    let ground =
        ground.editor(json!({"model": "a/editor", "turnLimit": 20, "maxTokens": null, "retry": {"firstWait": 1}}));
    let config = ground.config();
    assert_eq!((config.model.as_deref(), config.turn_limit, config.max_tokens), (Some("a/editor"), 20, None));
    assert_eq!((config.retry.base, config.retry.tries, config.mode), (Duration::from_secs(1), 2, Mode::AcceptEdits));
}

#[test]
fn a_mistake_costs_a_warning_that_says_where_and_nothing_else() {
    let ground = Ground::new()
        .user(
            "modle = 'a/b'\nturn_limit = 0\nmode = \"yolo\"\nmax_tokens = -1\ntemperature = 0.5\n\n\
             [providers.anthropic]\napi_key = 7\nkey = 'x'\n[providers]\nopenai = 'x'\n[zzz]\n",
        )
        .variable("PILLION_MODE", "anything")
        .editor(json!({"idleTimeout": -3, "retry": []}));
    check_warnings(
        &ground,
        &[
            "config.toml:1: There is no setting `modle`. Is `mode` or `model` meant?",
            "config.toml:2: `turn_limit` must be a whole number from 1. It is passed over.",
            "config.toml:3: `mode` must be \"ask\", \"acceptEdits\", \"plan\" or \"auto\". It is passed over.",
            "config.toml:4: `max_tokens` must be a whole number from 1. It is passed over.",
            "config.toml:8: `api_key` must be text. It is passed over.",
            "config.toml:9: There is no setting `key`. Is `api_key` meant?",
            "config.toml:11: `openai` must be a table. It is passed over.",
            "config.toml:12: There is no setting `zzz`. Known here are model, mode, turn_limit, max_tokens, \
             temperature, thinking_tokens, thinking_effort, fallback, proxy, ca_file, instruction_files, cache, \
             connect_timeout, idle_timeout, background_after, retry, compaction, providers, models, mcp, hooks, budgets, \
             web_fetch, log_level.",
            "PILLION_MODE: \"anything\" is no mode. Use ask, acceptEdits, plan or auto.",
            "the editor's settings: `idleTimeout` must be a number of seconds. It is passed over.",
            "the editor's settings: `retry` must be a table. It is passed over.",
        ],
    );
}

#[test]
fn what_people_write_for_the_model_lies_beside_the_users_file() {
    let ground = Ground::new();
    let names = |ground: &Ground| ground.load().0.places.names;
    assert_eq!(ground.config().places.user.as_deref(), Some(ground.folder.path()));
    assert_eq!(names(&ground), ["AGENTS.md"]);
    let ground = ground.user("instruction_files = ['AGENTS.md', 'CLAUDE.md']\n");
    assert_eq!(names(&ground), ["AGENTS.md", "CLAUDE.md"]);
    // A repository says nothing about it, and a name is no path.
    let ground = ground.project("instruction_files = ['.env']\n");
    assert_eq!((names(&ground).len(), ground.load().1.len()), (2, 1));
    for name in ["../x", "", "..", "a/b", "/etc/passwd", "c:x"] {
        let ground = Ground::new().user(&format!("instruction_files = ['{name}']\n"));
        assert_eq!((names(&ground), ground.load().1.len()), (vec!["AGENTS.md".to_owned()], 1), "{name}");
    }
}

#[test]
fn a_file_that_is_no_toml_counts_for_nothing_and_says_where() {
    let ground = Ground::new().user("mode = 'plan'\n\nmodel = = 'x'\n");
    let (config, warnings) = ground.load();
    assert_eq!(config.mode, Mode::Ask);
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].starts_with("config.toml:3: Nothing in this file counts until this is mended: "),
        "{warnings:?}"
    );
}

#[test]
fn a_repository_can_make_it_stricter_and_thriftier_only() {
    let user = "mode = 'acceptEdits'\nmax_tokens = 1000\n";
    let refused = "this file comes with the repository, so it may be anybody's. If you want it, set it in config.toml.";
    let hostile = "model = 'evil/x'\nmode = 'auto'\nturn_limit = 51\nmax_tokens = 1001\nidle_timeout = 1\n\
                   [providers.anthropic]\nbase_url = 'http://evil'\napi_key_command = 'curl evil'\n";
    let ground = Ground::new().user(user).project(hostile).variable("ANTHROPIC_API_KEY", "sk-mine");
    let (config, mut warnings) = ground.load();
    assert_eq!((config.model.as_deref(), config.mode, config.turn_limit), (None, Mode::AcceptEdits, 50));
    assert_eq!((config.max_tokens, config.limits), (Some(1000), Limits::default()));
    let own = ProviderSettings { api_key: Key::new("sk-mine"), ..ProviderSettings::default() };
    assert_eq!(config.providers, BTreeMap::from([("anthropic".to_owned(), own)]));
    let place = "project/.pillion/config.toml";
    let mut expect = vec![
        format!("{place}:1: `model` is refused here: {refused}"),
        format!("{place}:5: `idle_timeout` is refused here: {refused}"),
        format!("{place}:6: `providers` is refused here: {refused}"),
        format!(
            "{place}: `mode` is refused here: a repository may make Pillion stricter than you set it, and not laxer. If \
             you want it, set it in config.toml."
        ),
    ];
    expect.extend(["turn_limit", "max_tokens"].map(|name| {
        format!(
            "{place}: `{name}` is refused here: a repository may set less than you did, and not more. If you want it, \
             set it in config.toml."
        )
    }));
    warnings.sort();
    expect.sort();
    assert_eq!(warnings, expect);

    // Where nothing is in force, any number may be more than the provider's own.
    for (user, project, expect) in [
        ("", "max_tokens = 5\nthinking_tokens = 5\nturn_limit = 0", (50, None, None)),
        ("max_tokens = 9\nthinking_tokens = 9", "max_tokens = 5\nthinking_tokens = 5", (50, Some(5), Some(5))),
        ("max_tokens = 9\nthinking_tokens = 9", "max_tokens = 0\nthinking_tokens = 10", (50, Some(9), Some(9))),
        ("", "thinking_tokens = 0\nturn_limit = 1", (1, None, Some(0))),
    ] {
        let (config, _) = Ground::new().user(user).project(project).load();
        let in_force = (config.turn_limit, config.max_tokens, config.thinking.map(Thinking::budget));
        assert_eq!(in_force, expect, "{user} {project}");
    }
    let effort = Thinking::Effort;
    for (user, project, expect) in [
        ("", "thinking_effort = 'low'", None),
        ("thinking_effort = 'high'", "thinking_effort = 'low'", Some(effort(Effort::Low))),
        ("thinking_effort = 'low'", "thinking_effort = 'max'", Some(effort(Effort::Low))),
        ("thinking_effort = 'low'", "thinking_tokens = 9000", Some(effort(Effort::Low))),
        ("thinking_effort = 'low'", "thinking_tokens = 0", Some(Thinking::Budget(0))),
        ("thinking_tokens = 9000", "thinking_effort = 'medium'", Some(effort(Effort::Medium))),
        ("thinking_tokens = 0", "thinking_effort = 'minimal'", Some(Thinking::Budget(0))),
    ] {
        assert_eq!(Ground::new().user(user).project(project).load().0.thinking, expect, "{user} {project}");
    }
    for (user, project, expect) in [
        ("mode = 'auto'", "mode = 'plan'", Mode::Plan),
        ("mode = 'auto'", "mode = 'ask'", Mode::Ask),
        ("mode = 'plan'", "mode = 'plan'", Mode::Plan),
        ("", "mode = 'plan'", Mode::Plan),
    ] {
        assert_eq!(Ground::new().user(user).project(project).config().mode, expect, "{user} {project}");
    }
    for (user, project) in [("mode = 'plan'", "mode = 'ask'"), ("", "mode = 'acceptEdits'"), ("", "mode = 'auto'")] {
        let (config, warnings) = Ground::new().user(user).project(project).load();
        assert_eq!(config.mode, Ground::new().user(user).config().mode, "{user} {project}");
        assert_eq!(warnings.len(), 1, "{user} {project}");
    }
}

#[test]
fn a_temperature_is_a_number_that_providers_take() {
    for (text, expect) in [("0", Some(0.0)), ("2.0", Some(2.0))] {
        assert_eq!(Ground::new().project(&format!("temperature = {text}")).config().temperature, expect, "{text}");
    }
    for text in ["2.1", "-0.1", "inf", "nan", "1e39"] {
        let text = format!("temperature = {text}");
        for ground in [Ground::new().user(&text), Ground::new().project(&text)] {
            let (config, warnings) = ground.load();
            assert_eq!(config.temperature, None, "{text}");
            assert!(warnings[0].contains("must be a number from 0 to 2"), "{warnings:?}");
        }
    }
}

/// What is refused, each with the user's file as the place for it.
fn refused(ground: &Ground) -> (Config, Vec<String>) {
    let (config, warnings) = ground.load();
    let name = |warning: &String| {
        let rest = warning.strip_prefix("the editor's settings: `")?;
        let (name, rest) = rest.split_once("` is refused here: ")?;
        rest.ends_with("If you want it, set it in config.toml.").then(|| name.to_owned())
    };
    let names = warnings.iter().map(|warning| name(warning).unwrap_or_else(|| panic!("{warning}"))).collect();
    (config, names)
}

#[test]
fn an_editors_settings_may_come_from_a_repository() {
    let evil = json!({"baseUrl": "http://evil", "headers": {"x": "y"}, "kind": "openai", "apiKeyCommand": "curl evil"});
    let known = Ground::new().user("[providers.mine]\nmodels = ['x']\n").variable("OPENAI_API_KEY", "sk-mine");
    let before = known.config().providers;
    let ground = known.editor(
        json!({"mode": "acceptEdits", "instructionFiles": [".env"], "providers": {"mine": evil, "openai": evil}}),
    );
    let (config, names) = refused(&ground);
    assert_eq!((config.mode, config.providers), (Mode::Ask, before));
    let of = |provider: &str| {
        ["api_key_command", "base_url", "headers", "kind"].map(|name| format!("providers.{provider}.{name}"))
    };
    let alone = vec!["mode".to_owned(), "instruction_files".to_owned()];
    assert_eq!(names, [alone, of("mine").to_vec(), of("openai").to_vec()].concat());

    let between = json!({"proxy": "http://evil", "caFile": "/evil", "providers": {"new": {
        "baseUrl": "http://new", "apiKey": "k", "proxy": "http://evil", "caFile": "/evil"}}});
    let (config, names) = refused(&Ground::new().editor(between));
    assert_eq!((&config.proxy, &config.ca_file), (&None, &None));
    assert_eq!(names, ["proxy", "ca_file", "providers.new.proxy", "providers.new.ca_file"]);

    // Not even with a key of its own, where there is another.
    let ground = ground.editor(json!({"providers": {"openai": {"baseUrl": "http://evil", "apiKey": "k"}}}));
    assert_eq!(refused(&ground).1, ["providers.openai.base_url"]);

    let leaks = json!({"providers": {
        "a": {"baseUrl": "http://evil"},
        "b": {"baseUrl": "http://evil", "apiKeyEnv": "GH_TOKEN", "apiKey": "k"},
        "c": {"kind": "scripted", "script": "x.json", "apiKey": "k"},
    }});
    let (config, names) = refused(&Ground::new().variable("GH_TOKEN", "sk-mine").editor(leaks));
    let expect = ["providers.a.base_url", "providers.b.api_key_env", "providers.c.script", "providers.c.kind"];
    assert_eq!(names, expect);
    assert_eq!(config.providers["b"].api_key, Key::new("k"));
}

#[test]
fn an_editors_settings_hold_where_they_can_do_no_harm() {
    let provider = json!({"baseUrl": "http://mine", "kind": "anthropic", "headers": {"x": "y"}, "apiKey": "k"});
    let ground = Ground::new().user("mode = 'auto'").editor(json!({"mode": "ask", "providers": {"mine": provider}}));
    let config = ground.config();
    assert_eq!(config.mode, Mode::Ask);
    let mine = &config.providers["mine"];
    assert_eq!((mine.base_url.as_deref(), mine.headers.len()), (Some("http://mine"), 1));
    assert_eq!((mine.kind, &mine.api_key), (Some(settings::Kind::Anthropic), &Key::new("k")));
}

#[test]
#[cfg(unix)]
fn a_projects_file_that_is_a_device_is_not_read() {
    let ground = Ground::new();
    std::os::unix::fs::symlink("/dev/zero", ground.folder.path().join("project/.pillion/config.toml")).unwrap();
    check_warnings(
        &ground,
        &["project/.pillion/config.toml: It cannot be read, so nothing in it counts: it is not an ordinary file of \
           settings"],
    );
}

#[test]
#[cfg(unix)]
fn a_key_that_others_can_read_is_told() {
    let ground = Ground::new().user("[providers.anthropic]\napi_key = 'sk-secret-1234'\n");
    assert_eq!(ground.load().1, [""; 0]);
    let file = ground.folder.path().join("config.toml");
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    check_warnings(&ground, &["config.toml: It holds a key, and other users can read it. Run `chmod 600` on it."]);
}

#[test]
fn keys_never_show() {
    let secret = "sk-very-secret-1234";
    let ground = Ground::new()
        .user(&format!("[providers.openai]\napi_key = '{secret}'\nmodels = '{secret}'\n"))
        .variable("ANTHROPIC_API_KEY", secret)
        .editor(json!({"apiKey": secret, "providers": {"groq": {"apiKey": secret}}}));
    let (config, warnings) = ground.load();
    assert_eq!(warnings.len(), 2);
    let shown = format!("{config:?} {warnings:?} {:?}", Providers::new(&config).models());
    assert!(!shown.contains(secret), "{shown}");
}

#[test]
fn keys_come_from_the_variable_that_is_named() {
    let ground = Ground::new()
        .user("[providers.anthropic]\napi_key_env = 'WORK_KEY'\n[providers.openai]\napi_key = 'file'\n")
        .variable("ANTHROPIC_API_KEY", "private")
        .variable("WORK_KEY", "work")
        .variable("OPENAI_API_KEY", "variable")
        .variable("OPENAI_BASE_URL", "http://here/v1");
    let config = ground.config();
    assert_eq!(config.providers["anthropic"].api_key, Key::new("work"));
    assert_eq!(config.providers["openai"].api_key, Key::new("variable"));
    assert_eq!(config.providers["openai"].base_url.as_deref(), Some("http://here/v1"));
    assert_eq!(config.secret_variables(), ["WORK_KEY"]);
}

#[test]
fn variables_in_headers_hold_keys() {
    let ground = Ground::new().user(
        "[mcp.docs]\nurl = 'https://docs.example'\nheaders = { Authorization = 'Bearer ${DOCS_PASS}', X-Team = 'b${TEAM}' }\n\
         [mcp.off]\nenabled = false\nheaders = { A = '${OFF_PASS}' }\n\
         [mcp.here]\ncommand = 'server'\nenv = { PATH = '/opt:${PATH}' }\n",
    );
    assert_eq!(ground.load().0.secret_variables(), ["DOCS_PASS", "TEAM", "OFF_PASS"]);
}

fn error_of(providers: &Providers, model: &str) -> String {
    providers.get(model).err().expect("it should be refused").to_string()
}

#[test]
fn without_anything_it_says_what_to_set() {
    let providers = Ground::new().providers();
    assert_eq!(providers.default_model(), None);
    let hint = providers.hint();
    for part in ["export ANTHROPIC_API_KEY=...\n", "export PILLION_MODEL=anthropic/claude-sonnet-4-5\n", "config.toml"]
    {
        assert!(hint.contains(part), "{hint}");
    }
    let error = error_of(&providers, "anthropic/claude-sonnet-4-5");
    assert!(error.contains("export ANTHROPIC_API_KEY=..."), "{error}");
    assert!(error_of(&providers, "gpt-5").contains("provider/model"));
    assert!(error_of(&providers, "antropic/x").contains("Known are anthropic, openai"));
    assert!(error_of(&providers, "azure/x").contains("[providers.azure] base_url"));
    for model in ["", "/", "a/", "/b"] {
        assert!(providers.get(model).is_err(), "{model}");
    }
    let models = providers.models();
    let [trial, keyed @ ..] = &*models else { panic!("none is offered") };
    assert_eq!((trial.id.as_str(), trial.ready), ("scripted/hello", true), "to see how it goes without a key");
    assert!(keyed.len() > 10 && keyed.iter().all(|model| !model.ready && model.hint.is_some()), "{keyed:?}");
    assert_eq!(keyed[0].id, "anthropic/claude-sonnet-4-5");
}

#[test]
fn the_only_key_names_the_default_model() {
    let ground = Ground::new().variable("GROQ_API_KEY", "k");
    let providers = ground.providers();
    let default = providers.default_model().unwrap();
    assert_eq!(default, "groq/openai/gpt-oss-120b");
    let first = providers.models().into_iter().next().unwrap();
    let facts = first.facts;
    assert_eq!(first, Model { id: default, provider: "groq".into(), ready: true, hint: None, facts });
    let (provider, model) = providers.get("groq/openai/gpt-oss-120b").unwrap();
    assert_eq!((provider.name(), model.as_str()), ("groq", "openai/gpt-oss-120b"));

    let providers = ground.variable("ANTHROPIC_API_KEY", "k").providers();
    assert_eq!(providers.default_model(), None);
    assert!(
        providers.hint().contains("anthropic/claude-sonnet-4-5 or groq/openai/gpt-oss-120b"),
        "{}",
        providers.hint()
    );
}

#[test]
fn servers_at_an_address_need_no_key_known_here() {
    let user = "[providers.mine]\nbase_url = 'http://10.0.0.1/v1'\nmodels = ['big', 'small']\n\
                [providers.gate]\nkind = 'anthropic'\nbase_url = 'http://gate'\n";
    let ground = Ground::new().user(user).variable("ANTHROPIC_BASE_URL", "http://localhost:9");
    let providers = ground.providers();
    assert_eq!(providers.default_model().as_deref(), None, "both may be meant");
    for model in ["mine/big", "gate/x", "anthropic/x", "ollama/llama"] {
        let (provider, _) = providers.get(model).unwrap();
        assert_eq!(provider.name(), model.split('/').next().unwrap());
    }
    let ready = providers.models().into_iter().filter(|model| model.ready).map(|model| model.id);
    assert!(ready.collect::<Vec<_>>().contains(&"mine/small".to_owned()));
}

/// What a model that was given stop sequences and a breakpoint that must be says before it is asked: the formats differ.
fn refusal(ground: &Ground, model: &str) -> Option<String> {
    use futures::{FutureExt, StreamExt};

    use crate::provider::{Request, cache};
    let (provider, model) = ground.providers().get(model).unwrap();
    let cache = Cache {
        mode: cache::Mode::Required,
        breakpoints: cache::Breakpoints::Explicit(vec![cache::Breakpoint::Message(0)]),
        ..Cache::default()
    };
    let request = Request { model, stop_sequences: vec!["END".into()], cache, ..Request::default() };
    let first = provider.stream(request.into()).next().now_or_never()??;
    first.err().map(|error| error.message)
}

#[test]
fn a_kind_names_the_wire_format() {
    let ground = Ground::new().user(
        "[providers.r]\nkind = 'responses'\nbase_url = 'http://r/v1'\n\
         [providers.c]\nkind = 'openai'\nbase_url = 'http://c/v1'\n\
         [providers.a]\nkind = 'anthropic'\nbase_url = 'http://a'\n\
         [providers.g]\nkind = 'gemini'\nbase_url = 'http://g/v1beta'\n\
         [providers.openai]\napi_key = 'k'\n[providers.openai-chat]\napi_key = 'k'\n",
    );
    for (model, says) in [
        ("r/x", "Responses API takes no stop sequences"),
        ("openai/x", "Responses API takes no stop sequences"),
        ("openai-chat/x", "openai-chat did not accept the request: it takes no breakpoints"),
        ("c/x", "it is not known to keep prompts"),
        ("g/x", "it takes no breakpoints"),
        ("a/x", "no place for the breakpoint Message(0)"),
    ] {
        let refusal = refusal(&ground, model).unwrap();
        assert!(refusal.contains(says), "{model}: {refusal}");
    }
    // Spoken to as it is asked for, at its own address.
    let ground = Ground::new().user("[providers.openai]\nkind = 'openai'\napi_key = 'k'\n");
    assert!(refusal(&ground, "openai/x").unwrap().contains("no breakpoints"));
    let ground = Ground::new().variable("OPENAI_API_KEY", "k");
    assert_eq!(ground.providers().default_model().as_deref(), Some("openai/gpt-5.1"));
}

#[test]
fn a_second_account_needs_a_key_of_its_own() {
    let section = "[providers.work]\nkind = 'anthropic'\n";
    let ground = Ground::new().user(section).variable("ANTHROPIC_API_KEY", "private").variable("WORK_KEY", "work");
    assert!(error_of(&ground.providers(), "work/x").contains("[providers.work] api_key_env"));
    let ground = ground.user(&format!("{section}api_key_env = 'WORK_KEY'\n"));
    assert_eq!(ground.providers().get("work/x").unwrap().0.name(), "work");
    assert!(ground.providers().models().iter().any(|model| model.id == "work/claude-sonnet-4-5" && model.ready));
}

#[test]
fn a_key_does_not_go_to_another_provider() {
    let user =
        "[providers.openai]\nkind = 'anthropic'\n[providers.anthropic]\nkind = 'openai'\nbase_url = 'http://x'\n";
    let ground = Ground::new().user(user).variable("OPENAI_API_KEY", "k").variable("ANTHROPIC_API_KEY", "k");
    for model in ["openai/x", "anthropic/x"] {
        let error = error_of(&ground.providers(), model);
        assert!(error.contains("speaks another format"), "{error}");
    }
}

#[test]
fn a_script_is_played_only_where_it_was_asked_for() {
    let ground =
        Ground::new().user("[providers.scripted]\nkind = 'scripted'\nscript = 'script.json'\nmodels = ['x']\n");
    ground.write("script.json", "[\"hello\"]");
    let providers = ground.providers();
    assert_eq!(providers.default_model(), None);
    let (provider, model) = providers.get("scripted/any/thing").unwrap();
    assert_eq!((provider.name(), model.as_str()), ("scripted", "any/thing"));

    let unset = Ground::new().user("[providers.other]\nkind = 'scripted'\n");
    assert!(error_of(&unset.providers(), "other/x").contains("script = \"FILE\""));
    ground.write("script.json", "[7]");
    let error = error_of(&ground.providers(), "scripted/x");
    assert!(error.contains("script.json of scripted cannot be played"), "{error}");
}

#[test]
fn a_provider_is_kept_while_its_settings_stay() {
    let user = "[providers.scripted]\nkind = 'scripted'\nscript = 'script.json'\n";
    let ground = Ground::new().user(user);
    ground.write("script.json", "[\"hello\"]");
    let mut providers = ground.providers();
    let (first, _) = providers.get("scripted/x").unwrap();
    providers.configure(&ground.config());
    assert!(std::sync::Arc::ptr_eq(&first, &providers.get("scripted/x").unwrap().0));
    let ground = ground.user(&format!("{user}models = ['y']\n"));
    providers.configure(&ground.config());
    assert!(!std::sync::Arc::ptr_eq(&first, &providers.get("scripted/x").unwrap().0));
}

#[tokio::test]
async fn a_command_prints_the_key_or_says_why_not() {
    let key_of = |line: &str| {
        let source = KeySource::Command(providers::command(line.to_owned()));
        async move { source.key().await }
    };
    assert_eq!(key_of("echo sk-printed-1234").await, Ok(Key::new("sk-printed-1234")));
    let error = key_of("exit 0").await.unwrap_err();
    assert!(error.contains("printed nothing"), "{error}");
    let error = key_of("echo locked 1>&2 && exit 3").await.unwrap_err();
    assert!(error.contains("exit code 3") && error.contains("locked"), "{error}");
}

fn files(folder: &TempDir) -> Files {
    Files { user: Some(folder.path().join("user/rules.toml")), projects: Some(folder.path().join("projects")) }
}

#[test]
fn rules_hold_where_they_were_given() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(&folder);
    let root = |name: &str| {
        let root = folder.path().join(name);
        fs::create_dir_all(&root).unwrap();
        root
    };
    let (a, b, c) = (root("a"), root("b"), root("c"));
    files.add(&RuleScope::User, "bash(ls *)").unwrap();
    files.add(&RuleScope::Project(vec![a.clone(), b.clone()]), "edit(\"src\\**)").unwrap();
    files.add(&RuleScope::Project(vec![a.clone()]), "bash(make)").unwrap();
    files.add(&RuleScope::Project(vec![a.clone()]), "bash(make)").unwrap();
    files.add(&RuleScope::Project(vec![a.clone()]), "bash(ls *)").unwrap();
    let check = |roots: &[&PathBuf], expect: &[&str]| {
        let roots: Vec<PathBuf> = roots.iter().map(|root| (*root).clone()).collect();
        assert_eq!(files.load(&roots), expect, "{roots:?}");
    };
    check(&[], &["bash(ls *)"]);
    check(&[&a], &["bash(ls *)", "edit(\"src\\**)", "bash(make)"]);
    check(&[&b], &["bash(ls *)", "edit(\"src\\**)"]);
    check(&[&b, &a], &["bash(ls *)", "edit(\"src\\**)"]);
    check(&[&a, &c], &["bash(ls *)"]);
    check(&[&c], &["bash(ls *)"]);
    assert_eq!(fs::read_dir(&a).unwrap().count(), 0, "nothing is written into a project");
    #[cfg(unix)]
    {
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&a, &link).unwrap();
        check(&[&link], &["bash(ls *)", "edit(\"src\\**)", "bash(make)"]);
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(folder.path().join("user/rules.toml")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_file_of_rules_that_is_not_ours_is_neither_believed_nor_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(&folder);
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    files.add(&RuleScope::Project(vec![a.clone()]), "bash(make)").unwrap();
    files.add(&RuleScope::Project(vec![b.clone()]), "bash(x)").unwrap();
    let path_of = |name: &str| {
        let mut found = fs::read_dir(folder.path().join("projects")).unwrap().map(|entry| entry.unwrap().path());
        found.find(|path| path.file_name().unwrap().to_string_lossy().starts_with(name)).unwrap().join("rules.toml")
    };
    fs::copy(path_of("a-"), path_of("b-")).unwrap();
    assert_eq!(files.load(std::slice::from_ref(&b)), [""; 0]);
    assert!(files.add(&RuleScope::Project(vec![b]), "bash(y)").is_err());
    fs::write(path_of("a-"), "rules = 7").unwrap();
    assert_eq!(files.load(std::slice::from_ref(&a)), [""; 0]);
    assert!(files.add(&RuleScope::Project(vec![a]), "bash(y)").is_err());
    assert_eq!(fs::read_to_string(path_of("a-")).unwrap(), "rules = 7");
}

#[test]
fn a_mistake_in_rules_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (files, root) = (files(&folder), folder.path().join("a"));
    let roots = std::slice::from_ref(&root);
    files.add(&RuleScope::User, "bash(ls *)").unwrap();
    files.add(&RuleScope::Project(vec![root.clone()]), "bash(make)").unwrap();
    assert_eq!(files.check(roots), []);

    let user = files.user.as_deref().unwrap();
    let project = fs::read_dir(files.projects.as_deref().unwrap()).unwrap().next().unwrap().unwrap().path();
    fs::write(user, "rules = [\"bash(ls\", \"read\"]").unwrap();
    fs::write(project.join("rules.toml"), "# mine\nruls = []\n").unwrap();
    let warnings = files.check(roots);
    assert_eq!(warnings[0].place, user.display().to_string());
    let messages: Vec<&str> = warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert!(messages[0].starts_with("`bash(ls` is not a rule: "), "{messages:?}");
    let unknown = "No rule in this file counts until this is mended: line 2: unknown field `ruls`";
    assert!(messages[1].starts_with(unknown) && messages.len() == 2, "{messages:?}");
    assert!(files.add(&RuleScope::Project(vec![root]), "bash(y)").is_err(), "what was meant is not lost");
}

#[test]
fn a_proxy_that_is_none_is_told_and_not_gone_around() {
    let ground = Ground::new().user("proxy = 'http://'\n[providers.x]\nproxy = 'none'\n[web_fetch]\nproxy = 'a b'\n");
    let ground = ground.variable("OPENAI_API_KEY", "k");
    let wrong = "`proxy` cannot be used: it is no address such as http://proxy.example:3128.";
    check_warnings(&ground, &[&format!("config.toml:1: {wrong}"), &format!("config.toml:5: {wrong}")]);
    let config = ground.load().0;
    assert_eq!(Providers::check(&Config { model: Some("openai/any".to_owned()), ..config.clone() }), [], "once");
    assert_eq!((config.proxy.as_deref(), config.tooling.web.proxy.as_deref()), (Some("http://"), Some("a b")));
}

#[test]
fn mcp_servers_are_set_by_the_person_and_only_limited_by_others() {
    let ground = Ground::new()
        .user(
            r#"
            [mcp.files]
            command = "mcp-files"
            args = ["--here"]
            env = { KEY = "${SECRET}" }
            hidden_tools = ["rm"]
            timeout = 1.5

            [mcp.far]
            url = "https://mcp.example/"
            headers = { Authorization = "Bearer ${MISSING}" }
            sampling = true

            [mcp.empty]
            tools = ["x"]

            [mcp.both]
            command = "a"
            url = "b"
            "#,
        )
        .variable("SECRET", "s")
        .project(
            r#"
            [mcp.files]
            command = "evil"
            hidden_tools = ["write_*"]
            [mcp.far]
            enabled = false
            [mcp.new]
            url = "https://evil.example/"
            "#,
        )
        .editor(json!({"mcp": {"far": {"enabled": true, "headers": {"a": "b"}}, "files": {"tools": ["rm"]}}}));
    let (config, warnings) = ground.load();
    let files = Spec {
        timeout: Duration::from_millis(1500),
        without: vec!["rm".into(), "write_*".into()],
        ..Spec::new(
            "files",
            crate::mcp::Reach::Program {
                program: "mcp-files".into(),
                arguments: vec!["--here".into()],
                variables: vec![("KEY".into(), "s".into())],
                directory: None,
            },
        )
    };
    let headers = vec![("Authorization".to_owned(), "Bearer ".to_owned())];
    let far = crate::mcp::Reach::Http { url: "https://mcp.example/".into(), headers, route: Route::default() };
    let far = Spec { enabled: false, sampling: true, ..Spec::new("far", far) };
    assert_eq!(config.mcp, [far, files]);
    let told = warnings.join("\n");
    for refused in ["mcp.files.command", "mcp.new.url", "mcp.far.enabled", "mcp.far.headers", "mcp.files.tools"] {
        assert!(told.contains(&format!("`{refused}` is refused here")), "{told}");
    }
    for wrong in ["[mcp.empty]: It has neither", "[mcp.both]: It has both", "the variable `MISSING`, which is not set"]
    {
        assert!(told.contains(wrong), "{told}");
    }
    assert!(!format!("{config:?}").contains("\"s\""), "no secret is shown");
}

#[test]
fn hooks_budgets_and_the_web_are_set_by_the_person() {
    let ground = Ground::new().user(
        r#"
        [hooks.b]
        on = "turn_end"
        command = "make test"
        timeout = 5
        [hooks.a]
        on = "before_tool"
        tools = ["bash", "mcp__*"]
        command = "./guard"
        [budgets.default]
        text = 1000
        [budgets.bash]
        excess = "fail"
        images = 0
        [web_fetch]
        allow_hosts = ["localhost"]
        proxy = "http://proxy.example:3128"
        "#,
    );
    let tooling = ground.config().tooling;
    let roots = [PathBuf::from("/root")];
    let hooks: Vec<_> = tooling.hooks(&roots, &[]).collect();
    let told: Vec<_> =
        hooks.iter().map(|hook| (hook.name.as_str(), hook.time_limit.as_secs(), &hook.roots[..])).collect();
    assert_eq!(told, [("a", 60, &roots[..]), ("b", 5, &roots[..])]);
    assert_eq!(tooling.budget(), tool::Budget::store(1000));
    let bash = tool::Budget { images: 0, ..tool::Budget::fail(1000) };
    assert_eq!(tooling.budgets().collect::<Vec<_>>(), [("bash", bash)]);
    let web = tooling.web();
    assert_eq!(
        (web.allow_hosts, web.proxy.as_deref()),
        (vec!["localhost".to_owned()], Some("http://proxy.example:3128"))
    );
}

#[test]
fn what_is_not_the_persons_sets_no_hook_and_opens_no_network() {
    let (config, warnings) = Ground::new()
        .project("[hooks.a]\non = \"turn_end\"\ncommand = \"x\"\n[budgets.bash]\ntext = 1\n[web_fetch]\nproxy = \"x\"")
        .editor(json!({
            "hooks": { "a": { "on": "turn_end", "command": "x" } },
            "webFetch": { "allowHosts": ["localhost"] },
        }))
        .load();
    assert_eq!(config.tooling.hooks(&[], &[]).count(), 0);
    assert_eq!(config.tooling.web().allow_hosts, Vec::<String>::new());
    assert_eq!(config.tooling.budgets().count(), 0);
    for name in ["`hooks`", "`budgets`", "`web_fetch`"] {
        assert!(
            warnings.iter().any(|warning| warning.contains("refused") && warning.contains(name)),
            "{name}: {warnings:?}"
        );
    }
}

#[test]
fn a_hook_with_a_mistake_is_told() {
    let (config, warnings) = Ground::new()
        .user("[hooks.a]\non = \"sometimes\"\ncommand = \"x\"\n[hooks.b]\non = \"before_tool\"\ntools = [\"[\"]\ncommand = \"x\"")
        .load();
    assert_eq!(config.tooling.hooks(&[], &[]).count(), 0);
    assert!(warnings[0].contains("`on` must be \"turn_start\""), "{warnings:?}");
    assert!(warnings[1].contains("The hook `a` is never run: `on` is missing"), "{warnings:?}");
    assert!(warnings[2].contains("The hook `b` is never run: `[` is no pattern"), "{warnings:?}");
}

#[test]
fn windows_and_prices_of_models_go_over_the_table() {
    let ground = Ground::new()
        .user(
            "[models.\"work/big\"]\nwindow = 1000\nmax_output = 10\ninput_price = 0.0125\noutput_price = 3\n\
             cache_read_price = 0\ncache_write_price = 1\ncache_write_long_price = 2\n\
             [models.\"anthropic/claude-haiku-4-5\"]\nwindow = 1_000_000\n",
        )
        .editor(json!({"models": {"work/big": {"maxOutput": 20}}}));
    let catalog = ground.config().catalog;
    let facts = catalog.facts("work", "big");
    let prices = [facts.prices.input, facts.prices.output, facts.prices.cache_read, facts.prices.cache_write];
    assert_eq!(prices.map(|price| price.map(|price| price.micro_dollars)), [12_500, 3_000_000, 0, 1_000_000].map(Some));
    assert_eq!((facts.window, facts.max_output), (Some(1_000), Some(20)));
    let haiku = catalog.facts("anthropic", "claude-haiku-4-5");
    assert_eq!((haiku.window, haiku.prices.input.map(|price| price.dollars())), (Some(1_000_000), Some(1.0)));
    let wrong = Ground::new().user("[models.\"a/b\"]\ninput_price = -1\nprice = 3\n");
    check_warnings(
        &wrong,
        &[
            "config.toml:2: `input_price` must be a number of dollars for a million tokens. It is passed over.",
            "config.toml:3: There is no setting `price`. Is `input_price` meant?",
        ],
    );
}

#[test]
fn compaction_is_on_and_can_be_set_but_not_by_a_project() {
    let default = Ground::new().config().compaction;
    assert_eq!((default.at, default.keep_recent, default.model), (Some(0.8), 4, None));
    let set = "[compaction]\nat = 0.5\nkeep_recent = 2\nmodel = 'a/b'\n";
    let compaction = Ground::new().user(set).editor(json!({"compaction": {"keepRecent": 3}})).config().compaction;
    assert_eq!((compaction.at, compaction.keep_recent, compaction.model.as_deref()), (Some(0.5), 3, Some("a/b")));
    assert_eq!(Ground::new().user("[compaction]\nauto = false\nat = 0.5\n").config().compaction.at, None);
    check_warnings(
        &Ground::new().user("[compaction]\nat = 1.5\n"),
        &["config.toml:2: `at` must be a number from 0.1 to 1. It is passed over."],
    );
    // Its summary would send the conversation elsewhere.
    let (config, warnings) = Ground::new().project(set).load();
    assert_eq!((config.compaction.model, warnings.len()), (None, 1));
    assert!(warnings[0].contains("`compaction` is refused here"), "{warnings:?}");
}

#[test]
fn models_that_cannot_be_asked_are_told() {
    let ground = Ground::new().user(
        "model = 'antropic/x'\nfallback = ['justname', 'scripted/hello']\nca_file = 'none.pem'\n\
         [compaction]\nmodel = 'bogus'\n",
    );
    let told = ground.check_models();
    let begins = [
        "model: There is no provider \"antropic\".",
        "fallback: \"justname\" does not say which provider it is of.",
        "compaction.model: \"bogus\" does not say which provider it is of.",
        "the way to all servers: `ca_file` ",
    ];
    assert_eq!(told.len(), begins.len(), "{told:?}");
    for (told, begin) in told.iter().zip(begins) {
        assert!(told.starts_with(begin), "{told}");
    }
    assert_eq!(Ground::new().user("model = 'scripted/hello'").check_models(), [""; 0]);
}

#[test]
fn secrets_in_addresses_and_arguments_are_hidden_in_what_is_written_down() {
    Ground::new()
        .user(
            "[providers.work]\nbase_url = 'https://me:address-password@models.example/v1?key=address-key'\n\
             [mcp.a]\ncommand = 'a'\nargs = ['--token', 'argument-token']\n\
             [mcp.b]\nurl = 'https://b.example/?api_key=server-key-1'\n",
        )
        .providers();
    let said = "address-password address-key argument-token server-key-1";
    assert_eq!(secrets::redact(said), "*** *** *** ***");
}
