use pillion::tool::{AddError, Class, Collision, Dynamic, Fixed, Source, Typed, typed};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::*;

/// Adds numbers.
#[derive(Deserialize, JsonSchema)]
struct Numbers {
    /// What to add.
    numbers: Vec<i64>,
    /// Where to begin.
    start: Option<i64>,
}

struct Add;

#[async_trait]
impl Typed for Add {
    const NAME: &'static str = "add";
    type Input = Numbers;

    async fn propose(&self, _: &Numbers, context: &Context) -> Result<Proposal, ToolError> {
        context.prepared.keep("proposed");
        let title = "Add".to_owned();
        Ok(Proposal {
            class: Class::Read,
            title,
            paths: Vec::new(),
            outside: false,
            command: None,
            host: None,
            diff: None,
            risk: None,
            alone: false,
        })
    }

    async fn run(&self, input: Numbers, context: &Context) -> Result<Output, ToolError> {
        let sum = input.start.unwrap_or(0) + input.numbers.iter().sum::<i64>();
        Ok(Output::text(format!("{sum} {}", context.prepared.take::<&str>().unwrap_or("unprepared"))))
    }
}

async fn add(project: &Project, proposed: Value, input: Value) -> Result<String, String> {
    let mut tools = Registry::new();
    tools.add(typed(Add)).unwrap();
    let tool = tools.get("add").unwrap();
    let context = project.call("read", json!({})).context;
    tool.propose(&proposed, &context).await.map_err(|error| error.0)?;
    tool.run(input, &context).await.map(|output| text(&output)).map_err(|error| error.0)
}

#[test]
fn tools_come_by_name_and_sorted() {
    let mut tools = Registry::standard();
    assert_eq!(
        tools.names().collect::<Vec<_>>(),
        [
            "ask",
            "bash",
            "delete",
            "diagnostics",
            "edit",
            "editor",
            "glob",
            "grep",
            "list",
            "move",
            "plan",
            "read",
            "read_output",
            "tasks",
            "web_fetch",
            "write"
        ]
    );
    assert_eq!(tools.add(typed(Add)), Ok(()));
    assert_eq!(tools.add(typed(Add)), Err(AddError::Duplicate("add".to_owned())));
    let specs = tools.specs();
    assert!(specs.is_sorted_by(|a, b| a.name < b.name));
    assert!(tools.get("none").is_none());
    for spec in specs {
        assert!(!spec.description.is_empty(), "{}", spec.name);
        assert_eq!(spec.input_schema["additionalProperties"], false, "{}", spec.name);
        assert!(!spec.input_schema.to_string().contains("$ref"), "{}", spec.name);
        for (field, schema) in spec.input_schema["properties"].as_object().unwrap() {
            assert!(schema["description"].is_string() && schema["type"].is_string(), "{}.{field}", spec.name);
        }
    }
}

#[tokio::test]
async fn a_typed_tool_is_described_by_its_docs_and_takes_json() {
    let project = Project::new();
    let spec = typed(Add).spec().clone();
    assert_eq!((spec.name.as_str(), spec.description.as_str()), ("add", "Adds numbers."));
    let schema = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["numbers"],
        "properties": {
            "numbers": { "type": "array", "items": { "type": "integer" }, "description": "What to add." },
            "start": { "type": "integer", "description": "Where to begin." },
        },
    });
    assert_eq!(spec.input_schema, schema);
    let input = json!({ "numbers": ["1", 2], "start": null });
    assert_eq!(add(&project, input.clone(), input).await.unwrap(), "3 proposed");
    let wrong = json!({ "numbers": ["x"], "from": 1 });
    assert_eq!(
        add(&project, wrong.clone(), wrong).await.unwrap_err(),
        "wrong input for add, nothing was done: `numbers[0]` should be an integer, not a string (\"x\"); \
         there is no `from`; the fields are numbers, start"
    );
}

#[tokio::test]
async fn what_was_prepared_is_for_the_same_input_only() {
    let project = Project::new();
    let other = json!({ "numbers": [5] });
    assert_eq!(add(&project, json!({ "numbers": [1] }), other).await.unwrap(), "5 unprepared");
}

