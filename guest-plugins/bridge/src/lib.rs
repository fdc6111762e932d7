//! bridge: a veth pair from the container to a bridge on the host, and what makes it reachable.

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

wasm_cni_sdk::plugin!(kind: Main, versions: wasm_cni_sdk::ALL_VERSIONS, add: add);

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
    // A native IPAM plugin (dhcp) needs the link to be there; a component only records its leases.
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
            gateway::complete(&config, &mut answer.ips, &mut answer.routes);
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
            // What the kernel sent when the container's end came up, was lost: its port was not yet ready.
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

/// The addresses that the bridge has already; none without one.
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

/// Those of the gateway in the VLAN; whether the link is one, is seen when it is used.
fn addresses_of_gateway(name: &str) -> Vec<IpNetwork> {
    let found = observe::find_link(Netns::Host, name);
    found.map(|link| link.addresses().into_iter().map(Into::into).collect()).unwrap_or_default()
}

/// What the IPAM plugin gives; nothing, when the configuration names none.
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

/// The bridge, and the pair from it to the container, whose end stays down.
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
    // A container must not give the host a default route.
    sysctls::try_set_link(host, IpFamily::Ipv6, "accept_ra", "0");
    bridge.up();
    host.up();
}

/// Addresses and routes of the container's end, which comes up in between.
fn configure(config: &Config, container: &Link, answer: &Answer) {
    if config.detect_duplicates {
        sysctls::try_set_link(container, IpFamily::Ipv6, "enhanced_dad", "1");
        sysctls::try_set_link(container, IpFamily::Ipv6, "accept_dad", "1");
    } else {
        // Its addresses are from the IPAM plugin: usable at once.
        sysctls::try_set_link(container, IpFamily::Ipv6, "accept_dad", "0");
    }
    // And told to the neighbours.
    sysctls::try_set_link(container, IpFamily::Ipv4, "arp_notify", "1");
    let has_ipv6 = answer.ips.iter().any(|ip| ip.address.is_ipv6());
    if has_ipv6 || config.is_gateway {
        // All that it needs is known: a router that advertises itself would be another container.
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
            // Nodes may share it, and a bridge without a port would ask for ever.
            address.nodad();
        }
    }
    for family in [IpFamily::Ipv4, IpFamily::Ipv6] {
        if gateways.add.iter().any(|gateway| address::family(gateway.ip()) == family) {
            sysctls::enable_forwarding(family);
        }
    }
}

/// Hides an address behind the host's.
fn masquerade(ip: &Ip, backend: Option<Backend>) {
    match backend {
        Some(backend) => Masquerade::with_backend(ip.address.into(), backend),
        None => Masquerade::new(ip.address.into()),
    };
}
