//! What others have on a machine, and what of it a plan may change.

use ipnetwork::IpNetwork;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::IpAddr;
use wasm_cni::cni::Config;
use wasm_cni::plan::DraftPlan;
use wasm_cni::policy::Grants;
use wasm_cni::reference::host_local;
use wasm_cni::value::{Attachment, Mac, Netns, Range, Report, derive};

/// Addresses that nobody on the machine has: the way to them is the uplink's.
const FAR: [&str; 8] =
    ["8.8.8.8", "192.0.2.1", "203.0.113.9", "10.200.0.1", "172.17.0.9", "2001:db8::1", "2606::1", "fd66::1"];

/// What others have, as lines of [`seen`](crate::machine::seen), and what is the attachment's.
pub struct Others {
    /// Before the ADD.
    before: Vec<String>,
    /// After the honest ADD.
    honest: Vec<String>,
    /// Addresses that are somebody's, or nobody's for ever: those of others, of the host, of networks, of broadcast.
    addresses: BTreeSet<IpAddr>,
    macs: BTreeSet<String>,
    /// The networks of the attachment's addresses.
    networks: Vec<IpNetwork>,
    gateways: BTreeSet<IpAddr>,
    /// The host's links of the attachment.
    links: BTreeSet<String>,
    /// The shared links that the configuration names, or whose addresses it replaces.
    shared: BTreeSet<String>,
    forces_address: bool,
    /// What is in each rule that is the attachment's: chains, comments, owners.
    marks: BTreeSet<String>,
    /// The mapped ports, on the host and in the container.
    ports: BTreeSet<String>,
    /// The beginnings of lines of the attachment's lease stores.
    stores: Vec<String>,
    /// The range sets of the configuration.
    sets: Vec<Vec<Range>>,
    owner: String,
    saved: String,
}

impl Others {
    /// What is there before an ADD of this configuration and after the honest one.
    pub fn new(
        grants: &Grants,
        config: &Config,
        honest: &DraftPlan,
        before: &[String],
        after: &[String],
        (foreign, macs): &(BTreeSet<IpAddr>, BTreeSet<Mac>),
    ) -> Self {
        let own = &grants.attachment;
        let networks: Vec<IpNetwork> = grants.subnets().map(|subnet| subnet.address).collect();
        let ends = networks.iter().filter(|network| network.is_ipv4() && network.prefix() < 31);
        let mut addresses: BTreeSet<IpAddr> = ends
            .flat_map(|network| [network.network(), network.broadcast()])
            .chain(foreign.clone())
            .collect();
        addresses.extend(before.iter().filter_map(|line| address_of(line)).map(|(address, _)| address.ip()));
        let named: BTreeSet<IpAddr> = grants.addresses.iter().map(|subnet| subnet.address.ip()).collect();
        addresses.retain(|address| !named.contains(address));
        let mut shared: BTreeSet<String> = grants.own.links.iter().cloned().collect();
        shared.extend(
            grants
                .previous_links
                .iter()
                .filter(|link| link.netns == Netns::Host)
                .map(|link| link.name.to_string()),
        );
        let vids = grants.own.link.vlans().into_iter();
        shared.extend(
            vids.flat_map(|vid| grants.own.links.iter().map(move |link| format!("{link}.{vid}")))
                .collect::<Vec<_>>(),
        );
        let mut links: BTreeSet<String> = derive::host_veths(own).map(|name| name.to_string()).collect();
        links.extend(derive::ifb(own).ok().map(|name| name.to_string()));
        shared.retain(|link| !links.contains(link));
        let host_links = before.iter().filter_map(|line| line.strip_prefix("host: link ")?.split_once(' '));
        let host_macs = host_links.filter(|(name, _)| !links.contains(*name));
        let host_macs: Vec<&str> = host_macs.filter_map(|(_, rest)| rest.split(' ').next()).collect();
        let ports =
            grants.own.ports.mappings.iter().map(|mapping| serde_json::to_value(mapping).unwrap_or_default());
        Others {
            before: before.to_vec(),
            honest: after.to_vec(),
            addresses,
            macs: macs
                .iter()
                .map(ToString::to_string)
                .chain(host_macs.into_iter().map(str::to_owned))
                .filter(|mac| mac != "00:00:00:00:00:00")
                .collect(),
            gateways: grants.subnets().filter_map(|subnet| subnet.gateway()).collect(),
            networks,
            links,
            shared,
            forces_address: grants.own.link.forces_address,
            marks: marks(own),
            ports: ports
                .flat_map(|mapping| {
                    ["host_port", "container_port"]
                        .map(|key| mapping.get(key).map(Value::to_string).unwrap_or_default())
                })
                .collect(),
            stores: host_local::stores(config)
                .iter()
                .map(|store| format!("leases {}: ", store.directory().display()))
                .collect(),
            sets: grants.own.sets.clone(),
            owner: format!(" = {} {}", own.container, own.interface),
            saved: format!("/{}: ", derive::saved_link(own)),
        }
        .checked(honest)
    }

