//! Frames that are none.

use super::{WALKTHROUGH, add, bytes, frame, hold, load, plan_of, say};
use serde_json::json;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;
use wasm_cni::cni::code;
use wasm_cni::sandbox::limits::FRAME_BYTES;

/// The details of the error for a peer that sends these bytes and closes its end.
fn details(what: &str, sent: Vec<u8>) -> String {
    let error = add(&WALKTHROUGH, move |socket| say(socket, &[sent])).refused(what);
    assert_eq!(error.code, code::TRAPPED, "{what}: {error:?}");
    error.details
}

#[test]
fn a_frame_that_is_cut_ends_the_add() {
    let plan = [frame(&load()), frame(&plan_of(&WALKTHROUGH))].concat();
    let first = frame(&load()).len();
    // Not behind a whole message, where the planner may be at work.
    let cuts =
        (0..plan.len()).step_by(97).chain([1, 3, 4, 5, first - 1, first + 1, first + 4, plan.len() - 1]);
    for cut in cuts {
        assert_eq!(
            details(&format!("cut at {cut}"), plan[..cut].to_vec()),
            "it closed its connection",
            "cut at {cut} of {}",
            plan.len()
        );
    }
}

#[test]
fn a_length_that_is_a_lie_ends_the_add() {
    let with_length = |length: u32| [&length.to_le_bytes(), br#"{"log":"x"}"#.as_slice()].concat();
    let most = u32::try_from(FRAME_BYTES).unwrap();
    for length in [most + 1, 1 << 31, u32::MAX] {
        let told = details("too long", with_length(length));
        assert_eq!(told, format!("a message of {length} bytes, more than {FRAME_BYTES}"));
    }
    // Longer than what comes, and shorter: the rest is then the next length.
    assert_eq!(details("longer", with_length(most)), "it closed its connection");
    assert!(details("shorter", with_length(3)).starts_with("a message that makes no sense"));
    assert!(details("empty", with_length(0)).starts_with("a message that makes no sense"));
}

#[test]
fn a_frame_without_a_message_ends_the_add() {
    let deep = [b"[".repeat(1 << 20), b"]".repeat(1 << 20)].concat();
    let keys = format!("{{{}}}", vec![r#""plan":{}"#; 1 << 16].join(","));
    let texts: [&[u8]; 16] = [
        b"",
        b" ",
        b"null",
        b"7",
        b"[]",
        b"{}",
        b"\"plan\"",
        b"\"quit\"",
        b"\xff\xfe{}",
        br#"{"plan":null}"#,
        br#"{"plan":{"entries":[]"#,
        br#"{"failed":{"code":"x","msg":1}}"#,
        br#"{"failed":{"code":-1,"msg":"","details":""}}"#,
        br#"{"log":{"plugin":"bridge","level":"loud","text":""}}"#,
        &deep,
        keys.as_bytes(),
    ];
    for text in texts {
        let told = details(&String::from_utf8_lossy(&text[..text.len().min(60)]), bytes(text));
        assert!(told.starts_with("a message that makes no sense"), "{told}");
    }
}

#[test]
fn a_kind_of_message_that_no_planner_sends_ends_the_add() {
    for message in [
        json!({"apply": []}),
        json!({"PLAN": {}}),
        json!({"execute": "/bin/sh"}),
        // The host's own.
        json!({"preload": "host-local"}),
        json!({"answer": {"backend": "iptables"}}),
        json!("code"),
        json!("native"),
        json!({"answered": {}}),
        json!({"begin": {}}),
        json!({"request": {}, "limits": {}, "earlier": []}),
        // Two at once.
        json!({"load": ["bridge", "host-local"], "plan": {"entries": [], "report": {}}}),
    ] {
        let told = details(&message.to_string(), frame(&message));
        assert!(told.starts_with("a message that makes no sense"), "{message}: {told}");
    }
}

/// The code of the error for a peer that does this.
fn code_for(what: &str, peer: fn(&mut UnixStream) -> io::Result<()>) -> u32 {
    add(&WALKTHROUGH, peer).refused(what).code
}

#[test]
fn silence_ends_the_add_at_the_deadline() {
    assert_eq!(code_for("silence from the beginning", hold), code::LIMIT);
    assert_eq!(
        code_for("silence within a frame", |socket| {
            socket.write_all(b"\x05\0")?;
            hold(socket)
        }),
        code::LIMIT
    );
    assert_eq!(
        code_for("silence after an answer", |socket| {
            socket.write_all(&frame(&load()))?;
            hold(socket)
        }),
        code::LIMIT
    );
}

#[test]
fn a_frame_that_never_ends_ends_the_add_at_the_deadline() {
    let told = code_for("a byte now and then", |socket| {
        socket.write_all(&1_000_u32.to_le_bytes())?;
        loop {
            socket.write_all(b" ")?;
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    assert_eq!(told, code::LIMIT);
}
