//! All or nothing, shown: every action of a real plan on the real kernel fails once, and the process dies once around each.

use super::journal::{Journal, Section, StateDir};
use super::{ApplyError, Header, execute, revert};
use crate::cni::{Command, Request, config};
use crate::kernel::host::HostKernel;
use crate::kernel::netns::NetnsFile;
use crate::kernel::testing::{private, sh};
use crate::kernel::{Before, Kernel, KernelError, Outcome, Undo, Undone};
use crate::plan::{Action, Answer, Attachment, ContainerId, DraftPlan, Facts, IfName, PluginName, Query};
use crate::policy::{self, CheckedPlan, Grants};
use std::panic::{AssertUnwindSafe, catch_unwind};

const PLAN: &str = include_str!("../../../tests/plans/walkthrough.json");
const CONFIG: &str = r#"{"cniVersion": "1.0.0", "name": "mybridge", "type": "bridge", "bridge": "cni_bridge0",
    "ipam": {"type": "host-local", "subnet": "10.15.20.0/24", "dataDir": "/run/networks"}}"#;

/// What goes wrong at an action, counted from 0 over all steps.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    Fails,
    DiesBefore,
    DiesAfter,
}

/// The real kernel, but for one action, and for all undos if so wanted.
struct Faulty {
    kernel: HostKernel,
    fault: Fault,
    at: usize,
    seen: usize,
    undo_fails: bool,
}

impl Facts for Faulty {
    fn ask(&mut self, query: &Query) -> Answer {
        self.kernel.ask(query)
    }
}

impl Kernel for Faulty {
    fn observe(&mut self, step: &[Action]) -> Vec<Before> {
        self.kernel.observe(step)
    }

    fn execute(&mut self, step: &[Action]) -> Vec<Outcome> {
        let at = self.at.checked_sub(self.seen).filter(|at| *at < step.len());
        self.seen += step.len();
        let Some(at) = at else { return self.kernel.execute(step) };
        let last = if self.fault == Fault::DiesAfter { at + 1 } else { at };
        let mut outcomes = self.kernel.execute(&step[..last]);
        assert!(self.fault == Fault::Fails, "dies here");
        outcomes.push(Outcome::Failed(KernelError::Conflict("made to fail".to_owned())));
        outcomes.resize_with(step.len(), || Outcome::NotTried);
        outcomes
    }

    fn undo(&mut self, undos: &[Undo]) -> Vec<Undone> {
        if self.undo_fails {
            let failed = |_| Undone::Failed(KernelError::Conflict("made to fail".to_owned()));
            return undos.iter().map(failed).collect();
        }
        self.kernel.undo(undos)
    }

    fn verify(&mut self, actions: &[Action]) -> Vec<String> {
        self.kernel.verify(actions)
    }

    fn unlock_leases(&mut self) {
        self.kernel.unlock_leases();
    }
}

fn request() -> Request {
    Request {
        command: Command::Add,
        plugin: PluginName::parse("bridge").unwrap(),
        attachment: Attachment {
            network: crate::plan::NetworkName::parse("mybridge").unwrap(),
            container: ContainerId::parse("c").unwrap(),
            interface: IfName::parse("eth0").unwrap(),
        },
        netns: "/run/netns/c".to_owned(),
        path: Vec::new(),
        args: String::new(),
        config: CONFIG.to_owned(),
        cni_version: "1.0.0".to_owned(),
    }
}

fn checked_plan() -> CheckedPlan {
    let draft: DraftPlan = serde_json::from_str(PLAN).unwrap();
    let config = config::decode(CONFIG.as_bytes()).unwrap();
    policy::check(draft, &Grants::for_request(&request(), &config, None)).unwrap()
}

fn kernel() -> HostKernel {
    HostKernel::open(Some(NetnsFile::open("/run/netns/c").unwrap()), false)
}

fn state() -> StateDir {
    StateDir::new("/run/wasm-cni".into())
}

fn journal() -> Journal {
    state().lock(&request().attachment).unwrap()
}

