//! The default policy for kernel parameters: a list of what is allowed, never of what is not.

use crate::action::check::{Check, required};
use crate::policy::{Refusal, Resource};
use crate::value::{IfName, Kind, LinkRef, Netns, SysctlKey};

/// Parameters of the container's namespace that change the whole kernel, and cannot be reset
/// (`nf_hooks_lwtunnel_sysctl_handler` in the kernel's net/netfilter/nf_hooks_lwtunnel.c).
const GLOBAL: [&str; 1] = ["net/netfilter/nf_hooks_lwtunnel"];

/// Parameters of the host's end of the attachment's own veth pair, with the values that protect the host from the
/// container or change nothing for others.
const OWN_END: [(&str, &str); 9] = [
    ("accept_ra", "0"),
    ("accept_dad", "0"),
    ("accept_redirects", "0"),
    ("accept_source_route", "0"),
    ("arp_notify", "1"),
    ("disable_ipv6", "1"),
    ("ndisc_notify", "1"),
    ("rp_filter", "1"),
    ("send_redirects", "0"),
];

/// A parameter, and the value that a plan gives it.
pub struct Parameter<'a> {
    /// The namespace.
    pub netns: Netns,
    /// The parameter.
    pub key: &'a SysctlKey,
    /// The value.
    pub value: &'a str,
    /// The link that the parameter is about, if it is about one.
    pub link: Option<LinkRef>,
}

/// Why the default policy does not grant a parameter. Empty if it does.
pub fn refuse(set: &Parameter<'_>, check: &Check<'_>) -> Vec<Refusal> {
    match (set.netns, set.key.link()) {
        (Netns::Container, _) => of_container(set, check),
        (Netns::Host, Some((family, link))) => of_host_link(set, family, link, check),
        (Netns::Host, None) => forwarding(set, check),
    }
}

/// In the container: parameters of its links, and those that the configuration names.
fn of_container(set: &Parameter<'_>, check: &Check<'_>) -> Vec<Refusal> {
    let key = set.key.as_str();
    let mut refusals = required(!GLOBAL.contains(&key), "the parameter changes more than the container");
    let is_of_link = set.link.as_ref().is_some_and(|link| check.link(link).is_empty());
    let is_granted = is_of_link || check.grants.own.sysctls.contains(set.key);
    let rule =
        || "neither a parameter of a link of this plan nor one that the configuration names".to_owned();
    refusals.extend(check.rules.refuse(&Resource::ContainerSysctl(set.key), is_granted, rule));
    refusals
}

/// On a link of the host: a few of the own end, and `route_localnet` for mapped ports.
fn of_host_link(set: &Parameter<'_>, family: &str, link: &str, check: &Check<'_>) -> Vec<Refusal> {
    let name = set.key.as_str().rsplit('/').next().unwrap_or_default();
    let is_own = |own: IfName| check.is_host_end(&own) || check.is_own_end(&own);
    let is_own = IfName::parse(link).is_ok_and(is_own);
    let is_harmless = OWN_END.contains(&(name, set.value));
    let is_granted = (is_own && is_harmless) || routes_localnet(set, family, link, check);
    let rule = || match is_own {
        true => {
            format!("{name}={} is not among the values that are allowed for a veth's host end", set.value)
        }
        false => format!("link {link:?} is not the host's end of this attachment's veth pair"),
    };
    check.rules.refuse(&Resource::Sysctl(set.key), is_granted, rule)
}

/// Without `route_localnet`, packets from the host's own 127.0.0.1 do not reach a mapped port of the container.
fn routes_localnet(set: &Parameter<'_>, family: &str, link: &str, check: &Check<'_>) -> bool {
    let grants = check.grants;
    let ports = &grants.own.ports;
    grants.own.routes_localnet
        && ports.snat
        && !ports.mappings.is_empty()
        && family == "ipv4"
        && set.key.as_str().ends_with("/route_localnet")
        && set.value == "1"
        && IfName::parse(link).is_ok_and(|link| grants.leads_to_container(&link))
}

/// On the host itself: only forwarding, for a family of the attachment's addresses.
fn forwarding(set: &Parameter<'_>, check: &Check<'_>) -> Vec<Refusal> {
    let is_ipv4 = match set.key.as_str() {
        "net/ipv4/ip_forward" => Some(true),
        "net/ipv6/conf/all/forwarding" => Some(false),
        _ => None,
    };
    let is_on = set.value == "1" && check.is_router();
    let is_of_family = is_ipv4.is_some_and(|is_ipv4| check.has_family(is_ipv4));
    let rule = || match is_ipv4 {
        Some(_) if is_on => "no address of this attachment has that family".to_owned(),
        Some(_) if set.value == "1" && check.grants.own.kind == Kind::Main => {
            "the configuration does not make the host a gateway".to_owned()
        }
        _ => "on the host only forwarding may be switched on, and only by a main plugin".to_owned(),
    };
    check.rules.refuse(&Resource::Sysctl(set.key), is_on && is_of_family, rule)
}
