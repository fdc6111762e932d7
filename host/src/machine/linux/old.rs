//! What the code that the rooms replace still calls, with its types. To be deleted with it.

/// See `linux/netlink`.
pub mod netlink {
    pub use crate::machine::linux::netlink::{Message as Request, Netlink, conntrack, netfilter};

    use crate::action::LinkAttribute as Attribute;
    use crate::machine::MachineError;
    use crate::machine::errno::as_go;
    use crate::machine::linux::netlink as new;
    use crate::machine::port;
    use crate::value::Mac;
    use std::io;

    /// What was tried, with the kernel's answer in Go's words.
    pub fn refused(what: impl Into<String>, source: io::Error) -> MachineError {
        MachineError::Netlink { what: what.into(), source: as_go(source) }
    }

    /// A link, as the kernel has it.
    #[allow(missing_docs, reason = "see port::Link")]
    #[derive(Debug, Clone, Default, PartialEq, Eq)]
    pub struct Link {
        pub index: u32,
        pub name: String,
        pub kind: String,
        pub mac: [u8; 6],
        pub mtu: u32,
        pub up: bool,
        pub alias: Option<String>,
        pub master: Option<u32>,
        pub other_end: Option<u32>,
        pub peer: Option<u32>,
        pub vlan_id: Option<u16>,
        pub promiscuous: bool,
        pub all_multicast: bool,
        pub queue_length: u32,
        pub running: bool,
        pub hairpin: bool,
        pub isolated: bool,
    }

    impl From<port::Link> for Link {
        fn from(link: port::Link) -> Self {
            Link {
                index: link.index,
                name: link.name,
                kind: link.kind,
                mac: link.mac.0,
                mtu: link.mtu,
                up: link.up,
                alias: link.alias,
                master: link.master,
                other_end: link.other_end,
                peer: link.peer,
                vlan_id: link.vlan_id,
                promiscuous: link.promiscuous,
                all_multicast: link.all_multicast,
                queue_length: link.queue_length,
                running: link.running,
                hairpin: link.hairpin,
                isolated: link.isolated,
            }
        }
    }

    impl Link {
        /// The Ethernet address.
        pub fn mac(&self) -> Mac {
            Mac(self.mac)
        }

        /// An attribute, as it is now; a port has none.
        pub fn attribute(&self, kind: &Attribute) -> Option<Attribute> {
            Some(match kind {
                Attribute::Mac(_) => Attribute::Mac(self.mac()),
                Attribute::Mtu(_) => Attribute::Mtu(self.mtu),
                Attribute::AllMulticast(_) => Attribute::AllMulticast(self.all_multicast),
                Attribute::QueueLength(_) => Attribute::QueueLength(self.queue_length),
                Attribute::Promiscuous(_) => Attribute::Promiscuous(self.promiscuous),
                Attribute::Alias(_) => Attribute::Alias(self.alias.clone().unwrap_or_default()),
                Attribute::Port(_) => return None,
            })
        }
    }

    /// See `linux/netlink/link.rs`.
    #[allow(missing_docs, reason = "see there")]
    pub mod link {
        pub use super::Link;
        use super::new;
        pub use super::new::link::{
            create_ifb, delete, set_alias, set_all_multicast, set_down, set_mac, set_master, set_mtu,
            set_promiscuous, set_queue_length, set_up,
        };
        use super::new::{Message, Netlink};
        use crate::action::{BridgePort, CreateVeth, EnsureBridge, EnsureVlanGateway, VethPeer};
        use crate::machine::port::{NewBridge, NewVeth, VethEnd};
        use crate::value::{IfName, Netns};
        use std::io;
        use std::os::fd::BorrowedFd;

        pub fn find(netlink: &mut Netlink, name: &IfName) -> io::Result<Option<Link>> {
            Ok(new::link::find(netlink, name)?.map(Link::from))
        }

        pub fn find_index(netlink: &mut Netlink, index: u32) -> io::Result<Option<Link>> {
            Ok(new::link::find_index(netlink, index)?.map(Link::from))
        }

        pub fn ports(netlink: &mut Netlink, bridge: u32) -> io::Result<Vec<Link>> {
            Ok(new::link::ports(netlink, bridge)?.into_iter().map(Link::from).collect())
        }

