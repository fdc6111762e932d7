//! The administrator's policy, with the installed binary (`docs/policy.md`).

use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use wasm_cni_tests::guest::{component, install, with_bridges, with_file};
use wasm_cni_tests::{Call, Machine, NOTHING, WALKTHROUGH, repository, target, walkthrough};

fn machine() -> Machine {
    let machine = Machine::new();
    machine.netns("1234567890");
    machine
}

/// Writes a policy file with an administrator's permissions.
fn policy(machine: &Machine, text: &str) -> PathBuf {
    let path = machine.files().join("policy.toml");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    path
}

/// A call of `bridge` in `plugins` under that policy.
fn call(plugins: &Path, command: &str, policy: &Path) -> Call {
    Call::new(plugins, "bridge", command, &walkthrough("1.1.0"))
        .env("WASM_CNI_POLICY", &policy.display().to_string())
}

fn wasm_cni(machine: &Machine, plugins: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = machine.command(plugins.join("wasm-cni"));
    // Uses the cache of the other tests, because compiling takes long on a busy machine.
    let command = command.env("WASM_CNI_CACHE_DIR", target().join("test-cache"));
    let Output { status, stdout, stderr } =
        command.args(arguments).env("CNI_PATH", plugins).output().unwrap();
    (status.code(), String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr))
}

/// The policy lines at the end of an error.
fn remedy(details: &str) -> &str {
    let (_, after) = details.split_once("what would allow it, in ").unwrap_or_else(|| panic!("{details}"));
    after.split_once(":\n").unwrap().1
}

#[test]
fn the_lines_of_a_refusal_allow_the_refused_actions_when_pasted() {
    let machine = machine();
    let plugins = machine.plugins();
    install(&plugins, "bridge", &with_bridges(&["cni_bridge0", "docker0", "virbr0"]));
    let policy = policy(&machine, "# nothing yet\n");
    let before = machine.snapshot();
    let (code, _, details) = call(&plugins, "ADD", &policy).error(&machine);
    assert_eq!(code, 100, "{details}");
    assert!(remedy(&details).contains("allow.links = [\"docker0\", \"virbr0\"]"), "{details}");
    assert_eq!(machine.changes(&before), NOTHING);
    std::fs::write(&policy, remedy(&details)).unwrap();
    call(&plugins, "ADD", &policy).ok(&machine);
    assert!(machine.sh("ip link show type bridge").contains("docker0"));
    call(&plugins, "DEL", &policy).ok(&machine);
}

#[test]
fn an_unusable_policy_fails_what_makes_something_and_nothing_else() {
    let machine = machine();
    let plugins = machine.plugins();
    let good = policy(&machine, "mode = \"enforce\"\n");
    let result: Value = serde_json::from_str(&call(&plugins, "ADD", &good).ok(&machine)).unwrap();
    let mut config: Value = serde_json::from_str(&walkthrough("1.1.0")).unwrap();
    config["prevResult"] = result;
    let before = machine.snapshot();
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 5] = [
        ("did you mean `links`?", |path| std::fs::write(path, "[[rule]]\nallow.linsk = [\"x\"]\n").unwrap()),
        ("others than its owner can write it (mode 0666)", |path| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666)).unwrap();
        }),
        ("it belongs to user 65534", |path| std::os::unix::fs::chown(path, Some(65534), None).unwrap()),
        ("no regular file", |path| {
            std::fs::remove_file(path).unwrap();
            std::fs::create_dir(path).unwrap();
        }),
        ("No such file", |path| {
            std::fs::remove_dir_all(path).or_else(|_| std::fs::remove_file(path)).unwrap()
        }),
    ];
    for (reason, damage) in damages {
        let path = policy(&machine, "mode = \"enforce\"\n");
        damage(&path);
        let (code, msg, details) = call(&plugins, "ADD", &path).container("other").error(&machine);
        assert_eq!(
            (code, msg.as_str()),
            (100, "the policy cannot be used: nothing is allowed until it can"),
            "{details}"
        );
        assert!(details.contains(reason), "{reason}: {details}");
        assert_eq!(call(&plugins, "STATUS", &path).error(&machine).0, 50);
        let check = Call::new(&plugins, "bridge", "CHECK", &config.to_string());
        check.env("WASM_CNI_POLICY", &path.display().to_string()).ok(&machine);
        call(&plugins, "VERSION", &path).ok(&machine);
        let (code, printed) = wasm_cni(&machine, &plugins, &["policy", "check", &path.display().to_string()]);
        assert_eq!(code, Some(1), "{printed}");
        assert!(printed.contains(reason), "{printed}");
        assert_eq!(machine.changes(&before), NOTHING);
        if path.is_dir() {
            std::fs::remove_dir(&path).unwrap();
        } else {
            let _ = std::fs::remove_file(&path);
        }
    }
    let broken = policy(&machine, "nonsense");
    call(&plugins, "DEL", &broken).ok(&machine);
    assert!(!machine.sh("ip link show type veth").contains("veth"));
}

