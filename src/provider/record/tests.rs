use std::io;

use super::*;
use crate::provider::{ErrorClass, scripted::Scripted};

/// A file in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Memory {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn tape(keeps_time: bool) -> (Arc<Tape>, Memory) {
    let memory = Memory::default();
    (Arc::new(Tape::new(Box::new(memory.clone()), keeps_time)), memory)
}

async fn hear(provider: &dyn Provider) -> Vec<String> {
    let events: Vec<_> = provider.stream(Arc::default()).collect().await;
    events.iter().map(|event| format!("{event:?}")).collect()
}

#[tokio::test]
async fn an_answer_is_played_again_to_the_last_detail() {
    let script = r#"[
        {"steps": [{"thinking": "hm", "signature": "proof"}, {"text": "a"}, {"text": "b"},
            {"toolCall": {"id": "call_x", "name": "read", "input": {"path": "x"}}},
            {"usage": {"inputTokens": 3, "outputTokens": 5}}], "stop": "maxTokens"},
        {"steps": [{"text": "half"}, {"error": {"class": "rateLimit", "message": "slow", "status": 429, "retryAfterMs": 9}}]},
        {"steps": [{"toolInput": {"index": 0, "tool": "read", "fragment": "{\"pa"}},
            {"toolInput": {"index": 0, "tool": "read", "fragment": "th\": 1}"}},
            {"called": {"id": "c", "name": "read", "input": {"path": 1}}},
            {"done": {"content": [{"type": "thinking", "text": "", "redacted": "x"}], "stopReason": "toolCalls",
                "rawStopReason": "tool_use", "usage": {}, "model": "m-2026"}}]}
    ]"#;
    let (tape, memory) = tape(false);
    let recording = Recording::new(Arc::new(Scripted::parse(script).unwrap()), tape);
    let again = async |text: &str| Scripted::parse(text).unwrap();
    let mut heard = Vec::new();
    for _ in 0..3 {
        heard.push(hear(&recording).await);
    }
    assert!(heard[0][0].contains("hm") && heard[1][1].contains("RateLimit") && heard[2][0].contains("pa"), "{heard:?}");
    let replay = again(&memory.text()).await;
    for (index, heard) in heard.iter().enumerate() {
        assert_eq!(hear(&replay).await, *heard, "answer {index}");
    }
}

#[tokio::test(start_paused = true)]
async fn pauses_are_kept_if_asked_for() {
    for keeps_time in [true, false] {
        let script = r#"[{"steps": [{"text": "a"}, {"delayMs": 700}, {"text": "b"}]}]"#;
        let (tape, memory) = tape(keeps_time);
        hear(&Recording::new(Arc::new(Scripted::parse(script).unwrap()), tape)).await;
        assert_eq!(memory.text().contains(r#"{"delayMs":700}"#), keeps_time, "{}", memory.text());
    }
}

#[tokio::test]
async fn no_secret_shows_however_it_is_cut() {
    let secret = "sk-secret-0123456789";
    for cut in 1..secret.len() {
        let (head, tail) = secret.split_at(cut);
        let script = json!([{"steps": [
            {"thinking": format!("I see {head}")}, {"thinking": format!("{tail}!")},
            {"text": format!("It is s{head}")}, {"text": tail}, {"text": " sk-s"}, {"text": "ome"},
            {"toolInput": {"index": 0, "tool": "bash", "fragment": format!("{{\"command\": \"echo {head}")}},
            {"toolInput": {"index": 0, "tool": "bash", "fragment": format!("{tail}\"}}")}},
            {"called": {"id": "c", "name": "bash", "input": {"command": [format!("echo {secret}")]}}},
            {"error": {"class": "network", "message": format!("wrong key {secret}")}},
        ]}]);
        let (tape, memory) = tape(false);
        tape.hide(Key::new(secret).into_iter().chain(Key::new("sk-secret-0123")));
        hear(&Recording::new(Arc::new(Scripted::parse(&script.to_string()).unwrap()), tape)).await;
        let text = memory.text();
        assert!(!text.contains(secret), "{text}");
        // Put together, too.
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let said: Vec<Value> = lines.map(|line| line["step"].clone()).collect();
        let texts: String = said.iter().filter_map(|step| step["text"].as_str()).collect();
        let thoughts: String = said.iter().filter_map(|step| step["thinking"].as_str()).collect();
        let input: String = said.iter().filter_map(|step| step["toolInput"]["fragment"].as_str()).collect();
        assert_eq!((texts.as_str(), thoughts.as_str()), ("It is s*** sk-some", "I see ***!"));
        assert_eq!(input, r#"{"command": "echo ***"}"#);
    }
}

#[tokio::test]
async fn what_nobody_heard_to_its_end_hangs_there() {
    let (tape, memory) = tape(false);
    let script = r#"[{"steps": [{"text": "a"}, {"text": "b"}, {"hang": true}]}]"#;
    let recording = Recording::new(Arc::new(Scripted::parse(script).unwrap()), tape);
    let mut answer = recording.stream(Arc::default());
    answer.next().await;
    drop(answer);
    assert!(memory.text().ends_with("{\"call\":1,\"step\":{\"hang\":true}}\n"), "{}", memory.text());

    // A process that was killed has no last word, and perhaps half of one.
    let torn = "{\"call\":1}\n{\"call\":1,\"step\":{\"text\":\"a\"}}\n{\"call\":1,\"step\":{\"te";
    let replay = Scripted::parse(torn).unwrap();
    let mut answer = replay.stream(Arc::default());
    assert_eq!(answer.next().await.unwrap().unwrap(), StreamEvent::Text("a".into()));
    assert!(futures::FutureExt::now_or_never(answer.next()).is_none());
}

#[tokio::test]
async fn answers_find_their_prompts_whatever_the_order() {
    let (tape, memory) = tape(false);
    tape.hide(Key::new("sesame-open"));
    let recording = Recording::new(Arc::new(Scripted::parse(r#"["one", "two", "three"]"#).unwrap()), tape);
    let ask = async |provider: &dyn Provider, text: &str| {
        let messages = vec![crate::transcript::Message::user(text)];
        let request = Arc::new(Request { messages, ..Request::default() });
        match provider.stream(request).next().await {
            Some(Ok(StreamEvent::Text(text))) => text,
            other => format!("{other:?}"),
        }
    };
    for (prompt, said) in [("first", "one"), ("sesame-open second", "two"), ("third", "three")] {
        assert_eq!(ask(&recording, prompt).await, said);
    }
    assert!(!memory.text().contains("sesame"));
    let replay = Scripted::parse(&memory.text()).unwrap();
    for (prompt, said) in [("third", "three"), ("another", "one"), ("sesame-open second", "two")] {
        assert_eq!(ask(&replay, prompt).await, said, "{prompt}");
    }
}

#[test]
fn errors_of_recordings_name_the_line() {
    let error = Scripted::parse("{\"call\":1}\n{\"call\":2,\"step\":{\"text\":\"a\"}}").unwrap_err();
    assert!(error.to_string().contains("call 2, which has not begun"), "{error}");
    assert_eq!(error.answer, 2);
    let fault =
        Fault { class: ErrorClass::Network, message: "m".into(), status: None, retry_after_ms: None, partial: None };
    let step = Step::Error { error: fault };
    assert_eq!(serde_json::to_value(&step).unwrap(), json!({"error": {"class": "network", "message": "m"}}));
}
