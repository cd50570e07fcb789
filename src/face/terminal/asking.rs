//! What the person is asked on the terminal, what they type, and what it means.

use std::io;

use tokio::task::JoinHandle;

use crate::protocol::{Approval, ApprovalDecision, ApprovalScope, Choice, Question, QuestionAnswer};

/// Reads the standard input for whoever asks, one line at a time. A read of a terminal cannot be broken off; one that
/// began for a question that is over goes on, and what it reads is for the next question.
#[derive(Default)]
pub struct Typed(Option<JoinHandle<io::Result<String>>>);

impl Typed {
    /// The next line, without its end; `None` at the end of the input. Safe to drop and call again.
    pub async fn line(&mut self) -> Option<String> {
        let reading = self.0.get_or_insert_with(|| {
            tokio::task::spawn_blocking(|| {
                let mut line = String::new();
                io::stdin().read_line(&mut line).map(|_| line)
            })
        });
        let read = reading.await;
        self.0 = None;
        read.ok()?.ok().filter(|line| !line.is_empty()).map(|line| line.trim().to_owned())
    }

    /// Drops what was typed until now: it was meant for nothing, or for a question that is over, and must not answer another.
    pub fn forget(&mut self) {
        self.0.take_if(|reading| reading.is_finished());
        #[cfg(unix)]
        let _ = rustix::termios::tcflush(rustix::stdio::stdin(), rustix::termios::QueueSelector::IFlush);
    }
}

/// How an approval is answered.
pub fn prompt(approval: &Approval) -> String {
    let rules = match approval.rules.join(", ") {
        rules if rules.is_empty() => rules,
        rules => format!(", yes to {rules} [s] in this session, [p] always in this project, [u] always, everywhere"),
    };
    let hunks = if hunks(approval) > 1 { ", [h 1 ...] yes, to these hunks only" } else { "" };
    format!("  [y] yes, once{hunks}{rules}, [n REASON] no, [c] no, and stop the turn > ")
}

fn hunks(approval: &Approval) -> usize {
    approval.diff.as_ref().map_or(0, |diff| diff.hunks.len())
}

/// What a line says to an approval; no line is the end of the input.
///
/// # Errors
/// What is understood, in a line, to ask again with.
pub fn decision(approval: &Approval, line: Option<&str>) -> Result<ApprovalDecision, String> {
    let Some(line) = line else { return Ok(ApprovalDecision::CancelTurn) };
    let (has_rules, hunks) = (!approval.rules.is_empty(), hunks(approval));
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let allow = |scope| ApprovalDecision::Allow { scope, input: None, hunks: None, rules: None };
    match word.to_lowercase().as_str() {
        "y" | "yes" => Ok(allow(ApprovalScope::Once)),
        "s" if has_rules => Ok(allow(ApprovalScope::Session)),
        "p" if has_rules => Ok(allow(ApprovalScope::Project)),
        "u" if has_rules => Ok(allow(ApprovalScope::User)),
        "h" if hunks > 1 => {
            let chosen = rest.split([' ', ',']).filter(|number| !number.is_empty()).map(str::parse::<usize>);
            let chosen: Option<Vec<_>> =
                chosen.map(|number| number.ok().filter(|number| (1..=hunks).contains(number)).map(|n| n - 1)).collect();
            let hunks = chosen.filter(|chosen| !chosen.is_empty()).ok_or_else(|| {
                format!("  h wants the numbers of hunks, from 1 to {hunks}, for example h 1; or n for none > ")
            })?;
            Ok(ApprovalDecision::Allow { scope: ApprovalScope::Once, input: None, hunks: Some(hunks), rules: None })
        }
        "n" | "no" => Ok(ApprovalDecision::Deny { reason: (!rest.is_empty()).then(|| rest.trim().to_owned()) }),
        "c" => Ok(ApprovalDecision::CancelTurn),
        _ => {
            let hunks = if hunks > 1 { ", h (and numbers)" } else { "" };
            let rules = if has_rules { ", s, p, u" } else { "" };
            Err(format!("  not understood; type y{hunks}{rules}, n (and why) or c, then Enter > "))
        }
    }
}

/// What can be chosen, and how a question is answered.
pub fn question_prompt(question: &Question) -> String {
    let mut prompt = String::new();
    for (number, Choice { label, description }) in (1..).zip(&question.choices) {
        let description = description.as_ref().map(|text| format!(" - {text}")).unwrap_or_default();
        prompt += &format!("    [{number}] {label}{description}\n");
    }
    prompt += match (question.choices.is_empty(), question.allows_text) {
        (true, _) => "  your answer, or nothing to leave it to the model > ",
        (false, true) => "  a number, words of your own, or nothing to leave it to the model > ",
        (false, false) => "  a number, or nothing to leave it to the model > ",
    };
    prompt
}

/// What a line says to a question. As [`decision`].
pub fn answer(question: &Question, line: Option<&str>) -> Result<QuestionAnswer, String> {
    let line = line.unwrap_or_default();
    let choices = question.choices.len();
    match line.parse::<usize>() {
        _ if line.is_empty() => Ok(QuestionAnswer::Decline),
        Ok(number) if (1..=choices).contains(&number) => Ok(QuestionAnswer::Choice { index: number - 1 }),
        _ if question.allows_text => Ok(QuestionAnswer::Text { text: line.to_owned() }),
        _ => Err(format!("  not understood; type a number from 1 to {choices}, or nothing, then Enter > ")),
    }
}
