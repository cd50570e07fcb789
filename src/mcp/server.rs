//! One server: started, listened to, and started again.

use std::{pin::pin, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use rmcp::{
    Peer, RoleClient,
    model::{ClientRequest, GetPromptRequestParams, GetPromptResponse, GetPromptResult, ServerResult},
    service::{ClientInitializeError, ClientLifecycleMode, RunningService, ServiceError, serve_client_with_lifecycle},
};
use tokio::{
    select,
    sync::{Notify, watch},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Reach, Spec, State, Status,
    bounded::Bounded,
    call::Calls,
    handler::Handler,
    http,
    offer::{self, Offer},
    secret::{Secrets, told},
    servers::{Ground, Notice},
    stdio::{LastWords, Stdio},
    tool,
};
use crate::{
    process::{self, ProcessError},
    tool::{Context, Tool, ToolError},
};

/// How long a server may take until it has said hello: it may have to be fetched first.
const START: Duration = Duration::from_secs(120);

/// How long a server may take to say all that it offers.
const LIST: Duration = Duration::from_secs(30);

/// How long a call waits for a server that is being started.
const AGAIN: Duration = Duration::from_secs(10);

/// How long a connection may take to close.
const CLOSE: Duration = Duration::from_secs(3);

/// How often a server is started again before it is given up, and the first wait before that, which doubles.
const RESTARTS: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// A server that was ready for so long works; what it failed at before is forgotten.
const STEADY: Duration = Duration::from_secs(60);

/// The least time between two looks at what a server offers, however often it says that this has changed.
const LOOKS: Duration = Duration::from_millis(100);

pub struct Server {
    pub spec: Spec,
    secrets: Secrets,
    /// What stands for it in the names of its tools.
    pub prefix: String,
    pub withheld: Vec<String>,
    pub stop: CancellationToken,
    pub roots_changed: Notify,
    ground: Arc<Ground>,
    now: watch::Sender<Now>,
}

/// What is there at the moment.
struct Now {
    state: State,
    error: Option<String>,
    link: Option<Arc<Link>>,
    tools: Vec<Arc<dyn Tool>>,
    offer: Arc<Offer>,
}

/// A connection.
struct Link {
    peer: Peer<RoleClient>,
    calls: Arc<Calls>,
    gone: CancellationToken,
}

/// Why a connection is no more.
enum End {
    Stopped,
    Failed(Failure),
}

struct Failure {
    error: String,
    /// Starting it again would change nothing.
    is_final: bool,
}

impl Server {
    pub fn new(spec: Spec, prefix: String, withheld: Vec<String>, ground: Arc<Ground>) -> Self {
        let state = if spec.enabled { State::Starting } else { State::Disabled };
        let (stop, roots_changed) = (CancellationToken::new(), Notify::new());
        let secrets = Secrets::of(&spec);
        Self {
            secrets,
            spec,
            prefix,
            withheld,
            stop,
            roots_changed,
            ground,
            now: watch::Sender::new(Now::without(state, None)),
        }
    }

    pub fn status(&self) -> Status {
        let now = self.now.borrow();
        Status { name: self.spec.name.clone(), state: now.state, tools: now.tools.len(), error: now.error.clone() }
    }

    pub fn tools(&self) -> Vec<Arc<dyn Tool>> {
        self.now.borrow().tools.clone()
    }

    pub fn offer(&self) -> Arc<Offer> {
        self.now.borrow().offer.clone()
    }

    /// Sends a request for a call of the model and waits for the answer; see [`Calls::request`].
    pub async fn request(&self, request: ClientRequest, context: &Context) -> Result<ServerResult, ToolError> {
        let link = select! {
            biased;
            () = context.cancel.cancelled() => return Err(ToolError::new("cancelled before it was sent")),
            link = self.link() => link.map_err(ToolError::new)?,
        };
        let Link { peer, calls, gone } = &*link;
        let answer = calls.request(peer, gone, &self.spec.name, self.spec.timeout, request, context).await;
        answer.map_err(|error| ToolError::new(self.secrets.hide(&error.0)))
    }

    /// # Errors
    /// Why there is none, for the person.
    pub async fn prompt(&self, params: GetPromptRequestParams) -> Result<GetPromptResult, String> {
        let link = self.link().await?;
        match timeout(self.spec.timeout, link.peer.get_prompt_once(params)).await {
            Ok(Ok(GetPromptResponse::Complete(prompt))) => Ok(prompt),
            Ok(Ok(_)) => Err("it wants to know more first, which is not possible here".to_owned()),
            Ok(Err(error)) => Err(self.secrets.hide(&failed(&error))),
            Err(_) => Err(format!("it said nothing for {} s", self.spec.timeout.as_secs_f32())),
        }
    }

    /// The connection, waited for a while if it is just being made.
    async fn link(&self) -> Result<Arc<Link>, String> {
        let mut now = self.now.subscribe();
        let is_settled = |now: &Now| now.link.is_some() || matches!(now.state, State::Failed | State::Disabled);
        let settled = timeout(AGAIN, now.wait_for(is_settled)).await;
        let name = &self.spec.name;
        match settled {
            Ok(Ok(now)) => match (&now.link, &now.error) {
                (Some(link), _) => Ok(link.clone()),
                (None, Some(error)) => Err(format!("the MCP server `{name}` is not available: {error}")),
                (None, None) => Err(format!("the MCP server `{name}` is not available any more")),
            },
            Ok(Err(_)) | Err(_) => Err(format!("the MCP server `{name}` is not ready; try again later")),
        }
    }

    /// Keeps it running until it is stopped or given up.
    pub async fn live(self: Arc<Self>) {
        let mut failures = 0;
        loop {
            let begun = Instant::now();
            let failure = match self.connect().await {
                End::Stopped => break self.set(Now::without(State::Disabled, None)),
                End::Failed(failure) => failure,
            };
            if begun.elapsed() > STEADY {
                failures = 0;
            }
            let name = &self.spec.name;
            let Failure { error, is_final } = failure;
            let error = self.secrets.hide(&error);
            if is_final || failures == RESTARTS {
                self.set(Now::without(State::Failed, Some(error.clone())));
                let message = format!(
                    "The MCP server `{name}` does not work: {error}. Its tools are gone; it is tried again when the settings \
                     are read again."
                );
                break self.tell(message);
            }
            let wait = FIRST_WAIT * 2_u32.pow(failures);
            failures += 1;
            self.now.send_modify(|now| {
                (now.state, now.error, now.link) = (State::Starting, Some(error.clone()), None);
            });
            self.tell(format!(
                "The MCP server `{name}` ended: {error}. It is started again in {} s.",
                wait.as_secs_f32()
            ));
            select! {
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn tell(&self, message: String) {
        tracing::warn!("{message}");
        (self.ground.notify)(Notice { server: self.spec.name.clone(), message });
    }

    fn set(&self, now: Now) {
        self.now.send_replace(now);
        self.ground.changed.send_replace(());
    }

    /// Makes a connection and serves it to its end.
    async fn connect(self: &Arc<Self>) -> End {
        if self.stop.is_cancelled() {
            return End::Stopped;
        }
        let gone = self.stop.child_token();
        let _gone_in_the_end = gone.clone().drop_guard();
        let (changed, calls) = (Arc::new(Notify::new()), Arc::<Calls>::default());
        let handler = Handler {
            server: self.spec.name.clone(),
            workspace: self.ground.workspace.clone(),
            calls: calls.clone(),
            changed: changed.clone(),
            sampling: self.spec.sampling,
            gone: gone.clone(),
        };
        let flooded = CancellationToken::new();
        let (starting, last_words) = match self.start(handler, flooded.clone()) {
            Ok(started) => started,
            Err(error) => return End::Failed(Failure { error, is_final: true }),
        };
        let said = || {
            let flood = "it went on asking without taking the answers, and was ended";
            let flood = flooded.is_cancelled().then(|| flood.to_owned());
            flood.or_else(|| last_words.as_ref().and_then(|last_words| last_words.told()))
        };
        let started = select! {
            biased;
            () = self.stop.cancelled() => return End::Stopped,
            started = timeout(START, starting) => started,
        };
        let running = match started {
            Ok(Ok(running)) => running,
            Ok(Err(error)) => return End::Failed(refused(&error, said())),
            Err(_) => {
                let error = format!("it did not say hello within {} s", START.as_secs());
                return End::Failed(Failure { error, is_final: false });
            }
        };
        let (peer, closing) = (running.peer().clone(), running.cancellation_token());
        let mut ended = pin!(running.waiting());
        let link = Arc::new(Link { peer: peer.clone(), calls, gone: gone.clone() });
        changed.notify_one();
        let mut next_look = Instant::now();
        loop {
            select! {
                biased;
                () = self.stop.cancelled() => {
                    closing.cancel();
                    // What does not close in time is closed in the background.
                    let _ = timeout(CLOSE, ended).await;
                    return End::Stopped;
                }
                _ = &mut ended => {
                    let error = said().unwrap_or_else(|| "the connection was closed".to_owned());
                    return End::Failed(Failure { error, is_final: false });
                }
                () = self.roots_changed.notified() => {
                    // A server that is gone is noticed above.
                    let _ = peer.notify_roots_list_changed().await;
                }
                () = changed.notified() => {
                    let listed = select! {
                        biased;
                        () = self.stop.cancelled() => continue,
                        listed = timeout(LIST, async {
                            tokio::time::sleep_until(next_look).await;
                            offer::list(&peer).await
                        }) => listed,
                    };
                    next_look = Instant::now() + LOOKS;
                    let error = match listed {
                        Ok(Ok((tools, offer))) => {
                            let tools = tool::offered(self, tools);
                            self.set(Now::ready(link.clone(), tools, Arc::new(offer)));
                            continue;
                        }
                        Ok(Err(ServiceError::TransportClosed)) => continue,
                        Ok(Err(error)) => self.secrets.hide(&failed(&error)),
                        Err(_) => format!("it took more than {} s", LIST.as_secs()),
                    };
                    let error = format!("it did not say what it offers: {error}");
                    let is_ready = self.now.borrow().link.is_some();
                    if !is_ready {
                        closing.cancel();
                        let _ = timeout(CLOSE, ended).await;
                        return End::Failed(Failure { error, is_final: false });
                    }
                    tracing::warn!(server = self.spec.name, "{error}; what it offered before stands");
                }
            }
        }
    }

    /// Begins to start it; `flooded` is cancelled when it asks too much.
    ///
    /// # Errors
    /// If there is no use in trying again, with what is wrong.
    fn start(
        &self,
        handler: Handler,
        flooded: CancellationToken,
    ) -> Result<(Starting, Option<Arc<LastWords>>), String> {
        let (program, arguments, variables, directory) = match &self.spec.reach {
            Reach::Http { url, headers, route } => {
                let transport = http::transport(url, headers, route)?;
                return Ok((serve(handler, Bounded::new(transport, flooded)), None));
            }
            Reach::Program { program, arguments, variables, directory } => (program, arguments, variables, directory),
        };
        let mut command = process::Command::new(program).args(arguments).without(self.withheld.iter().cloned());
        for (name, value) in variables {
            command = command.variable(name, value);
        }
        if let Some(directory) = directory.clone().or_else(|| self.ground.workspace.roots().into_iter().next()) {
            command = command.directory(directory);
        }
        let stdio = Stdio::start(&self.spec.name, self.secrets.clone(), command)
            .map_err(|error: ProcessError| error.to_string())?;
        let last_words = stdio.last_words();
        Ok((serve(handler, Bounded::new(stdio, flooded)), Some(last_words)))
    }
}

type Starting = BoxFuture<'static, Result<RunningService<RoleClient, Handler>, ClientInitializeError>>;

fn serve<T>(handler: Handler, transport: T) -> Starting
where
    T: rmcp::transport::Transport<RoleClient> + Send + 'static,
{
    serve_client_with_lifecycle(handler, transport, ClientLifecycleMode::Initialize).boxed()
}

fn refused(error: &ClientInitializeError, said: Option<String>) -> Failure {
    if error.is_authorization_required() {
        let error = "it wants to know who you are; set `headers` for it, for example \
                     { Authorization = \"Bearer ${TOKEN}\" }";
        return Failure { error: error.to_owned(), is_final: true };
    }
    let error = match error {
        ClientInitializeError::ConnectionClosed(_) => {
            said.unwrap_or_else(|| "the connection was closed before it said hello".to_owned())
        }
        ClientInitializeError::TransportError { error, .. } => said.unwrap_or_else(|| told(&*error.error)),
        ClientInitializeError::JsonRpcError(error) => format!("it refused to start: {}", error.message),
        error => error.to_string(),
    };
    Failure { error, is_final: false }
}

/// Why a request failed, in words.
fn failed(error: &ServiceError) -> String {
    match error {
        ServiceError::McpError(error) => error.message.to_string(),
        ServiceError::TransportSend(error) => told(&*error.error),
        error => error.to_string(),
    }
}

impl Now {
    fn without(state: State, error: Option<String>) -> Self {
        Self { state, error, link: None, tools: Vec::new(), offer: Arc::default() }
    }

    fn ready(link: Arc<Link>, tools: Vec<Arc<dyn Tool>>, offer: Arc<Offer>) -> Self {
        Self { state: State::Ready, error: None, link: Some(link), tools, offer }
    }
}
