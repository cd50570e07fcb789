use pillion::tool::{Class, DuplicateTool, Tool, Typed, typed};
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
            diff: None,
            risk: None,
        })
    }

    async fn run(&self, input: Numbers, context: &Context) -> Result<Output, ToolError> {
        let sum = input.start.unwrap_or(0) + input.numbers.iter().sum::<i64>();
        Ok(Output::text(format!("{sum} {}", context.prepared.take::<&str>().unwrap_or("unprepared"))))
    }
}

async fn add(project: &Project, proposed: Value, input: Value) -> Result<String, String> {
    let tool: Arc<dyn Tool> = typed(Add);
    let context = project.call("read", json!({})).context;
    tool.propose(&proposed, &context).await.map_err(|error| error.0)?;
    tool.run(input, &context).await.map(|output| text(&output)).map_err(|error| error.0)
}

#[test]
fn tools_come_by_name_and_sorted() {
    let mut tools = Registry::standard();
    assert_eq!(tools.names().collect::<Vec<_>>(), ["bash", "edit", "glob", "grep", "read", "write"]);
    assert_eq!(tools.add(typed(Add)), Ok(()));
    assert_eq!(tools.add(typed(Add)), Err(DuplicateTool("add".to_owned())));
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
        "wrong input for add, nothing was done: there is no `from`; the fields are numbers, start; \
         `numbers[0]` should be an integer, not a string (\"x\")"
    );
}

#[tokio::test]
async fn what_was_prepared_is_for_the_same_input_only() {
    let project = Project::new();
    let other = json!({ "numbers": [5] });
    assert_eq!(add(&project, json!({ "numbers": [1] }), other).await.unwrap(), "5 unprepared");
}