        pub fn create_bridge(bridge: &EnsureBridge) -> Message {
            let EnsureBridge { name, mtu, mac, vlan_filtering } = bridge.clone();
            new::link::create_bridge(&NewBridge { name, mtu, mac, vlan_filtering })
        }

        pub fn create_veth(veth: &CreateVeth, master: Option<u32>, container: BorrowedFd<'_>) -> Message {
            let end = VethEnd { name: veth.name.clone(), mac: veth.mac };
            let host = VethEnd { name: veth.peer.name.clone(), mac: veth.peer.mac };
            let veth = NewVeth { end, host, netns: Netns::Container, mtu: veth.mtu, master };
            new::link::create_veth(&veth, Some(container))
        }

        pub fn create_vlan_gateway(gateway: &EnsureVlanGateway, mtu: u32, bridge: u32) -> Message {
            let end = VethEnd { name: gateway.name.clone(), mac: gateway.mac };
            let host = VethEnd { name: gateway.port.clone(), mac: gateway.port_mac };
            let veth = NewVeth { end, host, netns: Netns::Host, mtu: Some(mtu), master: Some(bridge) };
            new::link::create_veth(&veth, None)
        }

        pub fn mark_vlan_gateway(gateway: &EnsureVlanGateway) -> Message {
            new::link::mark(&gateway.name, &gateway.alias, false, false)
        }

        pub fn mark_veth(peer: &VethPeer) -> Message {
            let port = peer.master.is_some();
            new::link::mark(&peer.name, &peer.alias, port && peer.hairpin, port && peer.isolated)
        }

        pub fn unmark(name: &IfName) -> Message {
            new::link::mark(name, "", false, false)
        }

        pub fn mark_ifb(name: &IfName, alias: &str) -> Message {
            new::link::mark(name, alias, false, false)
        }

        pub fn set_port(index: u32, port: &BridgePort) -> Message {
            new::link::set_port(index, port.hairpin, port.isolated)
        }
    }

    /// See `linux/netlink/address.rs`.
    #[allow(missing_docs, reason = "see there")]
    pub mod address {
        use super::new;
        pub use super::new::address::{add, delete};
        use super::new::{Message, Netlink};
        use crate::machine::port;
        use crate::value::derive::hex;
        use ipnetwork::IpNetwork;
        use netlink_packet_core::Emitable;
        use netlink_packet_route::RouteNetlinkMessage;
        use std::io;
        use std::net::IpAddr;

        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct Address {
            pub address: IpNetwork,
            pub tentative: bool,
            pub duplicate: bool,
        }

        pub fn list(netlink: &mut Netlink, index: u32) -> io::Result<Vec<IpNetwork>> {
            Ok(new::address::list(netlink, Some(index))?.into_iter().map(|found| found.address).collect())
        }

        pub fn all(netlink: &mut Netlink) -> io::Result<Vec<IpNetwork>> {
            Ok(new::address::list(netlink, None)?.into_iter().map(|found| found.address).collect())
        }

        pub fn states(netlink: &mut Netlink, index: u32) -> io::Result<Vec<Address>> {
            let state = |found: port::Address| Address {
                address: found.address,
                tentative: found.is_tentative(),
                duplicate: found.is_duplicate(),
            };
            Ok(new::address::list(netlink, Some(index))?.into_iter().map(state).collect())
        }

        pub fn saved(netlink: &mut Netlink, index: u32, address: IpNetwork) -> io::Result<Option<String>> {
            let found = new::address::list(netlink, Some(index))?;
            let found = found.into_iter().find(|found| found.address == address);
            Ok(found.and_then(|found| match new::address::restore(index, &found).message {
                RouteNetlinkMessage::NewAddress(message) => {
                    let mut bytes = vec![0; message.buffer_len()];
                    message.emit(&mut bytes);
                    Some(format!("{address} {}", hex(&bytes)))
                }
                _ => None,
            }))
        }

        pub fn is_link_local(address: IpNetwork) -> bool {
            match address.ip() {
                IpAddr::V4(_) => false,
                IpAddr::V6(v6) => v6.is_unicast_link_local(),
            }
        }

        pub fn restore(index: u32, saved: &str) -> Option<Message> {
            decode(saved).map(|address| new::address::restore(index, &address))
        }

