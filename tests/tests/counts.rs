//! The cost of a call as counts, which other work on the machine does not change: processes, netlink messages, system
//! calls, memory.
//!
//! The budgets include waiting for a link. A change that needs more raises its budget here. `cargo xtask bench`
//! measures times.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use wasm_cni_tests::native::REFERENCE;
use wasm_cni_tests::{Call, Machine, WALKTHROUGH, dist};

/// Waits and polls are not counted: their number depends on the machine.
const WAITS: [&str; 9] = [
    "sched_yield",
    "recvmsg",
    "poll",
    "futex",
    "wait4",
    "waitid",
    "nanosleep",
    "restart_syscall",
    "rt_sigreturn",
];

/// The counts of a call and its children.
#[derive(Debug)]
struct Cost {
    /// Processes, without the plugin itself.
    children: usize,
    /// Netlink messages of the plugin itself.
    messages: usize,
    /// System calls of the plugin itself and of its planner.
    calls: [usize; 2],
}

/// Traces a call, which must succeed.
fn cost(machine: &Machine, call: &Call) -> Cost {
    let traces = machine.files().join("cost");
    std::fs::create_dir_all(&traces).unwrap();
    let file = traces.join("trace").display().to_string();
    let words = ["strace", "-ff", "-qqq", "-e", "signal=none", "-o", &file].map(str::to_owned);
    call.clone().under(&words).ok(machine);
    let mut processes: BTreeMap<u32, String> = BTreeMap::new();
    for entry in std::fs::read_dir(&traces).unwrap() {
        let path = entry.unwrap().path();
        let pid = path.extension().unwrap().to_str().unwrap().parse().unwrap();
        processes.insert(pid, std::fs::read_to_string(&path).unwrap());
    }
    std::fs::remove_dir_all(&traces).unwrap();
    let (plugin, first) = processes.first_key_value().unwrap();
    let name = |line: &str| line.split('(').next().unwrap_or_default().to_owned();
    let count = |trace: &str| trace.lines().filter(|line| !WAITS.contains(&name(line).as_str())).count();
    let sockets: Vec<&str> = first
        .lines()
        .filter(|line| line.starts_with("socket(AF_NETLINK"))
        .filter_map(|line| line.rsplit(" = ").next())
        .collect();
    let on_netlink = |line: &&str| sockets.iter().any(|fd| line.starts_with(&format!("sendto({fd}, ")));
    let messages =
        first.lines().filter(on_netlink).map(|line| line.matches("nlmsg_len=").count().max(1)).sum();
    let others = processes.iter().filter(|(pid, trace)| *pid != plugin && is_process(trace));
    let planner = processes.values().find(|trace| trace.contains("PR_CAPBSET_DROP"));
    let calls = [count(first), planner.map_or(0, |trace| count(trace))];
    Cost { children: others.count(), messages, calls }
}

/// Whether a trace is of a process and not of a thread: only a process calls exec, or is the planner.
fn is_process(trace: &str) -> bool {
    trace.contains("execve(") || trace.contains("PR_CAPBSET_DROP")
}

#[test]
fn an_add_starts_only_its_planner_and_a_del_no_process() {
    let machine = Machine::new();
    machine.netns("1234567890");
    // The first call compiles.
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
    Call::bridge("DEL", WALKTHROUGH).ok(&machine);
    let add = cost(&machine, &Call::bridge("ADD", WALKTHROUGH));
    let del = cost(&machine, &Call::bridge("DEL", WALKTHROUGH));
    assert_eq!(add.children, 1, "{add:?}");
    assert!(add.messages <= 40, "{add:?}");
    assert!(add.calls[0] <= 640 && add.calls[1] <= 180, "{add:?}");
    assert_eq!(del.children, 0, "{del:?}");
    assert!(del.messages <= 6 && del.calls[0] <= 260, "{del:?}");
}

#[test]
fn twenty_ports_are_mapped_with_no_more_processes_than_one() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let result: Value = serde_json::from_str(&Call::bridge("ADD", WALKTHROUGH).ok(&machine)).unwrap();
    let mut children = Vec::new();
    for count in [1, 20] {
        let ports: Vec<Value> = (0..count)
            .map(|port| json!({"hostPort": 8000 + port, "containerPort": 80, "protocol": "tcp"}))
            .collect();
        let config = json!({
            "cniVersion": "0.2.0", "name": "mybridge", "type": "portmap", "prevResult": result,
            "runtimeConfig": {"portMappings": ports}
        });
        let call = |verb: &str| Call::new(&dist(), "portmap", verb, &config.to_string());
        call("ADD").ok(&machine);
        call("DEL").ok(&machine);
        let add = cost(&machine, &call("ADD"));
        let del = cost(&machine, &call("DEL"));
        children.push((add.children, del.children));
    }
    assert_eq!(children[0], children[1]);
}

#[test]
fn the_largest_process_of_an_add_takes_less_memory_than_the_references() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let peak = |dir: &Path| {
        let call = |verb: &str| Call::new(dir, "bridge", verb, WALKTHROUGH);
        // The first call compiles.
        call("ADD").ok(&machine);
        call("DEL").ok(&machine);
        let reply = call("ADD").under(&[env!("CARGO_BIN_EXE_peak").to_owned()]).run(&machine);
        call("DEL").ok(&machine);
        assert_eq!(reply.code, Some(0), "{}\n{}", reply.stdout, reply.stderr);
        reply.stderr.lines().last().and_then(|line| line.parse::<u32>().ok()).expect("KiB")
    };
    let (ours, reference) = (peak(&dist()), peak(Path::new(REFERENCE)));
    // The measuring program itself takes less, so the value is not its own.
    assert!(ours > 2048 && ours < reference, "{ours} KiB, the reference {reference} KiB");
}
