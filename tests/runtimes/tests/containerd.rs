//! containerd 1.6 with its usual chain of plugins.
#![expect(clippy::print_stdout, reason = "what was measured")]

use std::collections::HashMap;
use wasm_cni_runtimes::Node;
use wasm_cni_runtimes::containerd::Containerd;
use wasm_cni_runtimes::cri::Pod;
use wasm_cni_runtimes::image::TALK;
use wasm_cni_runtimes::node::{NODE, NODE6, OUTSIDE, OUTSIDE6};
use wasm_cni_tests::NOTHING;

fn node() -> Node {
    Node::new(env!("CARGO_BIN_EXE_talk"))
}

const CONFLIST: &str = r#"{"cniVersion": "1.0.0", "name": "pods", "plugins": [
    {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true, "promiscMode": false, "ipam": {
        "type": "host-local", "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
        "ranges": [[{"subnet": "10.85.0.0/16"}], [{"subnet": "fd00:85::/64"}]]}},
    {"type": "portmap", "capabilities": {"portMappings": true}}]}"#;

fn pod(name: &str) -> Pod {
    Pod { name: name.to_owned(), ..Pod::default() }
}

#[test]
fn pods_start_talk_publish_ports_and_go_without_a_trace() {
    let node = node();
    let containerd = Containerd::new(&node, CONFLIST);
    let mut cri = containerd.cri().unwrap();
    let first = cri.run(&Pod { ports: vec![(0, 80, 8080)], ..pod("first") }).unwrap();
    cri.remove(&first.sandbox).unwrap();
    let before = node.snapshot();
    let dns = Some((vec!["192.0.2.53".to_owned()], vec!["example.test".to_owned()]));
    let one = cri.run(&Pod { ports: vec![(0, 80, 8080), (1, 80, 5353)], dns, ..pod("one") }).unwrap();
    let two = cri.run(&pod("two")).unwrap();

    let [v4, v6] = one.addresses.as_slice() else { panic!("{one:?}") };
    let shown = cri.exec(&one, &["ip", "-o", "address", "show", "dev", "eth0"]).unwrap();
    assert!(
        shown.contains(&format!(" {v4}/16 ")) && shown.contains(&format!(" {v6}/64 ")),
        "{one:?}: {shown}"
    );
    assert!(cri.exec(&one, &["ip", "-o", "link", "show", "lo"]).unwrap().contains("UP"));
    let dns = cri.exec(&one, &["cat", "/etc/resolv.conf"]).unwrap();
    assert!(dns.contains("nameserver 192.0.2.53") && dns.contains("search example.test"), "{dns}");
    for address in [format!("{v4}:80"), format!("[{v6}]:80")] {
        assert_eq!(cri.who(&two, "tcp", &address), "one", "{address}");
    }
    assert_eq!(node.who(None, "tcp", "127.0.0.1:8080"), "one");
    for (protocol, port) in [("tcp", 8080), ("udp", 5353)] {
        for (published, outside) in
            [(format!("{NODE}:{port}"), OUTSIDE), (format!("[{NODE6}]:{port}"), OUTSIDE6)]
        {
            assert_eq!(node.who(None, protocol, &published), "one", "the node itself: {published}");
            let expected = Some(("one".to_owned(), outside.to_owned()));
            assert_eq!(node.ask(Some("outside"), protocol, &published), expected, "the outside: {published}");
            assert_eq!(cri.who(&two, protocol, &published), "one", "another pod: {published}");
            assert_eq!(cri.who(&one, protocol, &published), "one", "itself, hairpin: {published}");
        }
    }
    for outside in [OUTSIDE, OUTSIDE6] {
        cri.exec(&two, &["ping", "-c", "1", "-W", "3", outside]).unwrap();
    }
    for running in [one, two] {
        cri.remove(&running.sandbox).unwrap();
    }
    assert_eq!(node.left(&before), NOTHING);
}

#[test]
fn twenty_pods_at_once() {
    let node = node();
    let containerd = Containerd::new(&node, CONFLIST);
    let mut cri = containerd.cri().unwrap();
    let first = cri.run(&Pod { ports: vec![(0, 80, 8080)], ..pod("first") }).unwrap();
    cri.remove(&first.sandbox).unwrap();
    let before = node.snapshot();
    let running: Vec<_> = std::thread::scope(|scope| {
        let start = |number: i32| {
            let containerd = &containerd;
            scope.spawn(move || {
                let pod = Pod { ports: vec![(0, 80, 8000 + number)], ..pod(&format!("p{number}")) };
                containerd.cri().unwrap().run(&pod).unwrap()
            })
        };
        let started: Vec<_> = (0..20).map(start).collect();
        started.into_iter().map(|one| one.join().unwrap()).collect()
    });
    for number in 0..20 {
        let published = format!("{NODE}:{}", 8000 + number);
        assert_eq!(node.who(Some("outside"), "tcp", &published), format!("p{number}"));
    }
    std::thread::scope(|scope| {
        for one in &running {
            let containerd = &containerd;
            scope.spawn(move || containerd.cri().unwrap().remove(&one.sandbox).unwrap());
        }
    });
    assert_eq!(node.left(&before), NOTHING);
}

