//! A server at an address: streamable HTTP, over the client that providers use.

use std::{collections::HashMap, time::Duration};

use reqwest::{
    Client, Url,
    header::{HeaderName, HeaderValue},
};
use rmcp::transport::{StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig};

use crate::provider::http::{Route, client};

/// How long a server may take to take the connection.
const CONNECT: Duration = Duration::from_secs(15);

/// # Errors
/// What is wrong with the address or a header, for the person.
pub fn transport(
    url: &str,
    headers: &[(String, String)],
    route: &Route,
) -> Result<StreamableHttpClientTransport<Client>, String> {
    let parsed = Url::parse(url).map_err(|error| format!("its `url` is no address: {error}"))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err("its `url` is no address of a server: it must begin with http:// or https://".to_owned());
    }
    let mut custom = HashMap::new();
    for (name, value) in headers {
        let wrong = || format!("the header `{name}` cannot be sent");
        let parsed_name = HeaderName::try_from(name.as_str()).map_err(|_| wrong())?;
        let mut value = HeaderValue::try_from(value.as_str()).map_err(|_| wrong())?;
        value.set_sensitive(true);
        custom.insert(parsed_name, value);
    }
    let client = client(&parsed, CONNECT, route).map_err(|failure| failure.what)?;
    let config = StreamableHttpClientTransportConfig::with_uri(url).custom_headers(custom);
    Ok(StreamableHttpClientTransport::with_client(client, config))
}
