//! podman 4.3 with its default chain of plugins.

use std::time::Duration;
use wasm_cni_runtimes::Node;
use wasm_cni_runtimes::node::{NODE, NODE6, OUTSIDE, OUTSIDE6};
use wasm_cni_runtimes::podman::Podman;
use wasm_cni_tests::NOTHING;

fn node() -> Node {
    Node::new(env!("CARGO_BIN_EXE_talk"))
}

#[test]
fn containers_start_talk_publish_ports_and_go_without_a_trace() {
    let node = node();
    let podman = Podman::new(&node);
    // The bridge, the shared chains and forwarding stay, as with the reference.
    podman.serve("first", "--publish 8080:80");
    podman.ok("rm --force --time 0 first");
    let before = node.snapshot();
    podman.serve("one", "--publish 8080:80 --publish 5353:80/udp --dns 192.0.2.53 --dns-search example.test");
    podman.serve("two", "");

    let settings = podman.inspect("one")["NetworkSettings"].take();
    let network = &settings["Networks"]["podman"];
    let address = network["IPAddress"].as_str().unwrap_or_default();
    assert_eq!(network["Gateway"], "10.88.0.1");
    let shown = podman.ok("exec one ip -o -4 address show dev eth0");
    assert!(shown.contains(&format!(" {address}/16 ")), "{address}: {shown}");
    let mac = network["MacAddress"].as_str().unwrap_or_default();
    assert!(mac.len() == 17 && podman.ok("exec one ip link show eth0").contains(mac), "{mac}");
    let dns = podman.ok("exec one cat /etc/resolv.conf");
    assert!(dns.contains("nameserver 192.0.2.53") && dns.contains("search example.test"), "{dns}");

    assert_eq!(podman.who("two", "tcp", &format!("{address}:80")), "one");
    assert_eq!(node.who(None, "tcp", "127.0.0.1:8080"), "one");
    for protocol in ["tcp:8080", "udp:5353"] {
        let (protocol, port) = protocol.split_once(':').unwrap();
        let published = format!("{NODE}:{port}");
        assert_eq!(node.who(None, protocol, &published), "one", "the node itself");
        let outside = Some(("one".to_owned(), OUTSIDE.to_owned()));
        assert_eq!(
            node.ask(Some("outside"), protocol, &published),
            outside,
            "the outside, by its own address"
        );
        assert_eq!(podman.who("two", protocol, &published), "one", "another container");
        assert_eq!(podman.who("one", protocol, &published), "one", "itself: hairpin");
    }
    podman.ok(&format!("exec two ping -c 1 -W 3 {OUTSIDE}"));

    podman.ok("stop --time 0 two");
    podman.ok("rm --force --time 0 one two");
    assert_eq!(node.left(&before), NOTHING);
}

/// A network of both families.
const DUAL: &str = r#"{"cniVersion": "0.4.0", "name": "dual", "plugins": [
    {"type": "bridge", "bridge": "dual0", "isGateway": true, "ipMasq": true, "hairpinMode": true, "ipam": {
        "type": "host-local", "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
        "ranges": [[{"subnet": "10.89.0.0/24"}], [{"subnet": "fd00:89::/64"}]]}},
    {"type": "portmap", "capabilities": {"portMappings": true}}]}"#;

#[test]
fn in_both_families() {
    let node = node();
    node.configure("cni/dual.conflist", DUAL);
    let podman = Podman::new(&node);
    let before = node.snapshot();
    let start = |name: &str, options: &str| podman.serve(name, &format!("--network dual {options}"));
    start("one", "--publish 8080:80 --publish [::]:8080:80");
    start("two", "");
    let network = podman.inspect("one")["NetworkSettings"]["Networks"]["dual"].take();
    assert_eq!(network["GlobalIPv6Gateway"].as_str().or(network["IPv6Gateway"].as_str()), Some("fd00:89::1"));
    let (v4, v6) = (network["IPAddress"].as_str().unwrap(), network["GlobalIPv6Address"].as_str().unwrap());
    for address in [format!("{v4}:80"), format!("[{v6}]:80")] {
        assert_eq!(podman.who("two", "tcp", &address), "one", "{address}");
    }
    for (published, outside) in [(format!("{NODE}:8080"), OUTSIDE), (format!("[{NODE6}]:8080"), OUTSIDE6)] {
        assert_eq!(node.who(None, "tcp", &published), "one", "{published}");
        let expected = Some(("one".to_owned(), outside.to_owned()));
        assert_eq!(node.ask(Some("outside"), "tcp", &published), expected, "{published}");
        podman.ok(&format!("exec two ping -c 1 -W 3 {outside}"));
    }
    podman.ok("rm --force --time 0 one two");
    let left = node.left(&before);
    // The bridge and the shared chains stay, as with the reference.
    let left: Vec<&String> = left
        .iter()
        .filter(|line| {
            line.contains("CNI-DN")
                || line.contains("veth")
                || line.contains("networks/dual/10.")
                || line.contains("networks/dual/fd")
        })
        .collect();
    assert!(left.is_empty(), "{left:#?}");
}

