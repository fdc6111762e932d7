//! Native plugins that execute plugins of ours for the same attachment, as the wrappers of sites and vendors do.

use std::time::{Duration, Instant};
use wasm_cni_tests::native::{Maker, Plugins};
use wasm_cni_tests::{Call, Machine, NOTHING};

const CONF: &str = r#"{"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0", "isGateway": true,
    "ipam": {"type": "site", "subnet": "10.1.2.0/24"}}"#;

/// Executes our host-local with the configuration on standard input. `$0` is in the directory of the plugins.
const INNER: &str = r#"sed s/site/host-local/ | "${0%/*}/host-local""#;

/// A machine, and an IPAM plugin `site` which is this script.
fn with_site(script: &str) -> (Machine, Plugins) {
    let machine = Machine::new();
    machine.netns("1234567890");
    let plugins = Plugins::with_bridge(&machine);
    plugins.install("host-local", Maker::Ours);
    plugins.script("site", script);
    (machine, plugins)
}

fn call(plugins: &Plugins, verb: &str) -> Call {
    Call::new(plugins.path(), "bridge", verb, CONF)
}

/// What every bridge plugin leaves.
fn is_shared(line: &str, bridge: &str) -> bool {
    [bridge, "forward", "accept_redirects", "last_reserved_ip", "/lock"]
        .iter()
        .any(|part| line.contains(part))
}

fn leases(machine: &Machine) -> String {
    machine.sh("ls /var/lib/cni/networks/net 2>/dev/null | grep '^10' || :")
}

/// ADD and DEL succeed soon, and leave nothing.
fn exercise(script: &str) {
    let (machine, plugins) = with_site(script);
    let before = machine.snapshot();
    let begun = Instant::now();
    let added = call(&plugins, "ADD").ok_patiently(&machine);
    assert!(added.contains("10.1.2.2/24"), "{script}: {added}");
    assert_eq!(leases(&machine), "10.1.2.2\n", "{script}");
    call(&plugins, "DEL").ok(&machine);
    assert!(begun.elapsed() < Duration::from_secs(5), "{script}: {:?}", begun.elapsed());
    call(&plugins, "DEL").ok(&machine);
    let left: Vec<String> =
        machine.changes(&before).into_iter().filter(|line| !is_shared(line, "br0")).collect();
    assert_eq!(left, NOTHING, "{script}");
    assert_eq!(machine.sh("ls /run/wasm-cni/attachments"), "", "{script}");
}

#[test]
fn a_script_that_executes_our_host_local_works_in_every_way_of_executing() {
    let environment = "env -i PATH=$PATH $(env | grep ^CNI_)";
    let again = INNER.replace(
        '|',
        &format!("| {environment} setsid -w sh -c 'exec 3>&- 4>&- 5>&- 6>&- 7>&-; exec \"$0\"'"),
    );
    for script in [
        INNER.to_owned(),
        again,
        // Several processes are between both plugins.
        format!("sh -c 'bash -c \"$0\" \"$1\"; exit $?' '{INNER}' \"$0\""),
        // It leaves a process running that inherits whatever there is.
        format!("sleep 30 & {INNER}"),
    ] {
        exercise(&script);
    }
}

#[test]
fn plugins_of_one_attachment_below_a_native_one_wait_for_each_other() {
    let (machine, plugins) = with_site(&format!(
        "conf=$(cat); for i in 1 2 3 4; do echo \"$conf\" | {INNER} > $LOG.$i & done; wait; [ $CNI_COMMAND != ADD ] || grep -l address $LOG.? | head -1 | xargs cat"
    ));
    let added = call(&plugins, "ADD").ok_patiently(&machine);
    assert!(added.contains("10.1.2."), "{added}");
    call(&plugins, "DEL").ok(&machine);
    assert_eq!(leases(&machine), "");
}

#[test]
fn a_level_whose_lock_an_ancestor_holds_is_passed_too() {
    let lock = "$(echo /run/wasm-cni/attachments/*)/1.lock";
    exercise(&format!(
        "cat > $LOG.conf; trap 'rm -f {lock}' EXIT; flock {lock} sh -c 'sed s/site/host-local/ '$LOG.conf' | '${{0%/*}}/host-local"
    ));
}

#[test]
fn a_failed_add_leaves_nothing_of_the_nested_plugin() {
    let (machine, plugins) = with_site(&format!("{INNER}; [ $CNI_COMMAND != ADD ] || exit 1"));
    let before = machine.snapshot();
    let (_, msg, details) = call(&plugins, "ADD").error(&machine);
    let left: Vec<String> =
        machine.changes(&before).into_iter().filter(|line| !line.contains("networks")).collect();
    assert_eq!(left, NOTHING, "{msg} {details}");
    assert_eq!(leases(&machine), "");
}

#[test]
fn del_after_a_killed_add_releases_the_lease_of_the_nested_plugin() {
    let parent = "$(sed -n 's/^PPid:[[:space:]]*//p' /proc/$$/status)";
    let (machine, plugins) = with_site(&format!("{INNER}; [ $CNI_COMMAND != ADD ] || kill -9 {parent}"));
    let reply = call(&plugins, "ADD").run(&machine);
    assert_eq!(reply.code, None, "{}", reply.stdout);
    assert_eq!(leases(&machine), "10.1.2.2\n");
    call(&plugins, "DEL").ok(&machine);
    assert_eq!(leases(&machine), "");
    assert_eq!(machine.sh("ls /run/wasm-cni/attachments"), "");
}

#[test]
fn a_plugin_that_lost_its_parents_is_refused_within_seconds_and_told_who_waits() {
    // A process between both plugins ends, so `init` is the parent of the inner one.
    let script = format!(
        "cat > $LOG.conf; [ $CNI_COMMAND = ADD ] || exit 0; (setsid sh -c '{} > $LOG.out; echo > $LOG.done' $0 < $LOG.conf &) & wait; while ! [ -e $LOG.done ]; do sleep 0.1; done; cat $LOG.out; exit 1",
        INNER.replace('\'', "")
    );
    let (machine, plugins) = with_site(&script.replacen("cat >", "export LOG; cat >", 1));
    let begun = Instant::now();
    let (code, msg, _) = call(&plugins, "ADD").error(&machine);
    assert_eq!(code, 11, "{msg}");
    assert!(msg.contains("which executes"), "{msg}");
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
    call(&plugins, "DEL").ok(&machine);
}

#[test]
fn a_rollback_below_a_native_plugin_does_not_wait_for_the_lock_of_shared_objects() {
    // The nested bridge is another attachment. Its ADD fails after it made its bridge.
    let (machine, plugins) = with_site(
        "sed 's/br0/br1/; s/site/host-local/; s/10.1.2/10.1.3/' > $LOG.inner
        CNI_IFNAME=eth1 \"${0%/*}/bridge\" < $LOG.inner; code=$?
        [ $CNI_COMMAND != ADD ] || exit 1; exit $code",
    );
    let before = machine.snapshot();
    let begun = Instant::now();
    call(&plugins, "ADD").error(&machine);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let left: Vec<String> =
        machine.changes(&before).into_iter().filter(|line| !line.contains("networks")).collect();
    let left: Vec<String> = left.into_iter().filter(|line| !is_shared(line, "br1")).collect();
    assert_eq!(left, NOTHING);
}
