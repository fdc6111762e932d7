//! The hostile corpus, `tests/hostile`: components that attack, run with the installed binary.

use std::collections::BTreeMap;
use std::io::Write;
use wasm_cni_tests::guest::{component, install};
use wasm_cni_tests::hostile::{Attack, Ground, Site, Verdict, terminal_control};
use wasm_cni_tests::native::Plugins;
use wasm_cni_tests::{Call, Machine, NOTHING, repository, walkthrough, workers};

#[test]
fn every_attack_is_refused_by_its_name_and_the_machine_is_as_before() {
    let part = std::env::var("ATTACK").unwrap_or_default();
    let mut grounds: BTreeMap<(String, Site), Vec<Attack>> = BTreeMap::new();
    for attack in Attack::all().into_iter().filter(|attack| attack.name.contains(&part)) {
        grounds.entry((attack.folder().to_owned(), attack.site())).or_default().push(attack);
    }
    let grounds: Vec<(Site, Vec<Attack>)> =
        grounds.into_iter().map(|((_, site), attacks)| (site, attacks)).collect();
    let verdicts: Vec<Verdict> = workers::map(&grounds, |(site, attacks)| {
        let mut ground = Ground::new(*site);
        let verdicts: Vec<Verdict> = attacks.iter().map(|attack| ground.attack(attack)).collect();
        ground.assert_well();
        verdicts
    })
    .into_iter()
    .flatten()
    .collect();
    let refused = verdicts.iter().filter(|verdict| verdict.is_refused()).count();
    let unchanged = verdicts.iter().filter(|verdict| verdict.is_unchanged()).count();
    // Writes to stderr directly, because the test harness captures the output of a test that passes.
    let tried = verdicts.len();
    writeln!(
        std::io::stderr(),
        "hostile: {tried} attacks tried, {refused} refused, {unchanged} left the machine unchanged"
    )
    .unwrap();
    let wrong: Vec<&Verdict> = verdicts.iter().filter(|v| !v.is_refused() || !v.is_unchanged()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(tried >= 220 || !part.is_empty(), "{tried} are too few: is the corpus whole?");
}

#[test]
fn terminal_control_characters_of_a_guest_are_not_printed() {
    const SCREEN: &str = r"\1b[2J\0dall is well\07\c2\9b2J\e2\80\ae\e2\81\a6\e2\80\8f\7f";
    let machine = Machine::new();
    machine.netns("1234567890");
    let plugins = machine.plugins();
    for body in [
        format!("(call $results.set-dns-domain (text \"{SCREEN}\")) (i32.const 0)"),
        format!("(call $fail (i32.const 999) (text \"{SCREEN}\"))"),
        format!("(call $observe.read-file (text \"/{SCREEN}\") (i32.const 512)) (i32.const 0)"),
    ] {
        install(&plugins, "bridge", &component(&body));
        let mut printed = Vec::new();
        for format in ["text", "json"] {
            let mut plan = machine.command(plugins.join("wasm-cni"));
            plan.arg("plan").arg(repository().join("examples/mybridge.conf")).arg("--cni-path").arg(&plugins);
            plan.args(["--netns", "/var/run/netns/1234567890", "--container-id", "1", "--output", format]);
            let output = plan.output().unwrap();
            printed.extend([output.stdout, output.stderr]);
        }
        let call = Call::new(&plugins, "bridge", "ADD", &walkthrough("1.1.0")).env("WASM_CNI_DRY_RUN", "1");
        // Programs read stdout, so it is not filtered for a terminal.
        printed.push(call.run(&machine).stderr.into_bytes());
        let printed = String::from_utf8(printed.concat()).unwrap();
        assert!(printed.contains("all is well"), "{body}: {printed}");
        assert_eq!(terminal_control(&printed), None, "{body}: {printed:?}");
    }
}

#[test]
fn an_attack_after_a_native_plugin_ran_undoes_the_applied_stage() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let plugins = Plugins::with_bridge(&machine);
    plugins.script(
        "odd",
        "ip -n 1234567890 -o link show eth12 >> $LOG.seen 2>&1; echo '{\"ips\": [{\"address\": \"10.1.2.2/24\"}]}'",
    );
    let evil = r#"(local $bridge i32) (local.set $bridge (call $links.link.bridge (text "br0")))
        (call $links.link.set-master (call $links.link.peer (call $links.link.veth (text "eth12"))) (local.get $bridge))
        (call $delegate.add (text "odd") (i32.const 512))
        (drop (call $links.link.bridge (text "docker0"))) (i32.const 0)"#;
    install(plugins.path(), "bridge", &component(evil));
    let before = machine.snapshot();
    let config = r#"{"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0", "ipam": {"type": "odd"}}"#;
    let (code, _, details) = Call::new(plugins.path(), "bridge", "ADD", config).error(&machine);
    assert_eq!(code, 100, "{details}");
    assert!(details.contains("the configuration names no link \"docker0\""), "{details}");
    assert_eq!(machine.changes(&before), NOTHING);
    assert_eq!(plugins.log(), ["ADD", "DEL"]);
    let seen = std::fs::read_to_string(plugins.path().join("log.seen")).unwrap();
    assert!(seen.contains("eth12"), "the link was there when the plugin ran: {seen}");
}