/// A word; no object with fields.
#[derive(Deserialize, JsonSchema)]
struct Word(#[allow(dead_code)] String);

struct Say;

#[async_trait]
impl Typed for Say {
    const NAME: &'static str = "say";
    type Input = Word;

    async fn propose(&self, _: &Word, _: &Context) -> Result<Proposal, ToolError> {
        Ok(Proposal::harmless("Say"))
    }

    async fn run(&self, _: Word, _: &Context) -> Result<Output, ToolError> {
        Ok(Output::default())
    }
}

#[test]
fn a_tool_that_no_provider_takes_is_refused_where_it_is_added() {
    let mut tools = Registry::new();
    let long = "l".repeat(65);
    for name in ["bad name!", "", "größe", &long].map(str::to_owned) {
        let bad = name.clone();
        let named = Fixed::new("mine", vec![typed(Add)]).renamed(move |_| bad.clone());
        let error = tools.add_source(named, Collision::First).unwrap_err();
        assert_eq!(error, AddError::Name(name));
        assert!(error.to_string().contains("1 to 64 letters"), "{error}");
    }
    assert_eq!(tools.add(typed(Say)), Err(AddError::Input("say".to_owned())));

    // What comes later cannot be refused.
    let later = Dynamic::new("later");
    tools.add_source(later.clone(), Collision::Refuse).unwrap();
    later.set(vec![typed(Add), typed(Say)]);
    assert_eq!(names(&tools), ["add"]);
}

fn names(tools: &Registry) -> Vec<String> {
    tools.names().collect()
}

#[test]
fn a_source_is_seen_with_a_prefix_other_names_and_without_some_of_its_tools() {
    let source = || Fixed::new("sums", vec![typed(Add)]);
    let seen = |source: pillion::tool::View| {
        let mut tools = Registry::new();
        tools.add_source(source, Collision::Refuse).unwrap();
        assert!(tools.specs().iter().map(|spec| spec.name.clone()).eq(tools.names()));
        names(&tools)
    };
    assert_eq!(seen(source().prefixed("my_")), ["my_add"]);
    assert_eq!(seen(source().renamed(str::to_uppercase)), ["ADD"]);
    assert_eq!(seen(source().filtered(|tool| tool.spec().description.starts_with("Adds"))), ["add"]);
    assert!(seen(source().prefixed("x").filtered(|tool| tool.spec().name == "add")).is_empty());
    assert!(seen(source().hidden(["add"])).is_empty(), "neither offered nor callable");
}

#[tokio::test]
async fn a_renamed_tool_is_called_by_its_new_name_and_checks_its_input() {
    let project = Project::new();
    let mut tools = Registry::new();
    tools.add_source(Fixed::new("sums", vec![typed(Add)]).prefixed("my_"), Collision::Refuse).unwrap();
    let context = project.call("read", json!({})).context;
    let tool = tools.get("my_add").unwrap();
    let sum = tool.run(json!({ "numbers": ["1", 2] }), &context).await.unwrap();
    assert_eq!(text(&sum), "3 unprepared");
    let wrong = tool.propose(&json!({}), &context).await.unwrap_err();
    assert_eq!(wrong.0, "wrong input for my_add, nothing was done: `numbers` is missing");
}

#[test]
fn what_becomes_of_two_tools_of_one_name_is_a_choice() {
    let with = |collision| {
        let mut tools = Registry::standard();
        let other = Fixed::new("other", vec![typed(Add)]).renamed(|_| "bash".to_owned());
        tools.add_source(other, collision).map(|()| tools)
    };
    assert_eq!(with(Collision::Refuse).err(), Some(AddError::Duplicate("bash".to_owned())));
    let is_other = |tools: &Registry, name: &str| tools.get(name).unwrap().spec().description == "Adds numbers.";
    let first = with(Collision::First).unwrap();
    assert!(!is_other(&first, "bash") && names(&first) == names(&Registry::standard()));
    let last = with(Collision::Last).unwrap();
    assert!(is_other(&last, "bash") && names(&last) == names(&Registry::standard()));
    let prefix = with(Collision::Prefix).unwrap();
    assert!(!is_other(&prefix, "bash") && is_other(&prefix, "other__bash"));
}

#[tokio::test]
async fn a_source_that_changes_is_told_of_and_its_names_stay_sorted() {
    let (dynamic, other) = (Dynamic::new("dynamic"), Dynamic::new("other"));
    let mut tools = Registry::standard();
    tools.add_source(dynamic.clone().prefixed("zz_"), Collision::Refuse).unwrap();
    tools.add_source(other.clone(), Collision::First).unwrap();
    let mut watch = tools.watch();
    dynamic.set(vec![typed(Add)]);
    let changed = watch.next().await;
    assert_eq!((changed.added, changed.removed), (vec!["zz_add".to_owned()], Vec::new()));
    other.set(vec![typed(Add)]);
    dynamic.set(Vec::new());
    let changed = watch.next().await;
    assert_eq!((changed.added, changed.removed), (vec!["add".to_owned()], vec!["zz_add".to_owned()]));
    assert!(tools.specs().is_sorted_by(|a, b| a.name < b.name));
    drop((dynamic, other, tools));
}

#[tokio::test]
async fn what_cannot_change_is_waited_for_for_ever_and_costs_nothing() {
    let mut watch = Registry::standard().watch();
    tokio::select! {
        biased;
        _ = watch.next() => panic!("nothing can change"),
        () = tokio::task::yield_now() => {}
    }
}
