//! An ADD of an attachment that was added before: it is refused, or the earlier one is undone first. A dry run says the
//! same as the ADD.

use std::path::Path;
use wasm_cni_tests::native::{Maker, Plugins, REFERENCE};
use wasm_cni_tests::{Call, Machine, NOTHING, Reply, WALKTHROUGH};

const ADDRESS: &str = "10.15.20.";

fn machine() -> Machine {
    let machine = Machine::new();
    machine.netns("1234567890");
    machine
}

fn dry(call: &Call, machine: &Machine) -> Reply {
    call.clone().env("WASM_CNI_DRY_RUN", "1").run(machine)
}

/// The address of the walkthrough's network in a result or a plan.
fn address_in(text: &str, before: &str) -> String {
    let (_, rest) =
        text.split_once(&format!("{before}{ADDRESS}")).unwrap_or_else(|| panic!("no address in {text}"));
    rest.split('/').next().unwrap().to_owned()
}

/// The dry run gives the error of the ADD, or the address that the ADD gives. Returns the reply to the ADD.
fn dry_run_and_add_agree(machine: &Machine, state: &str) -> Reply {
    let call = Call::bridge("ADD", WALKTHROUGH);
    let before = machine.snapshot();
    let planned = dry(&call, machine);
    assert_eq!(machine.changes(&before), NOTHING, "{state}");
    let added = call.run_patiently(machine);
    let (code, msg, _) = planned.error();
    match added.code {
        Some(0) => {
            assert!(msg.contains("dry run"), "{state}: {msg}");
            assert_eq!(
                address_in(&planned.stderr, "  address "),
                address_in(&added.stdout, "\"ip\": \""),
                "{state}"
            );
        }
        _ => {
            let (of_add, text, _) = added.error();
            assert_eq!((code, msg), (of_add, text), "{state}");
        }
    }
    added
}

#[test]
fn a_second_add_of_a_complete_and_live_attachment_is_refused_and_changes_nothing() {
    let machine = machine();
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    let before = machine.snapshot();
    let (_, msg, details) = dry_run_and_add_agree(&machine, "complete").error();
    assert!(msg.contains("(\"eth12\") already exists"), "{msg}");
    assert!(details.contains("DEL"), "{details}");
    assert_eq!(machine.changes(&before), NOTHING);
    Call::bridge("DEL", WALKTHROUGH).ok(&machine);
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
}

