//! Temporary.
use crate::{
    protocol::{Mode, ModelInfo},
    provider::{Cache, Provider, presets, retry, scripted::Scripted},
};
use serde_json::Value;
use std::{path::PathBuf, sync::Arc};
pub(crate) mod folder;
pub struct Config {
    pub mode: Mode,
    pub retry: retry::Policy,
    pub cache: Cache,
    pub turn_limit: u32,
    pub max_tokens: Option<u32>,
    pub temperature: Option<f32>,
    pub thinking_tokens: Option<u32>,
    model: Option<String>,
}
impl Config {
    pub fn load(_: &[PathBuf], _: Option<&Value>) -> (Self, Vec<String>) {
        (
            Self {
                mode: Mode::Ask,
                retry: Default::default(),
                cache: Cache::Short,
                turn_limit: 50,
                max_tokens: None,
                temperature: None,
                thinking_tokens: None,
                model: std::env::var("PILLION_MODEL").ok(),
            },
            vec![],
        )
    }
}
pub struct Providers {
    model: Option<String>,
    scripted: Option<Arc<dyn Provider>>,
}
impl Providers {
    pub fn new(config: &Config) -> Self {
        #[allow(clippy::disallowed_methods)]
        let scripted = std::env::var("PILLION_CONFIG")
            .ok()
            .and_then(|p| std::fs::read_to_string(p).ok())
            .and_then(|t| t.parse::<toml::Table>().ok())
            .and_then(|t| {
                let p = t["providers"].as_table()?.values().next()?.get("script")?.as_str()?.to_owned();
                std::fs::read_to_string(p).ok()
            })
            .map(|s| Arc::new(Scripted::parse(&s).unwrap()) as Arc<dyn Provider>);
        Self { model: config.model.clone(), scripted }
    }
    pub fn get(&self, model: &str) -> Result<(Arc<dyn Provider>, String), String> {
        let (p, m) = model.split_once('/').ok_or("no model")?;
        if p == "scripted" || p == "played" {
            return Ok((self.scripted.clone().ok_or("no script")?, m.to_owned()));
        }
        let base = std::env::var(format!("{}_BASE_URL", p.to_uppercase())).ok();
        presets::open(presets::Settings { name: p.to_owned(), base_url: base, ..Default::default() })
            .map(|p| (p, m.to_owned()))
            .map_err(|e| e.to_string())
    }
    pub fn models(&self) -> Vec<ModelInfo> {
        vec![]
    }
    pub fn default_model(&self) -> Option<String> {
        self.model.clone()
    }
    pub fn hint(&self) -> String {
        "set PILLION_MODEL".into()
    }
    pub fn warm(&self) {}
}
pub enum RuleScope {
    Project(Vec<PathBuf>),
    User,
}
pub struct Rules;
impl Rules {
    pub fn load(_: &[PathBuf]) -> Vec<String> {
        vec![]
    }
    pub fn add(_: &RuleScope, _: &str) -> std::io::Result<()> {
        Ok(())
    }
}
