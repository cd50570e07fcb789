//! All servers of one hub or session.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::DropGuard;

use super::{Spec, State, Status, name, offer::Offer, resource::Resources, server::Server};
use crate::{
    tool::{Changes, Source, Tool, typed},
    workspace::Workspace,
};

/// The most tools that all servers offer together. OpenAI takes 128, and refuses the call for one more; Pillion has some
/// of its own.
const TOOLS: usize = 100;

/// MCP servers that run side by side. Dropping it ends them in the background; [`Servers::shut_down`] waits for it.
pub struct Servers {
    ground: Arc<Ground>,
    /// Those whose tools come first.
    others: Option<Arc<Servers>>,
    running: Mutex<Vec<Running>>,
    resources: Arc<dyn Tool>,
    /// How many tools there was no room for when it was last looked.
    left_out: AtomicUsize,
}

/// Something a person should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub server: String,
    /// What happened and what comes of it.
    pub message: String,
}

/// What all servers stand on.
pub struct Ground {
    pub workspace: Arc<Workspace>,
    pub notify: Box<dyn Fn(Notice) + Send + Sync>,
    pub changed: watch::Sender<()>,
}

struct Running {
    server: Arc<Server>,
    life: Option<JoinHandle<()>>,
    _stopped_when_dropped: DropGuard,
}

impl Servers {
    /// None yet. Servers are told the workspace's roots; `notify` hears of those that fail, and must not wait.
    pub fn new(workspace: Arc<Workspace>, notify: impl Fn(Notice) + Send + Sync + 'static) -> Arc<Self> {
        Self::beside(None, workspace, notify)
    }

    /// The same, for who has others, too: these offer as many tools as those leave room for.
    pub fn beside(
        others: Option<Arc<Servers>>,
        workspace: Arc<Workspace>,
        notify: impl Fn(Notice) + Send + Sync + 'static,
    ) -> Arc<Self> {
        let ground = Ground { workspace, notify: Box::new(notify), changed: watch::Sender::default() };
        Arc::new_cyclic(|me: &Weak<Self>| Self {
            ground: Arc::new(ground),
            others,
            running: Mutex::default(),
            resources: typed(Resources(me.clone())),
            left_out: AtomicUsize::new(0),
        })
    }

    /// Makes these the servers: starts what is new, ends what is not among them, and leaves alone what is as it was, unless
    /// it was given up. Programs get the environment without the variables `withheld`, beside those that
    /// [`crate::process::Command::spawn`] withholds anyway. Needs a Tokio runtime, and waits for nothing.
    pub fn set(&self, specs: Vec<Spec>, withheld: Vec<String>) {
        let mut running = self.lock();
        let mut old = std::mem::take(&mut *running);
        let is_other = !old.is_empty() || !specs.is_empty();
        let mut names = HashSet::new();
        for spec in specs {
            if !names.insert(spec.name.clone()) {
                let message = format!("There are two MCP servers named `{}`; the second is passed over.", spec.name);
                (self.ground.notify)(Notice { server: spec.name, message });
                continue;
            }
            let same = |old: &Running| {
                let Server { spec: known, withheld: kept, .. } = &*old.server;
                *known == spec && *kept == withheld && old.server.status().state != State::Failed
            };
            match old.iter().position(same) {
                Some(index) => running.push(old.swap_remove(index)),
                None => running.push(self.start(spec, withheld.clone())),
            }
        }
        drop(running);
        drop(old);
        if is_other {
            self.ground.changed.send_replace(());
        }
    }

    fn start(&self, spec: Spec, withheld: Vec<String>) -> Running {
        let prefix = name::of_server(&spec.name);
        let server = Arc::new(Server::new(spec, prefix, withheld, self.ground.clone()));
        let life = server.spec.enabled.then(|| tokio::spawn(server.clone().live()));
        Running { life, _stopped_when_dropped: server.stop.clone().drop_guard(), server }
    }

    /// Tells the servers that the workspace has other roots.
    pub fn roots_changed(&self) {
        for running in self.lock().iter() {
            running.server.roots_changed.notify_one();
        }
    }

    /// What has become of each, in the order in which they were set.
    pub fn list(&self) -> Vec<Status> {
        let mut room = self.room();
        let status = |running: &Running| {
            let mut status = running.server.status();
            status.tools = status.tools.min(room);
            room -= status.tools;
            status
        };
        self.lock().iter().map(status).collect()
    }

    /// Ends all of them, with what they started, and returns when they have ended.
    pub async fn shut_down(&self) {
        let ending = std::mem::take(&mut *self.lock());
        for running in &ending {
            running.server.stop.cancel();
        }
        for life in ending.into_iter().filter_map(|running| running.life) {
            // One that panicked has ended too.
            let _ = life.await;
        }
    }

    pub(super) fn offers(&self) -> Vec<(Arc<Server>, Arc<Offer>)> {
        self.lock().iter().map(|running| (running.server.clone(), running.server.offer())).collect()
    }

    pub(super) fn named(&self, name: &str) -> Option<Arc<Server>> {
        self.lock().iter().map(|running| &running.server).find(|server| server.spec.name == name).cloned()
    }

    /// How many tools these may offer.
    fn room(&self) -> usize {
        let offered = |others: &Arc<Servers>| others.list().iter().map(|status| status.tools).sum();
        TOOLS - self.others.as_ref().map_or(0, offered)
    }

    /// Tells of tools that there is no room for, once there are more of them than before.
    fn tell_left_out(&self, tools: &[(String, Arc<dyn Tool>)]) {
        let known = self.left_out.swap(tools.len(), Ordering::Relaxed);
        let Some((server, first)) = tools.first().filter(|_| known < tools.len()) else { return };
        let message = format!(
            "MCP servers offer more tools than models take: {} are left out, from `{}` on. Choose by `tools` or \
             `hidden_tools` of a server which are offered.",
            tools.len(),
            first.spec().name
        );
        tracing::warn!("{message}");
        (self.ground.notify)(Notice { server: server.clone(), message });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Servers {
    fn name(&self) -> &str {
        "mcp"
    }

    fn tools(&self) -> Vec<Arc<dyn Tool>> {
        let room = self.room();
        let running = self.lock();
        let of = |Running { server, .. }: &Running| {
            let name = server.spec.name.clone();
            server.tools().into_iter().map(move |tool| (name.clone(), tool))
        };
        let mut tools: Vec<_> = running.iter().flat_map(of).collect();
        let left_out = tools.split_off(tools.len().min(room));
        let mut tools: Vec<_> = tools.into_iter().map(|(_, tool)| tool).collect();
        let has_resources = running.iter().any(|running| {
            let offer = running.server.offer();
            !offer.resources.is_empty() || !offer.templates.is_empty()
        });
        if has_resources {
            tools.push(self.resources.clone());
        }
        drop(running);
        self.tell_left_out(&left_out);
        tools
    }

    fn changes(&self) -> Changes {
        Changes::of(&self.ground.changed)
    }
}
