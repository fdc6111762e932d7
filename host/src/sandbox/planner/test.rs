//! A planner that has been taken over: whatever it says, the parent ends with an error.

use super::message::Message;
use super::{Components, Planner};
use crate::cni::{CniError, code};
use crate::plan::action::SetUp;
use crate::plan::{Action, DraftPlan, Entry, IfName, Lifetime, LinkRef, Netns};
use crate::sandbox::test::{Machine, plugin, request};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

/// What becomes of a planner that says this; `hang` keeps its connection open.
fn said(bytes: &[u8], hang: bool) -> CniError {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let process =
        Pid::from_raw(Command::new("/bin/sleep").arg("60").spawn().unwrap().id().try_into().unwrap());
    theirs.write_all(bytes).unwrap();
    let kept = hang.then_some(theirs);
    let planner = Planner { request: request(), process, reaped: false, socket: ours };
    let error = planner
        .serve(&mut Components { facts: &mut Machine::default(), load: &mut |_| unreachable!() })
        .unwrap_err();
    assert!(kill(process, None).is_err(), "it was ended and reaped");
    drop(kept);
    error
}

fn frame(message: &Message) -> Vec<u8> {
    let json = serde_json::to_vec(message).unwrap();
    [&u32::try_from(json.len()).unwrap().to_le_bytes(), json.as_slice()].concat()
}

#[test]
fn a_planner_that_talks_nonsense_is_ended() {
    for (bytes, details) in [
        (&b"\x05\0\0\0hello"[..], "a message that makes no sense"),
        (b"\xff\xff\xff\xff", "a message of 4294967295 bytes, more than 8388608"),
        (b"\x05\0", "it closed its connection"),
        (b"", "it closed its connection"),
    ] {
        let error = said(bytes, false);
        assert_eq!(error.code, code::TRAPPED);
        assert!(error.details.starts_with(details), "{error:?}");
    }
}

#[test]
fn a_planner_that_says_nothing_is_ended_in_time() {
    let begun = Instant::now();
    assert_eq!(said(b"\x05\0", true).code, code::LIMIT);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn a_planner_cannot_act_for_a_plugin_that_did_not_run() {
    let link = LinkRef { netns: Netns::Host, name: IfName::parse("cni0").unwrap() };
    let action = Action::SetUp(SetUp { link });
    let entry = Entry { plugin: plugin("portmap"), lifetime: Lifetime::Attachment, action };
    let plan = Message::Plan(DraftPlan { entries: vec![entry], ..DraftPlan::default() });
    assert_eq!(said(&frame(&plan), true).details, "an action of plugin portmap, which did not run");
}
