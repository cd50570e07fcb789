//! As much of JSON Schema as the protocol's schema uses, and a refusal of everything else.

use serde_json::Value;

/// What is wrong with `value`, or nothing. Stricter than JSON Schema: a property that the schema does not name is wrong.
pub fn errors(all: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let Value::Object(keywords) = schema else {
        assert_eq!(schema, &Value::Bool(true), "a schema is an object or true");
        return Vec::new();
    };
    let mut errors = Vec::new();
    for (keyword, argument) in keywords {
        match keyword.as_str() {
            "$ref" => {
                let name = argument.as_str().expect("a name").strip_prefix("#/$defs/").expect("a definition");
                errors.extend(self::errors(all, &all["$defs"][name], value, at));
            }
            "type" => {
                let types = argument.as_array().cloned().unwrap_or_else(|| vec![argument.clone()]);
                if !types.iter().any(|name| is_of(value, name.as_str().expect("a type's name"))) {
                    errors.push(format!("{at} is {value}, not {argument}"));
                }
            }
            "const" if value != argument => errors.push(format!("{at} is {value}, not {argument}")),
            "enum" if !argument.as_array().expect("a list").contains(value) => {
                errors.push(format!("{at} is {value}, not one of {argument}"));
            }
            "minimum" if value.as_f64() < argument.as_f64() => errors.push(format!("{at} is less than {argument}")),
            "required" => {
                let missing = argument
                    .as_array()
                    .expect("a list")
                    .iter()
                    .filter(|name| value.is_object() && value.get(name.as_str().expect("a name")).is_none());
                errors.extend(missing.map(|name| format!("{at} lacks {name}")));
            }
            "properties" => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    match argument.get(name) {
                        Some(schema) => errors.extend(self::errors(all, schema, value, &format!("{at}.{name}"))),
                        None => errors.push(format!("{at} has {name:?}, which the schema does not know")),
                    }
                }
            }
            "items" => {
                for (index, value) in value.as_array().into_iter().flatten().enumerate() {
                    errors.extend(self::errors(all, argument, value, &format!("{at}[{index}]")));
                }
            }
            "oneOf" | "anyOf" => {
                let choices = argument.as_array().expect("a list");
                let tried: Vec<_> = choices.iter().map(|choice| self::errors(all, choice, value, at)).collect();
                let fitting = tried.iter().filter(|errors| errors.is_empty()).count();
                if fitting == 0 || (keyword == "oneOf" && fitting > 1) {
                    errors.push(format!("{at} fits {fitting} of {}: {tried:?}", choices.len()));
                }
            }
            "const" | "enum" | "minimum" | "description" | "default" | "format" => {}
            other => panic!("this keyword is not known here: {other}"),
        }
    }
    errors
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("this type is not known here: {other}"),
    }
}
