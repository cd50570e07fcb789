//! MCP servers, from how they are set to how they are started.

use std::{collections::BTreeMap, path::Path, time::Duration};

use super::{Warning, settings::McpSettings};
use crate::{
    mcp::{Reach, Spec},
    provider::http::{self, Certificates, Proxy, Route},
};

/// The servers that can be started; what is wrong with others is told.
pub fn specs(
    settings: &BTreeMap<String, McpSettings>,
    way: Way<'_>,
    variable: &dyn Fn(&str) -> Option<String>,
    warnings: &mut Vec<Warning>,
) -> Vec<Spec> {
    let mut specs = Vec::new();
    for (name, settings) in settings {
        let mut warn = |message: String| warnings.push(Warning { place: format!("[mcp.{name}]"), message });
        let mut filled = |values: &BTreeMap<String, String>| -> Vec<(String, String)> {
            let filled = values.iter().map(|(key, value)| {
                let (value, missing) = fill_in(value, variable);
                if let Some(missing) = missing {
                    warn(format!(
                        "`{key}` names the variable `{missing}`, which is not set; nothing stands in its place."
                    ));
                }
                (key.clone(), value)
            });
            filled.collect()
        };
        let reach = match (&settings.command, &settings.url) {
            (Some(program), None) => Reach::Program {
                program: program.clone(),
                arguments: settings.args.clone().unwrap_or_default(),
                variables: filled(&settings.env),
                directory: settings.directory.clone(),
            },
            (None, Some(url)) => {
                let headers = filled(&settings.headers);
                match way.to(url) {
                    Ok(route) => Reach::Http { url: url.clone(), headers, route },
                    Err(error) => {
                        warn(format!("It is left out: {error}"));
                        continue;
                    }
                }
            }
            (Some(_), Some(_)) => {
                warn("It has both `command` and `url`; it is left out until one is taken away.".to_owned());
                continue;
            }
            (None, None) => {
                // A server that is only switched off here is not one that is badly set.
                if settings.enabled != Some(false) {
                    warn("It has neither `command` nor `url`, so there is nothing to start.".to_owned());
                }
                continue;
            }
        };
        let spec = Spec::new(name, reach);
        specs.push(Spec {
            enabled: settings.enabled.unwrap_or(true),
            timeout: settings.timeout.map_or(spec.timeout, Duration::from),
            only: settings.tools.clone(),
            without: settings.hidden_tools.clone(),
            sampling: settings.sampling.unwrap_or(false),
            ..spec
        });
    }
    specs
}

/// What is set of the way to servers.
#[derive(Clone, Copy)]
pub struct Way<'a> {
    pub proxy: Option<&'a str>,
    pub ca_file: Option<&'a Path>,
}

impl Way<'_> {
    /// A proxy for all is none for servers on this machine.
    ///
    /// # Errors
    /// Says which setting is wrong, and how.
    pub fn to(self, url: &str) -> Result<Route, String> {
        let proxy = self.proxy.filter(|_| !http::is_on_this_machine(url));
        let proxy = proxy.map_or(Ok(Proxy::System), Proxy::parse).map_err(|error| format!("`proxy`: {error}"))?;
        let certificates = self.ca_file.map(|path| {
            #[allow(clippy::disallowed_methods, reason = "it is part of the settings")]
            let pem = std::fs::read(path).map_err(|error| error.to_string());
            let certificates = pem.and_then(|pem| Certificates::from_pem(&pem));
            certificates.map_err(|error| format!("`ca_file` {}: {error}", path.display()))
        });
        Ok(Route { proxy, certificates: certificates.transpose()? })
    }
}

/// The variables that headers name: a header is where a key to a server stands.
pub fn variables_of_headers(settings: &BTreeMap<String, McpSettings>) -> Vec<String> {
    let headers = settings.values().flat_map(|server| server.headers.values());
    let mut names = Vec::new();
    for header in headers {
        fill_in(header, |name| {
            names.push(name.to_owned());
            None
        });
    }
    names
}

/// Puts the values of variables in the place of `${NAME}`; also gives the first that is not set.
fn fill_in(text: &str, mut variable: impl FnMut(&str) -> Option<String>) -> (String, Option<String>) {
    let mut filled = String::new();
    let mut missing = None;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, after)) = after.split_once('}') else { break };
        filled += before;
        match variable(name) {
            Some(value) => filled += &value,
            None => drop(missing.get_or_insert(name.to_owned())),
        }
        rest = after;
    }
    (filled + rest, missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in() {
        let variable = |name: &str| (name == "A").then(|| "x".to_owned());
        let check = |text, filled: &str, missing: Option<&str>| {
            assert_eq!(fill_in(text, variable), (filled.to_owned(), missing.map(str::to_owned)));
        };
        check("Bearer ${A}", "Bearer x", None);
        check("${A}${B}-${C}", "x-", Some("B"));
        check("$A ${A", "$A ${A", None);
        check("${A} ${", "x ${", None);
    }
}
