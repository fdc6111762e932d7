//! A machine on which the ADD of a scenario is the next call, and the operations on it.

use super::{Fixture, Scenario};
use crate::differential::Step;
use crate::differential::case::Invocation;
use crate::{Call, Machine, Reply};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The path of the plugins, independent of their real place, because the journal has the paths of executed programs.
const PLUGINS: &str = "/opt/cni/bin";

/// The number of attempts for an ADD that is to be killed.
const TRIES: usize = 3;

/// A policy that refuses every plan, but lets the plugin record it.
pub const REFUSING: &str = "/run/policy/refuse.toml";

/// A machine of its own.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The machine.
    pub machine: Machine,
    scenario: &'a Scenario,
    /// The result of the last ADD of each attachment.
    results: BTreeMap<(String, String), String>,
}

impl<'a> Scene<'a> {
    /// A machine with the plugins of the installed tree.
    pub fn new(scenario: &'a Scenario) -> Self {
        Scene::with(scenario, &crate::dist())
    }

    /// A machine with the plugins of another tree.
    pub fn with(scenario: &'a Scenario, dist: &Path) -> Self {
        let machine = Machine::new();
        machine.sh(&format!(
            "mount -t tmpfs tmpfs /opt; mkdir -p {PLUGINS}; ln -s {}/* {PLUGINS}; mkdir -m 755 /run/policy; cat > {REFUSING} <<'E'
[[rule]]
network = \"*\"
deny = [\"links\", \"addresses\", \"routes\", \"sysctls\", \"nat\", \"filter\", \"qdiscs\", \"leases\"]
E",
            dist.display()
        ));
        for container in scenario.containers() {
            machine.netns(container);
        }
        let mut scene = Scene { machine, scenario, results: BTreeMap::new() };
        for step in scenario.before() {
            match step {
                Step::Shell(script) => drop(scene.machine.sh(script)),
                Step::Call(call) => drop(scene.add(call, None)),
            }
        }
        scene
    }

    /// The containers of the scenario.
    pub fn containers(&self) -> impl Iterator<Item = &str> {
        self.scenario.containers()
    }

    /// A call as it would be made now, with keys of its configuration replaced.
    pub fn call(&self, verb: &str, of: &Invocation, keys: Option<&Value>) -> Call {
        let text = self.scenario.file(&of.file).unwrap_or_else(|| panic!("there is no {}", of.file));
        let mut config: Value = serde_json::from_str(text).expect("a configuration");
        for (key, value) in keys.and_then(Value::as_object).into_iter().flatten() {
            config[key] = value.clone();
        }
        let result = self.results.get(&(of.container.clone(), of.interface.clone()));
        if let Some(result) = result.filter(|_| of.is_chained && verb != "GC") {
            config["prevResult"] = serde_json::from_str(result).expect("a result");
        }
        let call = Call::new(Path::new(PLUGINS), &of.plugin, verb, &config.to_string())
            .container(&of.container)
            .env("CNI_IFNAME", &of.interface);
        of.env.iter().fold(call, |call, (name, value)| call.env(name, value))
    }

    /// An ADD that succeeds.
    pub fn add(&mut self, of: &Invocation, keys: Option<&Value>) -> String {
        let result = self.call("ADD", of, keys).ok_patiently(&self.machine);
        self.results.insert((of.container.clone(), of.interface.clone()), result.clone());
        result
    }

    /// The scenario's ADD, killed when it is about to write that line of its journal, from 1.
    pub fn add_until(&self, line: usize) {
        let reply =
            self.add_until_line(&self.call("ADD", self.scenario.add(), None), &self.scenario.section(), line);
        assert_eq!(reply.code, None, "line {line}: {}{}", reply.stdout, reply.stderr);
        self.machine.wait_for_locks();
    }

    /// Another ADD that is killed in this way; returns its reply.
    pub fn add_until_line(&self, add: &Call, section: &str, line: usize) -> Reply {
        let kill = format!("inject=write:signal=KILL:when={line}");
        let words = ["strace", "-qqq", "-o", "/dev/null", "-P", section, "-e", "trace=write", "-e", &kill];
        let add = add.clone().under(&words.map(str::to_owned));
        // On a busy machine it may fail earlier, and then leaves nothing.
        let mut reply = add.run_patiently(&self.machine);
        for _ in 1..TRIES {
            if reply.code == Some(1) {
                reply = add.run_patiently(&self.machine);
            }
        }
        reply
    }

    /// Replaces the journal on this machine by another one, with the current identities.
    pub fn put(&self, fixture: &Fixture) {
        let section = self.scenario.section();
        // Of the replaced journal, only the identity of the namespace is used.
        let header = self.machine.sh(&format!("head -n 1 {section}"));
        let header: Value = serde_json::from_str(&header).expect("a header is JSON");
        let netns_id = &header["netns_id"];
        assert!(netns_id.is_object(), "{header}");
        let file = self.machine.files().join("section");
        std::fs::write(&file, fixture.patched(&self.machine, netns_id)).expect("a file");
        self.machine.sh(&format!("cat {} > {section}", file.display()));
    }

    /// Removes the journal and its directory.
    pub fn forget(&self) {
        self.machine.sh(&format!("rm -r $(dirname {})", self.scenario.section()));
    }
}
