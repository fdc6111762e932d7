//! Plans with the kinds of actions that no recorded plan contains.

use super::{Permit, Plan};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Output};
use wasm_cni::action::{Action, Delegate, DeletePortMap, DeleteStaleLink, EnsureVlanGateway, Lifetime};
use wasm_cni::machine::port::ProgramCall;
use wasm_cni::plan::Entry;
use wasm_cni::value::{Attachment, IfName, LinkFact, Mac, Netns, PluginName, derive};
use wasm_cni_fake::{FakeMachine, Files};

/// A native plugin, and the directory in which it keeps a file for each attachment.
const NATIVE: &str = "/run/cni/native/dhcp";
const KEPT: &str = "/run/cni/native/kept";

/// All plans.
pub fn all() -> Vec<Plan> {
    vec![vlan_gateway(), stale_link(), stale_port_map(), native_plugin(), addresses_of_a_bridge(), dummy()]
}

/// A plan of entries that are checked as those of a journal.
pub fn plan(name: &str, fake: FakeMachine, taken: &'static [&'static str], entries: Vec<Entry>) -> Plan {
    let (plugin, name) = (PluginName::parse("bridge").unwrap(), name.to_owned());
    let (attachment, real, earlier) = (attachment(), String::new(), Vec::new());
    Plan { name, attachment, plugin, real, fake, earlier, entries, permit: Permit::Again, taken }
}

/// A link of the host that is down and has only a MAC address.
pub fn link(text: &str, kind: &str, last: u8) -> LinkFact {
    LinkFact {
        netns: Netns::Host,
        name: name(text),
        index: 0,
        kind: kind.to_owned(),
        mac: Mac([2, 0, 0, 0, 1, last]),
        mtu: 1500,
        up: false,
        alias: None,
        master: None,
        addresses: Vec::new(),
    }
}

fn attachment() -> Attachment {
    serde_json::from_str(r#"{"network": "net", "container": "c1", "interface": "eth0"}"#).unwrap()
}

fn entry(lifetime: Lifetime, action: impl Into<Action>) -> Entry {
    Entry { plugin: PluginName::parse("bridge").unwrap(), lifetime, action: action.into() }
}

fn read(lifetime: Lifetime, action: &str) -> Entry {
    entry(lifetime, serde_json::from_str::<Action>(action).unwrap())
}

fn bridge(vlan_filtering: bool) -> Entry {
    let text = format!(
        r#"{{"ensure-bridge": {{"mac": "0a:58:0a:01:02:01", "mtu": 1400, "name": "br0", "vlan_filtering": {vlan_filtering}}}}}"#
    );
    read(Lifetime::Shared, &text)
}

fn veth() -> Entry {
    let alias = derive::alias(&attachment());
    let text = format!(
        r#"{{"create-veth": {{"mac": "0a:58:0a:01:02:02", "mtu": 1400, "name": "eth0", "peer":
        {{"alias": {alias:?}, "hairpin": true, "isolated": false, "mac": "d2:52:50:de:e3:94", "master": "br0", "name": "veth1"}}}}}}"#
    );
    read(Lifetime::Attachment, &text)
}

fn name(text: &str) -> IfName {
    IfName::parse(text).unwrap()
}

fn vlan_gateway() -> Plan {
    let gateway = EnsureVlanGateway {
        name: name("br0.5"),
        mac: Mac([2, 0, 0, 0, 0, 1]),
        alias: "wasm-cni gateway".to_owned(),
        port: name("veth5"),
        port_mac: Mac([2, 0, 0, 0, 0, 2]),
        bridge: name("br0"),
        vid: 5,
        drop_default: true,
    };
    let entries = vec![bridge(true), entry(Lifetime::Shared, gateway)];
    plan("VLAN gateway", FakeMachine::new(), &[], entries)
}

