//! bridge: connects the container to a bridge on the host by a veth pair, and makes it reachable.

mod config;
mod gateway;
mod trunk;
mod vlan;

use config::Config;
use gateway::Change;
use wasm_cni_sdk::addresses::{self, Address};
use wasm_cni_sdk::delegate::{self, Answer};
use wasm_cni_sdk::links::Link;
use wasm_cni_sdk::nat::{Backend, Masquerade};
use wasm_cni_sdk::{Error, Ip, IpFamily, IpNetwork, Netns, Route};
use wasm_cni_sdk::{address, filter, interface, observe, request, results, sysctls};

wasm_cni_sdk::plugin!(kind: Main, type: "bridge", versions: wasm_cni_sdk::ALL_VERSIONS, add: add);

fn add() -> Result<(), Error> {
    let config = Config::parse(&request::config(), &request::args())?;
    let gateway_name = vlan::gateway_name(&config);
    let mut existing = addresses_of_bridge(&config.bridge)?;
    if config.is_gateway && gateway_name != config.bridge {
        existing = addresses_of_gateway(&gateway_name);
    }
    let bridge = Link::bridge(&config.bridge);
    let container = Link::veth(&request::interface_name());
    let host = container.peer();
    connect(&config, &bridge, &host, &container);
    // A native IPAM plugin (dhcp) needs the link to exist. A component only records its leases.
    let answer = answer_of_ipam(&config)?;
    for link in [&bridge, &host, &container] {
        results::add_link(link);
    }

    let dns = match answer {
        None => {
            if !config.leave_down {
                container.up();
                host.settle();
            }
            config.dns
        }
        Some(mut answer) => {
            gateway::complete(&config, &mut answer.ips, &mut answer.routes)?;
            configure(&config, &container, &answer);
            if config.is_gateway {
                let force = config.force_address;
                let change = gateway::of_link(&gateway_name, &answer.ips, &existing, force)
                    .map_err(|text| format!("{}: {text}", vlan::failed_gateway(&config)))?;
                let own = vlan::gateway(&config, &bridge);
                own.iter().for_each(results::add_link);
                forward(own.as_ref().unwrap_or(&bridge), &change);
            }
            host.settle();
            // The kernel announced the addresses when the container's end came up. Those frames were lost, because
            // the bridge port was not ready yet.
            container.announce();
            for ip in &answer.ips {
                if config.ip_masq {
                    masquerade(ip, config.ip_masq_backend);
                }
                ip.report_on(&container);
            }
            answer.routes.iter().for_each(Route::report);
            if config.dns.is_given() { config.dns } else { answer.dns }
        }
    };
    if config.check_source_mac {
        filter::check_source_mac(&host);
    }
    dns.report();
    Ok(())
}

/// The present addresses of the bridge. Empty if there is no bridge.
fn addresses_of_bridge(name: &str) -> Result<Vec<IpNetwork>, Error> {
    match observe::find_link(Netns::Host, name) {
        None => Ok(Vec::new()),
        Some(link) if link.kind() == "bridge" => Ok(link.addresses().into_iter().map(Into::into).collect()),
        Some(_) => {
            Err(format!("failed to create bridge {name:?}: {name:?} already exists but is not a bridge")
                .into())
        }
    }
}

/// The present addresses of the gateway interface in the VLAN. The host checks the kind of the link when it applies
/// the plan.
fn addresses_of_gateway(name: &str) -> Vec<IpNetwork> {
    let found = observe::find_link(Netns::Host, name);
    found.map(|link| link.addresses().into_iter().map(Into::into).collect()).unwrap_or_default()
}

/// The result of the IPAM plugin. `None` if the configuration names no IPAM plugin.
fn answer_of_ipam(config: &Config) -> Result<Option<Answer>, Error> {
    if config.ipam.is_empty() {
        return Ok(None);
    }
    let answer = delegate::ipam(&config.ipam)?;
    if answer.ips.is_empty() {
        Err("IPAM plugin returned missing IP config".into())
    } else {
        Ok(Some(answer))
    }
}

/// Records the bridge, and the veth pair from it to the container. The container's end stays down.
fn connect(config: &Config, bridge: &Link, host: &Link, container: &Link) {
    if config.mtu != 0 {
        bridge.set_mtu(config.mtu);
        container.set_mtu(config.mtu);
    }
    if let Some(mac) = config.mac {
        container.set_mac(mac);
    }
    host.set_master(bridge);
    host.set_hairpin(config.hairpin);
    host.set_isolated(config.isolated);
    vlan::assign(config, bridge, host);
    if config.promiscuous {
        bridge.set_promiscuous(true);
    }
    // Otherwise a container could give the host a default route by a router advertisement.
    sysctls::try_set_link(host, IpFamily::Ipv6, "accept_ra", "0");
    bridge.up();
    host.up();
}

/// Records addresses and routes of the container's end, and brings it up.
fn configure(config: &Config, container: &Link, answer: &Answer) {
    if config.detect_duplicates {
        sysctls::try_set_link(container, IpFamily::Ipv6, "enhanced_dad", "1");
        sysctls::try_set_link(container, IpFamily::Ipv6, "accept_dad", "1");
    } else {
        // The IPAM plugin assigns each address only once. Without duplicate address detection it is usable at once.
        sysctls::try_set_link(container, IpFamily::Ipv6, "accept_dad", "0");
    }
    // The kernel announces the addresses to the neighbours.
    sysctls::try_set_link(container, IpFamily::Ipv4, "arp_notify", "1");
    let has_ipv6 = answer.ips.iter().any(|ip| ip.address.is_ipv6());
    if has_ipv6 || config.is_gateway {
        // The container gets its whole configuration from the plan. A router that sends advertisements would be
        // another container.
        sysctls::try_set_link(container, IpFamily::Ipv6, "accept_ra", "0");
    }
    if has_ipv6 {
        sysctls::try_set_link(container, IpFamily::Ipv6, "ndisc_notify", "1");
    }
    interface::configure(container, &answer.ips, &answer.routes, config.detect_duplicates);
}

/// Makes the host the gateway of the container.
fn forward(on: &Link, gateways: &Change) {
    for address in &gateways.remove {
        addresses::remove(on, (*address).into());
    }
    for gateway in &gateways.add {
        let address = Address::new(on, (*gateway).into());
        if gateway.is_ipv6() {
            // Several nodes may share the gateway's address. And duplicate address detection never ends on a bridge
            // without a port.
            address.nodad();
        }
    }
    for family in [IpFamily::Ipv4, IpFamily::Ipv6] {
        if gateways.add.iter().any(|gateway| address::family(gateway.ip()) == family) {
            sysctls::enable_forwarding(family);
        }
    }
}

/// Masquerades an address of the container.
fn masquerade(ip: &Ip, backend: Option<Backend>) {
    match backend {
        Some(backend) => Masquerade::with_backend(ip.address.into(), backend),
        None => Masquerade::new(ip.address.into()),
    };
}
