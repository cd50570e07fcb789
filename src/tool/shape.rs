//! The check of what a model sends against a tool's schema.

mod words;

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use serde_json::{Map, Value};

use words::{article, kind_of, shown};

/// The most mistakes that are told at once.
const TOLD: usize = 10;

/// The most steps of one check: choices within choices multiply, and a server of tools may be anybody's. What is left
/// unchecked after them is the tool's to refuse.
const STEPS: usize = 100_000;

/// The deepest nesting that is looked into: a schema may refer to itself for ever.
const DEPTH: usize = 64;

/// The longest pattern that is compiled, in bytes.
const PATTERN_BYTES: usize = 1000;

/// The input with small slips put right, or what is wrong with it, all of it at once, in words for the model.
///
/// Knows what schemas of tools are made of: types, fields, items, choices, bounds, patterns, references within the schema.
/// A keyword it does not know, a reference that leads out of the schema, and a pattern that is none let everything pass:
/// the tool has a check of its own, and nothing is ever fetched.
pub(super) fn check(schema: &Value, input: &Value) -> Result<Value, String> {
    let mut check = Check { root: schema, wrong: Vec::new(), steps: 0, depth: 0 };
    let checked = check.value(schema, input.clone(), "");
    if check.wrong.is_empty() {
        return Ok(checked);
    }
    let more = check.wrong.len().saturating_sub(TOLD);
    check.wrong.truncate(TOLD);
    if more > 0 {
        check.wrong.push(format!("and {more} more"));
    }
    Err(check.wrong.join("; "))
}

struct Check<'a> {
    root: &'a Value,
    wrong: Vec<String>,
    steps: usize,
    depth: usize,
}

impl<'a> Check<'a> {
    fn value(&mut self, schema: &'a Value, value: Value, path: &str) -> Value {
        self.steps += 1;
        if self.steps > STEPS || self.depth > DEPTH {
            return value;
        }
        self.depth += 1;
        let value = self.known(schema, value, path);
        self.depth -= 1;
        value
    }

    fn known(&mut self, schema: &'a Value, value: Value, path: &str) -> Value {
        let Some(schema) = self.resolve(schema) else { return value };
        if *schema == Value::Bool(false) {
            self.wrong.push(format!("`{}` should not be there", name(path)));
            return value;
        }
        let Some(keywords) = schema.as_object() else { return value };

        let kinds = kinds(schema);
        let value = coerce_to_any(&kinds, value);
        if !kinds.is_empty() && !kinds.iter().any(|kind| is_a(kind, &value)) {
            let kinds: Vec<String> = kinds.iter().map(|kind| article(kind)).collect();
            self.wrong.push(format!("`{}` should be {}, not {}", name(path), kinds.join(" or "), shown(&value)));
            return value;
        }
        if let Some(choices) = schema["enum"].as_array()
            && !choices.contains(&value)
        {
            let choices: Vec<String> = choices.iter().map(Value::to_string).collect();
            self.wrong.push(format!("`{}` should be one of {}, not {}", name(path), choices.join(", "), shown(&value)));
        }
        if let Some(only) = keywords.get("const")
            && *only != value
        {
            self.wrong.push(format!("`{}` should be {only}, not {}", name(path), shown(&value)));
        }
        self.bounds(schema, &value, path);
        let value = match value {
            Value::Object(fields) => Value::Object(self.fields(schema, fields, path)),
            Value::Array(items) => Value::Array(self.items(schema, items, path)),
            value => value,
        };
        self.choices(schema, value, path)
    }

