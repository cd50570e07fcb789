//! How many tokens a prompt takes, before the provider has counted it.
//!
//! Nobody has every model's tokenizer. So text is weighed by its characters, and the weight is corrected by what the
//! provider says of each call: after a call or two, the estimate is near what this model makes of this conversation.

use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::{
    provider::{Request, ToolSpec},
    transcript::{Content, Message, ResultContent, Usage},
};

/// How full a model's context is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContextUse {
    /// What the whole conversation takes.
    pub tokens: u64,
    /// The most that a prompt may have; `None` if that is not known.
    pub window: Option<u64>,
}

impl ContextUse {
    /// `tokens` as a share of the window, from 0; above 1 if they are too many. `None` if the window is not known.
    pub fn share(&self) -> Option<f64> {
        let window = self.window.filter(|window| *window > 0)?;
        Some(self.tokens as f64 / window as f64)
    }
}

/// Estimates tokens, and learns from what a provider counted. One for each conversation; see
/// [`Scope`](super::Scope).
///
/// ```
/// use pillion::{
///     agent::estimate::Estimator,
///     provider::Request,
///     transcript::{Message, Usage},
/// };
///
/// let request = Request { messages: vec![Message::user("Mind the gap. ".repeat(100))], ..Request::default() };
/// let estimator = Estimator::default();
/// let guess = estimator.request(&request);
///
/// // The model's own count is a third more.
/// let counted = guess + guess / 3;
/// estimator.learn(&request, &Usage { input_tokens: Some(counted), ..Usage::default() });
/// assert!(estimator.request(&request).abs_diff(counted) <= 2);
/// ```
#[derive(Debug)]
pub struct Estimator {
    /// Tokens as the provider counts them for each that the weights give, in thousandths.
    ratio: Mutex<Learnt>,
}

#[derive(Clone, Copy, Debug)]
struct Learnt {
    thousandths: u64,
    /// False while it is a guess.
    measured: bool,
}

/// The weights, in thousandths of a token. Chosen: English and source code have some 3.6 characters a token with the
/// tokenizers in use, other scripts around one, and an image is counted by providers at up to some 1,600.
const ASCII: u64 = 280;
const OTHER: u64 = 900;
const IMAGE: u64 = 1_500_000;
/// What a message, a call, a result or a tool takes around its text.
const FRAME: u64 = 6_000;

/// A count outside these bounds says more of the counting than of the text. In thousandths.
const LEAST: u64 = 400;
const MOST: u64 = 3_000;

/// Counts of prompts smaller than this teach nothing: what the provider adds of its own is most of them. In tokens.
const TELLING: u64 = 200;

impl Default for Estimator {
    fn default() -> Self {
        Self { ratio: Mutex::new(Learnt { thousandths: 1_000, measured: false }) }
    }
}

impl Estimator {
    /// The tokens of a whole prompt.
    pub fn request(&self, request: &Request) -> u64 {
        self.corrected(weight_of_request(request))
    }

    /// The tokens of a prompt with other messages in the place of the request's.
    pub fn prompt(&self, request: &Request, messages: &[Message]) -> u64 {
        self.corrected(weight_of_frame(request) + weigh(messages))
    }

    /// The tokens of messages alone.
    pub fn messages(&self, messages: &[Message]) -> u64 {
        self.corrected(weigh(messages))
    }

    /// Takes in what the provider counted for this prompt; no count is no lesson. Half of what was learnt before stays,
    /// so that one odd count does not throw the estimate off.
    pub fn learn(&self, request: &Request, usage: &Usage) {
        let Some(counted) = usage.prompt_tokens().filter(|counted| *counted >= TELLING) else { return };
        let weight = weight_of_request(request).max(1);
        let thousandths = (u128::from(counted) * 1_000_000 / u128::from(weight)).clamp(LEAST.into(), MOST.into());
        // Clamped: it fits.
        let thousandths = thousandths as u64;
        let mut ratio = self.lock();
        ratio.thousandths = if ratio.measured { ratio.thousandths.midpoint(thousandths) } else { thousandths };
        ratio.measured = true;
    }

