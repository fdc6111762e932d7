//! Debian's reference plugins on the same node, with and without a journal of ours; everything else is in
//! `tests/differential`.

use std::path::Path;
use wasm_cni_tests::{Call, Machine, WALKTHROUGH, walkthrough};

const REFERENCE: &str = "/usr/lib/cni";

fn reference(command: &str, config: &str) -> Call {
    let plugin = Path::new(REFERENCE).join("bridge");
    assert!(plugin.exists(), "Debian's containernetworking-plugins is not installed");
    Call::new(Path::new(REFERENCE), "bridge", command, config)
}

#[test]
fn the_reference_deletes_what_we_made() {
    let machine = Machine::new();
    machine.netns("1234567890");
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    reference("DEL", WALKTHROUGH).ok(&machine);
    nothing_is_left(&machine);
    // Our journal still exists then. Our own DEL finds nothing to do, and removes it.
    Call::bridge("DEL", WALKTHROUGH).ok(&machine);
    assert_eq!(machine.sh("find /run/wasm-cni/attachments -mindepth 1"), "");
}

#[test]
fn we_check_what_the_reference_made() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let config = walkthrough("1.0.0");
    let result = reference("ADD", &config).ok(&machine);
    let with_result =
        config.trim_end().strip_suffix('}').unwrap().to_owned() + ", \"prevResult\": " + &result + "}";
    Call::bridge("CHECK", &with_result).ok(&machine);
    machine.sh("ip -n 1234567890 route delete 1.1.1.1");
    let (_, _, details) = Call::bridge("CHECK", &with_result).error(&machine);
    assert!(details.contains("1.1.1.1"), "{details}");
}

fn nothing_is_left(machine: &Machine) {
    assert!(!machine.sh("ip -o link; ip netns exec 1234567890 ip -o link").contains("veth"));
    assert!(!machine.sh("ip netns exec 1234567890 ip -o link").contains("eth12"));
    assert!(!machine.sh("iptables -t nat -S").contains("CNI-"));
    assert_eq!(machine.sh("ls /var/lib/cni/networks/mybridge"), "last_reserved_ip.0\nlock\n");
}