    /// The networks of the attachment's addresses.
    pub fn networks(&self) -> impl Iterator<Item = IpNetwork> {
        self.networks.iter().copied()
    }

    /// See [`Others`]: addresses that are not the attachment's.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().copied()
    }

    /// What the honest plan does is not against it.
    fn checked(self, honest: &DraftPlan) -> Self {
        self.check(&self.honest);
        self.check_report(&honest.report);
        self
    }

    /// Checks a machine after a plan.
    ///
    /// # Panics
    /// If something of others is changed.
    pub fn check(&self, after: &[String]) {
        let set = |lines: &[String]| lines.iter().cloned().collect::<BTreeSet<_>>();
        let (before, now, honest) = (set(&self.before), set(after), set(&self.honest));
        // What is in the container is the attachment's.
        for gone in before.difference(&now).filter(|line| !line.starts_with("container: ")) {
            assert!(!honest.contains(gone) || self.may_go(gone, &now), "it is gone: {gone:?}");
        }
        for new in now.difference(&before).filter(|line| !honest.contains(*line)) {
            if let Err(why) = self.check_new(new) {
                panic!("{why}: {new:?}");
            }
        }
        let order = |lines: &[String], of: &BTreeSet<String>| -> Vec<String> {
            lines.iter().filter(|line| line.contains(": -A ") && of.contains(*line)).cloned().collect()
        };
        assert_eq!(order(&self.before, &now), order(after, &before), "rules of others have another order");
        let far = FAR.iter().filter_map(|address| address.parse().ok());
        for to in self.addresses.iter().copied().chain(far) {
            let way = ways(after, to);
            assert!(
                way == ways(&self.before, to) || way == ways(&self.honest, to),
                "another way to {to}: {way:?}"
            );
        }
    }

    /// Whether a rollback may leave a line or its absence: while another attachment uses a bridge or the node's
    /// forwarding, it keeps what was set, as the honest plan sets it. The container's namespace is the attachment's.
    pub fn may_stay(&self, line: &str) -> bool {
        if line.starts_with("container: ") {
            return true;
        }
        let bridge = line.strip_prefix("host: link ").and_then(|line| line.split(' ').next());
        let is_shared = bridge.is_some_and(|name| self.shared.contains(name)) || line.contains("forwarding");
        is_shared
            && (self.honest.iter().any(|honest| honest == line)
                || self.before.iter().any(|before| before == line))
    }

    /// What a plan may take, apart from what the honest one takes.
    fn may_go(&self, gone: &str, now: &BTreeSet<String>) -> bool {
        if self
            .stores
            .iter()
            .any(|store| gone.strip_prefix(store.as_str()).is_some_and(|rest| rest.starts_with("last ")))
        {
            return true;
        }
        // `forceAddress` gives the bridge's addresses away.
        let on_shared = |word: &str| {
            gone.split_once(word)
                .is_some_and(|(_, rest)| self.shared.contains(rest.split(' ').next().unwrap_or_default()))
        };
        let is_replaced = self.forces_address
            && (gone.starts_with("host: address ") || gone.contains("proto kernel"))
            && on_shared(" dev ");
        // A bridge is set up.
        let is_up = on_shared("host: link ") && now.contains(&gone.replacen(" down", " up", 1));
        is_replaced || is_up
    }

    /// What a plan may make, apart from what the honest one makes.
    fn check_new(&self, line: &str) -> Result<(), &'static str> {
        let ok = |holds: bool, why| if holds { Ok(()) } else { Err(why) };
        if line.contains(": link ") {
            ok(
                !line.split(' ').any(|word| self.macs.contains(word)),
                "it has the Ethernet address of another",
            )?;
        }
        if let Some(line) = line.strip_prefix("container: ") {
            let line = format!("host: {line}");
            let foreign = address_of(&line).filter(|(address, _)| self.addresses.contains(&address.ip()));
            return ok(foreign.is_none(), "the container has an address of others");
        }
        if let Some(line) = line.strip_prefix("host: ") {
            return self.check_host(line);
        }
        if let Some(rest) = line.strip_prefix("leases ") {
            let line = format!("leases {rest}");
            let store = self.stores.iter().find_map(|store| line.strip_prefix(store.as_str()));
            let Some(rest) = store else { return Err("a lease is in another store") };
            if let Some((set, _)) = rest.strip_prefix("last ").and_then(|rest| rest.split_once(" = ")) {
                return ok(
                    set.parse::<usize>().is_ok_and(|set| set < self.sets.len().max(1)),
                    "there is no such range set",
                );
            }
            // Its removal was the call that failed; whoever locks the store next removes it.
            let temporary = rest.strip_prefix("file .").and_then(|rest| rest.split_once(".new"));
            let rest = temporary.map_or(rest.to_owned(), |(address, owner)| format!("{address}{owner}"));
            let Some(address) = rest.strip_suffix(&self.owner) else {
                return Err("a lease is of another owner");
            };
            let address = address.parse::<IpAddr>().map_err(|_| "it is no lease")?;
            ok(!self.addresses.contains(&address), "an address of others is leased")?;
            ok(
                self.networks.iter().any(|network| network.contains(address)),
                "it is leased from another network",
            )?;
            let is_in =
                |range: &Range| range.first <= address && address <= range.last && address != range.gateway;
            let is_lease = self.sets.is_empty() || self.sets.iter().flatten().any(is_in);
            return ok(is_lease, "it is leased outside of the ranges");
        }
        if line.starts_with("file ") {
            return ok(line.contains(&self.saved), "a file of others is written");
        }
        self.check_rule(line)
    }

    fn check_host(&self, line: &str) -> Result<(), &'static str> {
        let ok = |holds: bool, why| if holds { Ok(()) } else { Err(why) };
        let words: Vec<&str> = line.split(' ').collect();
        let after = |word: &str| {
            words.iter().position(|found| *found == word).and_then(|at| words.get(at + 1)).copied()
        };
        let is_own = |link: Option<&str>| link.is_some_and(|link| self.links.contains(link));
        let is_shared = |link: Option<&str>| link.is_some_and(|link| self.shared.contains(link));
        match words[0] {
            "link" => {
                ok(is_own(words.get(1).copied()), "it is not a link of the attachment")?;
                ok(after("master").is_none() || is_shared(after("master")), "it is a port of another bridge")
            }
            "tbf" | "ingress" | "redirect" => ok(is_own(after("dev")), "it is not a link of the attachment"),
            "sysctl" => {
                let mut parts = words[1].split('/').skip(3);
                let link = parts.next();
                ok(is_own(link), "a parameter of others")
            }
            "address" | "route" => {
                let network: IpNetwork = words[1].parse().map_err(|_| "no network")?;
                let is_inside =
                    |own: &IpNetwork| own.contains(network.ip()) && own.prefix() <= network.prefix();
                ok(self.networks.iter().any(is_inside), "the network is not the attachment's")?;
                ok(is_own(after("dev")) || is_shared(after("dev")), "it is not a link of the attachment")?;
                let takes = |address: &IpAddr| network.contains(*address) && !self.gateways.contains(address);
                let is_single = words[0] == "address" || !is_own(after("dev"));
                ok(is_single || !self.addresses.iter().any(takes), "it takes packets to others")?;
                let is_theirs =
                    self.addresses.contains(&network.ip()) && !self.gateways.contains(&network.ip());
                ok(words[0] == "route" || !is_theirs, "the host has an address of others")
            }
            _ => Err("a line of another kind"),
        }
    }

    fn check_rule(&self, line: &str) -> Result<(), &'static str> {
        let ok = |holds: bool, why| if holds { Ok(()) } else { Err(why) };
        let single = |word: &str| match word.parse::<IpNetwork>() {
            Ok(network) if IpNetwork::from(network.ip()).prefix() == network.prefix() => Some(network.ip()),
            _ => None,
        };
        let plain = |word: &str| word.trim_matches(['"', '[', ']', ',', '{', '}']).to_owned();
        let words: Vec<String> = line.split(' ').map(plain).collect();
        let own: Vec<IpAddr> = words.iter().filter_map(|word| single(word)).collect();
        ok(!own.iter().any(|address| self.addresses.contains(address)), "a rule for an address of others")?;
        for pair in
            words.windows(2).filter(|pair| matches!(pair[0].as_str(), "--dport" | "dport" | "--dports"))
        {
            ok(pair[1].split(',').all(|port| self.ports.contains(port)), "a rule for a port of others")?;
        }
        let of_own_address =
            own.iter().any(|address| self.networks.iter().any(|network| network.contains(*address)));
        let is_marked = self.marks.iter().any(|mark| line.contains(mark.as_str()));
        ok(is_marked || of_own_address, "a rule that is not the attachment's")
    }

    /// Checks a result: later plugins open what it says.
    ///
    /// # Panics
    /// If it has something of others.
    pub fn check_report(&self, report: &Report) {
        for ip in &report.ips {
            assert!(!self.addresses.contains(&ip.address.ip()), "the result has {}", ip.address);
            assert!(
                ip.gateway.is_none_or(|gateway| self.gateways.contains(&gateway)),
                "the result has {ip:?}"
            );
        }
        for link in report.links.iter().filter(|link| link.netns == Netns::Host) {
            let is_its = self.links.contains(link.name.as_str()) || self.shared.contains(link.name.as_str());
            assert!(is_its, "the result has {link}");
        }
    }
}

