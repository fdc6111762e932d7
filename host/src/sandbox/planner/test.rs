//! A planner that a guest has taken over: whatever it sends, the parent ends with an error.

use super::message::Message;
use super::{Components, Planner, Process};
use crate::action::SetUp;
use crate::action::{Action, Answer, Facts, Lifetime, Query};
use crate::cni::{CniError, ErrorKind, code};
use crate::plan::{DraftPlan, Entry};
use crate::sandbox::cache::Code;
use crate::sandbox::limits::{self, Limits};
use crate::sandbox::manifest::Manifest;
use crate::sandbox::recorder::Level;
use crate::sandbox::test::{Machine, plugin, request};
use crate::value::Kind;
use crate::value::{Dns, Fact, IfName, Interface, Ip, LinkRef, Netns, Report};
use nix::sys::signal::kill;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::unistd::Pid;
use std::io::{IoSlice, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

/// The error of the parent for a planner that sends these bytes. `hang` keeps the connection open.
fn said(bytes: &[u8], hang: bool) -> CniError {
    let bytes = bytes.to_vec();
    said_to(&mut Machine::default(), hang, |theirs| {
        let mut theirs = theirs.try_clone().unwrap();
        // In a thread: the bytes may exceed the socket's buffer, and the parent may stop reading.
        std::thread::spawn(move || theirs.write_all(&bytes));
    })
}

fn said_to(facts: &mut dyn Facts, hang: bool, say: impl FnOnce(&UnixStream)) -> CniError {
    let (mut planner, theirs) = planner();
    let process = planner.process.pid;
    say(&theirs);
    let kept = hang.then_some(theirs);
    let error = planner
        .serve(&mut Components {
            facts,
            load: &mut |name| Err(CniError::new(ErrorKind::Refused, name.as_str())),
        })
        .unwrap_err();
    drop(planner);
    assert!(kill(process, None).is_err(), "it was ended and reaped");
    drop(kept);
    error
}

/// A planner process that only sleeps, and the other end of its connection.
fn planner() -> (Planner, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let pid = Pid::from_raw(Command::new("/bin/sleep").arg("60").spawn().unwrap().id().try_into().unwrap());
    let process = Process { pid, reaped: false };
    (Planner { request: request(), limits: Limits::default(), process, socket: ours }, theirs)
}

fn frame(message: &Message) -> Vec<u8> {
    let json = serde_json::to_vec(message).unwrap();
    [&u32::try_from(json.len()).unwrap().to_le_bytes(), json.as_slice()].concat()
}

#[test]
fn a_planner_that_sends_garbage_is_killed() {
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
fn a_silent_planner_is_killed_at_the_deadline() {
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

#[test]
fn a_planner_cannot_change_prev_result() {
    let passed = vec![Interface { name: "eth9".to_owned(), mac: String::new(), sandbox: String::new() }];
    let ip = Ip { address: "10.1.2.3/24".parse().unwrap(), gateway: None, interface: Some(0) };
    for (report, lie) in [
        (Report { passed, ..Report::default() }, "other interfaces than those of prevResult"),
        (Report { ips: vec![ip], ..Report::default() }, "10.1.2.3/24 on a link that is not reported"),
    ] {
        let plan = Message::Plan(DraftPlan { report, ..DraftPlan::default() });
        assert_eq!(said(&frame(&plan), true).details, lie);
    }
}

#[test]
fn a_planner_cannot_log_for_a_plugin_that_did_not_run() {
    let line = Message::Log { plugin: plugin("portmap\nERROR"), level: Level::Error, text: "x".to_owned() };
    assert_eq!(said(&frame(&line), true).details, "a line of plugin portmap\nERROR, which did not run");
    // A plugin that was requested but not found did not run either.
    let both = [frame(&Message::Load(plugin("bridge"), plugin("portmap\nERROR"))), frame(&line)].concat();
    assert_eq!(said(&both, true).details, "a line of plugin portmap\nERROR, which did not run");
}

/// The error of the parent for a planner that repeats this message.
fn repeated(message: &Message, times: usize) -> CniError {
    let bytes = frame(message);
    said_to(&mut Machine::default(), true, |theirs| {
        let mut theirs = theirs.try_clone().unwrap();
        // The write fails when the parent closes the socket.
        std::thread::spawn(move || (0..times).try_for_each(|_| theirs.write_all(&bytes)));
    })
}

#[test]
fn a_planner_that_sends_more_than_the_limits_is_killed() {
    let question = Message::Ask(plugin("bridge"), Query::Backend);
    assert_eq!(repeated(&question, usize::MAX).details, "more than 256 questions");
    assert_eq!(
        repeated(&Message::Load(plugin("bridge"), plugin("x")), usize::MAX).details,
        "more than 16 delegates"
    );
    let line = |text: String| Message::Log { plugin: plugin("bridge"), level: Level::Debug, text };
    // The parent stops at the limit of lines or at the time limit, whichever comes first.
    assert!(matches!(repeated(&line(String::new()), usize::MAX).code, code::TRAPPED | code::LIMIT));
    assert_eq!(repeated(&line("x".repeat(1 << 20)), usize::MAX).details, "an endless log");
}

#[test]
fn a_planner_that_sends_descriptors_is_killed_and_they_are_dropped() {
    let question = frame(&Message::Ask(plugin("bridge"), Query::Backend));
    for count in [1, 2, 64, 253] {
        let error = said_to(&mut Machine::default(), true, |theirs| {
            let rights = vec![theirs.as_raw_fd(); count];
            let with = [ControlMessage::ScmRights(&rights)];
            let sent =
                sendmsg::<()>(theirs.as_raw_fd(), &[IoSlice::new(&question)], &with, MsgFlags::empty(), None);
            assert_eq!(sent, Ok(question.len()));
        });
        assert_eq!(error.code, code::TRAPPED);
        assert_eq!(error.details, "a message that makes no sense: descriptors came with it");
    }
}

/// Answers every query with the longest possible answer.
struct Long;

impl Facts for Long {
    fn ask(&mut self, _: &Query) -> Answer {
        Answer::File(Fact::Known(vec![255; limits::FILE_BYTES]))
    }
}

#[test]
fn a_planner_that_does_not_read_answers_is_killed_at_the_deadline() {
    let questions = frame(&Message::Ask(plugin("bridge"), Query::Backend)).repeat(100);
    let begun = Instant::now();
    let error = said_to(&mut Long, true, |mut theirs| theirs.write_all(&questions).unwrap());
    assert_eq!(error.code, code::LIMIT, "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn a_planner_cannot_fill_the_journal_or_the_runtime() {
    let details = |plan: DraftPlan| said(&frame(&Message::Plan(plan)), false).details;
    let dns = Dns { domain: Some("x".repeat(limits::DNS_BYTES + 1)), ..Dns::default() };
    let report = Report { dns, ..Report::default() };
    assert_eq!(details(DraftPlan { report, ..DraftPlan::default() }), "65537 bytes of DNS settings");
    let link = LinkRef { netns: Netns::Host, name: IfName::parse("cni0").unwrap() };
    let report = Report { links: vec![link.clone(); 4097], ..Report::default() };
    assert_eq!(details(DraftPlan { report, ..DraftPlan::default() }), "a result of 4097 entries");
    let action = Action::SetUp(SetUp { link });
    let entry = Entry { plugin: plugin("bridge"), lifetime: Lifetime::Attachment, action };
    assert_eq!(details(DraftPlan { entries: vec![entry; 4097], ..DraftPlan::default() }), "4097 actions");

    let error = CniError::new(ErrorKind::Refused, "x".repeat(1 << 20)).with_details("y".repeat(1 << 20));
    let cut = said(&frame(&Message::Failed(error)), false);
    assert_eq!((cut.msg.len(), cut.details.len()), (limits::ERROR_MSG_BYTES, limits::ERROR_DETAILS_BYTES));
}

#[test]
fn the_last_message_of_a_closed_planner_is_read() {
    let manifest = Manifest {
        interface: String::new(),
        kind: Kind::Ipam,
        claimed_type: None,
        cni_versions: Vec::new(),
        imports: Vec::new(),
        wasi: Vec::new(),
        exports: Vec::new(),
    };
    let code = Code { file: tempfile::tempfile().unwrap(), manifest: manifest.into(), digest: String::new() };
    for is_gone in [false, true] {
        let (mut planner, mut theirs) = planner();
        theirs.write_all(&frame(&Message::Failed(CniError::new(ErrorKind::Refused, "no")))).unwrap();
        let kept = (!is_gone).then_some(theirs);
        planner.preload(&plugin("host-local"), &code).unwrap();
        drop(kept);
        let mut facts = Machine::default();
        let mut services = Components { facts: &mut facts, load: &mut |_| unreachable!() };
        assert_eq!(planner.serve(&mut services).unwrap_err().code, 999, "{is_gone}");
    }
}
