//! Both machines, one case after the other: they must not be told apart.

mod actions;
mod cases;
mod real;
mod undos;

use super::FakeKernel;
use crate::action::{Action, Answer, Facts, Query};
use crate::action::{CheckSourceMac, MasqueradeNft};
use crate::machine::errno::chain;
use crate::machine::host::HostKernel;
use crate::machine::netns::NetnsFile;
use crate::machine::testing::{new_netns, private, sh, texts};
use crate::machine::{Before, Effect, Kernel, Outcome, Undo, Undone};
use crate::value::{AddressRange, Fact, IfName, LinkRef, Netns, derive};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

/// One start state, made twice, and what is done to it.
struct Case {
    name: String,
    /// Shell commands that make the start state, in the host's namespace and in the container's.
    real: (String, String),
    /// The same for the fake.
    fake: FakeKernel,
    /// What is done.
    steps: Vec<Vec<Action>>,
    /// The container is gone.
    gone: bool,
    /// Nothing is to be changed.
    dry: bool,
    /// How long the real one waits for a link.
    patience: Duration,
    /// What is undone then, before all that was done; a link's index is not known here.
    undos: Vec<Undo>,
}

impl Case {
    fn new(name: &str, steps: Vec<Vec<Action>>) -> Self {
        Case {
            name: name.to_owned(),
            real: (String::new(), String::new()),
            fake: FakeKernel::new(),
            steps,
            gone: false,
            dry: false,
            patience: Duration::from_millis(200),
            undos: Vec::new(),
        }
    }

    fn real(mut self, outside: &str, inside: &str) -> Self {
        self.real = (outside.to_owned(), inside.to_owned());
        self
    }

    fn fake(mut self, make: impl FnOnce(FakeKernel) -> FakeKernel) -> Self {
        self.fake = make(self.fake);
        self
    }

    fn undos(mut self, undos: Vec<Undo>) -> Self {
        self.undos = undos;
        self
    }

    /// Plays the case on both machines and compares what they say, line by line.
    fn agree(mut self) {
        private(|| {
            let container = new_netns();
            real::reset_sysctls();
            sh(&format!("set -e\n{}", self.real.0));
            {
                let _guard = container.enter().unwrap();
                real::reset_sysctls();
                sh(&format!("set -e\n{}", self.real.1));
            }
            let again = (!self.gone).then(|| container_again(&container));
            let real = HostKernel::open((!self.gone).then_some(container), self.dry);
            let mut real = real.with_patience(self.patience);
            let expected = self.play(&mut real, |_| real::snapshot(again.as_ref()));
            let mut fake = std::mem::take(&mut self.fake);
            if self.gone {
                fake = fake.without_container();
            }
            if self.dry {
                fake = fake.dry();
            }
            let said = self.play(&mut fake, FakeKernel::snapshot);
            compare(&self.name, &expected, &said);
        });
    }

    /// Everything that is said while the case is played.
    fn play<K: Kernel>(&self, kernel: &mut K, snapshot: impl Fn(&K) -> String) -> Vec<String> {
        let mut said = vec!["# start".to_owned()];
        let mut undos = Vec::new();
        let state = |kernel: &K| snapshot(kernel).lines().map(|line| format!("  {line}")).collect::<Vec<_>>();
        said.extend(state(kernel));
        for step in &self.steps {
            said.push(format!("# step {step:?}"));
            let observed = kernel.observe(step);
            said.extend(step.iter().zip(&observed).map(|(action, before)| before_text(action, before)));
            let outcomes = kernel.execute(step);
            for (action, outcome) in step.iter().zip(&outcomes) {
                said.push(outcome_text(action, outcome));
                if let Outcome::Done(effect) = outcome {
                    undos.extend(undos::of(action, effect));
                }
            }
            assert_eq!(outcomes.len(), step.len());
            said.push("# after the step".to_owned());
            said.extend(state(kernel));
        }
        let actions = self.steps.concat();
        self.look(kernel, &actions, &mut said);
        undos.reverse();
        let undos = [self.undos.clone(), undos].concat();
        for _ in 0..2 {
            said.push("# undo".to_owned());
            let undone = kernel.undo(&undos);
            said.extend(undos.iter().zip(&undone).map(|(undo, undone)| undone_text(undo, undone)));
            said.extend(state(kernel));
        }
        self.look(kernel, &actions, &mut said);
        said
    }