/// What changes a terminal: sequences of 7 and 8 bits, and characters that reorder text.
const ODD: &str = "\u{1b}[2J\u{9b}2J\u{7f}\u{202e}\u{2066}\u{200f}\u{85}all is well";

#[test]
fn terminal_control_characters_of_a_configuration_are_not_printed() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let plugins = machine.plugins();
    let directory = machine.files().join(ODD);
    std::fs::create_dir(&directory).unwrap();
    let text = |value: serde_json::Value| {
        let mut config: serde_json::Value = serde_json::from_str(&walkthrough("1.1.0")).unwrap();
        config.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        config.to_string()
    };
    let odd = |key: &str| text(serde_json::json!({key: ODD}));
    let ipam = |ipam: serde_json::Value| text(serde_json::json!({"ipam": ipam}));
    for (what, config) in [
        ("bridge", odd("bridge")),
        ("name", odd("name")),
        ("version", odd("cniVersion")),
        ("type", odd("type")),
        ("backend", odd("ipMasqBackend")),
        ("key", text(serde_json::json!({ODD: ODD}))),
        ("no object", format!("\"{ODD}\"")),
        ("IPAM", ipam(serde_json::json!({"type": ODD}))),
        ("subnet", ipam(serde_json::json!({"type": "host-local", "subnet": ODD}))),
        (
            "leases",
            ipam(
                serde_json::json!({"type": "host-local", "subnet": "10.1.2.0/24", "dataDir": format!("/run/{ODD}")}),
            ),
        ),
        (
            "file",
            ipam(
                serde_json::json!({"type": "host-local", "subnet": "10.1.2.0/24", "resolvConf": format!("/run/{ODD}")}),
            ),
        ),
        (
            "previous",
            text(
                serde_json::json!({"prevResult": {"cniVersion": "1.1.0", "interfaces": [{"name": ODD}], "dns": {"domain": ODD}}}),
            ),
        ),
    ] {
        let file = directory.join("net.conf");
        std::fs::write(&file, &config).unwrap();
        let mut printed = Vec::new();
        for format in ["text", "json"] {
            let mut plan = machine.command(plugins.join("wasm-cni"));
            plan.arg("plan").arg(&file).arg("--cni-path").arg(&plugins).env("WASM_CNI_LOG", "debug");
            plan.args(["--netns", "/var/run/netns/1234567890", "--container-id", "1", "--output", format]);
            let output = plan.output().unwrap();
            printed.extend([output.stdout, output.stderr]);
        }
        for dry in ["", "1"] {
            let call = Call::new(&plugins, "bridge", "ADD", &config);
            let call = call.env("WASM_CNI_DRY_RUN", dry).env("WASM_CNI_LOG", "debug");
            // Programs read stdout, so it is not filtered for a terminal.
            let reply = call.run(&machine);
            assert!(reply.code == Some(0) || !reply.error().1.is_empty(), "{what}: {reply:?}");
            printed.push(reply.stderr.into_bytes());
            call.clone().run(&machine);
            Call::new(&plugins, "bridge", "DEL", &config).run(&machine);
        }
        let printed = String::from_utf8(printed.concat()).unwrap();
        assert_eq!(terminal_control(&printed).map(|at| &printed[at..]), None, "{what}: {printed:?}");
    }
}