/// What marks rules as those of an attachment.
fn marks(own: &Attachment) -> BTreeSet<String> {
    let escaped = |text: String| text.replace('\\', "\\\\").replace('"', "\\\"");
    [
        derive::chain(own),
        derive::port_chain(own),
        escaped(derive::comment(own)),
        escaped(derive::port_comment(own)),
        escaped(derive::nft_comment(own)),
        derive::nft_owner(own),
        derive::source_mac_identity(own),
    ]
    .into()
}

/// `host: address A dev D`.
fn address_of(line: &str) -> Option<(IpNetwork, &str)> {
    let (address, link) = line.strip_prefix("host: address ")?.split_once(" dev ")?;
    Some((address.parse().ok()?, link))
}

/// The links and gateways by which the host's main table leads to an address.
fn ways(lines: &[String], to: IpAddr) -> BTreeSet<String> {
    let mut best: (Option<(u8, std::cmp::Reverse<u32>)>, BTreeSet<String>) = (None, BTreeSet::new());
    for line in lines.iter().filter(|line| !line.contains(" table ")) {
        let Some((dst, rest)) = line.strip_prefix("host: route ").and_then(|line| line.split_once(' '))
        else {
            continue;
        };
        let Some(dst) = dst.parse::<IpNetwork>().ok().filter(|dst| dst.contains(to)) else { continue };
        let metric = rest.split_once("metric ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
        let rank = Some((dst.prefix(), std::cmp::Reverse(metric.unwrap_or(0))));
        let way =
            rest.split(" metric ").next().unwrap_or(rest).split(" proto ").next().unwrap_or(rest).to_owned();
        if rank > best.0 {
            best = (rank, BTreeSet::new());
        }
        if rank == best.0 {
            best.1.insert(way);
        }
    }
    best.1
}
