//! Programs and locks.

use super::*;
use crate::machine::lease::Stores;
use crate::machine::linux::process::inherited;
use crate::machine::port::{Look, Machine, ProgramCall};
use crate::value::{AddressRange, NetworkName, StoreRef};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

fn call(program: &Path) -> ProgramCall {
    ProgramCall {
        program: program.to_owned(),
        verb: "CHECK",
        variables: vec![("CNI_IFNAME", "eth0".to_owned()), ("CNI_ARGS", "a=b".to_owned())],
        input: "{}".to_owned(),
    }
}

fn script(path: &Path, text: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_native_plugin_gets_its_verb_variables_and_input() {
    let dir = tempfile::tempdir().unwrap();
    let mut machine = alone();
    let plugin = dir.path().join("plugin");
    script(&plugin, "cat; echo \" $CNI_COMMAND $CNI_IFNAME $CNI_ARGS\"; echo woe >&2; exit 3");
    let output = machine.run(&call(&plugin)).unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "{} CHECK eth0 a=b\n");
    assert_eq!((output.stderr.as_slice(), output.status.code()), (b"woe\n".as_slice(), Some(3)));
    assert_eq!(errno(machine.run(&call(&dir.path().join("none")))), Errno::ENOENT);
    script(&plugin, "yes");
    assert_eq!(machine.run(&call(&plugin)).unwrap_err().to_string(), "it printed more than 1024 KiB");
}

#[test]
fn an_executable_that_is_being_written_is_executed_later() {
    let dir = tempfile::tempdir().unwrap();
    let plugin = dir.path().join("plugin");
    std::fs::copy("/bin/true", &plugin).unwrap();
    let writer = File::options().append(true).open(&plugin).unwrap();
    let output = std::thread::scope(|scope| {
        let run = scope.spawn(|| alone().run(&call(&plugin)).unwrap());
        std::thread::sleep(Duration::from_millis(500));
        assert!(!run.is_finished());
        drop(writer);
        run.join().unwrap()
    });
    assert!(output.status.success());
}

#[test]
fn pause_waits() {
    let start = Instant::now();
    assert!(alone().pause(Duration::from_millis(20)), "no signal has asked us to end");
    assert!(start.elapsed() >= Duration::from_millis(20));
}

#[test]
fn lease_stores_are_locked_and_indexed_except_on_a_dry_machine() {
    let dir = tempfile::tempdir().unwrap();
    let (data_dir, indexes) = (dir.path().join("stores"), dir.path().join("indexes"));
    let store = StoreRef { data_dir, network: NetworkName::parse("mynet").unwrap() };
    let mut dry = Linux::open(None, true).with_stores(Stores::real(true).with_indexes(indexes.clone()));
    assert!(dry.stores().planning_store(&store).unwrap().is_none());
    assert!(dry.stores().locked_store(&store).is_err());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    let mut machine = alone().with_stores(Stores::real(false).with_indexes(indexes.clone()));
    let within = AddressRange { first: "10.1.2.2".parse().unwrap(), last: "10.1.2.9".parse().unwrap() };
    let found = machine.stores().planning_store(&store).unwrap().unwrap();
    assert_eq!(found.free(within).unwrap(), [within]);
    assert_eq!(machine.stores().locked().into_iter().collect::<Vec<_>>(), [store]);
    drop(machine);
    assert_eq!(std::fs::read_dir(indexes).unwrap().count(), 1);
}

#[test]
fn new_processes_inherit_a_duplicate_of_the_lock() {
    let dir = tempfile::tempdir().unwrap();
    let lock = File::create(dir.path().join("lock")).unwrap();
    let is_inherited = |fd: BorrowedFd<'_>| fcntl(fd, FcntlArg::F_GETFD).unwrap() == 0;
    let machine = alone().with_lock(lock.as_fd());
    assert!(!is_inherited(lock.as_fd()));
    let duplicate = inherited(Some(&lock.into())).unwrap();
    assert!(is_inherited(duplicate.as_fd()));
    assert!(inherited(None).is_none());
    drop(machine);
}
