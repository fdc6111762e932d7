//! bandwidth: limits the rate of the traffic to the container and from it.

mod config;

use config::Config;
use wasm_cni_sdk::links::Link;
use wasm_cni_sdk::{Error, Netns, Previous, observe, qdiscs, request, results};

wasm_cni_sdk::plugin!(kind: Chained, type: "bandwidth", versions: &["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"], add: add);

fn add() -> Result<(), Error> {
    let config = Config::parse(&request::config())?;
    if config == Config::default() && request::previous().is_some() {
        results::pass_previous();
        return Ok(());
    }
    let previous = Previous::get().ok_or("must be called as chained plugin")?;
    let link = host_end(&previous)?;
    results::pass_previous();
    if let Some(limit) = config.ingress {
        qdiscs::limit(&link, limit.rate, limit.burst);
    }
    if let Some(limit) = config.egress {
        results::add_link(&qdiscs::limit_incoming(&link, limit.rate, limit.burst));
    }
    Ok(())
}

/// The host's end of the container's interface. An earlier plugin must have reported it.
fn host_end(previous: &Previous) -> Result<Link, Error> {
    let interfaces = previous.interfaces();
    if interfaces.is_empty() {
        return Err("no interfaces provided".into());
    }
    let name = request::interface_name();
    let kind = observe::find_link(Netns::Container, &name).map(|found| found.kind());
    match kind.as_deref() {
        Some("veth") => {}
        Some(_) => {
            let text = format!(
                "container interface {name} has no veth peer: interface {name:?} was not a veth interface"
            );
            return Err(text.into());
        }
        None => return Err(format!("container interface {name} has no veth peer: Link not found").into()),
    }
    let host = observe::host_end().ok_or_else(|| format!("veth peer of {name} is not in host ns"))?;
    let is_reported =
        interfaces.iter().any(|interface| interface.name == host && interface.sandbox.is_empty());
    // An interface that no earlier plugin reported is not looked up.
    let link = is_reported.then(|| Link::existing(Netns::Host, &host)).flatten();
    link.ok_or_else(|| "no veth peer of container interface found in host ns".into())
}
