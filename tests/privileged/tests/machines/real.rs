//! The state of the real machine in the format of [`wasm_cni_fake::FakeMachine::snapshot`]. It is read with programs
//! other than ours.

use nix::sched::{CloneFlags, unshare};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::sync::LazyLock;
use wasm_cni::machine::netns::NetnsFile;
use wasm_cni_fake::sysctl::{Family, Sysctls};
use wasm_cni_privileged::sh;

/// Sets the parameters of the thread's namespace to the kernel's defaults: a new namespace inherits those of the
/// machine.
pub fn reset_sysctls() {
    let mut first = Sysctls::new();
    for family in Family::ALL {
        first.add(family, "lo");
        // A write to `forwarding` changes other parameters, so it comes first.
        let mut names: Vec<&str> = family.defaults().map(|(name, _)| name).collect();
        names.sort_by_key(|name| *name != "forwarding");
        for name in names {
            for place in ["all", "default", "lo"] {
                let key = format!("{}/{place}/{name}", family.directory());
                fs::write(format!("/proc/sys/{key}"), first.read(&key).unwrap()).unwrap();
            }
        }
    }
    for place in ["all", "default", "lo"] {
        fs::write(format!("/proc/sys/net/ipv4/conf/{place}/promote_secondaries"), "0").unwrap();
    }
}

/// The state of the thread's namespace, of the container's, and of what both share.
pub fn snapshot(container: Option<&NetnsFile>) -> String {
    let mut lines: Vec<String> = space().into_iter().map(|line| format!("host: {line}")).collect();
    if let Some(container) = container {
        let _guard = container.enter().unwrap();
        lines.extend(space().into_iter().map(|line| format!("container: {line}")));
    }
    for (program, table, place) in [
        ("iptables", "nat", "nat"),
        ("ip6tables", "nat", "nat6"),
        ("iptables", "filter", "filter"),
        ("ip6tables", "filter", "filter6"),
    ] {
        lines.extend(rules(program, table).into_iter().map(|line| format!("{place}: {line}")));
    }
    lines.extend(nftables());
    lines.extend(leases());
    lines.extend(files());
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn json(line: &str) -> Vec<Value> {
    let text = sh(line);
    if text.trim().is_empty() { Vec::new() } else { serde_json::from_str(&text).unwrap() }
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn space() -> Vec<String> {
    let mut lines = Vec::new();
    let vlans = vlans();
    let mut links = json("ip -j -d addr");
    links.sort_by_key(|link| text(link, "ifname"));
    for link in &links {
        let name = text(link, "ifname");
        let is_up = link["flags"].as_array().unwrap().iter().any(|flag| flag == "UP");
        let state = if is_up { "up" } else { "down" };
        let kind = link["linkinfo"]["info_kind"].as_str();
        // The kernel gives an ifb a random MAC address. One with an alias is ours, and has a derived one.
        let is_by_chance = kind == Some("ifb") && link["ifalias"].is_null();
        let mac = if is_by_chance { "02:00:00:00:00:01".to_owned() } else { text(link, "address") };
        let mut line = format!("link {name} {mac} mtu {} {state}", link["mtu"]);
        if let Some(kind) = kind {
            line += &format!(" type {kind}");
        }
        if let Some(master) = link["master"].as_str() {
            let is_on = link["linkinfo"]["info_slave_data"]["hairpin"].as_bool().unwrap();
            line += &format!(" master {master} hairpin {}", if is_on { "on" } else { "off" });
            if link["linkinfo"]["info_slave_data"]["isolated"].as_bool().unwrap() {
                line += " isolated";
            }
            // A kernel without VLAN filtering reports no VLANs.
            let vlans = vlans.get(&name).map_or("", String::as_str);
            if has_vlan_filtering() && vlans != "1pu" {
                line += &format!(" vlans {vlans}");
            }
        }
        if link["linkinfo"]["info_data"]["vlan_filtering"] == 1 {
            line += " vlan_filtering";
        }
        for (flag, text) in [("PROMISC", " promisc"), ("ALLMULTI", " allmulticast")] {
            if link["flags"].as_array().unwrap().iter().any(|found| found == flag) {
                line += text;
            }
        }
        let packets = link["txqlen"].as_u64().unwrap_or_default();
        if packets != 1000 {
            line += &format!(" qlen {packets}");
        }
        if let Some(alias) = link["ifalias"].as_str() {
            line += &format!(" alias {alias:?}");
        }
        lines.push(line);
        lines.extend(queues(&name));
        for address in link["addr_info"].as_array().unwrap() {
            let local = text(address, "local");
            if !local.starts_with("fe80:") {
                lines.push(format!("address {local}/{} dev {name}", address["prefixlen"]));
            }
        }
    }
    let mut routes: Vec<String> =
        json("ip -j -d -4 route show table all").iter().flat_map(|r| route(r, "0.0.0.0/0", 32)).collect();
    routes.extend(json("ip -j -d -6 route show table all").iter().flat_map(|r| route(r, "::/0", 128)));
    routes.sort();
    lines.extend(routes);
    lines.extend(sysctls());
    lines
}

/// The token bucket filters and redirects of a link.
fn queues(name: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for qdisc in json(&format!("tc -j -r qdisc show dev {name}")) {
        let options = &qdisc["options"];
        match text(&qdisc, "kind").as_str() {
            "tbf" => {
                let buffer = u32::from_str_radix(options["burst_raw"].as_str().unwrap(), 16).unwrap();
                let (rate, limit) = (&options["rate"], &options["limit"]);
                lines.push(format!("tbf dev {name} rate {rate} limit {limit} buffer {buffer}"));
            }
            "ingress" => {
                lines.push(format!("ingress dev {name}"));
                let filters = json(&format!("tc -j filter show dev {name} ingress"));
                let actions = filters.iter().filter_map(|filter| filter["options"]["actions"].as_array());
                let to = actions.flatten().map(|action| text(action, "to_dev").replace('*', "?"));
                lines.extend(to.map(|to| format!("redirect dev {name} to {to}")));
            }
            _ => {}
        }
    }
    lines
}

/// The VLANs of each bridge port. `1pu` is the default of a new port.
fn vlans() -> BTreeMap<String, String> {
    let of_port = |port: &Value| {
        let vlans = port["vlans"].as_array().unwrap().iter().flat_map(|vlan| {
            let flags = vlan["flags"].as_array().cloned().unwrap_or_default();
            let has = |flag: &str| flags.iter().any(|found| found == flag);
            let marks = [("PVID", "p"), ("Egress Untagged", "u")];
            let marks: String = marks.iter().filter(|(flag, _)| has(flag)).map(|(_, mark)| *mark).collect();
            let first = vlan["vlan"].as_u64().unwrap();
            let last = vlan["vlanEnd"].as_u64().unwrap_or(first);
            (first..=last).map(move |vid| format!("{vid}{marks}")).collect::<Vec<_>>()
        });
        (text(port, "ifname"), vlans.collect::<Vec<_>>().join(" "))
    };
    json("bridge -j vlan show").iter().map(of_port).collect()
}

/// Whether this kernel supports bridges with VLAN filtering.
pub fn has_vlan_filtering() -> bool {
    static HAS: LazyLock<bool> = LazyLock::new(|| {
        let made = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            let mut ip = Command::new("ip");
            ip.args(["link", "add", "br0", "type", "bridge", "vlan_filtering", "1"]).output().unwrap()
        });
        made.join().unwrap().status.success()
    });
    *HAS
}