/// An ADD of the plan on a kernel with a fault.
fn add(fault: Fault, at: usize, undo_fails: bool) -> Result<(), ApplyError> {
    let request = request();
    let header = Header {
        version: super::journal::VERSION,
        attachment: request.attachment,
        plugin: request.plugin,
        ordinal: 0,
        netns: request.netns,
        netns_id: Some(NetnsFile::open("/run/netns/c").unwrap().id()),
        plugins: Vec::new(),
        created: 1,
    };
    let journal = journal();
    let mut writer = journal.begin(&header).unwrap();
    let mut kernel = Faulty { kernel: kernel(), fault, at, seen: 0, undo_fails };
    let result = execute(&checked_plan(), &mut writer, &state(), &mut kernel);
    if result.is_ok() {
        writer.complete(checked_plan().report()).unwrap();
    }
    if result.as_ref().is_err_and(|error| error.stuck.is_empty()) {
        journal.forget(&writer.section().unwrap().unwrap()).unwrap();
    }
    result
}

/// What the next DEL does: with the container's namespace, or when that is gone.
fn undo_section(section: &Section, with_netns: bool) {
    let mut kernel = if with_netns { kernel() } else { HostKernel::open(None, false) };
    let stuck = revert(section, section.reason(), &state(), &mut kernel);
    assert!(stuck.is_empty(), "{stuck:?}");
    journal().forget(section).unwrap();
}

fn snapshot() -> String {
    sh(r"for netns in '' '-n c'; do
           ip $netns -o link | sed -E 's/^[0-9]+: //; s/ (state|NO-CARRIER)[^ ]*//; s/@[^:]+//'
           ip $netns -o -4 address; ip $netns route
         done
         iptables -t nat -S; sysctl net.ipv4.ip_forward
         for file in $(find /run/networks /run/wasm-cni/attachments -type f ! -name lock 2>/dev/null); do
           echo $file; cat $file; done")
}

fn on_fresh_machine(test: impl FnOnce(&str) + Send) {
    private(|| {
        sh("mkdir -p /run/netns && ip link set lo up && ip netns add c && iptables -t nat -S > /dev/null");
        test(&snapshot());
    });
}

#[test]
fn every_action_that_fails_leaves_the_machine_as_before() {
    for at in 0..checked_plan().entries().len() {
        on_fresh_machine(|before| {
            let error = add(Fault::Fails, at, false).unwrap_err();
            assert!(error.stuck.is_empty(), "action {at}: {:?}", error.stuck);
            assert_eq!(snapshot(), before, "action {at}: {}", error.action);
        });
    }
}

#[test]
fn killed_around_any_action_it_is_cleaned_up_by_the_next_verb() {
    for at in 0..checked_plan().entries().len() {
        for (fault, with_netns) in
            [(Fault::DiesBefore, true), (Fault::DiesAfter, true), (Fault::DiesAfter, false)]
        {
            on_fresh_machine(|before| {
                let died = catch_unwind(AssertUnwindSafe(|| add(fault, at, false)));
                assert!(died.is_err(), "action {at} was to kill it");
                let sections = journal().sections();
                undo_section(&sections[0], with_netns);
                assert_eq!(snapshot(), before, "action {at}, namespace: {with_netns}");
            });
        }
    }
}

#[test]
fn an_undo_that_fails_is_told_and_the_next_verb_finishes_it() {
    for at in 1..checked_plan().entries().len() {
        on_fresh_machine(|before| {
            let error = add(Fault::Fails, at, true).unwrap_err();
            assert!(!error.stuck.is_empty(), "action {at}");
            let told = crate::cni::CniError::from(error);
            assert_eq!(told.code, crate::cni::code::STUCK);
            assert!(told.details.contains("removes it; it failed: made to fail"), "{}", told.details);
            let sections = journal().sections();
            undo_section(&sections[0], true);
            assert_eq!(snapshot(), before, "action {at}");
        });
    }
}
