//! Messages that are well-formed, in an order or a number that no planner has.

use super::{WALKTHROUGH, add, frame, heard, load, plan_of, say, send};
use serde_json::{Value, json};
use std::io::Write;
use wasm_cni::cni::{CniError, code};

fn error_for(messages: &[Value]) -> CniError {
    send(&WALKTHROUGH, messages).refused(&format!("{:.200}", json!(messages)))
}

fn question() -> Value {
    json!({"ask": ["bridge", "backend"]})
}

/// The plan of the walkthrough with an action that policy refuses.
fn refused_plan() -> Value {
    let mut plan = plan_of(&WALKTHROUGH);
    plan["plan"]["entries"][1]["action"]["ensure-bridge"]["name"] = json!("docker0");
    plan
}

/// The message that ends a stage with the first `count` entries of the walkthrough.
fn stage(count: usize) -> Value {
    let plan = plan_of(&WALKTHROUGH)["plan"].clone();
    let entries: Vec<&Value> = plan["entries"].as_array().unwrap().iter().take(count).collect();
    json!({"delegate": ["host-local", {"entries": entries, "report": {"dns": {}, "ips": [], "links": [], "routes": []}, "unreadable": []}]})
}

#[test]
fn who_did_not_run_has_no_say() {
    for (message, told) in [
        (json!({"ask": ["host-local", "backend"]}), "a question of plugin host-local, which did not run"),
        (json!({"load": ["portmap", "host-local"]}), "a delegation by plugin portmap, which did not run"),
        (plan_of(&WALKTHROUGH), "an action of plugin host-local, which did not run"),
        (stage(1), "an action of plugin host-local, which did not run"),
        (
            json!({"log": {"plugin": "kubelet", "level": "error", "text": "all is well"}}),
            "a line of plugin kubelet, which did not run",
        ),
    ] {
        let error = error_for(&[message]);
        assert_eq!((error.code, error.details.as_str()), (code::TRAPPED, told));
    }
}

#[test]
fn a_delegate_that_was_not_looked_up_is_not_executed() {
    let stage = stage(0)["delegate"][1].clone();
    for plugin in ["host-local", "dhcp", "sh", "bridge"] {
        let error = error_for(&[json!({"delegate": [plugin, stage]})]);
        // The host itself looks for the configured one early, and finds it native: policy has the stage.
        match plugin {
            "host-local" => assert_eq!(error.details, "it closed its connection"),
            _ => assert_eq!(error.details, format!("{plugin} was not looked up")),
        }
    }
    for path in ["../host-local", "a/b", "", "..", "x\0y"] {
        let told = error_for(&[json!({"load": ["bridge", path]})]).details;
        assert!(told.starts_with("a message that makes no sense"), "{path:?}: {told}");
    }
}

#[test]
fn a_plugin_that_the_configuration_does_not_name_is_not_loaded() {
    for plugin in ["static", "dhcp", "bridge", "sh"] {
        // A plan after the refusal changes nothing.
        let messages = [json!({"load": ["bridge", plugin]}), load(), plan_of(&WALKTHROUGH)];
        let error = error_for(&messages);
        assert_eq!(error.code, code::DENIED, "{error:?}");
        assert!(error.details.contains("the configuration delegates to \"host-local\" alone"), "{error:?}");
    }
}

#[test]
fn a_stage_that_was_applied_is_undone_when_the_peer_lies_later() {
    let lies = [
        refused_plan(),
        stage(1),
        plan_of(&WALKTHROUGH),
        json!("quit"),
        json!({"failed": {"code": 999, "msg": "enough", "details": ""}}),
    ];
    for lie in lies {
        // Bridge and pair are made, the native plugin is executed.
        let entries = &plan_of(&WALKTHROUGH)["plan"]["entries"];
        let report = json!({"dns": {}, "ips": [], "links": [], "routes": []});
        let made: Vec<&Value> = entries.as_array().unwrap()[3..6].iter().collect();
        let pair = [&entries[1], &entries[2]];
        let stage = json!({"entries": pair.into_iter().chain(made).collect::<Vec<_>>(), "report": report, "unreadable": []});
        let messages = [load(), json!({"delegate": ["host-local", stage]}), lie];
        let frames: Vec<Vec<u8>> = messages.iter().map(frame).collect();
        let ended = add(&WALKTHROUGH, move |socket| {
            socket.write_all(&frames[0])?;
            heard(socket)?;
            socket.write_all(&frames[1])?;
            let answer = heard(socket)?;
            assert_eq!(answer["answered"]["ips"][0]["address"], "10.15.20.2/24", "the stage was applied");
            say(socket, &frames[2..])
        });
        ended.refused(&format!("{:.200}", messages[2]));
    }
}