/// One line for each next hop.
fn route(route: &Value, default: &str, bits: u8) -> Vec<String> {
    let mut dst = text(route, "dst");
    if text(route, "type") != "unicast" || dst == "fe80::/64" {
        return Vec::new();
    }
    if dst == "default" {
        dst = default.to_owned();
    } else if !dst.contains('/') {
        dst = format!("{dst}/{bits}");
    }
    let scope = match text(route, "scope").as_str() {
        "global" => "0".to_owned(),
        "link" => "253".to_owned(),
        "host" => "254".to_owned(),
        other => other.to_owned(),
    };
    let mut end = String::new();
    let mut push = |part: &str, value: String| {
        if !value.is_empty() && value != "0" && value != "null" {
            end += &format!(" {part} {value}");
        }
    };
    push("metric", route["metric"].to_string());
    push("table", text(route, "table").replace("main", "").replace("default", "253"));
    push("scope", scope);
    push("mtu", route["metrics"][0]["mtu"].to_string());
    push("advmss", route["metrics"][0]["advmss"].to_string());
    end += &format!(" proto {}", text(route, "protocol"));
    let hops = route["nexthops"].as_array().cloned().unwrap_or_else(|| vec![route.clone()]);
    let line = |hop: &Value| {
        let via = hop["gateway"].as_str().map(|gateway| format!(" via {gateway}")).unwrap_or_default();
        format!("route {dst}{via} dev {}{end}", text(hop, "dev"))
    };
    hops.iter().map(line).collect()
}

