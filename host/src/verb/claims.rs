//! What `prevResult` tells of interfaces, held against the machine: the part of CHECK that needs no journal.

use crate::cni::Request;
use crate::cni::result::Interface;
use crate::plan::{Answer, Facts, IfName, LinkFact, LinkRef, Netns, Query};

/// How the machine differs from the claims, one sentence for each difference.
///
/// The reference's bridge compares the same of its own three links; links of sandboxes other than the request's are
/// somebody else's.
pub fn differences(claims: &[Interface], request: &Request, facts: &mut dyn Facts) -> Vec<String> {
    let own = |claim: &&Interface| claim.name == request.attachment.interface.as_str();
    let mut differences = Vec::new();
    if let Some(other) = claims.iter().find(own).filter(|claim| claim.sandbox != request.netns) {
        let Interface { name, sandbox, .. } = other;
        differences.push(format!("{name} is in sandbox {sandbox:?} in prevResult, not in {}", request.netns));
    }
    for claim in claims {
        let netns = match claim.sandbox.as_str() {
            "" => Netns::Host,
            sandbox if sandbox == request.netns => Netns::Container,
            _ => continue,
        };
        differences.extend(difference(claim, netns, facts));
    }
    differences
}

fn difference(claim: &Interface, netns: Netns, facts: &mut dyn Facts) -> Option<String> {
    let Ok(name) = IfName::parse(&claim.name) else {
        return Some(format!("prevResult has an interface {:?}, which no link can be called", claim.name));
    };
    let link = LinkRef { netns, name };
    match facts.ask(&Query::Link(link.clone())) {
        Answer::Failed(why) => Some(why),
        Answer::Link(fact) => match fact.known() {
            None => Some(format!("link {link} is missing")),
            Some(LinkFact { mac, .. }) => {
                let same = claim.mac.is_empty() || claim.mac.eq_ignore_ascii_case(&mac.to_string());
                (!same).then(|| format!("MAC of {link} is {mac}, not {}", claim.mac))
            }
        },
        _ => Some(format!("link {link} cannot be looked at")),
    }
}
