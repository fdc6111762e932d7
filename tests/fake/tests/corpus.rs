//! Every plan of the corpus, with a fault at every call of the port: nothing is left of what failed, and nothing of what was undone.

use serde::Deserialize;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tempfile::TempDir;
use wasm_cni::action::record::Reason;
use wasm_cni::action::{Action, DeletePortMap, DeleteStaleLink, EnsureVlanGateway, Lifetime};
use wasm_cni::apply::{self, ApplyError, Header, Journal, Section, StateDir};
use wasm_cni::cni::{Command, Request, config};
use wasm_cni::machine::port::Machine;
use wasm_cni::plan::{self, CheckedPlan, DraftPlan, Entry};
use wasm_cni::policy::Grants;
use wasm_cni::reference;
use wasm_cni::value::{Attachment, IfName, LinkFact, Mac, Netns, PluginName, Report, derive};
use wasm_cni_fake::FakeMachine;
use wasm_cni_fake::faulty::{Died, Fault, Faulty, Strike};

/// An ADD as it was.
#[derive(Deserialize)]
struct Recorded {
    case: String,
    config: String,
    args: Option<String>,
    attachment: Attachment,
    plugin: PluginName,
    /// What the plugins before it in the chain did.
    #[serde(default)]
    earlier: Vec<Entry>,
    entries: Vec<Entry>,
    report: Report,
}

impl Recorded {
    fn all() -> Vec<Recorded> {
        let text = include_str!("../../plans/corpus.json");
        let lines = text.lines().filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn into_case(self) -> Case {
        let request = Request {
            command: Command::Add,
            plugin: self.plugin.clone(),
            attachment: self.attachment.clone(),
            netns: format!("/var/run/netns/{}", self.attachment.container),
            path: Vec::new(),
            args: self.args.unwrap_or_default(),
            config: self.config.clone(),
            cni_version: "1.0.0".to_owned(),
        };
        let draft = DraftPlan { entries: self.entries, report: self.report, unreadable: Vec::new() };
        let config = config::decode(self.config.as_bytes()).unwrap();
        let previous = config.previous().unwrap();
        let of_type = reference::grants(&self.plugin, &config);
        let grants = Grants::for_request(&request, &config, previous.as_ref(), &Default::default(), of_type);
        let plan = plan::check(draft, &[], &grants);
        Case {
            plan: plan.unwrap_or_else(|violations| panic!("{}: {violations:?}", self.case)),
            before: after(FakeMachine::new(), &self.earlier, &self.attachment),
            attachment: self.attachment,
            plugin: self.plugin,
            name: self.case,
            taken: &[],
        }
    }
}

/// A plan, and the machine on which it is the next.
struct Case {
    name: String,
    attachment: Attachment,
    plugin: PluginName,
    plan: CheckedPlan,
    before: FakeMachine,
    /// What is deleted for good, if an ADD gets as far: the lines that have one of these words.
    taken: &'static [&'static str],
}

impl Case {
    fn all() -> Vec<Case> {
        Recorded::all().into_iter().map(Recorded::into_case).chain(by_hand()).collect()
    }

    /// An ADD that does not get as far as its result.
    fn add(&self, journal: &Journal, state: &StateDir, machine: &mut dyn Machine) -> Result<(), ApplyError> {
        let mut writer = journal.begin(&header(&self.attachment, &self.plugin)).unwrap();
        let result = apply::execute(&self.plan, &mut writer, state, machine);
        if result.as_ref().is_err_and(|error| error.stuck.is_empty()) {
            journal.forget(writer.section()).unwrap();
        }
        result
    }

    /// How many calls an ADD takes, the machine after it, and its section.
    fn whole(&self, state: &StateDir) -> (usize, FakeMachine, Section) {
        let journal = state.lock(&self.attachment).unwrap();
        let (mut machine, count) = (self.before.clone(), Strike::never());
        let added = self.add(&journal, state, &mut Faulty::new(&mut machine, count.clone()));
        assert!(added.is_ok(), "{}: {added:?}", self.name);
        machine.next_verb();
        let section = journal.sections().unwrap().remove(0);
        journal.forget(&section).unwrap();
        (count.seen(), machine, section)
    }

