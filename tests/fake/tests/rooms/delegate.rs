//! How native plugins are executed.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Output};
use wasm_cni::action::record::{Before, Done, Effect, Reason, Undoing, Undone};
use wasm_cni::action::{Delegate, EndDelegate, Inverse, Kind, Undo};
use wasm_cni::machine::errno::chain;
use wasm_cni::value::{ContainerId, Owner, PluginName};
use wasm_cni_fake::FakeMachine;
use wasm_cni_plans::play::{name, undo};

fn end() -> EndDelegate {
    let owner = Owner { container: ContainerId::parse("abc").unwrap(), interface: name("eth0") };
    EndDelegate {
        delegate: Delegate {
            plugin: PluginName::parse("dhcp").unwrap(),
            program: "/opt/cni/bin/dhcp".into(),
            owner,
            netns: "/run/netns/a b".to_owned(),
            args: "A=1;B=2".to_owned(),
            path: "/opt/cni/bin".to_owned(),
            config: "{\n  \"name\": \"it's\"\n}".to_owned(),
        },
    }
}

fn ended(status: i32, printed: &str) -> Output {
    Output { status: ExitStatus::from_raw(status << 8), stdout: printed.into(), stderr: Vec::new() }
}

#[test]
fn del_of_a_delegate_gets_its_namespace_or_an_empty_one() {
    for (has_container, netns) in [(true, "/run/netns/a b"), (false, "")] {
        let mut machine = FakeMachine::new().with_program("/opt/cni/bin/dhcp", |_, _| ended(0, ""));
        if !has_container {
            machine = machine.without_container();
        }
        assert!(matches!(undo(&mut machine, end()), Undone::Done));
        let [call] = machine.calls.as_slice() else { panic!("{:?}", machine.calls) };
        assert_eq!((call.verb, call.input.as_str()), ("DEL", end().delegate.config.as_str()));
        let variables = [
            ("CNI_CONTAINERID", "abc"),
            ("CNI_IFNAME", "eth0"),
            ("CNI_NETNS", netns),
            ("CNI_ARGS", "A=1;B=2"),
            ("CNI_PATH", "/opt/cni/bin"),
        ];
        assert_eq!(call.variables, variables.map(|(name, value)| (name, value.to_owned())));
    }
    for verb in ["GC", "STATUS"] {
        let named = end().delegate.call(verb, "/run/netns/x").variables;
        assert_eq!(named.iter().filter(|(_, value)| value.is_empty()).count(), 3, "{verb}");
    }
}

#[test]
fn the_error_of_a_failed_delegate_contains_its_output() {
    let mut machine = FakeMachine::new().with_program("/opt/cni/bin/dhcp", |_, _| ended(3, "no lease\n"));
    let undone = undo(&mut machine, end());
    let Undone::Failed(error) = undone else { panic!("{undone:?}") };
    assert_eq!(chain(&error), "CNI_COMMAND=DEL /opt/cni/bin/dhcp: exit status: 3: no lease");
}

#[test]
fn the_command_is_a_single_shell_line() {
    assert_eq!(
        end().command(),
        "printf %s \"{   \\\"name\\\": \\\"it's\\\" }\" | CNI_COMMAND=DEL CNI_CONTAINERID=abc CNI_IFNAME=eth0 \
         CNI_NETNS='/run/netns/a b' CNI_ARGS='A=1;B=2' CNI_PATH=/opt/cni/bin /opt/cni/bin/dhcp"
    );
    assert_eq!(end().delegate.commands(), ["CNI_COMMAND=ADD /opt/cni/bin/dhcp"]);
}

#[test]
fn del_of_a_delegate_undoes_its_add() {
    for done in [Done::Effect(&Effect::Created), Done::Unknown(&Before::Absent)] {
        let undoing = Undoing { done, why: Reason::Delete, own: &[], others: &[] };
        assert_eq!(end().delegate.undos(&undoing), [Undo::from(end())], "{done:?}");
    }
}
