//! What people wrote for the model, on its way into a turn.

use super::{Agent, Event, NoticeLevel, Scope};
use crate::{
    context::{Beginning, News, Places, SKILL_TOOL},
    transcript::Message,
};

pub(super) struct Instructed {
    /// For the end of the system text.
    pub system: Option<String>,
    /// For the end of the transcript.
    pub message: Option<Message>,
    /// For the person.
    pub notices: Vec<Event>,
}

/// When the model may have to be told.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Occasion {
    /// A turn begins.
    Begins,
    /// A turn that was left is taken up: its system text has to be made again, and no message may come in between.
    GoesOn,
    /// A round is over.
    Round,
}

/// Looks for what the model does not know yet: for all of it when a turn begins, else on the way to what was touched.
pub(super) async fn look(
    agent: &Agent,
    scope: &Scope,
    places: &Places,
    messages: &[Message],
    occasion: Occasion,
) -> Instructed {
    let (workspace, told) = (&agent.setup.workspace, &scope.told);
    let with_skills = agent.setup.tools.get(SKILL_TOOL).is_some();
    if occasion == Occasion::GoesOn {
        let (system, opening) = told.opening(places, workspace, with_skills).await;
        return Instructed { system, notices: notices(&[&opening]), message: None };
    }
    let touched = scope.seen.take_touched();
    if occasion == Occasion::Round {
        if touched.is_empty() {
            return Instructed { system: None, message: None, notices: Vec::new() };
        }
        let news = told.news(places, workspace, messages, &touched, None).await;
        return Instructed { system: None, notices: notices(&[&news]), message: news.message };
    }
    let (system, opening) = told.opening(places, workspace, with_skills).await;
    let news = told.news(places, workspace, messages, &touched, Some(Beginning { with_skills })).await;
    Instructed { system, notices: notices(&[&opening, &news]), message: news.message }
}

fn notices(all: &[&News]) -> Vec<Event> {
    let notice = |level, message| Event::Notice { level, message };
    let mut notices = Vec::new();
    let files: Vec<&str> = all.iter().flat_map(|news| &news.files).map(String::as_str).collect();
    if !files.is_empty() {
        notices.push(notice(NoticeLevel::Info, format!("The model was told what {} says.", files.join(", "))));
    }
    let warnings = all.iter().flat_map(|news| &news.warnings);
    notices.extend(warnings.map(|warning| notice(NoticeLevel::Warning, warning.clone())));
    notices
}