    /// What differs, and what a planner is told.
    fn look(&self, kernel: &mut impl Kernel, actions: &[Action], said: &mut Vec<String>) {
        said.push("# verify".to_owned());
        let found = kernel.verify(actions);
        assert_eq!(found.len(), actions.len());
        said.extend(found.into_iter().flatten().map(|d| format!("{} <- {:?}", d.text, d.mend)));
        let links: BTreeSet<LinkRef> = actions.iter().flat_map(links_of).collect();
        said.extend(links.into_iter().map(|link| fact_text(&kernel.ask(&Query::Link(link)))));
        let owner = actions::attachment("eth0").owner();
        let (first, last) = ("10.1.2.1".parse().unwrap(), "10.1.2.9".parse().unwrap());
        for query in [
            Query::Held(actions::store(), owner),
            Query::LastReserved(actions::store(), 0),
            Query::Free(actions::store(), AddressRange { first, last }),
        ] {
            said.push(format!("{:?}", kernel.ask(&query)));
        }
        kernel.unlock_leases();
    }
}

/// The same namespace, once more.
fn container_again(container: &NetnsFile) -> NetnsFile {
    let _guard = container.enter().unwrap();
    NetnsFile::current().unwrap()
}

fn compare(case: &str, real: &[String], fake: &[String]) {
    if real == fake {
        return;
    }
    let mut text = format!("{case}: the fake differs from the real kernel\n");
    let same = real.iter().zip(fake).take_while(|(a, b)| a == b).count();
    for line in real.iter().take(same).rev().take(40).collect::<Vec<_>>().into_iter().rev() {
        text += &format!("   {line}\n");
    }
    let differing = real.iter().skip(same).take(12).map(|line| format!("-r {line}\n"));
    let lines: Vec<String> =
        differing.chain(fake.iter().skip(same).take(12).map(|l| format!("+f {l}\n"))).collect();
    panic!("{text}{}", lines.concat());
}

/// Without what the real kernel tells of an address beyond its prefix.
fn before_text(action: &Action, before: &Before) -> String {
    match (action, before) {
        (Action::DeleteAddress(_), Before::Value(saved)) => format!("Value({:?})", first_word(saved)),
        _ => format!("{before:?}"),
    }
}

fn first_word(text: &str) -> &str {
    text.split(' ').next().unwrap()
}

fn outcome_text(action: &Action, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done(Effect::Replaced(saved)) if matches!(action, Action::DeleteAddress(_)) => {
            format!("done, Replaced({:?})", first_word(saved))
        }
        Outcome::Done(Effect::CreatedLinks(links)) => {
            let links = links.iter().map(|l| (&l.link, &l.kind, l.mac, &l.alias));
            format!("done, links {:?}", links.collect::<Vec<_>>())
        }
        Outcome::Done(effect) => format!("done, {effect:?}"),
        Outcome::Failed(error) | Outcome::Halfway(error) => {
            format!("failed, {} {}", kind(error), chain(error))
        }
        Outcome::NotTried => "not tried".to_owned(),
    }
}

/// The variant.
fn kind(error: &crate::machine::MachineError) -> String {
    let debug = format!("{error:?}");
    debug.split([' ', '(']).next().unwrap().to_owned()
}

fn undone_text(undo: &Undo, undone: &Undone) -> String {
    let debug = format!("{undo:?}");
    let what = debug.split([' ', '(']).next().unwrap();
    match undone {
        Undone::Failed(error) => format!("{what}: failed, {} {}", kind(error), chain(error)),
        other => format!("{what}: {other:?}"),
    }
}

/// Without indexes and the addresses that the kernel gives by itself.
fn fact_text(answer: &Answer) -> String {
    let Answer::Link(Fact::Known(fact)) = answer else { return format!("{answer:?}") };
    let mut fact = fact.clone();
    fact.index = 0;
    fact.master = fact.master.map(|_| 0);
    fact.addresses.retain(|a| !matches!(a.ip(), IpAddr::V6(v6) if v6.is_unicast_link_local()));
    format!("{fact:?}")
}

fn links_of(action: &Action) -> Vec<LinkRef> {
    let on_host = |name: &IfName| LinkRef { netns: Netns::Host, name: name.clone() };
    match action {
        Action::EnsureBridge(bridge) => vec![on_host(&bridge.name)],
        Action::CreateVeth(veth) => {
            vec![on_host(&veth.peer.name), LinkRef { netns: Netns::Container, name: veth.name.clone() }]
        }
        Action::SetUp(up) => vec![up.link.clone()],
        Action::SetPromiscuous(set) => vec![set.link.clone()],
        Action::DeleteAddress(delete) => vec![delete.link.clone()],
        Action::AddAddress(add) => vec![add.link.clone()],
        Action::Announce(announce) => vec![announce.link.clone()],
        Action::SetLink(set) => vec![set.link.clone()],
        Action::AddRoute(add) => vec![add.link.clone()],
        _ => Vec::new(),
    }
}

