//! Compares the interfaces of `prevResult` with the machine. This is the part of CHECK that needs no journal.

use crate::action::{Answer, Facts};
use crate::cni::Request;
use crate::value::{IfName, Interface, LinkFact, LinkRef, Netns};

/// The differences between the machine and the `interfaces` of `prevResult`, one sentence each.
///
/// With `own`, the container's interface must be among them. The reference's bridge plugin compares the same for its
/// own three links. Links of other sandboxes than the request's are not compared.
pub fn differences(
    interfaces: &[Interface],
    own: bool,
    request: &Request,
    facts: &mut dyn Facts,
) -> Vec<String> {
    let (name, sandbox) = (&request.attachment.interface, &request.netns);
    let mut differences = Vec::new();
    if own
        && !interfaces
            .iter()
            .any(|interface| interface.name == name.as_str() && interface.sandbox == *sandbox)
    {
        differences.push(format!("prevResult has no interface {name} in sandbox {sandbox}"));
    }
    for interface in interfaces {
        let netns = match interface.sandbox.as_str() {
            "" => Netns::Host,
            of_request if of_request == sandbox => Netns::Container,
            _ => continue,
        };
        differences.extend(difference(interface, netns, facts));
    }
    differences
}

fn difference(interface: &Interface, netns: Netns, facts: &mut dyn Facts) -> Option<String> {
    let Ok(name) = IfName::parse(&interface.name) else {
        return Some(format!(
            "prevResult has an interface {:?}, which no link can be called",
            interface.name
        ));
    };
    let link = LinkRef { netns, name };
    match facts.ask_link_alone(&link) {
        Answer::Failed(why) => Some(why),
        Answer::Link(fact) => match fact.known() {
            None => Some(format!("link {link} is missing")),
            Some(LinkFact { mac, .. }) => {
                let same = interface.mac.is_empty() || interface.mac.eq_ignore_ascii_case(&mac.to_string());
                (!same).then(|| format!("MAC of {link} is {mac}, not {}", interface.mac))
            }
        },
        _ => Some(format!("link {link} cannot be looked at")),
    }
}