        pub fn words(saved: &str) -> Vec<String> {
            let Some(address) = decode(saved) else { return Vec::new() };
            let broadcast = address.broadcast.map(|it| vec!["broadcast".to_owned(), it.to_string()]);
            let label = address.label.map(|label| vec!["label".to_owned(), label]);
            let nodad = (address.flags & 2 != 0).then(|| vec!["nodad".to_owned()]);
            [broadcast, label, nodad].into_iter().flatten().flatten().collect()
        }

        fn decode(saved: &str) -> Option<port::Address> {
            let digits = saved.split_once(' ')?.1;
            let byte = |place: usize| u8::from_str_radix(digits.get(place..place + 2)?, 16).ok();
            let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
            new::address::decode(&bytes?)
        }
    }

    /// See `linux/netlink/qdisc.rs`.
    #[allow(missing_docs, reason = "see there")]
    pub mod qdisc {
        use super::new;
        pub use super::new::qdisc::{add_ingress, delete_ingress, delete_root, redirect, redirects};
        use super::new::{Message, Netlink};
        use crate::action::Shape;
        use crate::machine::port::TokenBucket;
        use std::io;

        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct Bucket {
            pub rate: u64,
            pub limit: u32,
            pub buffer: u32,
        }

        impl Bucket {
            pub fn of(shape: &Shape) -> Self {
                Bucket { rate: shape.rate, limit: shape.limit(), buffer: shape.buffer() }
            }
        }

        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Queues {
            pub bucket: Option<Bucket>,
            pub has_ingress: bool,
        }

        pub fn queues(netlink: &mut Netlink, index: u32) -> io::Result<Queues> {
            let found = new::qdisc::list(netlink, index)?;
            let bucket = found.root.map(|TokenBucket { rate, limit, buffer }| Bucket { rate, limit, buffer });
            Ok(Queues { bucket, has_ingress: found.has_ingress })
        }

        pub fn set_bucket(index: u32, Bucket { rate, limit, buffer }: Bucket) -> io::Result<Message> {
            new::qdisc::set_bucket(index, TokenBucket { rate, limit, buffer })
        }
    }

    /// See `linux/netlink/vlan.rs`.
    #[allow(missing_docs, reason = "see there")]
    pub mod vlan {
        use super::new::Message;
        pub use super::new::vlan::list;
        use super::new::vlan::{add, drop_all};
        use crate::action::PortVlans;

        pub fn give(port: u32, vlans: &PortVlans) -> Vec<Message> {
            let dropped = vlans.drop_default.then(|| drop_all(port));
            let added = vlans.added.iter().map(|vlan| add(port, vlan.first, vlan.last, vlan.native));
            dropped.into_iter().chain(added).collect()
        }
    }

    /// See `linux/netlink/route.rs`.
    #[allow(missing_docs, reason = "see there")]
    pub mod route {
        use super::new;
        use super::new::Message;
        pub use super::new::route::{is_there, output};
        use crate::value::{IfName, Route};
        use std::net::IpAddr;

        pub fn add(index: u32, route: &Route) -> Option<Message> {
            new::route::add(index, route).ok()
        }

        /// The route in the reference's words: `{10.5.0.0 ffff0000} via 10.1.2.1 dev eth0 metric 0 (Scope: universe, Table: 0)`.
        pub fn describe(route: &Route, link: &IfName) -> String {
            let mask = match route.dst.mask() {
                IpAddr::V4(mask) => format!("{:08x}", mask.to_bits()),
                IpAddr::V6(mask) => format!("{:032x}", mask.to_bits()),
            };
            let gateway = route.gw.map_or_else(|| "<nil>".to_owned(), |gateway| gateway.to_string());
            let scope = match route.scope.unwrap_or_default() {
                0 => "universe".to_owned(),
                200 => "site".to_owned(),
                253 => "link".to_owned(),
                254 => "host".to_owned(),
                255 => "nowhere".to_owned(),
                other => other.to_string(),
            };
            let (metric, table) = (route.priority.unwrap_or_default(), route.table.unwrap_or_default());
            let dst = route.dst.ip();
            format!(
                "{{{dst} {mask}}} via {gateway} dev {link} metric {metric} (Scope: {scope}, Table: {table})"
            )
        }

        #[cfg(test)]
        mod tests {
            use super::*;