#[test]
fn a_store_is_locked_from_the_first_question_on() {
    private(|| {
        let mut real = HostKernel::open(None, false);
        let mut fake = FakeKernel::new();
        let is_locked = || sh("flock -n /run/networks/mynet/lock true && echo free || echo held") == "held\n";
        let query = Query::Held(actions::store(), actions::attachment("eth0").owner());
        let lease = actions::lease("10.1.2.2", "eth0");
        let undo = [Undo::ReleaseLease(lease.clone())];
        assert!(!fake.holds_lock(&lease.store));
        real.ask(&query);
        fake.ask(&query);
        assert_eq!((is_locked(), fake.holds_lock(&lease.store)), (true, true));
        real.undo(&undo);
        fake.undo(&undo);
        assert_eq!((is_locked(), fake.holds_lock(&lease.store)), (true, true), "undo keeps what was held");
        real.unlock_leases();
        fake.unlock_leases();
        assert_eq!((is_locked(), fake.holds_lock(&lease.store)), (false, false));
        real.undo(&undo);
        fake.undo(&undo);
        assert_eq!((is_locked(), fake.holds_lock(&lease.store)), (false, false), "and only that");
    });
}

#[test]
fn a_table_of_nftables_goes_only_where_it_was_made_and_is_empty() {
    let identity = |interface: &str| derive::source_mac_identity(&actions::attachment(interface));
    let rule = |interface: &str| MasqueradeNft {
        address: "10.1.2.2/24".parse().unwrap(),
        comment: derive::nft_comment(&actions::attachment(interface)),
    };
    let check = |interface: &str| CheckSourceMac {
        port: actions::name("vethx"),
        mac: actions::mac(8),
        identity: identity(interface),
    };
    let step =
        |interface: &str| [Action::MasqueradeNft(rule(interface)), Action::CheckSourceMac(check(interface))];
    let undo = |interface: &str, table| {
        let (rule, check) = (rule(interface), check(interface));
        [Undo::DeleteMasqueradeNft { rule, table }, Undo::DeleteCheckSourceMac { check, table }]
    };
    let effects = |outcomes: Vec<Outcome>| {
        let effect =
            |outcome| if let Outcome::Done(effect) = outcome { effect } else { panic!("{outcome:?}") };
        outcomes.into_iter().map(effect).collect::<Vec<_>>()
    };
    let mut fake = FakeKernel::new();
    let empty = fake.snapshot();
    assert_eq!(texts(fake.verify(&step("eth0"))).len(), 5);
    assert_eq!(effects(fake.execute(&step("eth0"))), [Effect::Created, Effect::Created]);
    assert_eq!(effects(fake.execute(&step("eth0"))), [Effect::AlreadyThere, Effect::AlreadyThere]);
    let replaced = || Effect::Replaced("table".to_owned());
    assert_eq!(effects(fake.execute(&step("eth1"))), [replaced(), replaced()]);
    assert_eq!(texts(fake.verify(&[step("eth0"), step("eth1")].concat())), [""; 0]);
    assert!(fake.undo(&undo("eth0", true)).iter().all(|undone| matches!(undone, Undone::Done)));
    assert!(fake.undo(&undo("eth0", true)).iter().all(|undone| matches!(undone, Undone::Gone)));
    assert_eq!(texts(fake.verify(&step("eth1"))), [""; 0], "those of others stay");
    fake.undo(&undo("eth1", false));
    assert!(fake.snapshot().contains("nft: table bridge nat\n"), "a DEL leaves the tables");
    fake.execute(&step("eth1"));
    fake.undo(&undo("eth1", true));
    assert_eq!(fake.snapshot(), empty);
}

#[test]
fn what_the_kernel_takes_and_does_not_keep_is_not_missing() {
    use actions::{add, bridge, host, inside, route, up, veth};
    let Action::AddRoute(mut large) = route("10.7.0.0/16", None) else { unreachable!() };
    (large.route.mtu, large.route.advmss) = (Some(u32::MAX), Some(u32::MAX));
    let actions = [
        bridge(None),
        add(host("cni0"), "0.0.0.0/24"),
        veth("eth0", "vethx"),
        add(inside("eth0"), "10.1.2.2/24"),
        up(inside("eth0")),
        route("0.0.0.0/0", Some("0.0.0.0")),
        Action::AddRoute(large),
    ];
    let mut fake = FakeKernel::new();
    assert!(fake.execute(&actions).iter().all(|outcome| matches!(outcome, Outcome::Done(_))));
    assert_eq!(texts(fake.verify(&actions)), [""; 0]);
}