#[test]
fn a_policy_in_a_directory_that_others_can_write_is_not_trusted() {
    let machine = machine();
    let plugins = machine.plugins();
    let directory = machine.files().join("open");
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("policy.toml"), "").unwrap();
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o777)).unwrap();
    let (_, _, details) = call(&plugins, "ADD", &directory.join("policy.toml")).error(&machine);
    assert!(details.contains("open: not trusted: others than its owner can write it"), "{details}");
}

#[test]
fn the_policy_of_the_machine_is_in_etc() {
    let machine = machine();
    // A private /etc.
    machine.sh(
        "mount -t tmpfs tmpfs /mnt && cp -a /etc/. /mnt/ && mount --move /mnt /etc && mkdir -p /etc/wasm-cni && \
         printf '[[rule]]\\nonly.links = []\\n' > /etc/wasm-cni/policy.toml",
    );
    let (code, _, details) = Call::bridge("ADD", WALKTHROUGH).error(&machine);
    assert_eq!(code, 100);
    assert!(details.contains("line 2 of /etc/wasm-cni/policy.toml allows only nothing"), "{details}");
    machine.sh("rm /etc/wasm-cni/policy.toml");
    Call::bridge("ADD", WALKTHROUGH).ok(&machine);
}

#[test]
fn a_capability_that_is_denied_everywhere_is_an_import_that_does_not_start() {
    let machine = machine();
    let plugins = machine.plugins();
    let before = machine.snapshot();
    for (plugin, capability, import) in [("bridge", "nat", "nat."), ("host-local", "leases", "leases.")] {
        let policy =
            policy(&machine, &format!("[[rule]]\nplugin = \"{plugin}\"\ndeny = [\"{capability}\"]\n"));
        let (code, msg, details) = call(&plugins, "ADD", &policy).error(&machine);
        assert_eq!(
            (code, msg),
            (100, format!("plugin \"{plugin}\" is not started: policy denies what it imports"))
        );
        assert!(details.starts_with(import) && details.contains("line 3 of"), "{details}");
        assert_eq!(call(&plugins, "STATUS", &policy).error(&machine).0, 50);
    }
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn a_capability_that_is_denied_for_a_network_is_a_violation_where_it_is_used() {
    let machine = machine();
    let plugins = machine.plugins();
    let policy = policy(&machine, "[[rule]]\nnetwork = \"mybridge\"\ndeny = [\"nat\"]\n");
    let before = machine.snapshot();
    let (code, _, details) = call(&plugins, "ADD", &policy).error(&machine);
    assert_eq!(code, 100);
    assert!(details.contains("iptables -t nat -N") && details.contains("line 3 of"), "{details}");
    assert_eq!(machine.changes(&before), NOTHING);
    // Another network, and this one without masquerading.
    for config in [
        WALKTHROUGH.replace("\"mybridge\"", "\"other\""),
        WALKTHROUGH.replace("\"ipMasq\": true", "\"ipMasq\": false"),
    ] {
        let add = |command: &str| {
            Call::new(&plugins, "bridge", command, &config)
                .env("WASM_CNI_POLICY", &policy.display().to_string())
        };
        add("ADD").ok(&machine);
        add("DEL").ok(&machine);
    }
}

#[test]
fn a_rule_restricts_a_network_to_its_addresses_and_links() {
    let machine = machine();
    let plugins = machine.plugins();
    for (only, what) in [
        ("only.addresses = [\"10.15.20.0/30\"]", ""),
        ("only.addresses = [\"10.15.21.0/24\"]", "10.15.20.2"),
        ("only.links = [\"cni_*\"]", ""),
        ("only.links = [\"br-*\"]", "ip link add cni_bridge0"),
    ] {
        let policy = policy(&machine, &format!("[[rule]]\nnetwork = \"my*\"\n{only}\n"));
        let before = machine.snapshot();
        if what.is_empty() && !only.contains("/30") {
            call(&plugins, "ADD", &policy).ok(&machine);
            call(&plugins, "DEL", &policy).ok(&machine);
            continue;
        }
        let (code, _, details) = call(&plugins, "ADD", &policy).error(&machine);
        assert_eq!(code, 100, "{only}");
        // The bridge's /24 covers more than a /30.
        assert!(
            details.contains(if what.is_empty() { "ip address add 10.15.20.1/24" } else { what }),
            "{details}"
        );
        assert_eq!(machine.changes(&before), NOTHING);
    }
}

#[test]
fn audit_mode_applies_and_reports_on_stderr() {
    let machine = machine();
    let plugins = machine.plugins();
    install(&plugins, "bridge", &with_bridges(&["docker0"]));
    let policy = policy(&machine, "[[rule]]\nplugin = \"bridge\"\nmode = \"audit\"\n");
    let reply = call(&plugins, "ADD", &policy).run(&machine);
    assert_eq!(reply.code, Some(0), "{}", reply.stdout);
    assert!(reply.stderr.contains("audit mode: bridge: `ip link add docker0"), "{}", reply.stderr);
    machine.sh("ip link show docker0");
    call(&plugins, "DEL", &policy).ok(&machine);
}

#[test]
fn a_file_is_read_below_a_granted_directory_and_never_out_of_it() {
    let machine = machine();
    let plugins = machine.plugins();
    let granted = machine.files().join("granted");
    std::fs::create_dir(&granted).unwrap();
    std::fs::write(granted.join("env"), "inside").unwrap();
    std::fs::write(machine.files().join("secret"), "outside").unwrap();
    std::os::unix::fs::symlink("../secret", granted.join("link")).unwrap();
    let widened = format!(
        "[[rule]]\nplugin = \"bridge\"\nallow.files = [{granted:?}]\nallow.links = [\"inside\", \"outside\"]\n"
    );
    let before = machine.snapshot();
    for (file, rules, expected) in [
        ("env", "", (100, "the configuration names no such file")),
        ("link", widened.as_str(), (101, "")),
        ("../secret", widened.as_str(), (100, "the configuration names no such file")),
    ] {
        let path = granted.join(file).display().to_string();
        install(&plugins, "bridge", &with_file(&path));
        let (code, msg, details) = call(&plugins, "ADD", &policy(&machine, rules)).error(&machine);
        assert_eq!(code, expected.0, "{file}: {msg} {details}");
        assert!(details.contains(expected.1), "{file}: {details}");
        assert_eq!(machine.changes(&before), NOTHING);
    }
    install(&plugins, "bridge", &with_file(&granted.join("env").display().to_string()));
    call(&plugins, "ADD", &policy(&machine, &widened)).ok(&machine);
    machine.sh("ip link show inside");
}

#[test]
fn inspect_and_policy_check_print_the_decisions_for_a_plugin_on_a_network() {
    let machine = machine();
    let plugins = machine.plugins();
    let text = "[[rule]]\nplugin = \"bridge\"\ndeny = [\"filter\"]\nallow.links = [\"docker0\"]\n\n\
                [[rule]]\nnetwork = \"prod\"\ndeny = [\"nat\"]\nlimits.time-ms = 200\n";
    let policy = policy(&machine, text);
    let path = policy.display().to_string();
    let (code, printed) = wasm_cni(&machine, &plugins, &["policy", "check", &path]);
    assert_eq!((code, printed), (Some(0), format!("{path}: understood, 2 rules\n")));
    let (_, printed) =
        wasm_cni(&machine, &plugins, &["policy", "check", &path, "--plugin", "bridge", "--network", "prod"]);
    for line in [
        "links         granted: also links docker0 (line 4)",
        "nat           denied: line 8",
        "filter        denied: line 3",
        "routes        granted",
        "limit         time-ms 200",
    ] {
        assert!(printed.contains(&format!("  {line}\n")), "{line}: {printed}");
    }
    let (_, everywhere) = wasm_cni(&machine, &plugins, &["policy", "check", &path, "--plugin", "bridge"]);
    assert!(everywhere.contains("  nat           granted\n"), "{everywhere}");
    let inspect = |arguments: &[&str]| {
        let mut command = machine.command(plugins.join("wasm-cni"));
        command.env("WASM_CNI_CACHE_DIR", target().join("test-cache"));
        command
            .env("WASM_CNI_POLICY", &policy)
            .arg("inspect")
            .arg(plugins.join("bridge.wasm"))
            .args(arguments);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let printed = inspect(&["--network", "prod"]);
    assert!(printed.contains("  nat           denied: line 8\n"), "{printed}");
    assert!(!printed.contains("leases        granted"), "bridge does not import it: {printed}");
    let printed = inspect(&["--plugin", "ptp", "--output", "json"]);
    let value: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(value["effective"]["capabilities"]["filter"]["granted"], true, "{printed}");
}

#[test]
fn policy_check_prints_the_decision_about_the_plan_of_a_configuration() {
    let machine = machine();
    let plugins = machine.plugins();
    let config = repository().join("examples/mybridge.conf").display().to_string();
    let before = machine.snapshot();
    let check = |text: &str| {
        let path = policy(&machine, text).display().to_string();
        wasm_cni(&machine, &plugins, &["policy", "check", &path, "--config", &config])
    };
    let (code, printed) = check("");
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("actions are allowed\n"), "{printed}");
    let (code, printed) = check("[[rule]]\nonly.sysctls = []\n");
    assert_eq!(code, Some(1), "{printed}");
    assert!(printed.contains("is refused") && printed.contains("line 2 of"), "{printed}");
    let (code, printed) = check("mode = \"audit\"\n[[rule]]\nonly.sysctls = []\n");
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("by audit mode alone"), "{printed}");
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn the_guide_is_true() {
    let guide = std::fs::read_to_string(repository().join("docs/policy.md")).unwrap();
    let machine = machine();
    let plugins = machine.plugins();
    let examples: Vec<&str> =
        guide.split("```toml\n").skip(1).map(|block| block.split("```").next().unwrap()).collect();
    assert!(examples.len() > 1);
    for example in examples.iter().rev() {
        let path = policy(&machine, example).display().to_string();
        let (code, printed) = wasm_cni(&machine, &plugins, &["policy", "check", &path]);
        assert_eq!(code, Some(0), "{example}: {printed}");
    }
    // The file now contains the first example; the session is about it.
    let session = guide.split("```console\n").nth(1).unwrap().split("```").next().unwrap();
    for part in session.split("$ ").skip(1) {
        let (command, shown) = part.split_once('\n').unwrap();
        let printed = machine.sh(&format!(
            "cd {}; PATH={}:$PATH {command}",
            machine.files().display(),
            plugins.display()
        ));
        assert_eq!(printed, shown, "{command}");
    }
}

#[test]
fn limits_can_be_lowered_for_a_plugin_and_errors_name_them() {
    let machine = machine();
    let plugins = machine.plugins();
    let policy = policy(
        &machine,
        "[[rule]]\nplugin = \"bridge\"\nlimits = { time-ms = 100, memory-mib = 1, actions = 1 }\n\
         [[rule]]\nlimits.memory-mib = 2\n",
    );
    let before = machine.snapshot();
    for (guest, limit) in [
        (component("(loop $again (br $again)) unreachable"), "time (100 ms)"),
        (component("(drop (memory.grow (i32.const 16))) (i32.const 0)"), "memory (1 MiB)"),
        (with_bridges(&["cni_bridge0", "docker0"]), "actions of a plan (1)"),
    ] {
        install(&plugins, "bridge", &guest);
        let (code, msg, _) = call(&plugins, "ADD", &policy).error(&machine);
        assert_eq!((code, msg), (102, format!("the plugin exceeded a limit: {limit}")));
        assert_eq!(machine.changes(&before), NOTHING);
    }
    // A plan within the lowered limits is applied.
    install(&plugins, "bridge", &with_bridges(&["cni_bridge0"]));
    call(&plugins, "ADD", &policy).ok(&machine);
}
