//! Kernel parameters: which of a container's are not its own.

use serde_json::json;
use wasm_cni_tests::Machine;
use wasm_cni_tests::chained;

/// Prints each parameter below `net` with its value in the present namespace.
const ALL: &str = "find /proc/sys/net -type f | sort | while read -r file; do echo \"$file $(cat $file 2>/dev/null | head -c 200)\"; done";

/// Changes every number among the parameters of the present namespace by one, where the kernel lets it.
const CHANGE: &str =
    "find /proc/sys/net -type f | sort | while read -r file; do value=$(cat $file 2>/dev/null)
    case \"$value\" in ''|*[!0-9]*) continue;; 0) new=1;; *) new=$((value - 1));; esac
    (echo $new > $file) 2>/dev/null && [ \"$(cat $file)\" = $new ] && echo $file; done";

#[test]
fn a_parameter_of_a_container_that_changes_the_host_is_one_that_policy_refuses() {
    let machine = Machine::new();
    machine.netns("a");
    // Loads the module whose parameter is the known one.
    machine.sh("iptables -A FORWARD -m conntrack --ctstate NEW -j ACCEPT");
    let before = machine.sh(ALL);
    let changed = machine.sh(&format!("ip netns exec a sh -c '{}'", CHANGE.replace('\'', "'\\''")));
    let after = machine.sh(ALL);
    assert!(changed.lines().count() > 100, "{changed}");
    let key = |line: &str| line.split(' ').next().unwrap_or_default().replace("/proc/sys/", "");
    let differs = |(before, after): (&str, &str)| (before != after).then(|| key(before));
    let of_host: Vec<String> = before.lines().zip(after.lines()).filter_map(differs).collect();
    // Counters change by themselves: only what was written in the container counts.
    let written: Vec<String> = changed.lines().map(key).collect();
    let global: Vec<&String> = of_host.iter().filter(|key| written.contains(key)).collect();
    assert!(global.iter().any(|key| *key == "net/netfilter/nf_hooks_lwtunnel"), "{of_host:?}");
    for key in global {
        let config =
            json!({"cniVersion": "1.0.0", "name": "net", "type": "tuning", "sysctl": {key.as_str(): "1"}});
        let tuning = chained::call("ADD", &chained::after(&config, r#"{"cniVersion": "1.0.0"}"#), "a");
        let (code, msg, details) = tuning.error(&machine);
        assert!(code == 100 && details.contains("changes more than the container"), "{key}: {msg} {details}");
    }
}
