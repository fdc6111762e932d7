//! portmap: maps ports of the host to ports of the container.

mod config;

use config::{Config, Marking};
use wasm_cni_sdk::links::Link;
use wasm_cni_sdk::log::{self, Level};
use wasm_cni_sdk::nat::PortMap;
use wasm_cni_sdk::{Error, IpFamily, IpNetwork, Netns, Previous, observe, request, results, sysctls};

wasm_cni_sdk::plugin!(kind: Chained, type: "portmap", versions: wasm_cni_sdk::ALL_VERSIONS, add: add);

fn add() -> Result<(), Error> {
    let config = Config::parse(&request::config()).map_err(|e| format!("failed to parse config: {e}"))?;
    let previous = Previous::get().ok_or("must be called as chained plugin")?;
    if !config.mappings.is_empty() {
        let addresses = previous.own_addresses();
        for text in config.without_effect(&addresses) {
            log::write(Level::Warn, &text);
        }
        addresses.into_iter().for_each(|address| map(&config, address));
    }
    results::pass_previous();
    Ok(())
}

fn map(config: &Config, address: IpNetwork) {
    let map = PortMap::new(address.into(), config.backend);
    for mapping in &config.mappings {
        let host = mapping.host_address.map(Into::into);
        map.add(&mapping.protocol, mapping.host_port, mapping.container_port, host);
    }
    let conditions = if address.is_ipv4() { &config.conditions_v4 } else { &config.conditions_v6 };
    conditions.iter().for_each(|word| map.add_condition(word));
    match &config.masquerade {
        None => return,
        Some(Marking::Bit(bit)) => map.masquerade(config.masquerade_all, *bit),
        Some(Marking::Chain(chain)) => map.masquerade_by(config.masquerade_all, chain),
    }
    if address.is_ipv4() {
        // Without `route_localnet`, the kernel drops packets from 127.0.0.1 on this link. So the host itself could
        // not use a mapped port at 127.0.0.1.
        let link = observe::route_to(address.ip().into()).and_then(|name| Link::existing(Netns::Host, &name));
        if let Some(link) = link {
            sysctls::set_link(&link, IpFamily::Ipv4, "route_localnet", "1");
        }
    }
}