#[test]
fn terminal_control_characters_of_names_and_policies_are_not_printed() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let plugins = machine.plugins();
    let name = format!("odd{ODD}");
    std::fs::copy(plugins.join("bridge.wasm"), plugins.join(format!("{name}.wasm"))).unwrap();
    std::os::unix::fs::symlink("wasm-cni", plugins.join(&name)).unwrap();
    let policy = |text: &str| {
        let file = machine.files().join("policy.toml");
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let mut printed = Vec::new();
    let mut said = |output: std::process::Output| printed.extend([output.stdout, output.stderr]);
    // Called without a command, a plugin prints its name on stderr.
    let mut banner = machine.command(plugins.join(&name));
    said(banner.env_remove("CNI_COMMAND").env("CNI_PATH", &plugins).output().unwrap());
    for arguments in [vec!["inspect"], vec!["inspect", "--output", "json"]] {
        let mut inspect = machine.command(plugins.join("wasm-cni"));
        said(inspect.args(arguments).arg(plugins.join(format!("{name}.wasm"))).output().unwrap());
    }
    let valid = format!("[[rule]]\nplugin = {:?}\ndeny = [\"links.bridge\"]\n", "bridge");
    for text in [
        format!("# {ODD}\n[[rule]]\nplugin = \"{ODD}"),
        format!("{ODD} = 1\n"),
        format!("[[rule]]\nnetwork = 1 # {ODD}\n"),
        format!("{valid}# {ODD}\n"),
    ] {
        let file = policy(&text);
        let mut check = machine.command(plugins.join("wasm-cni"));
        said(check.args(["policy", "check"]).env("WASM_CNI_POLICY", &file).output().unwrap());
        let call = Call::new(&plugins, "bridge", "ADD", &walkthrough("1.1.0"));
        let reply = call.env("WASM_CNI_POLICY", &file).run(&machine);
        said(std::process::Output {
            status: std::process::ExitStatus::default(),
            stdout: Vec::new(),
            stderr: reply.stderr.into_bytes(),
        });
        Call::new(&plugins, "bridge", "DEL", &walkthrough("1.1.0")).ok(&machine);
    }
    let printed = String::from_utf8(printed.concat()).unwrap();
    assert!(printed.contains("all is well"), "{printed}");
    assert_eq!(terminal_control(&printed).map(|at| &printed[at..]), None, "{printed:?}");
}

#[test]
fn the_audit_log_has_no_terminal_control_characters() {
    let machine = Machine::new();
    machine.netns("1234567890");
    let plugins = machine.plugins();
    machine.sh("mkdir -m 755 /run/log");
    let policy = machine.files().join("policy.toml");
    std::fs::write(&policy, "[audit]\nfile = \"/run/log/audit\"\n").unwrap();
    let escaped: String = ODD.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    install(&plugins, "bridge", &component(&format!("(call $fail (i32.const 999) (text \"{escaped}\"))")));
    let call = Call::new(&plugins, "bridge", "ADD", &walkthrough("1.1.0"));
    let (_, msg, _) = call.env("WASM_CNI_POLICY", policy.to_str().unwrap()).error(&machine);
    let log = machine.sh("cat /run/log/audit");
    assert_eq!(terminal_control(&log), None, "{log:?}");
    let line: serde_json::Value = serde_json::from_str(&log).unwrap();
    assert_eq!(line["error"]["msg"], msg, "a program reads the same text");
    assert!(msg.contains(ODD), "{msg:?}");
}
