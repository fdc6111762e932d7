//! Changes of kernel parameters, files, conntrack entries and firewalld, and the refusals of a dry machine.

use super::*;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use wasm_cni::machine::port::{ProgramCall, ZoneChange};
use wasm_cni::machine::rules::{TableError, TableId, iptables};
use wasm_cni::value::SysctlKey;

fn key(text: &str) -> SysctlKey {
    SysctlKey::parse(text).unwrap()
}

fn call(program: &Path) -> ProgramCall {
    ProgramCall {
        program: program.to_owned(),
        verb: "CHECK",
        variables: vec![("CNI_IFNAME", "eth0".to_owned()), ("CNI_ARGS", "a=b".to_owned())],
        input: "{}".to_owned(),
    }
}

fn script(path: &Path, text: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_sysctl_is_written_in_its_namespace() {
    private(|| {
        let mut machine = machine();
        let forward = key("net/ipv4/ip_forward");
        for netns in [Netns::Host, Netns::Container] {
            for value in ["1", "0"] {
                machine.set_sysctl(netns, &forward, value).unwrap();
                assert_eq!(machine.sysctl(netns, &forward).unwrap(), value);
            }
        }
        machine.set_sysctl(Netns::Container, &forward, "1").unwrap();
        assert_eq!(machine.sysctl(Netns::Host, &forward).unwrap(), "0");
        assert_eq!(errno(machine.set_sysctl(Netns::Host, &forward, "yes")), Errno::EINVAL);
        let missing = key("net/ipv4/conf/nowhere/arp_notify");
        let error = machine.set_sysctl(Netns::Container, &missing, "1").unwrap_err();
        assert!(error.raw_os_error().is_some(), "{error:?}");
    });
}

// The directories have mode 0600, so only root can use them.
#[test]
fn a_file_is_written_atomically_for_root_only_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let mut machine = alone();
    let path = dir.path().join("deep/er/c1_eth0.json");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
    for text in ["first, which is longer", "second"] {
        machine.write_file(&path, text.as_bytes()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        assert_eq!(mode(&path), 0o600);
    }
    assert_eq!([mode(&dir.path().join("deep")), mode(path.parent().unwrap())], [0o600, 0o600]);
    let names = || std::fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(names(), 1, "the temporary file is gone");
    assert_eq!(errno(machine.write_file(&path.join("below"), b"x")), Errno::EEXIST);
    assert_eq!(errno(machine.write_file(path.parent().unwrap(), b"x")), Errno::EISDIR);
    assert_eq!(std::fs::read_dir(dir.path().join("deep")).unwrap().count(), 1);
    machine.remove_file(&path).unwrap();
    assert_eq!(errno(machine.remove_file(&path)), Errno::ENOENT);
}

#[test]
fn without_conntrack_entries_or_a_bus_there_is_nothing_to_remove() {
    private(|| {
        let mut machine = alone();
        for is_ipv4 in [true, false] {
            machine.forget_udp(is_ipv4, &[53]).unwrap();
        }
        let address = "10.1.2.3".parse().unwrap();
        assert!(!machine.change_zone(ZoneChange::Remove("trusted", address)).unwrap());
        let error = machine.change_zone(ZoneChange::Add("trusted", address)).unwrap_err();
        assert!(error.to_string().starts_with("the system bus cannot be reached: "), "{error}");
    });
}

#[test]
fn conntrack_entries_of_a_udp_port_are_deleted() {
    private(|| {
        let mut machine = alone();
        // A rule in `nat` makes the kernel track connections.
        sh(
            "ip link set lo up; iptables -t nat -A OUTPUT -p udp --dport 7001 -j DNAT --to-destination 127.0.0.1:7002",
        );
        let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let servers = ["127.0.0.1:7002", "127.0.0.1:7003", "127.0.0.1:7004"]
            .map(|to| std::net::UdpSocket::bind(to).unwrap());
        for server in &servers {
            server.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        }
        let arrives = |server: &std::net::UdpSocket, port| {
            client.send_to(b"x", ("127.0.0.1", port)).unwrap();
            let mut buffer = [0; 1];
            assert_eq!(server.recv(&mut buffer).unwrap(), 1);
        };
        arrives(&servers[0], 7001);
        arrives(&servers[2], 7004);
        sh(
            "iptables -t nat -F; iptables -t nat -A OUTPUT -p udp --dport 7001 -j DNAT --to-destination 127.0.0.1:7003",
        );
        arrives(&servers[0], 7001);
        machine.forget_udp(true, &[7004]).unwrap();
        arrives(&servers[0], 7001);
        machine.forget_udp(true, &[7001]).unwrap();
        arrives(&servers[1], 7001);
    });
}

#[test]
fn a_dry_machine_changes_nothing() {
    private(|| {
        let dir = tempfile::tempdir().unwrap();
        let mut dry = Linux::open(Some(new_netns()), true);
        let before = sh("ip -j link; sysctl net.ipv4.ip_forward");
        let (path, plugin) = (dir.path().join("file"), dir.path().join("plugin"));
        script(&plugin, &format!("touch {}", path.display()));
        std::fs::write(dir.path().join("there"), "").unwrap();
        let address = "10.1.2.3".parse().unwrap();
        let mut refused = dry.send(Netns::Host, vec![bridge("cni0"), Request::SetUp(1, true)]);
        refused.push(dry.set_sysctl(Netns::Host, &key("net/ipv4/ip_forward"), "1"));
        refused.push(dry.write_file(&path, b"x"));
        refused.push(dry.remove_file(&dir.path().join("there")));
        refused.push(dry.forget_udp(true, &[53]));
        refused.push(dry.change_zone(ZoneChange::Add("trusted", address)).map(drop));
        refused.push(dry.run(&call(&plugin)).map(drop));
        assert_eq!(refused.len(), 8);
        for answer in refused {
            assert_eq!(answer.unwrap_err().to_string(), "this is a dry run: nothing is changed");
        }
        let nat = TableId::Iptables(iptables::Table::Nat, iptables::Family::V4);
        let refused = dry.tables().commit(nat, &[]);
        assert!(
            matches!(refused, Err(TableError::Failed(text)) if text == "this is a dry run: nothing is changed")
        );
        assert_eq!(sh("ip -j link; sysctl net.ipv4.ip_forward"), before);
        assert!(!path.exists() && dir.path().join("there").exists());
        assert!(dry.is_dry() && !alone().is_dry());
        assert!(dry.link(&host("lo")).unwrap().is_some(), "it looks");
    });
}
