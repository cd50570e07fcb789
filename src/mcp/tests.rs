use std::sync::{Arc, Mutex};

use super::{secret::Secrets, *};
use crate::{
    tool::{Collision, Registry, Source},
    workspace::Workspace,
};

/// Servers, and what is told of them.
fn servers() -> (Arc<Servers>, Arc<Mutex<Vec<String>>>) {
    let told = Arc::<Mutex<Vec<String>>>::default();
    let listening = told.clone();
    let servers =
        Servers::new(Workspace::new(Vec::new()), move |notice| listening.lock().unwrap().push(notice.message));
    (servers, told)
}

async fn until(servers: &Servers, state: State) -> Status {
    let mut changes = servers.changes();
    loop {
        let status = servers.list().remove(0);
        if status.state == state {
            return status;
        }
        changes.next().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_always_fails_is_tried_later_each_time_and_then_given_up() {
    let (servers, told) = servers();
    // Nobody listens on the port for nothing.
    servers.set(vec![Spec::http("far", "http://127.0.0.1:9/")], Vec::new());
    let status = until(&servers, State::Failed).await;
    assert!(status.error.is_some() && status.tools == 0);
    let told = told.lock().unwrap().clone();
    let waits: Vec<&str> = told.iter().filter_map(|notice| Some(notice.split_once("again in ")?.1)).collect();
    assert_eq!(waits, ["0.5 s.", "1 s.", "2 s.", "4 s.", "8 s."]);
    assert!(told.last().unwrap().contains("does not work"), "{told:?}");
}

#[tokio::test]
async fn what_cannot_be_started_is_given_up_at_once_and_tried_again_when_it_is_set_again() {
    let (servers, told) = servers();
    let (missing, wrong) = (Spec::program("a", "no-such-program", [""; 0]), Spec::http("a", "ftp://example/"));
    for (spec, expected) in [(missing, "was not found"), (wrong, "must begin with http")] {
        for _ in 0..2 {
            servers.set(vec![spec.clone()], Vec::new());
            let error = until(&servers, State::Failed).await.error.unwrap();
            assert!(error.contains(expected), "{error}");
        }
    }
    assert_eq!(told.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn two_of_one_name_are_one_and_a_notice() {
    let (servers, told) = servers();
    let off = |url: &str| Spec { enabled: false, ..Spec::http("a", url) };
    servers.set(vec![off("http://one/"), off("http://two/")], Vec::new());
    assert_eq!(servers.list().len(), 1);
    assert_eq!(*told.lock().unwrap(), ["There are two MCP servers named `a`; the second is passed over."]);
}

#[tokio::test]
async fn the_end_of_the_servers_does_not_end_who_watches_their_tools() {
    let (servers, _) = servers();
    let mut tools = Registry::new();
    tools.add_source(servers.clone(), Collision::Refuse).unwrap();
    servers.set(vec![Spec { enabled: false, ..Spec::http("a", "http://one/") }], Vec::new());
    servers.shut_down().await;
    assert!(servers.list().is_empty() && tools.is_empty());
}

#[test]
fn tools_are_chosen_by_globs_and_no_secret_is_shown() {
    let mut spec = Spec::program("a", "b", ["c"]);
    assert!(spec.offers("anything"));
    spec.only = Some(vec!["read_*".into(), "[odd".into()]);
    spec.without = vec!["read_all".into()];
    let offered: Vec<&str> = ["read_one", "read_all", "write", "[odd"].into_iter().filter(|n| spec.offers(n)).collect();
    assert_eq!(offered, ["read_one", "[odd"]);
    let mut far = Spec::http("a", "https://user:secret@example/?key=secret");
    if let Reach::Http { headers, .. } = &mut far.reach {
        headers.push(("Authorization".into(), "secret".into()));
    }
    assert!(!format!("{far:?}").contains("secret"));
}

#[test]
fn what_a_server_was_given_is_hidden_in_what_it_says() {
    let mut far = Spec::http("a", "https://me:pass-word@example/s/path-secret/mcp?key=query%20secret");
    if let Reach::Http { headers, .. } = &mut far.reach {
        headers.push(("Authorization".into(), "Bearer header-secret".into()));
    }
    let hidden = Secrets::of(&far).hide("mcp: header-secret path-secret query secret pass-word query%20secret");
    assert_eq!(hidden, "mcp: *** *** *** *** ***");
    let mut near = Spec::program("a", "b", ["c"]);
    if let Reach::Program { variables, .. } = &mut near.reach {
        variables.extend([("TOKEN".into(), "sk-0123456789".into()), ("DEBUG".into(), "1".into())]);
    }
    assert_eq!(Secrets::of(&near).hide("invalid key sk-0123456789, 1 try"), "invalid key ***, 1 try");
    let told = Spec::program("a", "b", ["--port", "8080", "--token", "ghp_1", "--api-key=sk=1", "token", "--key", "k"]);
    assert_eq!(told.secrets(), ["ghp_1", "sk=1", "k"]);
    let told =
        Spec::program("a", "b", ["--header", "Authorization: Bearer x1", "-e", "DB=x2", "--cookie", "x3", "KEY"]);
    assert_eq!(told.secrets(), ["Bearer x1", "x3"]);
}

#[tokio::test(start_paused = true)]
async fn no_message_names_the_address_of_a_server_that_is_not_there() {
    let (servers, told) = servers();
    servers.set(vec![Spec::http("a", "http://127.0.0.1:9/short/mcp?k=secret")], Vec::new());
    let status = format!("{:?}", until(&servers, State::Failed).await);
    assert!(status.contains("no connection") && !status.contains("secret") && !status.contains("short"), "{status}");
    let notices = told.lock().unwrap().join(" ");
    assert!(!notices.contains("secret") && !notices.contains("short"), "{notices}");
}
