//! A server's form, put before the person one question at a time.

use serde_json::{Map, Value};

use super::handler::{SHOWN, clipped};
use crate::tool::{Answered, Choice, Desk, Question, check_shape};

/// How often a field is asked for when the answer does not fit.
const TRIES: usize = 3;

/// The most fields of a form. Chosen: more is not a question but an interrogation.
const FIELDS: usize = 20;

/// The longest name of a field or a choice that is shown, in characters.
const LABEL: usize = 200;

/// The most choices that are shown; of more, one has to be named. Chosen.
const CHOICES: usize = 100;

/// Asks for each field; `None` if the person declines any of it, or nobody is there.
pub async fn ask(
    desk: &Desk,
    server: &str,
    message: &str,
    schema: &Value,
    order: Option<Vec<String>>,
) -> Option<Value> {
    let head = format!("The MCP server `{server}` asks: {}", clipped(message.trim(), SHOWN));
    let none = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    let names = order.unwrap_or_else(|| properties.keys().cloned().collect());
    if properties.is_empty() {
        let question = Question { text: head, choices: choices(["Yes", "No"]), allows_text: false };
        return (desk.ask(question).await == Answered::Choice(0)).then(|| Value::Object(Map::new()));
    }
    if names.len() > FIELDS {
        return None;
    }
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut content = Map::new();
    for (index, name) in names.iter().enumerate() {
        let Some(field) = properties.get(name) else { continue };
        let head = if index == 0 { format!("{head}\n\n") } else { String::new() };
        let is_required = required.contains(&name.as_str());
        if let Some(value) = ask_field(desk, &head, name, field, is_required).await? {
            content.insert(name.clone(), value);
        }
    }
    Some(Value::Object(content))
}

/// The value; an empty one if the person left it out, and nothing if they declined.
async fn ask_field(desk: &Desk, head: &str, name: &str, field: &Value, is_required: bool) -> Option<Option<Value>> {
    let title = &clipped(field["title"].as_str().unwrap_or(name), LABEL);
    let mut text = title.clone();
    if let Some(description) = field["description"].as_str() {
        text += &format!(": {description}");
    }
    if !is_required {
        text += " (may be left empty)";
    }
    if let Some(default) = field.get("default").filter(|default| !default.is_null()) {
        text += &format!(" (by default {default})");
    }
    let text = format!("{head}{}", clipped(&text, SHOWN));
    let options = options(field);
    let shown = if options.len() > CHOICES { &[] } else { options.as_slice() };
    let mut problem = String::new();
    for _ in 0..TRIES {
        let question = Question {
            text: format!("{text}{problem}"),
            choices: choices(shown.iter().map(|(label, _)| label.as_str())),
            allows_text: shown.is_empty() || !is_required,
        };
        let value = match desk.ask(question).await {
            Answered::Choice(chosen) => options.get(chosen)?.1.clone(),
            Answered::Text(answer) if answer.trim().is_empty() => {
                let default = field.get("default").filter(|default| !default.is_null()).cloned();
                if default.is_some() || !is_required {
                    return Some(default);
                }
                Value::String(answer)
            }
            Answered::Text(answer) if field["type"] == "array" => {
                answer.split(',').map(|part| Value::from(part.trim())).collect()
            }
            Answered::Text(answer) => {
                let named = options.iter().find(|(label, _)| label.eq_ignore_ascii_case(answer.trim()));
                named.map_or(Value::String(answer), |(_, value)| value.clone())
            }
            Answered::Declined | Answered::Nobody => return None,
        };
        match check_shape(field, &value) {
            Ok(value) => return Some(Some(value)),
            Err(wrong) => {
                let wrong = format!("not {value}: {}", wrong.replace("the input", title));
                problem = format!("\n({})", clipped(&wrong, SHOWN));
            }
        }
    }
    None
}

/// What can be chosen from, as it is shown and as it is meant; empty where the answer is free.
fn options(field: &Value) -> Vec<(String, Value)> {
    if field["type"] == "boolean" {
        return vec![("Yes".to_owned(), Value::Bool(true)), ("No".to_owned(), Value::Bool(false))];
    }
    let titled = field["oneOf"].as_array().into_iter().flatten().filter_map(|choice| {
        let value = choice.get("const")?;
        Some((choice["title"].as_str().map_or_else(|| shown(value), str::to_owned), value.clone()))
    });
    let titled: Vec<_> = titled.collect();
    if !titled.is_empty() {
        return titled;
    }
    let names = field["enumNames"].as_array().map(Vec::as_slice).unwrap_or_default();
    let values = field["enum"].as_array().into_iter().flatten().enumerate();
    let label = |index: usize, value: &Value| {
        names.get(index).and_then(Value::as_str).map(str::to_owned).unwrap_or_else(|| shown(value))
    };
    values.map(|(index, value)| (label(index, value), value.clone())).collect()
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn choices<'a>(labels: impl IntoIterator<Item = &'a str>) -> Vec<Choice> {
    labels.into_iter().map(|label| Choice { label: clipped(label, LABEL), description: None }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tool::Wish;

    #[tokio::test]
    async fn a_long_form_is_asked_in_short() {
        let long = "x".repeat(1_000_000);
        let many: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
        let schema = json!({"required": ["a", "b"], "properties": {
            "a": {"title": long, "description": long, "default": long, "enum": [long, "short"]},
            "b": {"enum": many},
        }});
        let (desk, mut wishes) = Desk::new(Default::default());
        let answers = [Answered::Choice(0), Answered::Text(long.clone()), Answered::Text("700".into())];
        let person = async {
            let mut asked = Vec::new();
            for answered in answers {
                let Some(Wish::Ask { question, answer }) = wishes.recv().await else { panic!("a question") };
                let _ = answer.send(answered);
                asked.push(question);
            }
            asked
        };
        let (content, asked) = tokio::join!(ask(&desk, "s", &long, &schema, None), person);
        assert_eq!(content, Some(json!({"a": long, "b": "700"})));
        let lengths = asked.iter().map(|question| {
            let labels = question.choices.iter().map(|choice| choice.label.chars().count());
            (question.text.chars().count() / SHOWN, labels.collect::<Vec<_>>(), question.allows_text)
        });
        let expect = [(2, vec![LABEL + 1, 5], false), (0, vec![], true), (1, vec![], true)];
        assert_eq!(lengths.collect::<Vec<_>>(), expect);
    }
}
