//! Text that goes along with an edit: the next edit of its file takes it out, too, in the same step.

use std::ops::Range;

use ropey::Rope;

use super::{
    Location, Snapshot, Workspace,
    apply::settle,
    edit::{TextEdit, minimal, shift_by},
    error::EditError,
    lock,
    plan::{Intent, Plan},
};

/// A text that goes along.
pub(super) struct Rider {
    id: u64,
    /// Takes it out, and knows where it is meanwhile.
    plan: Plan,
    /// A plan was made that would take it along.
    offered: bool,
}

impl Workspace {
    /// Has the next edit of this file that is planned here take out `range` (in characters of `base`) as well: the
    /// person sees it in the diff, and undoes it with the edit. What they write over meanwhile stays.
    ///
    /// # Errors
    /// A conflict if the text is no longer `base` there.
    pub async fn take_along(&self, location: &Location, base: &Snapshot, range: Range<usize>) -> Result<(), EditError> {
        let edits = vec![TextEdit { range, text: String::new() }];
        let plan = self.plan_to(Intent::Alone, location, base, edits).await?;
        lock(&self.riders).push(Rider { id: plan.id, plan, offered: false });
        Ok(())
    }

    /// Nothing goes along any more. Gives plans to take out what no plan would have taken along and is still there:
    /// what a refused edit would have taken stays.
    pub async fn left_behind(&self) -> Vec<Plan> {
        let riders = std::mem::take(&mut *lock(&self.riders));
        let mut plans = Vec::new();
        for rider in riders.into_iter().filter(|rider| !rider.offered) {
            let location = rider.plan.location.clone();
            let Ok(now) = self.read(&location).await else { continue };
            if let Some(edits) = settle(&rider.plan.state, &rider.plan, &[0], &now.text, None)
                && let Ok(plan) = self.plan(&location, &now, edits).await
            {
                plans.push(plan);
            }
        }
        plans
    }

    /// Whatever goes along with edits of this file, and where in `now` it is; what was written over is nowhere.
    pub(super) fn riding(
        &self,
        location: &Location,
        now: &Rope,
        opened: Option<(u64, u64)>,
    ) -> (Vec<u64>, Vec<Range<usize>>) {
        let mut riders = lock(&self.riders);
        let riders = riders.iter_mut().filter(|rider| rider.plan.location.path == location.path);
        let (mut ids, mut places) = (Vec::new(), Vec::new());
        for rider in riders {
            rider.offered = true;
            ids.push(rider.id);
            let edits = settle(&rider.plan.state, &rider.plan, &[0], now, opened);
            places.extend(edits.into_iter().flatten().map(|edit| edit.range));
        }
        (ids, places)
    }

    /// These have gone along, and go no further.
    pub(super) fn set_down(&self, ids: &[u64]) {
        lock(&self.riders).retain(|rider| !ids.contains(&rider.id));
    }
}

/// `edits` of a text, and what of `places` they leave taken out.
pub(super) fn with_riders(text: &Rope, edits: Vec<TextEdit>, places: Vec<Range<usize>>) -> Vec<TextEdit> {
    let small = minimal(text, &edits);
    let untouched = places.into_iter().filter(|place| shift_by(place, &small).is_some());
    let mut all: Vec<_> = untouched.map(|range| TextEdit { range, text: String::new() }).collect();
    if all.is_empty() {
        return edits;
    }
    all.extend(small);
    all.sort_by_key(|edit| (edit.range.start, edit.range.end));
    all
}
