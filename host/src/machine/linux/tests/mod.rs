//! Tests that need neither root nor a namespace. The others are in `tests/privileged/tests/linux`.

use super::*;
use crate::machine::port::Look;
use crate::value::IfName;
use nix::errno::Errno;

mod change;

/// A machine without a container.
fn alone() -> Linux {
    Linux::open(None, false)
}

/// The errno of a call that must fail.
fn errno<T: std::fmt::Debug>(result: io::Result<T>) -> Errno {
    let error = result.unwrap_err();
    Errno::from_raw(error.raw_os_error().unwrap_or_else(|| panic!("no errno: {error:?}")))
}

#[test]
fn prepare_opens_the_socket_and_looks_up_lo() {
    let mut machine = alone();
    assert!(machine.sockets.host.is_none(), "nothing is opened yet");
    machine.prepare();
    assert!(machine.sockets.host.is_some() && machine.sockets.container.is_none());
    let lo = LinkRef { netns: Netns::Host, name: IfName::parse("lo").unwrap() };
    assert_eq!(machine.indexes.get(&lo), Some(&1));
}
