//! Debian's reference plugins as a live peer: the same inputs, the same machine afterwards; and each deletes what the other made.

use std::path::Path;
use wasm_cni_tests::{Call, Machine, WALKTHROUGH, walkthrough};

const REFERENCE: &str = "/usr/lib/cni";

fn reference(command: &str, config: &str) -> Call {
    let plugin = Path::new(REFERENCE).join("bridge");
    assert!(plugin.exists(), "Debian's containernetworking-plugins is not installed");
    Call::new(Path::new(REFERENCE), "bridge", command, config)
}

/// A snapshot without what is free: random names, MACs that we derive and the reference draws, our alias, our journal;
/// and without what Debian's 1.1.1 does otherwise because of its age: lease files of mode 0644, no `txqlen` on veths.
fn comparable(machine: &Machine) -> Vec<String> {
    let script = r#"for netns in host 1234567890; do
      run() { if [ $netns = host ]; then "$@"; else ip netns exec $netns "$@"; fi; }
      run ip -o -4 address | sed -E 's/^[0-9]+: //; s/ +/ /g; s/valid_lft.*//'
      run ip -o link | sed -E 's/^[0-9]+: //; s/veth[0-9a-f]+/VETH/; s/@[a-z0-9]+//; s/link\/ether.*//; s/qlen [0-9]+//; s/alias.*//; s/state [A-Z]+//; s/NO-CARRIER,//; s/,LOWER_UP//'
      run ip route | sed 's/ linkdown//'; run iptables-save -t nat | grep -v '^[#:]'; run sysctl -n net.ipv4.ip_forward
      for link in eth12 cni_bridge0; do for key in ipv4.conf.$link.arp_notify ipv6.conf.$link.accept_dad; do
        run sysctl -e net.$key; done; done
    done; cd /var/lib/cni/networks/mybridge; for f in *; do echo "$f $(cat $f | tr '\r\n' '  ')"; done"#;
    machine.sh(script).lines().map(|line| line.trim_end().to_owned()).collect()
}

#[test]
fn the_walkthrough_leaves_the_same_machine_as_the_reference() {
    let machines = [Call::bridge as fn(&str, &str) -> Call, reference].map(|implementation| {
        let machine = Machine::new();
        machine.netns("1234567890");
        let result = implementation("ADD", WALKTHROUGH).ok(&machine);
        let after_add = comparable(&machine);
        implementation("DEL", WALKTHROUGH).ok(&machine);
        (result, after_add, comparable(&machine))
    });
    let [ours, theirs] = machines;
    assert_eq!(ours.0, theirs.0, "the result");
    assert_eq!(ours.1, theirs.1, "after ADD");
    assert_eq!(ours.2, theirs.2, "after DEL");
}

#[test]
fn the_reference_deletes_what_we_made() {
    let machine = Machine::new();
    machine.netns("1234567890");
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    reference("DEL", WALKTHROUGH).ok(&machine);
    nothing_is_left(&machine);
    // Our journal outlives that; our own DEL then finds nothing to do, and forgets it.
    Call::bridge("DEL", WALKTHROUGH).ok(&machine);
    assert_eq!(machine.sh("find /run/wasm-cni/attachments -mindepth 1"), "");
}

#[test]
fn we_delete_what_the_reference_made() {
    let machine = Machine::new();
    machine.netns("1234567890");
    reference("ADD", WALKTHROUGH).ok(&machine);
    Call::bridge("DEL", WALKTHROUGH).ok(&machine);
    nothing_is_left(&machine);
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

#[test]
fn the_reference_checks_what_we_made() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let config = walkthrough("1.0.0");
    let result = Call::bridge("ADD", &config).ok(&machine);
    let with_result =
        config.trim_end().strip_suffix('}').unwrap().to_owned() + ", \"prevResult\": " + &result + "}";
    reference("CHECK", &with_result).ok(&machine);
}

fn nothing_is_left(machine: &Machine) {
    assert!(!machine.sh("ip -o link; ip netns exec 1234567890 ip -o link").contains("veth"));
    assert!(!machine.sh("ip netns exec 1234567890 ip -o link").contains("eth12"));
    assert!(!machine.sh("iptables -t nat -S").contains("CNI-"));
    assert_eq!(machine.sh("ls /var/lib/cni/networks/mybridge"), "last_reserved_ip.0\nlock\n");
}
