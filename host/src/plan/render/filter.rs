//! What the host passes on, as commands.

use crate::action::FilterRule;

/// The rules, in the words of the reference (plugins `plugins/meta/firewall`, HEAD).
pub fn rules(rule: &FilterRule) -> Vec<String> {
    match rule {
        FilterRule::AllowForward { address, admin_chain } => {
            let iptables = tool(address.is_ipv4());
            vec![
                format!(
                    "{iptables} -A CNI-FORWARD -d {address} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
                ),
                format!("{iptables} -A CNI-FORWARD -s {address} -j ACCEPT"),
                format!("# {iptables}: FORWARD leads to CNI-FORWARD, and that first to {admin_chain}"),
            ]
        }
        FilterRule::Isolate { is_ipv4, bridge, within } => {
            let iptables = tool(*is_ipv4);
            let mut rules = vec![
                format!(
                    "{iptables} -I CNI-ISOLATION-STAGE-1 1 -i {bridge} ! -o {bridge} -j CNI-ISOLATION-STAGE-2"
                ),
                format!("{iptables} -I CNI-ISOLATION-STAGE-2 1 -o {bridge} -j DROP"),
            ];
            if *within {
                rules.push(format!("{iptables} -I CNI-ISOLATION-STAGE-1 1 -i {bridge} -o {bridge} -j DROP"));
            }
            rules.push(format!(
                "# {iptables}: FORWARD leads first to CNI-ISOLATION-STAGE-1; both stages end with RETURN"
            ));
            rules
        }
        FilterRule::TrustSource { address, zone } => {
            vec![format!("firewall-cmd --zone={zone} --add-source={}", source(*address))]
        }
    }
}

/// What takes them back; chains stay, as in the reference.
pub fn undo(rule: &FilterRule) -> Vec<String> {
    match rule {
        FilterRule::TrustSource { address, zone } => {
            vec![format!("firewall-cmd --zone={zone} --remove-source={}", source(*address))]
        }
        FilterRule::AllowForward { .. } | FilterRule::Isolate { .. } => {
            let rules = rules(rule).into_iter().filter(|line| !line.starts_with('#'));
            rules
                .map(|line| {
                    line.replace(" -A ", " -D ")
                        .replacen(" -I ", " -D ", 1)
                        .replacen("-1 1 ", "-1 ", 1)
                        .replacen("-2 1 ", "-2 ", 1)
                })
                .collect()
        }
    }
}

fn tool(is_ipv4: bool) -> &'static str {
    if is_ipv4 { "iptables" } else { "ip6tables" }
}

fn source(address: std::net::IpAddr) -> String {
    format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 })
}