    /// An ADD with a fault, then the next verb, which finds what is left of the journal.
    fn survives_add(&self, strike: Strike, state: &StateDir) -> Result<(), String> {
        let (mut machine, is_lasting) = (self.before.clone(), strike.is_lasting());
        let journal = state.lock(&self.attachment).unwrap();
        let added = or_dies(|| self.add(&journal, state, &mut Faulty::new(&mut machine, strike)));
        machine.next_verb();
        let is_rolled_back = added.is_some_and(|added| added.is_err_and(|error| error.stuck.is_empty()));
        let first = if is_rolled_back { self.is_as_before(&machine) } else { Ok(()) };
        for section in journal.sections().unwrap() {
            is_undone(apply::revert(&section, section.reason(), state, &mut machine))?;
            journal.forget(&section).unwrap();
        }
        if is_lasting && self.has_unmarked_pair(&machine) {
            return Ok(());
        }
        first.and_then(|()| self.is_as_before(&machine))
    }

    /// Whether there is a new pair that could be neither marked nor deleted: nothing shows whose it is, so that nobody may delete it later.
    fn has_unmarked_pair(&self, machine: &FakeMachine) -> bool {
        let had = seen(&self.before);
        let is_unmarked = |line: &String| {
            line.starts_with("host: link ") && line.contains(" type veth") && !line.contains(" alias ")
        };
        seen(machine).iter().any(|line| is_unmarked(line) && !had.contains(line))
    }

    /// An undo with a fault, then the same undo again; `clean` is the machine after one without a fault.
    fn survives_undo(
        &self,
        strike: Strike,
        (done, clean): (&FakeMachine, &FakeMachine),
        (section, why): (&Section, Reason),
        state: &StateDir,
    ) -> Result<(), String> {
        let mut machine = done.clone();
        drop(or_dies(|| apply::revert(section, why, state, &mut Faulty::new(&mut machine, strike))));
        machine.next_verb();
        is_undone(apply::revert(section, why, state, &mut machine))?;
        differs(&but_queue_lengths(&seen(clean)), &but_queue_lengths(&seen(&machine)), &[])
    }

    /// How many calls an undo without a fault takes, and the machine after it.
    fn undone(
        &self,
        done: &FakeMachine,
        section: &Section,
        why: Reason,
        state: &StateDir,
    ) -> (usize, FakeMachine) {
        let (mut machine, count) = (done.clone(), Strike::never());
        let stuck = apply::revert(section, why, state, &mut Faulty::new(&mut machine, count.clone()));
        assert!(stuck.is_empty(), "{}, {why:?}: {stuck:?}", self.name);
        match why {
            Reason::Rollback => self.is_as_before(&machine).unwrap(),
            Reason::Delete => self.assert_ended(&machine),
        }
        (count.seen(), machine)
    }

    fn is_as_before(&self, machine: &FakeMachine) -> Result<(), String> {
        differs(&seen(&self.before), &seen(machine), self.taken)
    }

    /// After DEL nothing of the attachment is there; what is shared or the node's may be.
    fn assert_ended(&self, machine: &FakeMachine) {
        let had = seen(&self.before);
        let Attachment { container, interface, .. } = &self.attachment;
        let own = [
            "container: ".to_owned(),
            derive::alias(&self.attachment),
            derive::chain(&self.attachment),
            derive::nft_owner(&self.attachment),
            format!(" = {container} {interface}"),
        ];
        for line in seen(machine).iter().filter(|line| !had.contains(line)) {
            assert!(!own.iter().any(|own| line.contains(own)), "{}: DEL has left {line:?}", self.name);
        }
    }
}

fn is_undone(stuck: Vec<apply::Stuck>) -> Result<(), String> {
    if stuck.is_empty() { Ok(()) } else { Err(format!("{stuck:?}")) }
}

/// What is left, and what is lost but for lines with one of the words `taken`.
fn differs(had: &[String], has: &[String], taken: &[&str]) -> Result<(), String> {
    let is_taken = |line: &String| taken.iter().any(|word| line.contains(word));
    let left: Vec<&String> = has.iter().filter(|line| !had.contains(line)).collect();
    let lost: Vec<&String> = had.iter().filter(|line| !has.contains(line) && !is_taken(line)).collect();
    let is_same = left.is_empty() && lost.is_empty() && (!taken.is_empty() || had == has);
    if is_same { Ok(()) } else { Err(format!("left {left:?}, lost {lost:?}")) }
}

