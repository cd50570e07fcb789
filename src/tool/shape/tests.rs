use serde_json::{Value, json};

use super::check;

fn read_like() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["path"],
        "properties": {
            "path": { "type": "string" },
            "limit": { "type": "integer", "minimum": 0 },
            "all": { "type": "boolean" },
            "mode": { "type": "string", "enum": ["fast", "very_slow"] },
            "parts": {
                "type": "array",
                "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["text"],
                    "properties": { "text": { "type": "string" }, "size": { "type": "number" } },
                },
            },
        },
    })
}

#[test]
fn slips_are_put_right() {
    let checked = |input: Value| check(&read_like(), &input);
    let slips = json!({
        "path": "12", "limit": "12", "all": "True", "mode": null, "parts": "[{\"text\": \"1\", \"size\": \"1.5\"}]",
    });
    let right = json!({ "path": "12", "limit": 12, "all": true, "parts": [{ "text": "1", "size": 1.5 }] });
    assert_eq!(checked(slips), Ok(right));
    let slips = json!({ "path": "a", "limit": 2.0, "parts": { "text": "1" } });
    assert_eq!(checked(slips), Ok(json!({ "path": "a", "limit": 2, "parts": [{ "text": "1" }] })));
    assert_eq!(checked(json!("{\"path\": \"a\"}")), Ok(json!({ "path": "a" })));
    assert_eq!(checked(json!({ "path": "a", "none": null })), Ok(json!({ "path": "a" })));
}

#[test]
fn errors_name_the_field() {
    let cases = [
        (json!({}), "`path` is missing"),
        (json!({ "path": null }), "`path` should be a string, not null"),
        (json!({ "path": 1 }), "`path` should be a string, not an integer (1)"),
        (json!({ "path": "a", "limit": "some" }), "`limit` should be an integer, not a string (\"some\")"),
        (json!({ "path": "a", "limit": 1.5 }), "`limit` should be an integer, not a number (1.5)"),
        (json!({ "path": "a", "limit": -1 }), "`limit` should be 0 or more, not an integer (-1)"),
        (
            json!({ "path": "a", "mode": "slow" }),
            "`mode` should be one of \"fast\", \"very_slow\", not a string (\"slow\")",
        ),
        (json!({ "path": "a", "parts": [{ "text": "a" }, {}] }), "`parts[1].text` is missing"),
        (json!({ "path": "a", "file": 1 }), "there is no `file`; the fields are path, limit, all, mode, parts"),
        (json!([]), "`the input` should be an object, not an array"),
    ];
    for (input, expected) in cases {
        assert_eq!(check(&read_like(), &input), Err(expected.to_owned()));
    }
}

#[test]
fn schemas_of_others_are_understood() {
    let field = |schema: Value, value: Value| {
        let schema = json!({
            "type": "object",
            "properties": { "x": schema },
            "$defs": { "Id": { "type": "integer" }, "Tree": {
                "type": "object", "properties": { "below": { "type": "array", "items": { "$ref": "#/$defs/Tree" } } },
            } },
        });
        check(&schema, &json!({ "x": value })).map(|checked| checked["x"].clone())
    };
    let fits = [
        (json!({ "$ref": "#/$defs/Id" }), json!("7"), json!(7)),
        (json!({ "type": ["string", "null"] }), json!(null), json!(null)),
        (json!({ "anyOf": [{ "type": "string" }, { "type": "null" }] }), json!(null), json!(null)),
        // A text stays a text where that is one of the choices.
        (json!({ "anyOf": [{ "type": "integer" }, { "type": "string" }] }), json!("7"), json!("7")),
        (json!({ "oneOf": [{ "const": "a" }, { "type": "object" }] }), json!({ "b": 1 }), json!({ "b": 1 })),
        (json!({ "type": ["integer", "boolean"] }), json!("true"), json!(true)),
        (json!({ "$ref": "https://example.com/schema" }), json!(1), json!(1)),
        (json!({ "$ref": "#/$defs/None" }), json!(1), json!(1)),
        (json!({ "type": "string", "pattern": "(?=lookahead)" }), json!("a"), json!("a")),
        (json!({ "type": "object" }), json!({ "any": [1] }), json!({ "any": [1] })),
        (json!(true), json!(1), json!(1)),
        (json!({}), json!({ "x": null }), json!({ "x": null })),
        (json!({ "allOf": [{ "type": "integer" }, { "maximum": 3 }] }), json!("3"), json!(3)),
        (json!({ "patternProperties": { "^n": { "type": "integer" } } }), json!({ "n1": "1" }), json!({ "n1": 1 })),
    ];
    for (schema, value, expected) in fits {
        assert_eq!(field(schema.clone(), value), Ok(expected), "{schema}");
    }
    let wrong = [
        (json!({ "$ref": "#/$defs/Id" }), json!("x"), "`x` should be an integer, not a string (\"x\")"),
        (
            json!({ "$ref": "#/$defs/Tree" }),
            json!({ "below": [{ "below": [{ "below": 1 }] }] }),
            "`x.below[0].below[0].below` should be an array, not an integer (1)",
        ),
        (
            json!({ "anyOf": [{ "type": "integer" }, { "type": "null" }] }),
            json!([]),
            "`x` should be an integer or null, not an array",
        ),
        (
            json!({ "anyOf": [{ "type": "object", "required": ["a"] }, { "type": "string" }] }),
            json!({}),
            "`x.a` is missing",
        ),
        (
            json!({ "type": "string", "minLength": 2 }),
            json!("é"),
            "`x` should be 2 or more characters long, not a string (\"é\")",
        ),
        (
            json!({ "type": "string", "pattern": "^a" }),
            json!("b"),
            "`x` should be text that matches the pattern ^a, not a string (\"b\")",
        ),
        (json!({ "type": "array", "maxItems": 1 }), json!([1, 2]), "`x` should be at most 1 items long, not an array"),
        (json!({ "exclusiveMaximum": 3 }), json!(3), "`x` should be less than 3, not an integer (3)"),
        (json!({ "not": { "type": "string" } }), json!("a"), "`x` should not be a string (\"a\")"),
        (json!(false), json!("a"), "`x` should not be there"),
        (json!({ "uniqueItems": true }), json!([1, 1]), "`x` should hold nothing twice, as it does an integer (1)"),
        (
            json!({ "additionalProperties": { "type": "string" } }),
            json!({ "y": 1 }),
            "`x.y` should be a string, not an integer (1)",
        ),
    ];
    for (schema, value, expected) in wrong {
        assert_eq!(field(schema.clone(), value), Err(expected.to_owned()), "{schema}");
    }
}

#[test]
fn no_schema_takes_for_ever() {
    let circle =
        json!({ "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } }, "$ref": "#/$defs/a" });
    assert_eq!(check(&circle, &json!({})), Ok(json!({})));
    let endless = json!({ "allOf": [{ "$ref": "#" }, { "$ref": "#" }] });
    let small_stack = std::thread::Builder::new().stack_size(1 << 20);
    let ended = small_stack.spawn(move || check(&endless, &json!({})).is_ok()).unwrap().join();
    assert!(ended.unwrap());
}

#[test]
fn many_mistakes_are_few_words() {
    let schema = json!({ "type": "object", "properties": { "x": { "items": { "type": "integer" } } } });
    let wrong = check(&schema, &json!({ "x": vec!["a"; 1000] })).unwrap_err();
    assert!(wrong.ends_with("; and 990 more"), "{wrong}");
}