/// A link in the container without a peer.
fn dummy() -> Plan {
    let create = r#"{"create-dummy": {"name": "eth0", "mac": "0a:58:0a:01:02:02", "mtu": 1400}}"#;
    let on = r#""link": {"name": "eth0", "netns": "container"}"#;
    let address = format!(r#"{{"add-address": {{"address": "10.1.2.2/24", {on}}}}}"#);
    let up = format!(r#"{{"set-up": {{{on}}}}}"#);
    let entries = [create, &address, &up].map(|action| read(Lifetime::Attachment, action));
    plan("dummy", FakeMachine::new(), &[], entries.to_vec())
}

fn stale_link() -> Plan {
    let alias = derive::alias(&attachment());
    let (one, other) = (link("veth1", "veth", 1), link("stale", "veth", 2));
    let one = LinkFact { alias: Some(alias.clone()), ..one };
    let before = FakeMachine::new().with_pair(one, other).unwrap();
    let stale = DeleteStaleLink { name: name("veth1"), alias: alias.clone() };
    let entries = vec![bridge(false), entry(Lifetime::Attachment, stale), veth()];
    Plan {
        real: format!(
            "ip link add veth1 address 02:00:00:00:01:01 type veth peer name stale address 02:00:00:00:01:02
            ip link set veth1 alias '{alias}'"
        ),
        ..plan("stale link", before, &["veth1", "stale"], entries)
    }
}

fn stale_port_map() -> Plan {
    let map = |chain: &str, container: &str| {
        let text = format!(
            r#"{{"map-ports": {{"address": "10.1.2.2/24", "backend": "iptables", "chain": {chain:?}, "comment": "dnat name: \"net\" id: \"{container}\"",
            "mappings": [{{"container_port": 80, "host_port": 8080, "protocol": "tcp"}}], "masquerade": {{"all": false, "mark": {{"bit": 13}}}}}}}}"#
        );
        read(Lifetime::Attachment, &text)
    };
    let delete = DeletePortMap::iptables(true, "CNI-DN-dead".to_owned());
    let entries = vec![entry(Lifetime::Attachment, delete), map("CNI-DN-new", "c1")];
    let plan = plan("stale port map", FakeMachine::new(), &["CNI-DN-dead"], entries);
    Plan { earlier: vec![map("CNI-DN-dead", "dead")], ..plan }
}

/// The addresses of an existing bridge are not deleted with a link.
fn addresses_of_a_bridge() -> Plan {
    let addresses = ["10.9.9.1/24", "10.9.8.1/24"].map(|address| address.parse().unwrap()).to_vec();
    let there = LinkFact { up: true, addresses, ..link("br0", "bridge", 9) };
    let of_bridge = |action: &str, address: &str| {
        let text = format!(
            r#"{{{action:?}: {{"address": {address:?}, "link": {{"name": "br0", "netns": "host"}}}}}}"#
        );
        read(Lifetime::Shared, &text)
    };
    let add = |address| of_bridge("add-address", address);
    let delete = of_bridge("delete-address", "10.9.8.1/24");
    let entries = vec![bridge(false), add("10.1.2.1/24"), add("fd00:1::1/64"), add("10.9.9.1/24"), delete];
    let before = FakeMachine::new().with_link(there).unwrap();
    Plan {
        real: "ip link add br0 address 02:00:00:00:01:09 type bridge
            ip link set br0 up; ip addr add 10.9.9.1/24 dev br0; ip addr add 10.9.8.1/24 dev br0"
            .to_owned(),
        ..plan("addresses of a bridge", before, &[], entries)
    }
}

/// The host executes a native plugin between two stages.
fn native_plugin() -> Plan {
    let delegate = Delegate {
        plugin: PluginName::parse("dhcp").unwrap(),
        program: NATIVE.into(),
        owner: attachment().owner(),
        netns: "/run/netns/c1".to_owned(),
        args: "A=1".to_owned(),
        path: "/run/cni/native".to_owned(),
        config: r#"{"name": "net"}"#.to_owned(),
    };
    let before = FakeMachine::new().with_program(NATIVE, native);
    let entries = vec![bridge(false), entry(Lifetime::Attachment, delegate), veth()];
    Plan { real: native_script(), ..plan("native plugin", before, &[], entries) }
}

/// The plugin for the real machine.
fn native_script() -> String {
    format!(
        r#"mkdir -p {KEPT}
        cat >{NATIVE} <<'END'
#!/bin/sh
file={KEPT}/$CNI_CONTAINERID-$CNI_IFNAME
case $CNI_COMMAND in
ADD) printf '%s %s ' "$CNI_NETNS" "$CNI_ARGS" >"$file"; cat >>"$file"; printf '{{"cniVersion": "1.0.0"}}' ;;
DEL) rm -f "$file" ;;
esac
END
        chmod 755 {NATIVE}"#
    )
}

/// The plugin for the fake machine.
fn native(call: &ProgramCall, files: &mut Files) -> Output {
    let said = |name: &str| {
        let variable = call.variables.iter().find(|(variable, _)| *variable == name);
        variable.map(|(_, value)| value.as_str()).unwrap_or_default()
    };
    let file = Path::new(KEPT).join(format!("{}-{}", said("CNI_CONTAINERID"), said("CNI_IFNAME")));
    let stdout = match call.verb {
        "ADD" => {
            let kept = format!("{} {} {}", said("CNI_NETNS"), said("CNI_ARGS"), call.input);
            files.insert(file, kept.into_bytes());
            br#"{"cniVersion": "1.0.0"}"#.to_vec()
        }
        _ => {
            files.remove(&file);
            Vec::new()
        }
    };
    Output { status: ExitStatus::from_raw(0), stdout, stderr: Vec::new() }
}
