//! Logs of random turns, ended at a random place: what comes back is always whole and closed, and stays so.

use std::collections::HashSet;

use super::*;

/// What a turn's round does.
#[derive(Clone, Debug)]
struct Round {
    text: String,
    calls: usize,
    asks: bool,
    steered: bool,
}

fn rounds() -> impl Strategy<Value = Vec<Vec<Round>>> {
    let round = ("[a-c]{0,3}", 0..4_usize, any::<bool>(), any::<bool>())
        .prop_map(|(text, calls, asks, steered)| Round { text, calls, asks, steered });
    prop::collection::vec(prop::collection::vec(round, 0..4), 1..4)
}

/// What a session appends for such turns, in the order in which it does.
fn entries(turns: &[Vec<Round>]) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (turn_index, rounds) in turns.iter().enumerate() {
        let turn = format!("t{turn_index}");
        entries.push(event(started(&turn, &format!("prompt of {turn}"))));
        entries.push(Entry::Message(Message::user(format!("prompt of {turn}"))));
        for (round_index, round) in rounds.iter().enumerate() {
            let name = format!("{turn}r{round_index}");
            entries.extend(round.text.chars().map(|letter| event(delta(&letter.to_string()))));
            if round.steered {
                entries.push(event(SessionEvent::TurnSteered {
                    prompt: prompt(&format!("steering of {name}")),
                    by: None,
                }));
            }
            let ids: Vec<String> = (0..round.calls).map(|call| format!("{name}c{call}")).collect();
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            if ids.is_empty() && round.text.is_empty() {
                continue;
            }
            entries.push(Entry::Message(calls(&round.text, &ids)));
            for id in &ids {
                entries.push(event(call_event(id)));
                if round.asks {
                    let approval_id = format!("{turn}-{id}#1");
                    entries.push(event(asked(&approval_id, id)));
                    entries.push(resolved(&approval_id, ApprovalOutcome::Denied { reason: None }));
                }
                entries.push(settled(id, &format!("result of {id}")));
                entries.push(event(result_event(id, &format!("result of {id}"))));
            }
            if !ids.is_empty() {
                let texts: Vec<String> = ids.iter().map(|id| format!("result of {id}")).collect();
                let rows: Vec<_> = ids.iter().zip(&texts).map(|(id, text)| (*id, text.as_str(), false)).collect();
                entries.push(Entry::Message(results(&rows)));
            }
            if round.steered {
                entries.push(Entry::Message(Message::user(format!("steering of {name}"))));
            }
        }
        entries.push(event(ended(&turn, TurnStopReason::EndTurn)));
    }
    entries
}

/// Everything opened is closed, each once, and nothing of a turn follows its end.
fn is_closed(events: &[SessionEvent]) -> bool {
    let (mut turn, mut calls, mut approvals) = (None, HashSet::new(), HashSet::new());
    for event in events {
        let fine = match event {
            SessionEvent::TurnStarted { turn_id, .. } => turn.replace(turn_id).is_none(),
            SessionEvent::TurnEnded { turn_id, .. } => {
                turn.take() == Some(turn_id) && calls.is_empty() && approvals.is_empty()
            }
            SessionEvent::ToolCall { call_id, .. } => turn.is_some() && calls.insert(call_id),
            SessionEvent::ToolResult { call_id, .. } => calls.remove(call_id),
            SessionEvent::ApprovalRequested { approval } => approvals.insert(&approval.approval_id),
            SessionEvent::ApprovalResolved { approval_id, .. } => approvals.remove(approval_id),
            _ => turn.is_some(),
        };
        if !fine {
            return false;
        }
    }
    turn.is_none()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_log_cut_anywhere_comes_back_whole(turns in rounds(), cut in any::<prop::sample::Index>(), torn in 0..200_usize) {
        let (_folder, store) = store();
        let (id, path) = written(&store, &entries(&turns));
        let bytes = fs::read(&path).unwrap();
        let meta = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let cut = (meta + cut.index(bytes.len() - meta + 1)).min(bytes.len().saturating_sub(torn).max(meta));
        fs::write(&path, &bytes[..cut]).unwrap();
        let before = fs::read_to_string(&path).unwrap();

        let (mut log, recovered) = store.load(&id).unwrap();
        let all = [recovered.messages.clone(), recovered.repairs.clone()].concat();
        prop_assert!(transcript::is_whole(&all), "{all:?}");
        prop_assert_eq!(recovered.damaged, 0);
        if let Some(waiting) = &recovered.waiting {
            // It can go on exactly where it is: with the calls of the last message, one of which is asked about.
            let last = recovered.messages.last().into_iter().flat_map(Message::tool_calls);
            prop_assert!(last.eq(waiting.open.calls.iter().map(|open| &open.call)));
            prop_assert_eq!(waiting.approvals.len(), 1);
            prop_assert_eq!(waiting.open.calls.iter().filter(|open| open.asking.is_some()).count(), 1);
        }

        // Every message and every event of a whole line is there, and so is every word that was shown or said.
        let whole = before.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let count = |start: &str| whole.lines().filter(|line| line.starts_with(start)).count();
        let (messages, events) = (count("{\"message\""), count("{\"seq\""));
        prop_assert!(recovered.messages.len() >= messages);
        prop_assert!(recovered.last_seq >= events as u64);
        let said = |role: Role| {
            all.iter().filter(|message| message.role == role).map(Message::text).collect::<String>()
        };
        let past = replayed(&store, &id, 1..=recovered.last_seq);
        let (mut shown, mut prompts) = (String::new(), Vec::new());
        for (_, event) in &past {
            match event {
                SessionEvent::MessageDelta { text } => shown.push_str(text),
                SessionEvent::TurnStarted { prompt, .. } => prompts.push(unresolved_prompt(prompt)),
                _ => {}
            }
        }
        prop_assert!(said(Role::Assistant).starts_with(&shown) || shown.starts_with(&said(Role::Assistant)));
        prop_assert!(said(Role::Assistant).len() >= shown.len());
        for prompt in prompts {
            prop_assert_eq!(all.iter().filter(|message| **message == prompt).count(), 1);
        }

        // Once the repairs are appended, in whatever pieces, there is nothing more to repair.
        let mut seq = recovered.last_seq;
        for message in &recovered.repairs {
            append(&mut log, &mut seq, &Entry::Message(message.clone()));
            drop(log);
            let (again, half) = store.load(&id).unwrap();
            prop_assert_eq!([half.messages, half.repairs].concat(), all.clone());
            log = again;
        }
        for closing in &recovered.closing {
            append(&mut log, &mut seq, &event(closing.clone()));
        }
        drop(log);
        let (_, again) = store.load(&id).unwrap();
        prop_assert_eq!((again.repairs, again.closing), (vec![], vec![]));
        prop_assert_eq!(again.messages, all);
        let events: Vec<_> = replayed(&store, &id, 1..=seq).into_iter().map(|(_, event)| event).collect();
        prop_assert!(is_closed(&events), "{events:?}");
        let listed = store.list(None, None, 9).unwrap();
        prop_assert_eq!(listed.sessions.first().map_or(0, |session| session.last_seq), seq);
    }
}