    fn corrected(&self, weight: u64) -> u64 {
        let tokens = u128::from(weight) * u128::from(self.lock().thousandths) / 1_000_000;
        u64::try_from(tokens).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Learnt> {
        self.ratio.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn weight_of_request(request: &Request) -> u64 {
    weight_of_frame(request) + weigh(&request.messages)
}

/// All but the messages.
fn weight_of_frame(request: &Request) -> u64 {
    let system: u64 = request.system.iter().map(|block| weigh_text(block)).sum();
    let tool = |tool: &ToolSpec| {
        FRAME + weigh_text(&tool.name) + weigh_text(&tool.description) + weigh_json(&tool.input_schema)
    };
    system + request.tools.iter().map(tool).sum::<u64>()
}

/// Messages in thousandths of a token, uncorrected: for telling which of two transcripts is the larger.
pub fn weigh(messages: &[Message]) -> u64 {
    messages.iter().map(|message| FRAME + message.content.iter().map(weigh_part).sum::<u64>()).sum()
}

fn weigh_part(part: &Content) -> u64 {
    match part {
        Content::Text { text } => weigh_text(text),
        Content::Thinking { text, signature, redacted } => {
            // What is encrypted is some four thirds of the text that it stands for.
            let opaque = if text.is_empty() { redacted.as_deref().or(signature.as_deref()) } else { None };
            weigh_text(text) + opaque.map_or(0, |opaque| opaque.len() as u64 * ASCII * 3 / 4)
        }
        Content::Image(_) => IMAGE,
        Content::ToolCall(call) => FRAME + weigh_text(&call.name) + weigh_json(&call.input),
        Content::ToolResult(result) => {
            let part = |part: &ResultContent| match part {
                ResultContent::Text { text } => weigh_text(text),
                ResultContent::Image(_) => IMAGE,
            };
            FRAME + result.content.iter().map(part).sum::<u64>()
        }
    }
}

fn weigh_text(text: &str) -> u64 {
    let ascii = text.bytes().filter(u8::is_ascii).count() as u64;
    // Bytes that begin a character beyond ASCII.
    let other = text.bytes().filter(|byte| *byte >= 0xc0).count() as u64;
    ascii * ASCII + other * OTHER
}

fn weigh_json(value: &Value) -> u64 {
    match value {
        Value::Null | Value::Bool(_) => 4 * ASCII,
        Value::Number(_) => 6 * ASCII,
        // Quotes, and line ends that are written as two characters.
        Value::String(text) => {
            weigh_text(text) + (2 + text.bytes().filter(|byte| *byte == b'\n').count() as u64) * ASCII
        }
        Value::Array(values) => 2 * ASCII + values.iter().map(|value| ASCII + weigh_json(value)).sum::<u64>(),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| weigh_text(name) + 4 * ASCII + weigh_json(value);
            2 * ASCII + members.iter().map(member).sum::<u64>()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prompt(text: &str) -> Request {
        Request { messages: vec![Message::user(text)], ..Request::default() }
    }

    fn counted(input: u64) -> Usage {
        Usage { input_tokens: Some(input), ..Usage::default() }
    }

    #[test]
    fn everything_in_a_request_counts() {
        let estimator = Estimator::default();
        let bare = prompt("hello");
        let tokens = estimator.request(&bare);
        let more = |change: &dyn Fn(&mut Request)| {
            let mut request = bare.clone();
            change(&mut request);
            estimator.request(&request) - tokens
        };
        assert!((20..40).contains(&more(&|request| request.system.push("0123456789".repeat(10)))));
        assert!((80..100).contains(&more(&|request| request.messages[0] = Message::user("漢".repeat(100)))));
        let image = crate::transcript::Image { media_type: "image/png".into(), data: "A".repeat(1_000_000) };
        assert_eq!(more(&|request| request.messages[0].content.push(Content::Image(image.clone()))), 1_500);
        let input_schema = serde_json::json!({"type": "object", "properties": {"path": {"type": "string"}}});
        let tool = ToolSpec { name: "read".into(), description: "Reads a file.".into(), input_schema };
        assert!((15..40).contains(&more(&|request| request.tools.push(tool.clone()))));
    }

    #[test]
    fn what_comes_from_a_cache_teaches_too() {
        let estimator = Estimator::default();
        let request = prompt(&"word ".repeat(1_000));
        let usage = Usage { cache_read_tokens: Some(2_000), cache_write_tokens: Some(100), ..counted(10) };
        estimator.learn(&request, &usage);
        assert!(estimator.request(&request).abs_diff(2_110) <= 2);
    }

    #[test]
    fn no_count_and_odd_counts_do_little() {
        let estimator = Estimator::default();
        let request = prompt(&"word ".repeat(1_000));
        let before = estimator.request(&request);
        for nothing in [Usage::default(), counted(0), counted(3), Usage { output_tokens: Some(9), ..Usage::default() }]
        {
            estimator.learn(&request, &nothing);
        }
        assert_eq!(estimator.request(&request), before);
        estimator.learn(&request, &counted(before));
        estimator.learn(&request, &counted(u64::MAX));
        assert!(estimator.request(&request) <= before * 2 + 2, "one odd count moves it half of the bound at the most");
    }

    #[test]
    fn a_share_needs_a_window() {
        let share = |tokens, window| ContextUse { tokens, window }.share();
        assert_eq!(share(50, Some(200)), Some(0.25));
        assert_eq!(share(50, None), None);
        assert_eq!(share(50, Some(0)), None);
    }

    proptest! {
        #[test]
        fn learning_stays_within_its_bounds(counts in prop::collection::vec(any::<u64>(), 0..10), text in ".{0,400}") {
            let estimator = Estimator::default();
            let request = prompt(&text);
            let first = estimator.request(&request);
            for count in counts {
                estimator.learn(&request, &counted(count));
            }
            let last = estimator.request(&request);
            prop_assert!(last >= first * 2 / 5 && last <= first * 3 + 3, "{first} became {last}");
        }

        #[test]
        fn more_text_is_never_less(text in ".{0,200}", more in ".{0,50}") {
            let estimator = Estimator::default();
            prop_assert!(estimator.request(&prompt(&text)) <= estimator.request(&prompt(&(text.clone() + &more))));
        }
    }
}
