//! firewall: lets the host forward packets to the container and from it.

mod config;

use config::Config;
use wasm_cni_sdk::filter::{self, Firewall, Ingress};
use wasm_cni_sdk::{Error, IpFamily, Previous, request, results};

wasm_cni_sdk::plugin!(kind: Chained, type: "firewall", versions: &["0.4.0", "1.0.0", "1.1.0"], add: add);

fn add() -> Result<(), Error> {
    let config = Config::parse(&request::config())?;
    let previous = Previous::get().ok_or("missing prevResult from earlier plugin")?;
    let addresses: Vec<_> = previous.ips().into_iter().map(|(ip, _)| ip.address.ip()).collect();
    let backend = config.backend.unwrap_or_else(filter::default_firewall);
    for address in &addresses {
        match backend {
            Firewall::Iptables => filter::allow_forward((*address).into(), &config.admin_chain),
            Firewall::Firewalld => filter::trust_source((*address).into(), &config.zone),
        }
    }
    if let Some((ingress, policy)) = &config.ingress {
        let families = [IpFamily::Ipv4, IpFamily::Ipv6].into_iter();
        let has = |family: &IpFamily| {
            addresses.iter().any(|address| address.is_ipv4() == matches!(family, IpFamily::Ipv4))
        };
        isolate(&previous, *ingress, policy, families.filter(has))?;
    }
    results::pass_previous();
    Ok(())
}

/// Isolates the first interface of `prevResult`, which is the bridge.
fn isolate(
    previous: &Previous,
    ingress: Ingress,
    policy: &str,
    families: impl Iterator<Item = IpFamily>,
) -> Result<(), Error> {
    let interfaces = previous.interfaces();
    let Some(bridge) = interfaces.first() else {
        let text = format!(
            "interface needs to be set for ingress policy {policy:?}, make sure to chain \"firewall\" plugin with \"bridge\""
        );
        return Err(text.into());
    };
    if bridge.name.is_empty() {
        return Err("got empty bridge name".into());
    }
    families.for_each(|family| filter::isolate(&bridge.name, family, ingress));
    Ok(())
}