fn sysctls() -> Vec<String> {
    let mut found = Sysctls::new();
    for family in Family::ALL {
        let conf = format!("/proc/sys/{}", family.directory());
        for entry in fs::read_dir(&conf).unwrap() {
            let place = entry.unwrap().file_name().into_string().unwrap();
            if place != "all" && place != "default" {
                found.add(family, &place);
            }
            for (name, _) in family.defaults() {
                let value = fs::read_to_string(format!("{conf}/{place}/{name}")).unwrap();
                found.put(&format!("{}/{place}/{name}", family.directory()), value.trim());
            }
        }
    }
    found.changed().iter().map(|(key, value)| format!("sysctl {key} = {value}")).collect()
}

fn rules(program: &str, table: &str) -> Vec<String> {
    // iptables escapes more characters than necessary.
    let listing = sh(&format!("{program} -t {table} -S")).replace("\\'", "'");
    let chains: BTreeSet<&str> = listing.lines().filter(|line| line.starts_with("-N ")).collect();
    let mut rules: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in listing.lines().filter(|line| line.starts_with("-A ")) {
        let chain = line.split(' ').nth(1).unwrap();
        rules.entry(chain).or_default().push(line);
    }
    chains.into_iter().chain(rules.into_values().flatten()).map(str::to_owned).collect()
}

/// The tables of nftables, except those in which iptables stores its own rules.
fn nftables() -> Vec<String> {
    let objects = |line: &str, key: &str| -> Vec<Value> {
        let all: Value = serde_json::from_str(&sh(line)).unwrap();
        let all = all["nftables"].as_array().unwrap().iter();
        all.filter_map(|object| object.get(key).cloned()).collect()
    };
    let name = |table: &Value| (text(table, "family"), text(table, "name"));
    let tables: BTreeSet<_> = objects("nft -j list tables", "table").iter().map(name).collect();
    let is_of_iptables = |family: &str, name: &str| {
        ["ip", "ip6"].contains(&family) && ["nat", "filter", "mangle", "raw", "security"].contains(&name)
    };
    let mut lines = Vec::new();
    for (family, name) in tables.iter().filter(|(family, name)| !is_of_iptables(family, name)) {
        let (place, list) = (format!("nft {family} {name}:"), format!("nft -j list table {family} {name}"));
        lines.push(format!("{place} table"));
        let chains: BTreeSet<String> =
            objects(&list, "chain").iter().map(|chain| text(chain, "name")).collect();
        lines.extend(chains.iter().map(|chain| format!("{place} chain {chain}")));
        let mut rules = objects(&list, "rule");
        rules.sort_by_key(|rule| text(rule, "chain"));
        for rule in rules {
            let said: Vec<String> = rule["expr"].as_array().unwrap().iter().map(Value::to_string).collect();
            let comment = rule["comment"].as_str().map(|text| format!(" comment {text:?}"));
            let (chain, comment) = (text(&rule, "chain"), comment.unwrap_or_default());
            lines.push(format!("{place} rule {chain} {}{comment}", said.join(" ")));
        }
    }
    lines
}

/// The files with saved link attributes, and those of a native plugin.
fn files() -> Vec<String> {
    let files =
        ["/run/cni/native/kept", "/run/cni/tuning"].into_iter().filter_map(|dir| fs::read_dir(dir).ok());
    let paths: BTreeSet<_> = files.flatten().map(|file| file.unwrap().path()).collect();
    let line = |path: &std::path::PathBuf| {
        format!("file {}: {}", path.display(), fs::read_to_string(path).unwrap().replace('\n', ""))
    };
    paths.iter().map(line).collect()
}

fn leases() -> Vec<String> {
    let mut lines = Vec::new();
    let stores =
        ["/run/networks", "/var/lib/cni/networks"].into_iter().filter_map(|dir| fs::read_dir(dir).ok());
    let places: BTreeSet<_> = stores.flatten().map(|store| store.unwrap().path()).collect();
    for place in places {
        let files: BTreeSet<_> = fs::read_dir(&place).unwrap().map(|file| file.unwrap().path()).collect();
        let (mut leases, mut last) = (Vec::new(), Vec::new());
        for file in files {
            let content = fs::read_to_string(&file).unwrap().replace("\r\n", " ");
            let name = file.file_name().unwrap().to_str().unwrap();
            let line = |text: String| format!("leases {}: {text}", place.display());
            match name.strip_prefix("last_reserved_ip.") {
                Some(set) => last.push(line(format!("last {set} = {content}"))),
                None if name == "lock" => {}
                None => leases.push(line(format!("{name} = {content}"))),
            }
        }
        lines.push(format!("leases {}", place.display()));
        lines.extend(leases.into_iter().chain(last));
    }
    lines
}