#[test]
fn a_containerd_that_is_killed_while_it_starts_a_pod_removes_the_pod_after_its_restart() {
    let node = node();
    let mut containerd = Containerd::new(&node, CONFLIST);
    let mut cri = containerd.cri().unwrap();
    let first = cri.run(&Pod { ports: vec![(0, 80, 8080)], ..pod("first") }).unwrap();
    cri.remove(&first.sandbox).unwrap();
    let before = node.snapshot();
    for milliseconds in [50, 150, 300, 500, 800] {
        let mut cri = containerd.cri().unwrap();
        let starting = std::thread::spawn(move || {
            cri.run(&Pod { ports: vec![(0, 80, 8080)], ..pod("killed") }).map(drop)
        });
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        containerd.kill();
        let _ = starting.join();
        containerd.start();
        let mut cri = containerd.cri().unwrap();
        for sandbox in cri.sandboxes().unwrap() {
            cri.remove(&sandbox).unwrap();
        }
        // containerd does not know a sandbox that it had not recorded yet. No pod runs, so none is valid.
        node.sh(&format!("echo '[]' | {}/wasm-cni gc pods --valid /dev/stdin", node.plugins()));
        node.sh(
            "for netns in /run/netns/cni-*; do [ ! -e $netns ] || ip netns delete $(basename $netns); done",
        );
        assert_eq!(node.left(&before), NOTHING, "after {milliseconds} ms");
    }
}

/// The chain with `bandwidth` and these keys of it at its end.
fn with_bandwidth(keys: &str) -> String {
    let chain = CONFLIST.strip_suffix("]}").unwrap();
    format!("{chain}, {{\"type\": \"bandwidth\"{keys}}}]}}")
}

#[test]
fn a_pods_bandwidth_is_what_its_annotations_say() {
    let node = node();
    let containerd = Containerd::new(&node, &with_bandwidth(", \"capabilities\": {\"bandwidth\": true}"));
    let mut cri = containerd.cri().unwrap();
    let limits = [("kubernetes.io/ingress-bandwidth", "8M"), ("kubernetes.io/egress-bandwidth", "16M")];
    let annotations: HashMap<String, String> =
        limits.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let before = node.sh("tc qdisc show | grep -c tbf || true");
    let limited = cri.run(&Pod { annotations, ..pod("limited") }).unwrap();
    let queues = node.sh("tc qdisc show");
    assert!(before == "0\n" && queues.contains("rate 8Mbit") && queues.contains("rate 16Mbit"), "{queues}");
    cri.remove(&limited.sandbox).unwrap();
    assert_eq!(node.sh("tc qdisc show | grep -c tbf || true"), before);
    assert_eq!(node.sh("ip -o link show type ifb"), "");
}

#[test]
fn a_limit_holds_in_both_directions() {
    let node = node();
    let limits =
        r#", "ingressRate": 16000000, "ingressBurst": 800000, "egressRate": 32000000, "egressBurst": 800000"#;
    let containerd = Containerd::new(&node, &with_bandwidth(limits));
    let mut cri = containerd.cri().unwrap();
    let limited = cri.run(&pod("limited")).unwrap();
    node.sh(&format!("ip netns exec outside {TALK} serve outside >/dev/null 2>&1 & "));
    let address = format!("{}:80", limited.addresses[0]);
    // 4 MiB are 2.1 s at 16 Mbit/s and 1.05 s at 32 Mbit/s; a burst is 0.1 MB.
    let into = cri.exec(&limited, &["talk", "fetch", &format!("{OUTSIDE}:80"), "4194304"]).unwrap();
    let out_of = node.sh(&format!("{TALK} fetch {address} 4194304"));
    let (into, out_of): (f64, f64) = (into.parse().unwrap(), out_of.trim().parse().unwrap());
    println!("4 MiB into the pod: {into:.2} s at 16 Mbit/s; out of it: {out_of:.2} s at 32 Mbit/s");
    // A limited transfer cannot be faster; how much slower it is depends on the machine.
    assert!(into > 1.9 && out_of > 0.95, "into {into} s, out of {out_of} s");
}