    /// What a reference leads to.
    fn resolve(&self, mut schema: &'a Value) -> Option<&'a Value> {
        // References may lead round in circles.
        for _ in 0..32 {
            let Some(target) = schema["$ref"].as_str() else { return Some(schema) };
            schema = self.root.pointer(target.strip_prefix('#')?)?;
        }
        None
    }

    fn bounds(&mut self, schema: &Value, value: &Value, path: &str) {
        let limit = |keyword: &str| schema[keyword].as_f64();
        let mut wrong = |should_be: String| {
            self.wrong.push(format!("`{}` should be {should_be}, not {}", name(path), shown(value)));
        };
        if let Some(number) = value.as_f64() {
            if limit("minimum").is_some_and(|least| number < least) {
                wrong(format!("{} or more", schema["minimum"]));
            }
            if limit("maximum").is_some_and(|most| number > most) {
                wrong(format!("{} or less", schema["maximum"]));
            }
            if limit("exclusiveMinimum").is_some_and(|below| number <= below) {
                wrong(format!("more than {}", schema["exclusiveMinimum"]));
            }
            if limit("exclusiveMaximum").is_some_and(|above| number >= above) {
                wrong(format!("less than {}", schema["exclusiveMaximum"]));
            }
            if limit("multipleOf").is_some_and(|step| step > 0.0 && (number / step).fract() != 0.0 && step >= 1.0) {
                wrong(format!("a multiple of {}", schema["multipleOf"]));
            }
        }
        let counted = match value {
            Value::String(text) => Some((text.chars().count(), "Length", "characters")),
            Value::Array(items) => Some((items.len(), "Items", "items")),
            Value::Object(fields) => Some((fields.len(), "Properties", "fields")),
            _ => None,
        };
        if let Some((count, keyword, what)) = counted {
            let limit = |prefix: &str| schema[format!("{prefix}{keyword}")].as_u64();
            if let Some(least) = limit("min").filter(|least| (count as u64) < *least) {
                wrong(format!("{least} or more {what} long"));
            }
            if let Some(most) = limit("max").filter(|most| (count as u64) > *most) {
                wrong(format!("at most {most} {what} long"));
            }
        }
        if let (Some(text), Some(pattern)) = (value.as_str(), schema["pattern"].as_str())
            && matches(pattern, text) == Some(false)
        {
            wrong(format!("text that matches the pattern {pattern}"));
        }
    }

    fn fields(&mut self, schema: &'a Value, mut fields: Map<String, Value>, path: &str) -> Map<String, Value> {
        let properties = schema["properties"].as_object();
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let below = |field: &str| if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
        let property = |field: &str| properties.and_then(|properties| properties.get(field));
        // Null for a field that may be absent means that it is, unless the tool knows a null of its own.
        fields.retain(|field, value| {
            let may_go = !required.contains(&field.as_str())
                && property(field).map_or(is_closed(schema), |schema| !self.takes_null(schema));
            !(value.is_null() && may_go)
        });
        for field in required.iter().filter(|field| !fields.contains_key(**field)) {
            self.wrong.push(format!("`{}` is missing", below(field)));
        }
        let patterns = schema["patternProperties"].as_object();
        let mut checked = Map::new();
        for (field, value) in fields {
            let mut by_pattern = patterns.into_iter().flatten();
            let known = property(&field).or_else(|| {
                by_pattern.find(|(pattern, _)| matches(pattern, &field) != Some(false)).map(|(_, schema)| schema)
            });
            let value = match known {
                Some(schema) => self.value(schema, value, &below(&field)),
                None if is_closed(schema) => {
                    let known: Vec<&str> = properties.into_iter().flat_map(Map::keys).map(String::as_str).collect();
                    let known = match known.as_slice() {
                        [] => "there are no fields".to_owned(),
                        known => format!("the fields are {}", known.join(", ")),
                    };
                    self.wrong.push(format!("there is no `{}`; {known}", below(&field)));
                    continue;
                }
                None => self.value(&schema["additionalProperties"], value, &below(&field)),
            };
            checked.insert(field, value);
        }
        checked
    }

    fn takes_null(&self, schema: &'a Value) -> bool {
        let Some(schema) = self.resolve(schema) else { return true };
        let choices = ["anyOf", "oneOf"].iter().filter_map(|keyword| schema[*keyword].as_array()).flatten();
        let mut kinds = kinds(schema);
        for choice in choices {
            kinds.extend(self.resolve(choice).map(self::kinds).unwrap_or_default());
        }
        kinds.contains(&"null") || schema["enum"].as_array().is_some_and(|choices| choices.contains(&Value::Null))
    }

    fn items(&mut self, schema: &'a Value, items: Vec<Value>, path: &str) -> Vec<Value> {
        if schema["uniqueItems"] == true {
            let mut seen = HashSet::new();
            if let Some(twice) = items.iter().find(|item| !seen.insert(item.to_string())) {
                self.wrong.push(format!("`{}` should hold nothing twice, as it does {}", name(path), shown(twice)));
            }
        }
        let first = schema["prefixItems"].as_array().map(Vec::as_slice).unwrap_or_default();
        let items = items.into_iter().enumerate();
        let checked = items.map(|(index, item)| {
            let schema = first.get(index).unwrap_or(&schema["items"]);
            self.value(schema, item, &format!("{path}[{index}]"))
        });
        checked.collect()
    }

    /// `allOf`, `anyOf`, `oneOf` and `not`.
    fn choices(&mut self, schema: &'a Value, mut value: Value, path: &str) -> Value {
        for part in schema["allOf"].as_array().into_iter().flatten() {
            value = self.value(part, value, path);
        }
        for keyword in ["anyOf", "oneOf"] {
            let Some(choices) = schema[keyword].as_array().filter(|choices| !choices.is_empty()) else { continue };
            let before = std::mem::take(&mut self.wrong);
            let mut best: Option<(Value, Vec<String>)> = None;
            for choice in choices {
                let tried = self.value(choice, value.clone(), path);
                let wrong = std::mem::take(&mut self.wrong);
                // As it is rather than put right; else what it takes the least to put right.
                let rank = |tried: &Value, wrong: &[String]| (wrong.len(), *tried != value);
                let is_better = best.as_ref().is_none_or(|(other, w)| rank(&tried, &wrong) < rank(other, w));
                if is_better {
                    best = Some((tried, wrong));
                }
            }
            self.wrong = before;
            match best {
                Some((tried, wrong)) if wrong.is_empty() => value = tried,
                Some((_, wrong)) => self.wrong.extend(self.none_fits(choices, &value, path, wrong)),
                None => {}
            }
        }
        if schema["not"].is_object() {
            let before = std::mem::take(&mut self.wrong);
            self.value(&schema["not"], value.clone(), path);
            let fits = std::mem::replace(&mut self.wrong, before).is_empty();
            if fits {
                self.wrong.push(format!("`{}` should not be {}", name(path), shown(&value)));
            }
        }
        value
    }

    /// What to say when none of the choices fits: what is wrong with the nearest, or what kinds there are if it is none.
    fn none_fits(&self, choices: &'a [Value], value: &Value, path: &str, nearest: Vec<String>) -> Vec<String> {
        let resolved = choices.iter().filter_map(|choice| self.resolve(choice));
        let all: Vec<&str> = resolved.flat_map(kinds).collect();
        if all.is_empty() || all.iter().any(|kind| is_a(kind, value)) {
            return nearest;
        }
        let mut kinds: Vec<String> = all.iter().map(|kind| article(kind)).collect();
        kinds.dedup();
        vec![format!("`{}` should be {}, not {}", name(path), kinds.join(" or "), shown(value))]
    }
}

fn is_closed(schema: &Value) -> bool {
    schema["additionalProperties"] == false
}

/// The kinds a value may be of; any if none.
fn kinds(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn is_a(kind: &str, value: &Value) -> bool {
    match kind {
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" | "boolean" | "array" | "object" | "null" => kind_of(value) == kind,
        _ => true,
    }
}

fn coerce_to_any(kinds: &[&str], mut value: Value) -> Value {
    for kind in kinds {
        if kinds.iter().any(|kind| is_a(kind, &value)) {
            break;
        }
        value = coerce(kind, value);
    }
    value
}

/// Puts right what can mean only one thing.
fn coerce(kind: &str, value: Value) -> Value {
    match (kind, value) {
        ("integer", Value::Number(number)) if !number.is_i64() && !number.is_u64() => {
            // 2.0 is 2. Below 2^53 every whole number has a float of its own.
            match number.as_f64() {
                Some(float) if float.fract() == 0.0 && float.abs() < 9e15 => Value::from(float as i64),
                _ => Value::Number(number),
            }
        }
        ("string", value) => value,
        (_, Value::String(text)) => match serde_json::from_str::<Value>(text.trim()) {
            Ok(parsed @ (Value::Number(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_))) => {
                match coerce(kind, parsed) {
                    parsed if is_a(kind, &parsed) => parsed,
                    _ => Value::String(text),
                }
            }
            _ if kind == "boolean" && text.eq_ignore_ascii_case("true") => Value::Bool(true),
            _ if kind == "boolean" && text.eq_ignore_ascii_case("false") => Value::Bool(false),
            _ => Value::String(text),
        },
        ("array", value @ Value::Object(_)) => Value::Array(vec![value]),
        (_, value) => value,
    }
}

/// `None` if the pattern cannot be told: JSON Schema's are those of JavaScript.
fn matches(pattern: &str, text: &str) -> Option<bool> {
    if pattern.len() > PATTERN_BYTES {
        return None;
    }
    let pattern = regex::RegexBuilder::new(pattern).size_limit(1 << 20).build().ok()?;
    Some(pattern.is_match(text))
}

fn name(path: &str) -> &str {
    if path.is_empty() { "the input" } else { path }
}