/// The length of a queue is not restored when its token bucket was removed and the process died, or the kernel refused, before that.
fn but_queue_lengths(lines: &[String]) -> Vec<String> {
    let words = |line: &String| {
        let mut is_length = false;
        let kept = line.split(' ').filter(|word| {
            let is_part = *word == "qlen" || is_length;
            is_length = *word == "qlen";
            !is_part
        });
        kept.collect::<Vec<_>>().join(" ")
    };
    lines.iter().map(words).collect()
}

/// Each fault at a call, and one from which on all calls are refused, with their names.
fn strikes(at: usize) -> impl Iterator<Item = (Strike, String)> {
    let from = (Strike::from(at, Fault::Refused), "refused from there on".to_owned());
    Fault::ALL.into_iter().map(move |fault| (Strike::at(at, fault), format!("{fault:?}"))).chain([from])
}

/// None: the process died.
fn or_dies<T>(verb: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(verb)) {
        Ok(ended) => Some(ended),
        Err(payload) if payload.is::<Died>() => None,
        Err(payload) => std::panic::resume_unwind(payload),
    }
}

fn header(attachment: &Attachment, plugin: &PluginName) -> Header {
    Header {
        version: apply::journal::VERSION,
        attachment: attachment.clone(),
        plugin: plugin.clone(),
        ordinal: 0,
        netns: String::new(),
        netns_id: None,
        plugins: Vec::new(),
        created: 1,
    }
}

/// The machine after some actions, as policy has allowed them before.
fn after(mut machine: FakeMachine, entries: &[Entry], attachment: &Attachment) -> FakeMachine {
    let directory = TempDir::new().unwrap();
    let state = StateDir::new(directory.path().to_owned());
    let journal = state.lock(attachment).unwrap();
    let mut writer = journal.begin(&header(attachment, &PluginName::parse("earlier").unwrap())).unwrap();
    let plan = plan::check_again(entries.to_vec(), entries).unwrap();
    apply::execute(&plan, &mut writer, &state, &mut machine).unwrap();
    machine.next_verb();
    machine
}

/// All of the machine but that there is a store: like the reference's, an empty one stays.
fn seen(machine: &FakeMachine) -> Vec<String> {
    let text = machine.snapshot();
    let lines = text.lines().filter(|line| !line.starts_with("leases ") || line.contains(": "));
    lines.map(str::to_owned).collect()
}

/// Plans with the kinds of actions that no recorded plan has.
fn by_hand() -> Vec<Case> {
    vec![vlan_gateway(), stale_link(), stale_port_map()]
}

fn case(name: &str, before: FakeMachine, taken: &'static [&'static str], entries: Vec<Entry>) -> Case {
    let plan = plan::check_again(entries.clone(), &entries).unwrap();
    let plugin = PluginName::parse("bridge").unwrap();
    Case { name: name.to_owned(), attachment: attachment(), plugin, plan, before, taken }
}

fn attachment() -> Attachment {
    serde_json::from_str(r#"{"network": "net", "container": "c1", "interface": "eth0"}"#).unwrap()
}

fn entry(lifetime: Lifetime, action: impl Into<Action>) -> Entry {
    Entry { plugin: PluginName::parse("bridge").unwrap(), lifetime, action: action.into() }
}

fn read(lifetime: Lifetime, action: &str) -> Entry {
    entry(lifetime, serde_json::from_str::<Action>(action).unwrap())
}

fn bridge() -> Entry {
    read(
        Lifetime::Shared,
        r#"{"ensure-bridge": {"mac": "0a:58:0a:01:02:01", "mtu": 1400, "name": "br0", "vlan_filtering": true}}"#,
    )
}

fn name(text: &str) -> IfName {
    IfName::parse(text).unwrap()
}

fn vlan_gateway() -> Case {
    let gateway = EnsureVlanGateway {
        name: name("br0.5"),
        mac: Mac([2, 0, 0, 0, 0, 1]),
        alias: "wasm-cni gateway".to_owned(),
        port: name("veth5"),
        port_mac: Mac([2, 0, 0, 0, 0, 2]),
        bridge: name("br0"),
        vid: 5,
        drop_default: true,
    };
    case("VLAN gateway", FakeMachine::new(), &[], vec![bridge(), entry(Lifetime::Shared, gateway)])
}

fn stale_link() -> Case {
    let end = |text: &str, last, alias| LinkFact {
        netns: Netns::Host,
        name: name(text),
        index: 0,
        kind: "veth".to_owned(),
        mac: Mac([2, 0, 0, 0, 1, last]),
        mtu: 1500,
        up: true,
        alias,
        master: None,
        addresses: Vec::new(),
    };
    let alias = derive::alias(&attachment());
    let before = FakeMachine::new().with_pair(end("veth1", 1, Some(alias.clone())), end("stale", 2, None));
    let veth = format!(
        r#"{{"create-veth": {{"mac": "0a:58:0a:01:02:02", "mtu": 1400, "name": "eth0", "peer":
        {{"alias": {alias:?}, "hairpin": true, "isolated": false, "mac": "d2:52:50:de:e3:94", "master": "br0", "name": "veth1"}}}}}}"#
    );
    let stale = DeleteStaleLink { name: name("veth1"), alias };
    let entries = vec![bridge(), entry(Lifetime::Attachment, stale), read(Lifetime::Attachment, &veth)];
    case("stale link", before.unwrap(), &["veth1", "stale"], entries)
}

