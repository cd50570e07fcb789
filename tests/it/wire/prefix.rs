//! What is sent to a model grows at its end only: a provider that keeps what it has read finds it again, byte for byte.

use std::{collections::BTreeMap, fs};

use pillion::{
    agent::{Agent, Scope},
    provider::presets::Api,
    tool::Registry,
    transcript::Message,
    workspace::Workspace,
};
use regex::Regex;
use serde_json::{json, value::RawValue};
use tokio_util::sync::CancellationToken;

use super::{
    formats::{ALL, PROOF, provider, stream},
    server::{Reply, Server, events},
};

/// A request's text without the marks of Anthropic's breakpoints, which are no part of the prompt; and where its
/// messages end.
fn prompt(api: Api, text: &str) -> (String, usize) {
    let mark = Regex::new(r#","cache_control":\{[^}]*\}|"cache_control":\{[^}]*\},"#).unwrap();
    let text = mark.replace_all(text, "").into_owned();
    assert!(!text.contains("cache_control"), "{text}");
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(&text).unwrap();
    let list = fields[match api {
        Api::Anthropic | Api::Chat => "messages",
        Api::Responses => "input",
        Api::Gemini => "contents",
    }];
    let end = list.get().as_ptr() as usize - text.as_ptr() as usize + list.get().len() - 1;
    (text, end)
}

/// Two turns of several rounds by the real agent with the real tools.
async fn asked(api: Api) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.txt"), "one\n").unwrap();
    let answer = |text: &str, calls: &[_]| {
        let events_of_it = stream(api, text, calls);
        Reply::Keep(events(&events_of_it.iter().map(String::as_str).collect::<Vec<_>>()))
    };
    let server = Server::start(vec![
        answer("I look.", &[("a", "read", json!({"path": "a.txt"})), ("b", "glob", json!({"pattern": "*"}))]),
        answer("I see.", &[("c", "read", json!({"path": "none.txt"}))]),
        answer("That is no file.", &[]),
        answer("Once more.", &[("a", "glob", json!({"pattern": "*.txt"}))]),
        answer("Done.", &[]),
    ])
    .await;
    let agent = Agent::builder()
        .provider(provider(api, &server.base_url))
        .model("claude-sonnet-4-5")
        .system("Be brief.")
        .system("Be kind.")
        .tools(Registry::standard())
        .workspace(Workspace::new(vec![folder.path().to_owned()]))
        .build()
        .unwrap();
    let (scope, mut history) = (Scope::default(), Vec::new());
    for prompt in ["Look around", "Again"] {
        history.push(Message::user(prompt));
        let turn = agent.run_in(&scope, &history, CancellationToken::new()).await.unwrap();
        history.extend(turn.messages);
    }
    assert_eq!(server.asked().len(), 5);
    server.asked().into_iter().map(|asked| asked.text).collect()
}

#[tokio::test]
async fn each_request_begins_with_the_one_before_byte_for_byte() {
    for api in ALL {
        let asked = asked(api).await;
        for pair in asked.windows(2) {
            let (before, end) = prompt(api, &pair[0]);
            let (after, new_end) = prompt(api, &pair[1]);
            assert!(new_end > end, "{api:?}: it grows");
            let same = before.bytes().zip(after.bytes()).take_while(|(one, other)| one == other).count();
            assert!(same >= end, "{api:?}: other from {same} on, before {end}:\n{before}\n{after}");
            assert_eq!(before[end..], after[new_end..], "{api:?}: what stands after the messages");
        }
        // Reasoning comes back with its proof, where the format has one.
        assert_eq!(asked[1].contains(PROOF), api != Api::Chat, "{api:?}");
    }
}

#[tokio::test]
async fn tools_are_sorted_by_name() {
    for api in ALL {
        let body: serde_json::Value = serde_json::from_str(&asked(api).await[0]).unwrap();
        let tools = if api == Api::Gemini { &body["tools"][0]["functionDeclarations"] } else { &body["tools"] };
        let name =
            |tool: &serde_json::Value| tool["name"].as_str().or(tool["function"]["name"].as_str()).map(str::to_owned);
        let names: Vec<_> = tools.as_array().unwrap().iter().map(|tool| name(tool).unwrap()).collect();
        assert!(names.len() > 3 && names.is_sorted(), "{names:?}");
    }
}

/// Four at the most, two of them at the end, which moves along.
#[tokio::test]
async fn anthropics_breakpoints_move_along() {
    for text in asked(Api::Anthropic).await {
        let body: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(text.matches("cache_control").count() <= 4, "{text}");
        let messages = body["messages"].as_array().unwrap();
        let last = messages.last().unwrap()["content"].as_array().unwrap().last().unwrap();
        assert_eq!(last["cache_control"], json!({"type": "ephemeral"}));
    }
}
