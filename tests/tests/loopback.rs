//! loopback as runtimes execute it for every sandbox: alone, with any interface name.

use serde_json::{Value, json};
use wasm_cni_tests::{Call, Machine, NOTHING, dist};

fn config(version: &str) -> Value {
    json!({"cniVersion": version, "name": "cni-loopback", "type": "loopback"})
}

fn call(command: &str, config: &Value) -> Call {
    Call::new(&dist(), "loopback", command, &config.to_string()).env("CNI_IFNAME", "lo")
}

fn with_result(mut config: Value, result: &str) -> Value {
    config["prevResult"] = serde_json::from_str(result).unwrap();
    config
}

fn machine() -> Machine {
    let machine = Machine::new();
    machine.netns("1234567890");
    machine
}

fn is_up(machine: &Machine) -> bool {
    machine.sh("ip -n 1234567890 -o link show lo").contains("LOOPBACK,UP")
}

#[test]
fn lo_is_up_answers_and_goes_down_again_in_every_version() {
    for version in ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        let machine = machine();
        let before = machine.snapshot();
        let result: Value = serde_json::from_str(&call("ADD", &config(version)).ok(&machine)).unwrap();
        machine.sh("ip netns exec 1234567890 ping -c 1 -W 2 127.0.0.1");
        match version {
            "0.1.0" | "0.2.0" => {
                assert_eq!(result["ip4"]["ip"], "127.0.0.1/8");
                assert_eq!(result["ip6"]["ip"], "::1/128");
            }
            _ => {
                let lo =
                    json!({"name": "lo", "mac": "00:00:00:00:00:00", "sandbox": "/var/run/netns/1234567890"});
                assert_eq!(result["interfaces"], json!([lo]));
                let ips = result["ips"].as_array().unwrap();
                let addresses: Vec<_> = ips.iter().map(|ip| (&ip["address"], &ip["interface"])).collect();
                assert_eq!(addresses, [(&json!("127.0.0.1/8"), &json!(0)), (&json!("::1/128"), &json!(0))]);
            }
        }
        assert_eq!(call("DEL", &config(version)).ok(&machine), "");
        assert!(!is_up(&machine), "{version}");
        assert_eq!(call("DEL", &config(version)).ok(&machine), "", "a second time");
        assert_eq!(machine.changes(&before), NOTHING, "{version}");
    }
}

#[test]
fn a_lo_that_was_up_stays_up() {
    let machine = machine();
    machine.sh("ip -n 1234567890 link set lo up");
    let before = machine.snapshot();
    call("ADD", &config("1.0.0")).ok(&machine);
    call("DEL", &config("1.0.0")).ok(&machine);
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn in_a_chain_it_passes_on_what_came_before() {
    let machine = machine();
    for (version, previous) in [
        (
            "1.0.0",
            json!({"cniVersion": "1.0.0", "dns": {"nameservers": ["10.1.2.1"]},
                "interfaces": [{"mac": "0a:00:00:00:00:09", "name": "eth9", "sandbox": "/elsewhere"}, {"name": "br9"}],
                "ips": [{"address": "10.1.2.3/24", "gateway": "10.1.2.1", "interface": 0}, {"address": "fd00::3/64"}],
                "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.2.1"}]}),
        ),
        (
            "0.2.0",
            json!({"cniVersion": "0.2.0", "ip4": {"ip": "10.1.2.3/24", "gateway": "10.1.2.1",
                "routes": [{"dst": "0.0.0.0/0"}]}, "dns": {}}),
        ),
    ] {
        let mut config = config(version);
        config["prevResult"] = previous.clone();
        let result: Value = serde_json::from_str(&call("ADD", &config).ok(&machine)).unwrap();
        assert_eq!(result, previous);
        assert!(is_up(&machine));
        call("DEL", &config).ok(&machine);
    }
}

#[test]
fn another_address_on_lo_is_refused_before_anything_is_done() {
    let machine = machine();
    machine.sh("ip -n 1234567890 address add 10.0.0.1/32 dev lo");
    let before = machine.snapshot();
    let (code, text, _) = call("ADD", &config("1.0.0")).error(&machine);
    assert_eq!(
        (code, text.as_str()),
        (999, r#"loopback interface found with non-loopback address "10.0.0.1""#)
    );
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn check_names_a_lo_that_is_down_and_repair_sets_it_up() {
    let machine = machine();
    let config = config("1.0.0");
    let result = call("ADD", &config).ok(&machine);
    let checked = with_result(config.clone(), &result);
    call("CHECK", &checked).ok(&machine);
    call("CHECK", &config).ok(&machine);
    machine.sh("ip -n 1234567890 link set lo down");
    let (code, _, details) = call("CHECK", &checked).error(&machine);
    assert_eq!((code, details.as_str()), (106, "link lo (container) is down"));
    machine.sh(&format!("{}/wasm-cni repair", dist().display()));
    call("CHECK", &checked).ok(&machine);
}

/// The `lo` of a deleted container is gone, and loopback does not touch links of other plugins.
#[test]
fn del_without_a_journal_sets_lo_down_and_leaves_the_links_of_others() {
    let machine = machine();
    machine
        .sh("ip link add vethx type veth peer name eth0 netns 1234567890; ip -n 1234567890 link set lo up");
    let on_eth0 =
        |netns: &str| call("DEL", &config("1.0.0")).env("CNI_IFNAME", "eth0").env("CNI_NETNS", netns);
    for gone in ["", "/var/run/netns/none"] {
        on_eth0(gone).ok(&machine);
        assert!(is_up(&machine));
    }
    on_eth0("/var/run/netns/1234567890").ok(&machine);
    assert!(!is_up(&machine));
    machine.sh("ip link show vethx");
}

#[test]
fn a_plan_shows_the_addresses_of_the_result() {
    let machine = machine();
    std::fs::write(machine.files().join("lo.conf"), config("1.0.0").to_string()).unwrap();
    let plan = machine.sh(&format!(
        "CNI_PATH={0} {0}/wasm-cni plan {1}/lo.conf --netns /run/netns/1234567890 --container-id 1234567890 --ifname lo",
        dist().display(),
        machine.files().display()
    ));
    assert!(plan.contains("  1  ip link set lo up\n"), "{plan}");
    assert!(plan.contains("  interface lo (container)\n  the addresses of lo (container)\n"), "{plan}");
    assert!(!is_up(&machine));
}
