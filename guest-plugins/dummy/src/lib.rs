//! dummy: a link without another end, with the addresses and routes of an IPAM plugin.

use serde::Deserialize;
use wasm_cni_sdk::links::Link;
use wasm_cni_sdk::{Error, Route, config, delegate, interface, request, results};

wasm_cni_sdk::plugin!(kind: Main, type: "dummy", versions: wasm_cni_sdk::ALL_VERSIONS, add: add);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Conf {
    ipam: Ipam,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Ipam {
    r#type: String,
}

fn add() -> Result<(), Error> {
    let conf: Conf = config::load().map_err(|e| format!("failed to parse network config: {e}"))?;
    if conf.ipam.r#type.is_empty() {
        return Err("dummy interface requires an IPAM configuration".into());
    }
    let link = Link::dummy(&request::interface_name());
    let answer = delegate::ipam(&conf.ipam.r#type)?;
    if answer.ips.is_empty() {
        return Err("IPAM plugin returned missing IP config".into());
    }
    interface::configure(&link, &answer.ips, &answer.routes, false);
    results::add_link(&link);
    answer.ips.iter().for_each(|ip| ip.report_on(&link));
    answer.routes.iter().for_each(Route::report);
    // The `dns` of the network's configuration is ignored, as in the reference.
    answer.dns.report();
    Ok(())
}