#[test]
fn twenty_at_once() {
    let node = node();
    let podman = Podman::new(&node);
    podman.serve("first", "--publish 8080:80");
    podman.ok("rm --force --time 0 first");
    let before = node.snapshot();
    std::thread::scope(|scope| {
        for number in 0..20 {
            let podman = &podman;
            scope.spawn(move || {
                podman.serve(&format!("c{number}"), &format!("--publish {}:80", 8000 + number))
            });
        }
    });
    for number in 0..20 {
        let published = format!("{NODE}:{}", 8000 + number);
        assert_eq!(node.who(Some("outside"), "tcp", &published), format!("c{number}"));
    }
    podman.ok("rm --force --all --time 0");
    assert_eq!(node.left(&before), NOTHING);
}

/// A network with plugins that undo everything that a killed ADD has done.
const PLAIN: &str = r#"{"cniVersion": "0.4.0", "name": "plain", "plugins": [
    {"type": "bridge", "bridge": "plain0", "isGateway": true, "ipMasq": true, "ipam": {
        "type": "host-local", "routes": [{"dst": "0.0.0.0/0"}], "ranges": [[{"subnet": "10.90.0.0/24"}]]}},
    {"type": "portmap", "capabilities": {"portMappings": true}},
    {"type": "tuning"}]}"#;

#[test]
fn cleanup_and_gc_remove_everything_of_a_podman_that_is_killed_while_it_starts_a_container() {
    let node = node();
    node.configure("cni/plain.conflist", PLAIN);
    let podman = Podman::new(&node);
    podman.serve("first", "--network plain --publish 8080:80");
    podman.ok("rm --force --time 0 first");
    let before = node.snapshot();
    let line = || {
        let cgroup = node.cgroup();
        format!(
            "run --rm --network plain --publish 8080:80 --name killed --cgroup-parent /{cgroup} image true"
        )
    };
    let clean_up = |when: &str| {
        podman.run("rm --force --all --time 0");
        // podman 4 writes the result of an ADD into its cache before it records the network in its database. If it is
        // killed in between, it never reads that file again, and the file stays with the reference's plugins too.
        node.sh("rm -f /var/lib/cni/results/plain-*");
        // podman does not know a container that it had not recorded yet. No container runs, so none is valid.
        node.sh(&format!("echo '[]' | {}/wasm-cni gc plain --valid /dev/stdin", node.plugins()));
        node.sh(
            "for netns in /run/netns/netns-*; do [ ! -e $netns ] || ip netns delete $(basename $netns); done",
        );
        // A cleanup that podman started elsewhere may still be running.
        let mut left = node.left(&before);
        for _ in 0..20 {
            if left.is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(250));
            left = node.left(&before);
        }
        assert_eq!(left, NOTHING, "{when}");
    };
    for milliseconds in [100, 400, 800] {
        podman.killed(&line(), milliseconds);
        clean_up(&format!("after {milliseconds} ms"));
    }
    for plugin in ["bridge", "portmap"] {
        let journal = format!("/run/wasm-cni/attachments/*/{plugin}.0");
        assert!(podman.killed_at(&line(), &journal), "killed in {plugin}, or when it had ended");
        clean_up(plugin);
    }
    podman.serve("next", "--network plain --publish 8080:80");
    assert_eq!(node.who(Some("outside"), "tcp", &format!("{NODE}:8080")), "next");
}