#[test]
fn endless_messages_end_the_add() {
    let of = |plugin: &str| json!({"load": ["bridge", plugin]});
    let line = |text: &str| json!({"log": {"plugin": "bridge", "level": "debug", "text": text}});
    let endless: [(Value, &[&str]); 5] = [
        (question(), &["more than 256 questions"]),
        (of("host-local"), &["more than 16 delegates"]),
        (stage(0), &["more than 16 delegations"]),
        (line(""), &["an endless log"]),
        (line(&"x".repeat(1 << 16)), &["an endless log"]),
    ];
    for (message, told) in endless {
        let sent = frame(&message);
        let ended = add(&WALKTHROUGH, move |socket| {
            // Without reading the answers: they may fill the socket until the deadline.
            loop {
                socket.write_all(&sent)?;
            }
        });
        let error = ended.refused(&format!("{:.200}", message));
        let is_told = told.contains(&error.details.as_str()) || error.code == code::LIMIT;
        assert!(is_told, "{:.200}: {error:?}", message);
    }
}

#[test]
fn endless_questions_with_read_answers_end_the_add() {
    let sent = frame(&question());
    let ended = add(&WALKTHROUGH, move |socket| {
        loop {
            socket.write_all(&sent)?;
            heard(socket)?;
        }
    });
    assert_eq!(ended.refused("questions").details, "more than 256 questions");
}

#[test]
fn a_question_that_no_plugin_can_ask_is_refused_with_the_plan() {
    let lease = json!({"data_dir": "/etc", "network": "mybridge"});
    for query in [
        json!({"file": "/etc/shadow"}),
        json!({"file": "/run/../etc/shadow"}),
        json!({"file-below": ["/", "/etc/shadow"]}),
        json!({"link": {"netns": "host", "name": "eth0"}}),
        json!({"held": [lease, {"container": "c", "interface": "eth0"}]}),
        json!({"free": [lease, {"first": "10.15.20.1", "last": "10.15.20.254"}]}),
        json!({"last-reserved": [lease, 0]}),
        json!({"route-to": "8.8.8.8"}),
    ] {
        let error = error_for(&[json!({"ask": ["bridge", query]}), load(), plan_of(&WALKTHROUGH)]);
        assert_eq!(error.code, code::DENIED, "{query}: {error:?}");
    }
    for query in [
        json!({"link": {"netns": "host", "name": "../eth0"}}),
        json!({"link": {"netns": "moon", "name": "eth0"}}),
        json!({"host-end": "0123456789abcdef"}),
        json!({"route-to": "10.0.0.256"}),
        json!({"last-reserved": [lease, -1]}),
        json!({"stale-ports": {"backend": "iptables", "is_ipv4": true, "ports": [65536]}}),
        json!("shell"),
    ] {
        let error = error_for(&[json!({"ask": ["bridge", query]})]);
        assert_eq!(error.code, code::TRAPPED, "{query}: {error:?}");
    }
}

#[test]
fn the_first_end_counts_and_nothing_after_it_is_read() {
    let failed = json!({"failed": {"code": 999, "msg": "enough", "details": ""}});
    // A plan after an error, or after a plan that is refused, is none.
    assert_eq!(error_for(&[load(), failed.clone(), plan_of(&WALKTHROUGH)]).msg, "enough");
    let error = error_for(&[load(), refused_plan(), plan_of(&WALKTHROUGH)]);
    assert_eq!(error.code, code::DENIED, "{error:?}");
    // After a plan that is good, nothing takes it back and nothing is added: the machine is as after the plan alone.
    let alone = send(&WALKTHROUGH, &[load(), plan_of(&WALKTHROUGH)]).machine;
    for more in [refused_plan(), question(), load(), stage(1), failed, json!("quit")] {
        let ended = send(&WALKTHROUGH, &[load(), plan_of(&WALKTHROUGH), more]);
        assert!(ended.result.is_ok() && ended.machine == alone, "{:?}", ended.result);
    }
}

#[test]
fn an_error_has_no_code_that_only_the_host_may_give() {
    for own in [code::DENIED, code::STUCK, code::DIFFERS, code::DRY_RUN] {
        let failed = json!({"failed": {"code": own, "msg": "look elsewhere", "details": ""}});
        assert_eq!(error_for(&[failed]).code, code::INTERNAL);
    }
    let long = json!({"failed": {"code": 999, "msg": "x".repeat(1 << 20), "details": "y".repeat(1 << 20)}});
    assert_eq!(error_for(&[long]).code, 999);
}
