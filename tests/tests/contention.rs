//! Concurrency: locks of others, rules and links that change meanwhile, a namespace that disappears, several verbs at
//! once. The call succeeds or returns a clear error, and nothing is lost.

use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use wasm_cni_tests::native::{Maker, Plugins};
use wasm_cni_tests::{Background, Call, Machine, NOTHING, Reply, WALKTHROUGH};

fn machine() -> Machine {
    let machine = Machine::new();
    machine.netns("1234567890");
    machine
}

/// A `PATH` on which `iptables` is the legacy variant, whose lock is a file.
fn legacy(machine: &Machine) -> String {
    let dir = machine.files().join("legacy");
    std::fs::create_dir(&dir).unwrap();
    for name in ["iptables", "iptables-restore", "ip6tables", "ip6tables-restore"] {
        std::os::unix::fs::symlink("/usr/sbin/xtables-legacy-multi", dir.join(name)).unwrap();
    }
    format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", dir.display())
}

#[test]
fn the_wait_for_the_xtables_lock_is_bounded() {
    let machine = machine();
    let path = legacy(&machine);
    let call = |verb: &str| Call::bridge(verb, WALKTHROUGH).env("PATH", &path);
    let rules = || machine.sh("iptables-legacy -t nat -S");
    let empty = rules();
    let before = machine.snapshot();
    let held = Background::holding(&machine, "/run/xtables.lock");
    let (code, msg, details) = call("ADD").error(&machine);
    assert_eq!((code, msg.as_str()), (11, "the xtables lock is held by somebody else for 5 s"), "{details}");
    assert!(details.contains("all that was done before is undone"), "{details}");
    assert_eq!(machine.changes(&before), NOTHING);
    drop(held);

    call("ADD").ok(&machine);
    assert!(rules().contains("MASQUERADE"));
    let held = Background::holding(&machine, "/run/xtables.lock");
    let (code, _, details) = call("DEL").error(&machine);
    assert_eq!(code, 11, "{details}");
    assert!(details.contains("left: `iptables -t nat -D POSTROUTING"), "{details}");
    assert_eq!(machine.sh("ip -n 1234567890 -o link").lines().count(), 1, "all else is undone");
    drop(held);
    call("DEL").ok(&machine);
    assert_eq!(rules(), empty);

    // The host waits for a lock that is held for a short time.
    let _held = Background::start(&machine, "exec flock --no-fork /run/xtables.lock sleep 2");
    machine.sh(
        "for i in $(seq 200); do flock --nonblock /run/xtables.lock true || exit 0; sleep 0.05; done; exit 1",
    );
    call("ADD").ok(&machine);
    assert!(rules().contains("MASQUERADE"));
}

