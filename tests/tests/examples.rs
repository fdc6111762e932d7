//! The networks in `examples/`: each chain is added, checked and deleted as its runtime would do it.

use std::path::PathBuf;
use wasm_cni_tests::{Machine, NOTHING, dist, repository};

/// The capability arguments of a runtime.
const CAPABILITIES: &str = r#"{"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}],
    "bandwidth": {"ingressRate": 8000000, "ingressBurst": 80000, "egressRate": 8000000, "egressBurst": 80000}}"#;

fn networks() -> Vec<PathBuf> {
    let runtimes = std::fs::read_dir(repository().join("examples")).unwrap().flatten();
    let files = runtimes.filter_map(|runtime| std::fs::read_dir(runtime.path()).ok()).flatten().flatten();
    files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|e| e == "conflist")).collect()
}

#[test]
fn every_network_that_is_an_example_is_added_checked_and_deleted() {
    let networks = networks();
    assert_eq!(networks.len(), 6, "{networks:?}");
    for path in networks {
        let text = std::fs::read_to_string(&path).unwrap();
        let network: serde_json::Value = serde_json::from_str(&text).unwrap();
        let name = network["name"].as_str().unwrap();
        let machine = Machine::new();
        machine.netns("c");
        let (conf, plugins) = (path.parent().unwrap().display(), dist());
        let plugins = plugins.display();
        let wasm_cni = |verb: &str| {
            machine.sh(&format!(
                "CAP_ARGS='{CAPABILITIES}' NETCONFPATH={conf} CNI_PATH={plugins} {plugins}/wasm-cni {verb} {name} /run/netns/c"
            ))
        };
        let before = machine.snapshot();
        let plan = wasm_cni("add --dry-run");
        let planned = ["nat -A POSTROUTING", "--dport 8080"];
        assert!(planned.iter().all(|text| plan.contains(text)), "{name}: {plan}");
        assert_eq!(plan.contains("tbf rate 8000000bit"), text.contains("bandwidth"), "{name}: {plan}");
        assert_eq!(plan.contains("CNI-FORWARD"), text.contains("firewall"), "{name}: {plan}");
        assert_eq!(machine.changes(&before), NOTHING);
        let result = wasm_cni("add");
        assert!(result.contains("\"ips\""), "{name}: {result}");
        let gateway =
            machine.sh("ip -n c -o -4 route show default").split_whitespace().nth(2).unwrap().to_owned();
        machine.sh(&format!("ip netns exec c ping -c 1 -W 3 {gateway}"));
        wasm_cni("check");
        let attached = machine.snapshot();
        wasm_cni("del");
        let shared = machine.snapshot();
        assert!(!shared.contains("veth") && !shared.contains("ifb"), "{name}: {shared}");
        // The second container finds what the first one left, and leaves the same.
        wasm_cni("add");
        let again = machine.snapshot();
        assert_eq!(again.lines().count(), attached.lines().count(), "{name}");
        wasm_cni("del");
        let last: Vec<String> = machine.changes(&shared);
        let last: Vec<&String> = last.iter().filter(|line| !line.contains("last_reserved_ip")).collect();
        assert_eq!(last, Vec::<&String>::from_iter(&NOTHING), "{name}");
    }
}