fn stale_port_map() -> Case {
    let map = |chain: &str, container: &str| {
        let text = format!(
            r#"{{"map-ports": {{"address": "10.1.2.2/24", "backend": "iptables", "chain": {chain:?}, "comment": "dnat name: \"net\" id: \"{container}\"",
            "mappings": [{{"container_port": 80, "host_port": 8080, "protocol": "tcp"}}], "masquerade": {{"all": false, "mark": {{"bit": 13}}}}}}}}"#
        );
        read(Lifetime::Attachment, &text)
    };
    let dead = Attachment { container: serde_json::from_str(r#""dead""#).unwrap(), ..attachment() };
    let before = after(FakeMachine::new(), &[map("CNI-DN-dead", "dead")], &dead);
    let delete = DeletePortMap::iptables(true, "CNI-DN-dead".to_owned());
    let entries = vec![entry(Lifetime::Attachment, delete), map("CNI-DN-new", "c1")];
    case("stale port map", before, &["CNI-DN-dead"], entries)
}

/// Faults that were tried, and those of which something was left.
#[derive(Default)]
struct Faults {
    tried: usize,
    failed: Vec<String>,
}

impl Faults {
    fn each(&mut self, what: &str, calls: usize, survives: impl Fn(Strike) -> Result<(), String>) {
        for at in 0..calls {
            for (strike, name) in strikes(at) {
                let survived = survives(strike);
                self.failed.extend(survived.err().map(|why| format!("{what}, call {at}, {name}: {why}")));
                self.tried += 1;
            }
        }
    }

    fn assert_all(&self, least: usize) {
        assert!(
            self.failed.is_empty(),
            "{} of {}:\n{}",
            self.failed.len(),
            self.tried,
            self.failed.join("\n")
        );
        assert!(self.tried >= least, "{} faults", self.tried);
    }
}

fn with_state(then: impl FnOnce(&StateDir)) {
    let directory = TempDir::new().unwrap();
    then(&StateDir::new(directory.path().to_owned()));
}

#[test]
fn a_fault_at_any_call_of_an_add_leaves_nothing() {
    with_state(|state| {
        let mut faults = Faults::default();
        for case in Case::all() {
            let (calls, _, _) = case.whole(state);
            faults.each(&case.name, calls, |strike| case.survives_add(strike, state));
        }
        faults.assert_all(4000);
    });
}

#[test]
fn a_fault_at_any_call_of_an_undo_leaves_nothing_that_a_second_one_does_not_find() {
    with_state(|state| {
        let mut faults = Faults::default();
        for case in Case::all() {
            let (_, done, section) = case.whole(state);
            for why in [Reason::Rollback, Reason::Delete] {
                let (calls, clean) = case.undone(&done, &section, why, state);
                let survives = |strike| case.survives_undo(strike, (&done, &clean), (&section, why), state);
                faults.each(&format!("{}, {why:?}", case.name), calls, survives);
            }
        }
        faults.assert_all(1000);
    });
}

#[test]
fn every_kind_of_action_that_a_planner_records_is_in_a_plan() {
    let cases = Case::all();
    let actions = cases.iter().flat_map(|case| case.plan.entries()).map(|entry| &entry.action);
    // `SetUp(SetUp { …`
    let named = |action: &Action| format!("{action:?}").split('(').next().unwrap_or_default().to_owned();
    let found: BTreeSet<String> = actions.map(named).collect();
    let kinds = Action::KINDS.iter().filter(|kind| **kind != "Delegate");
    let missing: Vec<&&str> = kinds.filter(|kind| !found.contains(**kind)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
