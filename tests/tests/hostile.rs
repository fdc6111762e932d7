//! The hostile corpus, `tests/hostile`: components that attack, run with the installed binary.

use std::collections::BTreeMap;
use std::io::Write;
use wasm_cni_tests::guest::{component, install};
use wasm_cni_tests::hostile::{Attack, Ground, Site, Verdict};
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
    const SCREEN: &str = r"\1b[2J\0dall is well\07\c2\9b2J";
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
        assert_eq!(printed.find(|c: char| c.is_control() && c != '\n'), None, "{body}: {printed:?}");
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
    let evil = r#"(drop (call $links.link.veth (text "eth12"))) (call $delegate.add (text "odd") (i32.const 512))
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
