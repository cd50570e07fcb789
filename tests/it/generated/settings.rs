//! The settings of the VS Code extension: those of `Settings` that an editor may set, as VS Code describes settings.

use pillion::config::{Config, Settings};
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

/// What is refused of an editor's settings.
const REFUSED: &[&str] = &["caFile", "hooks", "instructionFiles", "proxy", "webFetch"];
const REFUSED_OF_PROVIDERS: &[&str] = &["apiKeyCommand", "caFile", "proxy", "script"];
/// The rest of a server is refused.
const HEARD_OF_SERVERS: &[&str] = &["enabled", "hiddenTools"];

/// The text of `package.json` with fresh settings of the agent in it.
pub fn held(manifest: &str) -> String {
    let section = manifest.find(r#""title": "Agent""#).expect("package.json has a section of settings named Agent");
    let name = r#""properties": "#;
    let begin = section + manifest[section..].find(name).expect("the section has properties") + name.len();
    let mut values = serde_json::Deserializer::from_str(&manifest[begin..]).into_iter::<IgnoredAny>();
    values.next().expect("a value").expect("JSON");
    let end = begin + values.byte_offset();
    let line = manifest[..begin].rfind('\n').map_or(0, |at| at + 1);
    let indent = manifest[line..begin].chars().take_while(|letter| *letter == ' ').count();
    let fresh = serde_json::to_string_pretty(&properties()).expect("JSON").replace('\n', &format!("\n{:indent$}", ""));
    format!("{}{fresh}{}", &manifest[..begin], &manifest[end..])
}

fn properties() -> Value {
    let schema = schemars::schema_for!(Settings).to_value();
    let all = Schema(&schema["$defs"]);
    let mut found = Map::new();
    for (name, property) in schema["properties"].as_object().expect("settings") {
        let name = camel_case(name);
        if REFUSED.contains(&name.as_str()) {
            continue;
        }
        match all.parts(property) {
            // Each of these gets a line of its own in the editor.
            Some(parts) => {
                for (part, property) in parts {
                    found.insert(format!("pillion.{name}.{}", camel_case(part)), all.setting(property));
                }
            }
            None => {
                let mut setting = all.setting(property);
                if let Some(inner) =
                    setting.pointer_mut("/additionalProperties/properties").and_then(Value::as_object_mut)
                {
                    match name.as_str() {
                        "providers" => inner.retain(|name, _| !REFUSED_OF_PROVIDERS.contains(&name.as_str())),
                        "mcp" => inner.retain(|name, _| HEARD_OF_SERVERS.contains(&name.as_str())),
                        _ => {}
                    }
                }
                if name == "providers" {
                    // What is sent where, and with which key, is no matter of a repository's settings.
                    setting["scope"] = json!("machine");
                }
                found.insert(format!("pillion.{name}"), setting);
            }
        }
    }
    Value::Object(found)
}

/// The definitions that a schema refers to.
struct Schema<'a>(&'a Value);

