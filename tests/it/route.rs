//! How providers are reached: proxies, certificates, keys that go stale, headers; with the real program.

use std::process::{Command, Output, Stdio};

use serde_json::json;

use crate::{
    http_server::{Asked, Reply, Server, chat, json as answer},
    support::{Ground, everything},
};

const HOST: &str = "models.test";

/// `pillion run` with this configuration and these variables, and no proxy of the person's own.
fn run(ground: &Ground, config: &str, variables: &[(&str, &str)]) -> Output {
    std::fs::write(ground.folder().join("config.toml"), config).expect("a configuration");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pillion"));
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command
        .args(["run", "--json", "hello"])
        .envs(ground.env.iter().cloned())
        .env("PILLION_MODEL", "mine/m")
        .envs(variables.iter().copied())
        .current_dir(ground.project())
        .stdin(Stdio::null())
        .output()
        .expect("it runs")
}

#[track_caller]
fn check_says(output: &Output, text: &str) {
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains(text), "{shown}\n{}", String::from_utf8_lossy(&output.stderr));
}

fn provider(settings: &str) -> String {
    format!("[retry]\ntries = 1\n[providers.mine]\napi_key = \"sk-of-this-test\"\n{settings}\n")
}

fn says_hello(_: &Asked) -> Reply {
    chat("Hello from afar")
}

#[test]
fn a_server_of_ones_own_authority_is_trusted_with_its_certificate_only() {
    let (server, pem) = Server::start_tls("localhost", says_hello);
    let ground = Ground::new(&json!([]));
    std::fs::write(ground.folder().join("ca.pem"), pem).expect("a certificate");
    let url = format!("base_url = \"https://localhost:{}/v1\"", server.address.port());

    check_says(&run(&ground, &provider(&format!("{url}\nca_file = \"ca.pem\"")), &[]), "Hello from afar");
    assert_eq!(server.asked().len(), 1);
    let for_all = format!("ca_file = \"ca.pem\"\n{}", provider(&url));
    check_says(&run(&ground, &for_all, &[]), "Hello from afar");

    check_says(&run(&ground, &provider(&url), &[]), "could not be reached");
    assert_eq!(server.asked().len(), 2, "without the certificate nothing is sent");
    let missing = run(&ground, &provider(&format!("{url}\nca_file = \"none.pem\"")), &[]);
    assert_eq!(missing.status.code(), Some(2));
    check_says(&missing, "none.pem");
}

#[test]
fn a_proxy_of_the_environment_or_of_the_settings_tunnels_to_tls() {
    let (server, pem) = Server::start_tls(HOST, says_hello);
    let address = server.address;
    let proxy = Server::start(move |_| Reply::Tunnel(address));
    let ground = Ground::new(&json!([]));
    std::fs::write(ground.folder().join("ca.pem"), pem).expect("a certificate");
    let settings = format!("base_url = \"https://{HOST}/v1\"\nca_file = \"ca.pem\"");

    check_says(&run(&ground, &provider(&settings), &[("HTTPS_PROXY", &proxy.url())]), "Hello from afar");
    let of_provider = provider(&format!("{settings}\nproxy = \"{}\"", proxy.url()));
    check_says(&run(&ground, &of_provider, &[]), "Hello from afar");
    let with_password = proxy.url().replace("//", "//me:sesame@");
    let of_all = format!("proxy = \"{with_password}\"\n{}", provider(&settings));
    check_says(&run(&ground, &of_all, &[]), "Hello from afar");

    let asked = proxy.asked();
    let tunnels: Vec<_> = asked.iter().map(|asked| (asked.method.as_str(), asked.target.as_str())).collect();
    assert_eq!(tunnels, [("CONNECT", "models.test:443"); 3]);
    assert!(asked.iter().all(|asked| !asked.headers.contains_key("authorization")), "the key goes inside the tunnel");
    assert_eq!(asked[2].headers["proxy-authorization"], "Basic bWU6c2VzYW1l");
    assert_eq!(server.asked()[0].headers["authorization"], "Bearer sk-of-this-test");
}

#[test]
fn a_proxy_forwards_what_has_no_tls_and_is_passed_by_where_it_is_no_help() {
    let proxy = Server::start(says_hello);
    let ground = Ground::new(&json!([]));
    let far = provider(&format!("base_url = \"http://{HOST}/v1\""));
    check_says(&run(&ground, &far, &[("HTTP_PROXY", &proxy.url())]), "Hello from afar");
    assert_eq!(proxy.asked()[0].target, "http://models.test/v1/chat/completions");

    // A server on this machine is reached directly, unless the provider says otherwise; `none` silences the environment.
    let server = Server::start(|_| chat("Hello from here"));
    let near = provider(&format!("base_url = \"{}/v1\"", server.url()));
    let for_all = format!("proxy = \"{}\"\n{near}", proxy.url());
    check_says(&run(&ground, &for_all, &[("HTTP_PROXY", &proxy.url())]), "Hello from here");
    let own = format!("{near}proxy = \"{}\"", proxy.url());
    check_says(&run(&ground, &own, &[]), "Hello from afar");
    let none = format!("{far}proxy = \"none\"");
    check_says(&run(&ground, &none, &[("HTTP_PROXY", &proxy.url())]), "could not be reached");
    assert_eq!(proxy.asked().len(), 2);

    let wrong = run(&ground, &format!("{far}proxy = \"http://\""), &[]);
    assert_eq!(wrong.status.code(), Some(2));
    check_says(&wrong, "The proxy of mine cannot be used");
}