            #[test]
            fn a_route_is_told_in_the_words_of_the_reference() {
                let route = Route {
                    gw: Some("10.1.2.1".parse().unwrap()),
                    ..Route::to("10.5.0.0/16".parse().unwrap())
                };
                assert_eq!(
                    describe(&route, &IfName::parse("eth0").unwrap()),
                    "{10.5.0.0 ffff0000} via 10.1.2.1 dev eth0 metric 0 (Scope: universe, Table: 0)"
                );
            }
        }
    }
}

/// See `linux/native.rs`.
pub mod native {
    use crate::action::Delegate;
    use crate::machine::linux::native;
    use crate::machine::{MachineError, Undone};
    use std::io;
    use std::process::Output;

    /// Executes the plugin for a verb, in our own environment with its variables, and waits for it. `netns` is `CNI_NETNS`.
    pub fn execute(verb: &str, delegate: &Delegate, netns: &str) -> io::Result<Output> {
        let Delegate { owner, .. } = delegate;
        // As a runtime does: these verbs are about no attachment.
        let (container, interface, netns) = match verb {
            "GC" | "STATUS" => ("", "", ""),
            _ => (owner.container.as_str(), owner.interface.as_str(), netns),
        };
        let variables = [
            ("CNI_CONTAINERID", container),
            ("CNI_IFNAME", interface),
            ("CNI_NETNS", netns),
            ("CNI_ARGS", &delegate.args),
            ("CNI_PATH", &delegate.path),
        ];
        native::execute(&delegate.program, verb, &variables, &delegate.config)
    }

    /// Executes the plugin for DEL; without its namespace, as a runtime does when that is gone.
    pub fn end(delegate: &Delegate, has_netns: bool) -> Undone {
        let netns = if has_netns { delegate.netns.as_str() } else { "" };
        let failed = |message: String| {
            let what = format!("CNI_COMMAND=DEL {}", delegate.program.display());
            Undone::Failed(MachineError::Tool { what, message })
        };
        match execute("DEL", delegate, netns) {
            Ok(output) if output.status.success() => Undone::Done,
            Ok(output) => {
                let said = [output.stdout, output.stderr].concat();
                failed(format!("{}: {}", output.status, String::from_utf8_lossy(&said).trim()))
            }
            Err(error) => failed(error.to_string()),
        }
    }
}

/// See `linux/firewalld`.
pub mod firewalld {
    pub use crate::machine::linux::firewalld::is_running;

    use crate::action::{Action, FilterRule};
    use crate::machine::linux::firewalld::{change, has_source};
    use crate::machine::port::ZoneChange;
    use crate::machine::{Difference, Effect, MachineError, Undone};
    use ipnetwork::IpNetwork;
    use std::net::IpAddr;

    /// Adds an address to a zone. One that is in a zone already stays there, as in the reference.
    pub fn add(address: IpAddr, zone: &str) -> Result<Effect, MachineError> {
        match change(ZoneChange::Add(zone, address)) {
            Ok(true) => Ok(Effect::Created),
            Ok(false) => Ok(Effect::AlreadyThere),
            Err(error) => Err(MachineError::Tool {
                what: format!("failed to add the address {} to {zone} zone", IpNetwork::from(address)),
                message: error.to_string(),
            }),
        }
    }

    /// Removes an address from a zone.
    pub fn delete(address: IpAddr, zone: &str) -> Result<Undone, MachineError> {
        match change(ZoneChange::Remove(zone, address)) {
            Ok(true) => Ok(Undone::Done),
            Ok(false) => Ok(Undone::Gone),
            Err(error) => {
                let source = IpNetwork::from(address);
                let what = format!("failed to remove the address {source} from {zone} zone");
                Err(MachineError::Tool { what, message: error.to_string() })
            }
        }
    }

    /// Whether an address is in its zone.
    pub fn verify(address: IpAddr, zone: &str) -> Vec<Difference> {
        let source = IpNetwork::from(address);
        match has_source(zone, address) {
            Ok(true) => Vec::new(),
            Ok(false) => {
                let rule = FilterRule::TrustSource { address, zone: zone.to_owned() };
                let text = format!("{source} is not in zone {zone} of firewalld");
                Difference::all(vec![text], &Action::Filter(rule))
            }
            Err(error) => {
                let text = format!("failed to find the address {source} in {zone} zone: {error}");
                vec![Difference::beyond(text)]
            }
        }
    }
}
