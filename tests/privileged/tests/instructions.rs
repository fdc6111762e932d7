//! What planning costs, in instructions, which no other work on the machine changes (`valgrind --tool=callgrind`). The plugins are ordinary Rust here;
//! what wasmtime adds, and the kernel, is in the times of `cargo xtask bench`.

use std::path::PathBuf;
use std::process::Command;

/// Of a plan of the walkthrough: `bridge`, which delegates to `host-local`.
const WALKTHROUGH: u64 = 1_700_000;
/// Of one of `portmap`, with twenty ports.
const PORTS: u64 = 2_500_000;

/// Instructions of a plan, without those of a program that is told nothing.
fn instructions(input: &str) -> u64 {
    let dir = tempfile::tempdir().expect("a folder");
    let of = |name: &str, text: &str, code: i32| {
        let file: PathBuf = dir.path().join(name);
        std::fs::write(&file, text).expect("a file");
        let ran = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", env!("CARGO_BIN_EXE_draft")])
            .arg(&file)
            .output()
            .expect("valgrind is installed by `cargo xtask test`");
        let stderr = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(code), "{stderr}");
        let collected = stderr.lines().find_map(|line| line.split("Collected : ").nth(1));
        collected.and_then(|number| number.trim().parse::<u64>().ok()).unwrap_or_else(|| panic!("{stderr}"))
    };
    of("input", input, 0) - of("nothing", "nothing", 1)
}

#[test]
fn a_plan_takes_no_more_instructions_than_its_budget() {
    let walkthrough = include_str!("../../../examples/mybridge.conf");
    let ports: Vec<String> = (0..20)
        .map(|port| format!(r#"{{"hostPort": {}, "containerPort": 80, "protocol": "tcp"}}"#, 8000 + port))
        .collect();
    let portmap = format!(
        r#"bridge br0 10.1.2.1/24
{{"cniVersion": "1.0.0", "name": "net", "type": "portmap", "runtimeConfig": {{"portMappings": [{}]}},
"prevResult": {{"cniVersion": "1.0.0", "interfaces": [{{"name": "eth0", "sandbox": "/run/netns/c"}}], "ips": [{{"address": "10.1.2.9/24", "interface": 0}}]}}}}"#,
        ports.join(", ")
    );
    for (what, input, budget) in [("walkthrough", walkthrough, WALKTHROUGH), ("20 ports", &portmap, PORTS)] {
        let found = instructions(input);
        assert!(found <= budget, "{what}: {found} instructions, {budget} at most");
        assert!(found * 2 >= budget, "{what}: {found} instructions, half of {budget} would do");
    }
}