#[test]
fn the_wait_for_the_lock_of_a_lease_store_is_bounded() {
    let machine = machine();
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    machine.netns("other");
    let before = machine.snapshot();
    let held = Background::holding(&machine, "/var/lib/cni/networks/mybridge/lock");
    let begun = Instant::now();
    let (code, msg, _) = Call::bridge("ADD", WALKTHROUGH).container("other").error(&machine);
    assert_eq!(code, 11, "{msg}");
    let held_text = "the lease store lock /var/lib/cni/networks/mybridge/lock is held by somebody else for ";
    assert!(msg.contains(held_text), "{msg}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(machine.changes(&before), NOTHING);
    let (code, _, details) = Call::bridge("DEL", WALKTHROUGH).error(&machine);
    assert_eq!(code, 11, "{details}");
    assert!(details.contains("left: `rm /var/lib/cni/networks/mybridge/10.15.20.2` removes it"), "{details}");
    drop(held);
    Call::bridge("DEL", WALKTHROUGH).ok(&machine);
    assert_eq!(machine.sh("find /var/lib/cni -name '10.*'"), "");
}

/// An `nft` and an `iptables-restore` that change the rules before each of the first `times` transactions. The kernel
/// then refuses these transactions.
fn with_busy_rules(machine: &Machine, times: u32) -> String {
    let dir = machine.files().join("busy");
    std::fs::create_dir(&dir).unwrap();
    let count = dir.join("count");
    let refuse = |change: &str, refusal: &str, program: &str| {
        format!(
            "#!/bin/sh\ncase \"$*\" in *-f*|*noflush*)\nn=$(cat {count} 2>/dev/null || echo 0)\n\
             if [ $n -lt {times} ]; then echo $((n+1)) > {count}; {change}; {refusal}; fi;;\nesac\nexec {program} \"$@\"\n",
            count = count.display()
        )
    };
    let nft = "/usr/sbin/nft add table inet cni_plugins_masquerade; /usr/sbin/nft add chain inet cni_plugins_masquerade other$n";
    let refusal = "echo 'Error: Could not process rule: Device or resource busy' >&2; exit 1";
    let iptables = "/usr/sbin/iptables -t nat -N other$n";
    let refusal_4 = "echo 'iptables-restore: line 5 failed: Resource temporarily unavailable.' >&2; exit 4";
    for (name, text) in [
        ("nft", refuse(nft, refusal, "/usr/sbin/nft")),
        ("iptables-restore", refuse(iptables, refusal_4, "/usr/sbin/iptables-restore")),
    ] {
        std::fs::write(dir.join(name), text).unwrap();
        std::fs::set_permissions(dir.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", dir.display())
}

#[test]
fn a_transaction_is_repeated_a_bounded_number_of_times_while_others_change_rules() {
    for backend in ["iptables", "nftables"] {
        let conf =
            WALKTHROUGH.replace("\"ipMasq\"", &format!("\"ipMasqBackend\": \"{backend}\", \"ipMasq\""));
        for (times, works) in [(1, true), (3, true), (100, false)] {
            let machine = machine();
            let path = with_busy_rules(&machine, times);
            let before = machine.snapshot();
            let reply = Call::bridge("ADD", &conf).env("PATH", &path).run(&machine);
            if works {
                assert_eq!(reply.code, Some(0), "{backend} {times}: {}", reply.stdout);
                let rules = machine.sh("iptables -t nat -S; nft list ruleset");
                assert!(rules.to_lowercase().contains("masquerade"), "{backend} {times}: {rules}");
                continue;
            }
            let (code, msg, details) = reply.error();
            assert_eq!(code, 11, "{backend}: {msg} {details}");
            let left: Vec<String> = machine.changes(&before);
            let ours = |line: &&String| {
                !line.contains("other")
                    && !line.contains("table inet")
                    && !line.ends_with('}')
                    && line.trim_end() != "+ nft"
            };
            assert_eq!(left.iter().filter(ours).count(), 0, "{backend}: {left:?}");
        }
    }
}

/// ADDs and DELs in sequence while a background process makes changes all the time.
fn work_during(prepare: &str, other: &str) {
    let machine = Machine::new();
    machine.sh(prepare);
    let start = |number: u32| Background::start(&machine, &other.replace('@', &number.to_string()));
    let others: Vec<Background> = (0..2).map(start).collect();
    for number in 0..12 {
        let id = format!("c{number}");
        machine.netns(&id);
        persist(&machine, "ADD", &id);
        machine.sh(&format!("ip netns exec {id} ping -c 1 -W 3 10.15.20.1"));
        if number % 2 == 0 {
            persist(&machine, "DEL", &id);
        }
    }
    drop(others);
    for number in [1, 3, 5, 7, 9, 11] {
        machine.sh(&format!("ip netns exec c{number} ping -c 1 -W 3 10.15.20.1"));
    }
    assert_eq!(machine.sh("ip -o link show master cni_bridge0").matches(" veth").count(), 6);
    assert_eq!(machine.sh("find /var/lib/cni -name '10.*'").lines().count(), 6);
    assert_eq!(machine.sh("iptables -t nat -S POSTROUTING").matches("-j CNI-").count(), 6);
}

/// As a runtime does: it repeats a call with code 11.
fn persist(machine: &Machine, verb: &str, id: &str) {
    for _ in 0..10 {
        let reply = Call::bridge(verb, WALKTHROUGH).container(id).run(machine);
        if reply.code == Some(0) {
            return;
        }
        assert_eq!(reply.error().0, 11, "{reply:?}");
    }
    panic!("{verb} of {id} never succeeds");
}

#[test]
fn concurrent_changes_of_links_do_not_disturb_a_call() {
    // Long lists of links and ports, which each verb has to read.
    let prepare = "ip link add cni_bridge0 address 02:00:00:00:00:01 type bridge; for i in $(seq 40); do ip link add p$i type veth peer name q$i
        ip link set p$i master cni_bridge0; ip address add 10.200.$i.1/24 dev q$i; done";
    let other = "while :; do for i in $(seq 40); do ip link add x@$i type veth peer name y@$i; ip link set x@$i master cni_bridge0
        ip address add 10.20@.$i.1/24 dev y@$i; done; for i in $(seq 40); do ip link delete x@$i; done; done";
    work_during(prepare, other);
}

#[test]
fn concurrent_changes_of_rules_do_not_disturb_a_call() {
    let other = "while :; do iptables -t nat -N OTHER@; iptables -t nat -A OTHER@ -s 192.0.2.@ -j RETURN
        iptables -t nat -A POSTROUTING -j OTHER@; iptables -t nat -D POSTROUTING -j OTHER@; iptables -t nat -F OTHER@
        iptables -t nat -X OTHER@; nft add table inet other@; nft delete table inet other@; done";
    work_during("true", other);
}

#[test]
fn a_busy_kernel_is_reported_as_busy_and_the_call_leaves_nothing() {
    let mut failed = 0;
    for send in 1..=24 {
        let machine = machine();
        let before = machine.snapshot();
        let fault = format!("sendto:error=EBUSY:when={send}");
        let reply = Call::bridge("ADD", WALKTHROUGH).with_fault(&fault).run(&machine);
        if reply.code == Some(0) {
            // This listing reads the current rules, or follows the last transaction.
            machine.sh("ip netns exec 1234567890 ping -c 1 -W 3 10.15.20.1");
            continue;
        }
        failed += 1;
        let (code, msg, details) = reply.error();
        assert_eq!(code, 11, "send {send}: {msg} {details}");
        assert!(msg.contains("busy"), "send {send}: {msg} {details}");
        assert_eq!(machine.changes(&before), NOTHING, "send {send}: {msg} {details}");
    }
    assert!(failed > 5, "{failed}");
}

#[test]
fn an_interrupted_system_call_is_repeated() {
    for call in
        ["recvfrom:error=EINTR:when=1+2", "recvmsg:error=EINTR:when=1+2", "sendto:error=EINTR:when=1+3"]
    {
        let machine = machine();
        Call::bridge("ADD", WALKTHROUGH).with_fault(call).ok(&machine);
        machine.sh("ip netns exec 1234567890 ping -c 1 -W 3 10.15.20.1");
        Call::bridge("DEL", WALKTHROUGH).with_fault(call).ok(&machine);
        assert!(!machine.snapshot().contains("veth"), "{call}");
    }
}

#[test]
fn a_namespace_that_is_deleted_during_a_call_takes_its_attachment_along() {
    for when in ["before the addresses", "before the rules"] {
        let machine = machine();
        let plugins = Plugins::with_bridge(&machine);
        let delete = |now: bool| if now { "ip netns delete 1234567890" } else { "true" };
        let early = when == "before the addresses";
        plugins.script(
            "odd",
            &format!("[ $CNI_COMMAND = ADD ] || exit 0\n{}\necho '{{\"ips\": [{{\"address\": \"10.15.20.2/24\"}}]}}'", delete(early)),
        );
        let path =
            machine.with_iptables(&format!("{}; exec /usr/sbin/iptables-restore \"$@\"", delete(!early)));
        let conf = r#"{"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0", "ipMasq": true, "ipam": {"type": "odd"}}"#;
        let call = |verb| Call::new(plugins.path(), "bridge", verb, conf).env("PATH", &path);
        let reply = call("ADD").run(&machine);
        // The call holds the namespace open, so it exists until the call ends.
        assert_eq!(reply.code, Some(0), "{when}: {}", reply.stdout);
        machine.sh("for i in $(seq 100); do ip -o link | grep -q veth || exit 0; sleep 0.05; done; exit 1");
        for _ in 0..2 {
            call("DEL").ok(&machine);
            assert!(!machine.sh("iptables -t nat -S").contains("CNI-"), "{when}");
        }
        assert_eq!(machine.sh("find /run/wasm-cni/attachments -mindepth 1"), "", "{when}");
    }
}

/// Makes calls at the same time; returns their replies.
fn at_once(machine: &Machine, calls: &[Call]) -> Vec<Reply> {
    let running: Vec<Child> = calls.iter().map(|call| call.start(machine, Stdio::piped())).collect();
    running.into_iter().map(Reply::of).collect()
}

/// Whether a reply is a result, or one error with code 11.
fn is_clear(reply: &Reply) -> bool {
    reply.code == Some(0) || reply.code == Some(1) && matches!(reply.error().0, 11 | 999)
}

#[test]
fn two_adds_of_one_attachment_at_once_give_one() {
    for _ in 0..5 {
        let machine = machine();
        let add = Call::bridge("ADD", WALKTHROUGH);
        let replies = at_once(&machine, &[add.clone(), add]);
        // The other one finds the attachment complete.
        let refused: Vec<&Reply> = replies.iter().filter(|reply| reply.code != Some(0)).collect();
        let [refused] = refused.as_slice() else { panic!("{replies:?}") };
        assert!(refused.error().1.contains("already exists"), "{replies:?}");
        machine.sh("ip netns exec 1234567890 ping -c 1 -W 3 10.15.20.1");
        assert_eq!(machine.sh("ip -o link show master cni_bridge0").lines().count(), 1);
        assert_eq!(machine.sh("find /var/lib/cni -name '10.*'").lines().count(), 1);
        assert_eq!(machine.sh("iptables -t nat -S POSTROUTING").matches("-j CNI-").count(), 1);
        Call::bridge("DEL", WALKTHROUGH).ok(&machine);
        let after = machine.snapshot();
        assert!(!after.contains("veth") && !after.contains("CNI-"), "{after}");
    }
}

#[test]
fn an_add_and_a_del_at_once_leave_all_or_nothing() {
    for round in 0..8 {
        let machine = machine();
        let (add, del) = (Call::bridge("ADD", WALKTHROUGH), Call::bridge("DEL", WALKTHROUGH));
        let order = if round % 2 == 0 { [add, del] } else { [del, add] };
        let replies = at_once(&machine, &order);
        assert!(replies.iter().all(|reply| reply.code == Some(0)), "{replies:?}");
        let there = machine.sh("ip -o link show master cni_bridge0 2>/dev/null || true").lines().count();
        let leases = machine.sh("find /var/lib/cni -name '10.*' 2>/dev/null || true").lines().count();
        let jumps = machine.sh("iptables -t nat -S POSTROUTING").matches("-j CNI-").count();
        assert!([[1, 1, 1], [0, 0, 0]].contains(&[there, leases, jumps]), "{there} {leases} {jumps}");
        Call::bridge("DEL", WALKTHROUGH).ok(&machine);
        let after = machine.snapshot();
        assert!(!after.contains("veth") && !after.contains("CNI-"), "{after}");
        assert_eq!(machine.sh("find /var/lib/cni -name '10.*' 2>/dev/null || true"), "");
    }
}

#[test]
fn attachments_that_make_one_bridge_do_not_hurt_each_other_when_some_fail() {
    for _ in 0..4 {
        let machine = Machine::new();
        let path = machine.with_iptables("exit 1");
        let ids: Vec<String> = (0..6).map(|number| format!("c{number}")).collect();
        ids.iter().for_each(|id| drop(machine.netns(id)));
        let calls: Vec<Call> = ids
            .iter()
            .enumerate()
            .map(|(number, id)| {
                let call = Call::bridge("ADD", WALKTHROUGH).container(id);
                if number % 2 == 0 { call.env("PATH", &path) } else { call }
            })
            .collect();
        let replies = at_once(&machine, &calls);
        for (number, (reply, id)) in replies.iter().zip(&ids).enumerate() {
            if number % 2 == 0 {
                assert!(reply.code == Some(1) && is_clear(reply), "{reply:?}");
                assert_eq!(machine.sh(&format!("ip -n {id} -o link")).lines().count(), 1, "lo alone");
            } else {
                assert_eq!(reply.code, Some(0), "{reply:?}");
                machine.sh(&format!("ip netns exec {id} ping -c 1 -W 3 10.15.20.1"));
            }
        }
        assert_eq!(machine.sh("ip -o link show master cni_bridge0").lines().count(), 3);
        assert_eq!(machine.sh("find /var/lib/cni -name '10.*'").lines().count(), 3);
        assert_eq!(machine.sh("cat /proc/sys/net/ipv4/ip_forward"), "1\n");
    }
}

#[test]
fn native_and_component_ipam_share_a_store_at_once() {
    let machine = Machine::new();
    let ours = Plugins::with_bridge(&machine);
    ours.install("host-local", Maker::Ours);
    let ids: Vec<String> = (0..8).map(|number| format!("c{number}")).collect();
    ids.iter().for_each(|id| drop(machine.netns(id)));
    let calls: Vec<Call> = ids
        .iter()
        .enumerate()
        .map(|(number, id)| {
            let dir = if number % 2 == 0 { ours.path() } else { std::path::Path::new("/usr/lib/cni") };
            Call::new(dir, "bridge", "ADD", WALKTHROUGH).container(id)
        })
        .collect();
    let replies = at_once(&machine, &calls);
    assert!(replies.iter().all(|reply| reply.code == Some(0)), "{replies:?}");
    assert_eq!(
        machine.sh("find /var/lib/cni -name '10.*'").lines().count(),
        8,
        "each has an address of its own"
    );
    ids.iter().for_each(|id| drop(machine.sh(&format!("ip netns exec {id} ping -c 1 -W 3 10.15.20.1"))));
}