#[test]
fn dry_run_and_add_agree_in_every_state() {
    for (state, script) in [
        ("nothing before", ":"),
        ("the interface is gone", "ip -n 1234567890 link delete eth12"),
        ("the lease is gone", "ip -n 1234567890 link delete eth12; rm /var/lib/cni/networks/mybridge/10*"),
        (
            "the namespace is another one",
            "ip netns delete 1234567890; ip netns add 1234567890; while ip link show type veth | grep -q .; do sleep 0.1; done",
        ),
        ("the journal is gone", "rm -r /run/wasm-cni"),
        ("the journal and the interface are gone", "rm -r /run/wasm-cni; ip -n 1234567890 link delete eth12"),
        (
            "after a boot",
            "rm -r /run/wasm-cni; ip -n 1234567890 link delete eth12; ip link delete cni_bridge0
             iptables -t nat -F; iptables -t nat -X
             touch -d '2000-01-01' /var/lib/cni/networks/mybridge/*",
        ),
    ] {
        let machine = machine();
        if state != "nothing before" {
            Call::bridge("ADD", WALKTHROUGH).ok(&machine);
        }
        machine.sh(script);
        dry_run_and_add_agree(&machine, state);
    }
}

#[test]
fn dry_run_and_add_agree_after_a_kill_at_every_write() {
    let mut killed = 0;
    for at in 1..40 {
        let machine = machine();
        let fault = format!("write,sendto:signal=SIGKILL:when={at}");
        let reply = Call::bridge("ADD", WALKTHROUGH).with_fault(&fault).run(&machine);
        if reply.code.is_some() {
            break;
        }
        killed += 1;
        let added = dry_run_and_add_agree(&machine, &fault);
        assert_eq!(added.code, Some(0), "{fault}: {}", added.stdout);
        Call::bridge("DEL", WALKTHROUGH).ok(&machine);
    }
    assert!(killed > 15, "{killed}");
}

#[test]
fn the_dry_run_shows_what_add_undoes_first() {
    let machine = machine();
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    machine.sh("ip -n 1234567890 link delete eth12");
    let planned = dry(&Call::bridge("ADD", WALKTHROUGH), &machine).stderr;
    let (_, undo) =
        planned.split_once("undo of an earlier ADD, first\n").unwrap_or_else(|| panic!("{planned}"));
    assert!(undo.contains("rm /var/lib/cni/networks/mybridge/10.15.20.2"), "{planned}");
}

fn host_local(machine: &Machine, verb: &str, container: &str, subnet: &str) -> Reply {
    let conf = format!(
        r#"{{"cniVersion": "0.4.0", "name": "n", "ipam": {{"type": "host-local", "ranges": [[{{"subnet": "{subnet}"}}]]}}}}"#
    );
    Call::new(&wasm_cni_tests::dist(), "host-local", verb, &conf)
        .env("CNI_CONTAINERID", container)
        .env("CNI_NETNS", "x")
        .run(machine)
}

#[test]
fn two_ranges_for_one_owner_are_two_leases_and_del_releases_both() {
    let machine = machine();
    let (first, second) = ("10.4.1.0/30", "10.4.2.0/30");
    assert!(host_local(&machine, "ADD", "a", first).stdout.contains("10.4.1.2"));
    assert!(host_local(&machine, "ADD", "a", second).stdout.contains("10.4.2.2"));
    let refused = host_local(&machine, "ADD", "b", first);
    assert!(refused.stdout.contains("no IP addresses available"), "{}", refused.stdout);
    let (_, msg, _) = host_local(&machine, "ADD", "a", first).error();
    assert!(msg.contains("10.4.1.2 has been allocated to a, duplicate allocation is not allowed"), "{msg}");
    assert_eq!(host_local(&machine, "DEL", "a", second).code, Some(0));
    assert_eq!(machine.sh("ls /var/lib/cni/networks/n | grep '^10' || :"), "");
    assert_eq!(machine.sh("ls /run/wasm-cni/attachments"), "");
}

#[test]
fn another_data_directory_is_another_lease() {
    let machine = machine();
    let call = |verb: &str, directory: &str| {
        let conf = format!(
            r#"{{"cniVersion": "0.4.0", "name": "n", "ipam": {{"type": "host-local", "subnet": "10.4.1.0/24", "dataDir": "{directory}"}}}}"#
        );
        Call::new(&wasm_cni_tests::dist(), "host-local", verb, &conf).ok(&machine)
    };
    let leases = || machine.sh("cd /var/lib/cni; find one two -name '10*' | sort");
    machine.sh("mkdir -p /var/lib/cni/one /var/lib/cni/two");
    call("ADD", "/var/lib/cni/one");
    call("ADD", "/var/lib/cni/two");
    assert_eq!(leases(), "one/n/10.4.1.2\ntwo/n/10.4.1.2\n");
    call("DEL", "/var/lib/cni/two");
    assert_eq!(leases(), "one/n/10.4.1.2\n");
    call("DEL", "/var/lib/cni/one");
    assert_eq!(leases(), "");
}

const PTP: &str = r#"{"cniVersion": "0.4.0", "name": "n", "type": "ptp", "ipam": {"type": "host-local", "subnet": "10.4.1.0/24"}}"#;

#[test]
fn a_second_add_below_a_native_plugin_leaves_the_lease_of_the_live_container() {
    let machine = machine();
    machine.netns("other");
    let plugins = Plugins::new(&machine);
    plugins.install("ptp", Maker::Reference);
    plugins.install("host-local", Maker::Ours);
    let call = |verb: &str| Call::new(plugins.path(), "ptp", verb, PTP);
    call("ADD").ok(&machine);
    let (_, msg, _) = call("ADD").error(&machine);
    assert!(
        msg.contains("10.4.1.2 has been allocated to 1234567890, duplicate allocation is not allowed"),
        "{msg}"
    );
    let added = call("ADD").container("other").ok(&machine);
    assert!(added.contains("10.4.1.3"), "{added}");
    // The interface is gone, and the first ptp has ended: the container gets its address again.
    machine.sh("ip -n 1234567890 link delete eth12");
    let added = call("ADD").ok(&machine);
    assert!(added.contains("10.4.1.2/24"), "{added}");
    call("DEL").ok(&machine);
    assert_eq!(machine.sh("cd /var/lib/cni/networks/n; ls | grep '^10'"), "10.4.1.3\n");
}

#[test]
fn after_a_boot_a_container_gets_its_address_again_with_and_without_asking_for_it() {
    for args in ["", "IgnoreUnknown=1;IP=10.15.20.2"] {
        let machine = machine();
        let call = |verb: &str| Call::bridge(verb, WALKTHROUGH).env("CNI_ARGS", args);
        call("ADD").ok(&machine);
        let script = "rm -r /run/wasm-cni; ip -n 1234567890 link delete eth12";
        machine.sh(script);
        let (_, msg, _) = call("ADD").error(&machine);
        assert!(
            msg.contains("duplicate allocation") || msg.contains("not available"),
            "{msg}: not before the boot"
        );
        machine.sh("touch -d '2000-01-01' /var/lib/cni/networks/mybridge/*");
        let added = call("ADD").ok(&machine);
        assert_eq!(address_in(&added, "\"ip\": \""), "2");
        machine.netns("other");
        let other = Call::bridge("ADD", WALKTHROUGH).container("other").ok(&machine);
        assert_eq!(address_in(&other, "\"ip\": \""), "3", "nobody else gets it");
        call("DEL").ok(&machine);
        assert_eq!(machine.sh("ls /var/lib/cni/networks/mybridge | grep '^10'"), "10.15.20.3\n");
    }
}

#[test]
fn a_failed_add_leaves_the_lease_that_it_would_have_kept() {
    let machine = machine();
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    machine.sh("rm -r /run/wasm-cni; ip -n 1234567890 link delete eth12; touch -d '2000-01-01' /var/lib/cni/networks/mybridge/*");
    Call::bridge("ADD", WALKTHROUGH).with_fault("sendto:error=EPERM:when=6").error(&machine);
    assert_eq!(machine.sh("ls /var/lib/cni/networks/mybridge | grep '^10'"), "10.15.20.2\n");
}

#[test]
fn the_dry_run_of_del_without_a_journal_shows_what_del_removes() {
    let machine = machine();
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    machine.sh("rm -r /run/wasm-cni");
    let planned = dry(&Call::bridge("DEL", WALKTHROUGH), &machine).stderr;
    for part in ["ip link delete", "rm /var/lib/cni/networks/mybridge/10.15.20.2", "iptables"] {
        assert!(planned.contains(part), "{part} is not in {planned}");
    }
}

#[test]
fn what_an_ordinary_user_cannot_read_is_not_shown_as_empty() {
    let machine = machine();
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    let words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"].map(str::to_owned);
    let reply = dry(&Call::bridge("DEL", WALKTHROUGH).under(&words), &machine);
    let (_, msg, _) = reply.error();
    assert!(
        msg.contains("/run/wasm-cni/attachments") && !reply.stderr.contains("undo:"),
        "{msg} {}",
        reply.stderr
    );
    let planned = dry(&Call::bridge("ADD", WALKTHROUGH).under(&words), &machine);
    let shown = format!("{}{}", planned.stdout, planned.stderr);
    assert!(shown.contains("/run/wasm-cni/attachments"), "{shown}");
}

#[test]
fn a_copy_of_our_program_is_none_of_others() {
    let machine = machine();
    let plugins = Plugins::with_bridge(&machine);
    // As the installers of flannel and multus do. The component is missing.
    machine.sh(&format!("cp -L {0}/wasm-cni {0}/host-local", plugins.path().display()));
    Call::new(&wasm_cni_tests::dist(), "bridge", "ADD", WALKTHROUGH).ok(&machine);
    machine.sh("rm -r /run/wasm-cni");
    let begun = std::time::Instant::now();
    Call::new(plugins.path(), "bridge", "DEL", WALKTHROUGH).ok(&machine);
    assert_eq!(machine.sh("ls /var/lib/cni/networks/mybridge | grep '^10' || :"), "");
    let (_, msg, details) = Call::new(plugins.path(), "bridge", "ADD", WALKTHROUGH).error(&machine);
    assert!(
        msg.contains("failed to find plugin \"host-local\"") && details.contains("wasm-cni itself"),
        "{msg} {details}"
    );
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
}

#[test]
fn our_own_directory_is_the_last_one_of_the_path() {
    let machine = machine();
    let call = |verb: &str| Call::bridge(verb, WALKTHROUGH).env("CNI_PATH", "/nonexistent");
    call("ADD").ok(&machine);
    call("DEL").ok(&machine);
    // With a directory that has the type, that one counts.
    let native = Call::bridge("ADD", WALKTHROUGH).env("CNI_PATH", REFERENCE);
    let (_, msg, _) = native.error(&machine);
    assert!(msg.contains("is not a component"), "{msg}");
    assert!(Path::new(REFERENCE).join("bridge").exists());
}
