//! Hosts on which kernel parameters cannot be written, or on which IPv6 is off.

use wasm_cni_tests::{Call, Machine, NOTHING};

fn network(subnets: &str) -> String {
    format!(
        r#"{{"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0", "isGateway": true, "ipMasq": true,
            "ipam": {{"type": "host-local", "ranges": [{subnets}]}}}}"#
    )
}

const V4: &str = r#"[{"subnet": "10.1.2.0/24"}]"#;
const BOTH: &str = r#"[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00:1::/64"}]"#;

/// As in a nested container, or in a service with `ProtectKernelTunables`.
const READ_ONLY: &str = "mount --bind /proc/sys /proc/sys; mount -o remount,ro,bind /proc/sys";

fn machine(script: &str) -> Machine {
    let machine = Machine::new();
    machine.netns("1234567890");
    machine.sh(script);
    machine
}

#[test]
fn parameters_that_have_their_value_need_not_be_writable() {
    let machine = machine(&format!("sysctl -qw net.ipv4.ip_forward=1; {READ_ONLY}"));
    Call::bridge("ADD", &network(V4)).ok(&machine);
    Call::bridge("DEL", &network(V4)).ok(&machine);
}

#[test]
fn a_parameter_that_matters_and_cannot_be_written_is_an_error_that_names_it() {
    let machine = machine(&format!("sysctl -qw net.ipv4.ip_forward=0; {READ_ONLY}"));
    let before = machine.snapshot();
    let (_, msg, details) = Call::bridge("ADD", &network(V4)).error(&machine);
    assert!(msg.contains("net/ipv4/ip_forward") && msg.contains("read-only file system"), "{msg} {details}");
    let left: Vec<String> =
        machine.changes(&before).into_iter().filter(|l| !l.contains("networks")).collect();
    assert_eq!(left, NOTHING);
}

#[test]
fn a_host_without_ipv6_is_an_error_of_a_dual_stack_network_that_says_so() {
    let machine = machine("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1");
    Call::bridge("ADD", &network(V4)).ok(&machine);
    Call::bridge("DEL", &network(V4)).ok(&machine);
    let before = machine.snapshot();
    let (_, msg, details) = Call::bridge("ADD", &network(BOTH)).error(&machine);
    assert!(msg.contains("IPv6 is disabled on br0"), "{msg} {details}");
    let left: Vec<String> =
        machine.changes(&before).into_iter().filter(|l| !l.contains("networks")).collect();
    assert_eq!(left, NOTHING);
}