impl Schema<'_> {
    /// The settings in a table that always has the same ones.
    fn parts<'a>(&'a self, property: &'a Value) -> Option<&'a Map<String, Value>> {
        self.resolve(property)["properties"].as_object()
    }

    fn resolve<'a>(&'a self, property: &'a Value) -> &'a Value {
        let named = |value: &Value| value["$ref"].as_str().and_then(|name| self.0.get(name.rsplit('/').next()?));
        let choices = property["anyOf"].as_array().or_else(|| property["allOf"].as_array());
        named(property).or_else(|| choices?.iter().find_map(named)).unwrap_or(property)
    }

    /// A setting as it stands in the editor; one that is not set is null.
    fn setting(&self, property: &Value) -> Value {
        let mut setting = self.described(property);
        let kind = setting["type"].as_str().unwrap_or_default().to_owned();
        let is_choice = setting.get("enum").is_some();
        if is_choice || matches!(kind.as_str(), "integer" | "number") {
            setting["type"] = json!([kind, "null"]);
            setting["default"] = Value::Null;
        } else {
            let text = setting["markdownDescription"].as_str().unwrap_or_default();
            setting["default"] = match kind.as_str() {
                "boolean" => json!(text.contains("(default true)")),
                "array" => json!([]),
                "object" => json!({}),
                _ => json!(""),
            };
        }
        if is_choice {
            let push_first = |list: &mut Value, first: Value| {
                list.as_array_mut().expect("a list").insert(0, first);
            };
            push_first(&mut setting["enum"], Value::Null);
            push_first(&mut setting["markdownEnumDescriptions"], json!("As it is set elsewhere."));
        }
        setting
    }

    fn described(&self, property: &Value) -> Value {
        let target = self.resolve(property);
        let mut made = Map::new();
        let text = property.get("description").or_else(|| target.get("description"));
        if let Some(text) = text.and_then(Value::as_str) {
            made.insert("markdownDescription".to_owned(), json!(unwrapped(text)));
        }
        let choices = target.get("oneOf").and_then(Value::as_array);
        let names = target.get("enum").and_then(Value::as_array);
        if choices.is_some() || names.is_some() {
            let (mut values, mut texts) = (Vec::new(), Vec::new());
            for choice in choices.into_iter().flatten() {
                let of_choice = choice.get("const").into_iter().chain(choice["enum"].as_array().into_iter().flatten());
                for value in of_choice.filter(|value| *value != "scripted") {
                    values.push(value.clone());
                    texts.push(unwrapped(choice["description"].as_str().unwrap_or_default()));
                }
            }
            for value in names.into_iter().flatten() {
                values.push(value.clone());
                texts.push(String::new());
            }
            made.extend([("type".to_owned(), json!("string")), ("enum".to_owned(), json!(values))]);
            made.insert("markdownEnumDescriptions".to_owned(), json!(texts));
            return Value::Object(made);
        }
        let kind = match &target["type"] {
            Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null").cloned().expect("a type"),
            kind => kind.clone(),
        };
        made.insert("type".to_owned(), kind);
        for limit in ["minimum", "maximum"] {
            if let Some(number) = target.get(limit) {
                made.insert(limit.to_owned(), number.clone());
            }
        }
        if let Some(items) = target.get("items") {
            made.insert("items".to_owned(), self.described(items));
        }
        if let Some(properties) = target["properties"].as_object() {
            let properties: Map<_, _> =
                properties.iter().map(|(name, property)| (camel_case(name), self.described(property))).collect();
            made.insert("properties".to_owned(), Value::Object(properties));
            made.insert("additionalProperties".to_owned(), json!(false));
        } else if let Some(values) = target.get("additionalProperties") {
            made.insert("additionalProperties".to_owned(), self.described(values));
        }
        Value::Object(made)
    }
}

/// A doc comment as one line, with its settings named as the editor names them.
fn unwrapped(text: &str) -> String {
    let text = text.replace('\n', " ");
    let mut spoken = String::new();
    for (index, part) in text.split('`').enumerate() {
        let has_words = part.contains('_') && !part.contains("__");
        let is_name = index % 2 == 1 && has_words && part.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        spoken.push_str(if index > 0 { "`" } else { "" });
        spoken.push_str(&if is_name { camel_case(part) } else { part.to_owned() });
    }
    spoken
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |all, word| {
        let mut letters = word.chars();
        let initial = letters.next().map(|letter| letter.to_ascii_uppercase());
        all + &initial.into_iter().chain(letters).collect::<String>()
    })
}

/// Each setting that is offered is heard, and each that is left out is refused with a word.
#[test]
fn what_is_offered_is_what_an_editor_may_set() {
    let heard = |settings: Value| {
        let (_, warnings) = Config::load_with(&[], &|_| None, Some(&settings));
        warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let properties = properties();
    let mut whole = json!({});
    for (name, setting) in properties.as_object().expect("settings") {
        let mut place = &mut whole;
        for part in name.split('.').skip(1) {
            place = &mut place[part];
        }
        *place = example(setting);
    }
    // What is in force may only be made stricter, and an address may only come with a key that is set beside it.
    whole["mode"] = json!("plan");
    whole["providers"]["x"].as_object_mut().expect("a provider").remove("apiKeyEnv");
    assert_eq!(heard(whole), "");
    for name in REFUSED {
        let said = heard(json!({ *name: example_of(name) }));
        assert!(said.contains("refused here"), "{name}: {said}");
    }
}

fn example_of(refused: &str) -> Value {
    match refused {
        "hooks" => json!({ "guard": { "on": "turn_end", "command": "true" } }),
        "webFetch" => json!({ "allowHosts": ["localhost"] }),
        "instructionFiles" => json!(["CLAUDE.md"]),
        _ => json!("x"),
    }
}

/// Some value that the description allows.
fn example(setting: &Value) -> Value {
    if let Some(choice) = setting["enum"].as_array().and_then(|choices| choices.iter().find(|choice| !choice.is_null()))
    {
        return choice.clone();
    }
    let kind = setting["type"].as_array().map_or(&setting["type"], |kinds| &kinds[0]);
    match kind.as_str().expect("a type") {
        "integer" | "number" => json!(1),
        "boolean" => json!(false),
        "array" => json!([example(&setting["items"])]),
        "object" => match setting["properties"].as_object() {
            Some(properties) => properties.iter().map(|(name, value)| (name.clone(), example(value))).collect(),
            None => json!({ "x": example(&setting["additionalProperties"]) }),
        },
        _ => json!("x/y"),
    }
}