#[cfg(unix)]
#[test]
fn a_key_that_went_stale_is_asked_for_again_and_headers_go_along() {
    let server = Server::start(|asked| match asked.headers.get("authorization").map(String::as_str) {
        Some("Bearer key-number-2") => chat("Let in"),
        _ => answer(401, r#"{"error": {"message": "the key key-number-1 has expired"}}"#),
    });
    let ground = Ground::new(&json!([]));
    let count = ground.folder().join("count");
    let command = format!("echo >> '{0}'; echo key-number-$(wc -l < '{0}')", count.display());
    let config = format!(
        "[providers.mine]\nbase_url = \"{}/v1\"\napi_key_command = \"{command}\"\n\
         [providers.mine.headers]\nx-team = \"rust\"\n",
        server.url()
    );
    check_says(&run(&ground, &config, &[]), "Let in");
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked.iter().all(|asked| asked.headers["x-team"] == "rust"));

    // The next key is wrong too: the program is asked once more for it and then no more.
    let refused = run(&ground, &config, &[]);
    check_says(&refused, "refused access (401)");
    assert!(!String::from_utf8_lossy(&refused.stdout).contains("key-number-4"), "keys are not shown");
    assert_eq!(std::fs::read_to_string(count).expect("a count").lines().count(), 4);
    assert_eq!(server.asked().len(), 4);
}

#[test]
fn another_model_is_asked_for_the_rest_of_the_turn_when_one_is_too_busy() {
    let busy = Server::start(|_| answer(529, r#"{"error": {"type": "overloaded_error", "message": "Busy"}}"#));
    let ground = Ground::new(&json!([
        {"steps": [{"toolCall": {"name": "read", "input": {"path": "a.txt"}}}]},
        {"afterTools": true, "steps": [{"text": "Read it"}]},
    ]));
    ground.write("a.txt", "a");
    let script = ground.folder().join("script.json");
    let config = format!(
        "fallback = [\"other/m2\"]\n{}base_url = \"{}/v1\"\n[providers.other]\nkind = \"scripted\"\nscript = {script:?}\n",
        provider("").replace("tries = 1", "tries = 2\nfirst_wait = 0"),
        busy.url(),
    );
    let output = run(&ground, &config, &[]);
    assert_eq!(output.status.code(), Some(0));
    check_says(&output, "Read it");
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    let events: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let fallbacks: Vec<_> = events.iter().filter(|line| line["event"]["type"] == "fallback").collect();
    let [fallback] = fallbacks.as_slice() else { panic!("{lines}") };
    assert_eq!((&fallback["event"]["from"], &fallback["event"]["to"]), (&json!("mine/m"), &json!("other/m2")));
    assert!(fallback["event"]["error"].as_str().is_some_and(|error| error.contains("Busy")), "{fallback}");
    assert_eq!(busy.asked().len(), 2, "its tries are used up first, and the second call does not go there");
}

#[test]
fn a_model_to_fall_back_to_that_cannot_be_asked_is_told() {
    let server = Server::start(says_hello);
    let config = format!("fallback = [\"nowhere/m\"]\n{}", provider(&format!("base_url = \"{}/v1\"", server.url())));
    let output = run(&Ground::new(&json!([])), &config, &[]);
    check_says(&output, "The model nowhere/m cannot be asked when another is too busy");
    check_says(&output, "Hello from afar");
}

#[tokio::test]
async fn a_session_sets_how_hard_its_model_thinks() {
    let server = Server::start(|_| answer(400, r#"{"error": {"message": "enough"}}"#));
    let ground = Ground::new(&json!([]));
    let config = format!(
        "model = \"mine/m\"\nthinking_tokens = 2000\n[providers.mine]\nkind = \"anthropic\"\nbase_url = \"{}\"\napi_key = \"k\"\n",
        server.url()
    );
    std::fs::write(ground.folder().join("config.toml"), config).expect("a configuration");
    let mut ground = ground;
    ground.env.retain(|(name, _)| name != "PILLION_MODEL");
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    for limits in [json!({}), json!({"thinkingEffort": "high"}), json!({"thinkingTokens": 0})] {
        client.call("session/configure", json!({"sessionId": session, "limits": limits})).await;
        client.start(&session, "hello").await;
        client.events_until(&session, "turnEnded").await;
    }
    let thinking =
        |asked: &Asked| serde_json::from_str::<serde_json::Value>(&asked.body).expect("JSON")["thinking"].clone();
    let asked: Vec<_> = server.asked().iter().map(thinking).collect();
    let budget = |tokens: u32| json!({"type": "enabled", "budget_tokens": tokens});
    assert_eq!(asked, [budget(2000), budget(16_384), serde_json::Value::Null]);
}
