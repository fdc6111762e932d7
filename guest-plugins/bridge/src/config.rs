//! The configuration of bridge.

use super::trunk::{self, Trunk};
use serde::Deserialize;
use wasm_cni_sdk::nat::Backend;
use wasm_cni_sdk::{Dns, Error, MacAddress, args, config, mac};

/// A valid configuration.
#[derive(Debug)]
pub struct Config {
    /// `bridge`: the name of the bridge.
    pub bridge: String,
    /// `promiscMode`: the bridge is in promiscuous mode.
    pub promiscuous: bool,
    /// `isGateway`: the bridge gets the address of the gateway, and the host forwards packets.
    pub is_gateway: bool,
    /// `forceAddress`: an address of the bridge that conflicts with the gateway's is removed.
    pub force_address: bool,
    /// `isDefaultGateway`: the container gets a default route.
    pub is_default_gateway: bool,
    /// `ipMasq`: the host masquerades the container's addresses.
    pub ip_masq: bool,
    /// `ipMasqBackend`. `None`: the host chooses.
    pub ip_masq_backend: Option<Backend>,
    /// `mtu`, in bytes. 0: the kernel's default.
    pub mtu: u32,
    /// `hairpinMode`: frames may leave through the port through which they came.
    pub hairpin: bool,
    /// `portIsolation`: the port exchanges frames only with ports that are not isolated.
    pub isolated: bool,
    /// `vlan`: the VLAN of the container's untagged frames.
    pub vlan: Option<u16>,
    /// `vlanTrunk`: the VLANs whose frames reach the container with a tag, as ranges. An absent list is not the same
    /// as an empty list.
    pub vlan_trunk: Option<Vec<(u16, u16)>>,
    /// `preserveDefaultVlan`: the port also stays in the default VLAN of the bridge.
    pub preserve_default_vlan: bool,
    /// `macspoofchk`: the host drops frames whose source address is not the container's.
    pub check_source_mac: bool,
    /// `enabledad`: IPv6 addresses are used only after duplicate address detection.
    pub detect_duplicates: bool,
    /// `disableContainerInterface`: the container's end of the pair stays down.
    pub leave_down: bool,
    /// The requested Ethernet address of the container's interface, if any.
    pub mac: Option<MacAddress>,
    /// `ipam.type`: the IPAM plugin. Empty: the network has none.
    pub ipam: String,
    /// `dns`: replaces the DNS settings of the IPAM plugin, if it is given.
    pub dns: Dns,
}

/// The configuration as read from standard input.
#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Conf {
    bridge: String,
    is_gateway: bool,
    is_default_gateway: bool,
    force_address: bool,
    ip_masq: bool,
    ip_masq_backend: Option<String>,
    mtu: i64,
    hairpin_mode: bool,
    promisc_mode: bool,
    vlan: i64,
    vlan_trunk: Option<Vec<Trunk>>,
    preserve_default_vlan: bool,
    macspoofchk: bool,
    enabledad: bool,
    disable_container_interface: bool,
    port_isolation: bool,
    ipam: Ipam,
    dns: Dns,
    args: config::Args<Mac>,
    runtime_config: Mac,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Ipam {
    r#type: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Mac {
    mac: String,
}

impl Default for Conf {
    fn default() -> Self {
        Conf {
            bridge: "cni0".to_owned(),
            is_gateway: false,
            is_default_gateway: false,
            force_address: false,
            ip_masq: false,
            ip_masq_backend: None,
            mtu: 0,
            hairpin_mode: false,
            promisc_mode: false,
            vlan: 0,
            vlan_trunk: None,
            preserve_default_vlan: false,
            macspoofchk: false,
            enabledad: false,
            disable_container_interface: false,
            port_isolation: false,
            ipam: Ipam::default(),
            dns: Dns::default(),
            args: config::Args::default(),
            runtime_config: Mac::default(),
        }
    }
}

impl Config {
    /// Parses standard input and `CNI_ARGS`. The checks have the reference's order and texts.
    pub fn parse(json: &str, cni_args: &str) -> Result<Self, Error> {
        let conf: Conf = config::parse(json).map_err(|e| format!("failed to load netconf: {e}"))?;
        let vid = u16::try_from(conf.vlan).ok().filter(|vid| *vid <= 4094);
        let vid = vid.ok_or_else(|| format!("invalid VLAN ID {} (must be between 0 and 4094)", conf.vlan))?;
        let vlan_trunk = conf.vlan_trunk.as_deref().map(trunk::collect).transpose()?;
        let mac = requested_mac(&conf, cni_args)?;
        refuse_contradictions(&conf)?;
        Ok(Config {
            ip_masq_backend: backend(&conf)?,
            bridge: conf.bridge,
            promiscuous: conf.promisc_mode,
            force_address: conf.force_address,
            isolated: conf.port_isolation,
            check_source_mac: conf.macspoofchk,
            vlan: (vid != 0).then_some(vid),
            vlan_trunk,
            preserve_default_vlan: conf.preserve_default_vlan,
            detect_duplicates: conf.enabledad,
            leave_down: conf.disable_container_interface,
            is_gateway: conf.is_gateway || conf.is_default_gateway,
            is_default_gateway: conf.is_default_gateway,
            ip_masq: conf.ip_masq,
            // A negative MTU counts as absent, as in the reference.
            mtu: u32::try_from(conf.mtu.max(0))
                .map_err(|_| format!("failed to load netconf: mtu: {} is too large", conf.mtu))?,
            hairpin: conf.hairpin_mode,
            mac,
            ipam: conf.ipam.r#type,
            dns: conf.dns,
        })
    }
}

/// The requested Ethernet address. `runtimeConfig.mac` wins over `args.cni.mac`, and that wins over `CNI_ARGS`.
fn requested_mac(conf: &Conf, cni_args: &str) -> Result<Option<MacAddress>, String> {
    let mut from_args = String::new();
    args::parse(cni_args, |key, value| {
        let known = key == "MAC";
        if known {
            from_args = value.to_owned();
        }
        Ok(known)
    })?;
    let given =
        [&conf.runtime_config.mac, &conf.args.cni.mac, &from_args].into_iter().find(|mac| !mac.is_empty());
    given.map(|text| mac::parse(text)).transpose().map_err(|e| format!("failed to make veth pair: {e}"))
}

fn refuse_contradictions(conf: &Conf) -> Result<(), Error> {
    if conf.disable_container_interface && !conf.ipam.r#type.is_empty() {
        return Err("cannot use IPAM when DisableContainerInterface flag is set".into());
    }
    if conf.hairpin_mode && conf.promisc_mode {
        return Err("cannot set hairpin mode and promiscuous mode at the same time".into());
    }
    if conf.bridge.is_empty() {
        return Err(r#"failed to create bridge "": could not add "": LinkAttrs.Name cannot be empty"#.into());
    }
    Ok(())
}

/// `ipMasqBackend`. It has an effect only with `ipMasq`, as in the reference.
fn backend(conf: &Conf) -> Result<Option<Backend>, String> {
    match conf.ip_masq_backend.as_deref().filter(|_| conf.ip_masq) {
        None => Ok(None),
        Some("iptables") => Ok(Some(Backend::Iptables)),
        Some("nftables") => Ok(Some(Backend::Nftables)),
        Some(other) => Err(format!("unknown ipmasq backend {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(json: &str, args: &str) -> Config {
        Config::parse(json, args).expect(json)
    }

    fn refusal(json: &str) -> (u32, String) {
        let error = Config::parse(json, "").expect_err(json);
        (error.code, error.msg)
    }

    #[test]
    fn bridge_is_cni0_only_by_default() {
        assert_eq!(config("{}", "").bridge, "cni0");
        assert_eq!(config(r#"{"bridge": null}"#, "").bridge, "cni0");
        assert_eq!(config(r#"{"bridge": "br1"}"#, "").bridge, "br1");
        assert_eq!(refusal(r#"{"bridge": ""}"#).0, 999);
    }

    #[test]
    fn default_gateway_implies_gateway() {
        assert!(config(r#"{"isDefaultGateway": true}"#, "").is_gateway);
    }

    #[test]
    fn runtime_mac_wins_over_args_and_args_win_over_cni_args() {
        let args = "IgnoreUnknown=1;MAC=0a:00:00:00:00:01";
        let last = |json| config(json, args).mac.map(|mac| mac.5);
        assert_eq!(last("{}"), Some(1));
        assert_eq!(last(r#"{"args": {"cni": {"mac": "0a:00:00:00:00:02"}}}"#), Some(2));
        assert_eq!(
            last(r#"{"args": {"cni": {"mac": "xx"}}, "runtimeConfig": {"mac": "0a:00:00:00:00:03"}}"#),
            Some(3)
        );
        assert_eq!(config("{}", "").mac, None);
        assert_eq!(
            refusal(r#"{"runtimeConfig": {"mac": "xx:yy"}}"#).1,
            "failed to make veth pair: address xx:yy: invalid MAC address"
        );
    }

    #[test]
    fn refusals_have_the_texts_of_the_reference() {
        assert_eq!(
            Config::parse("{}", "IP=10.0.0.9").expect_err("IP").msg,
            r#"ARGS: unknown args ["IP=10.0.0.9"]"#
        );
        for (json, text) in [
            (r#"{"mtu": "x"}"#, r#"failed to load netconf: mtu: invalid type: string "x", expected i64"#),
            (r#"{"vlan": 4095}"#, "invalid VLAN ID 4095 (must be between 0 and 4094)"),
            (r#"{"vlan": -1, "vlanTrunk": [{"id": 0}]}"#, "invalid VLAN ID -1 (must be between 0 and 4094)"),
            (
                r#"{"vlanTrunk": [{"id": 0}], "hairpinMode": true, "promiscMode": true}"#,
                "incorrect trunk id parameter",
            ),
            (
                r#"{"hairpinMode": true, "promiscMode": true}"#,
                "cannot set hairpin mode and promiscuous mode at the same time",
            ),
            (
                r#"{"disableContainerInterface": true, "ipam": {"type": "host-local"}}"#,
                "cannot use IPAM when DisableContainerInterface flag is set",
            ),
            (r#"{"ipMasq": true, "ipMasqBackend": "x"}"#, r#"unknown ipmasq backend "x""#),
        ] {
            assert_eq!(refusal(json), (999, text.to_owned()), "{json}");
        }
    }

    #[test]
    fn vlans_are_read_and_zero_is_none() {
        let read = config(r#"{"vlan": 100, "vlanTrunk": [{"id": 7}], "preserveDefaultVlan": true}"#, "");
        assert_eq!(
            (read.vlan, read.vlan_trunk, read.preserve_default_vlan),
            (Some(100), Some(vec![(7, 7)]), true)
        );
        let read = config(r#"{"vlan": 0, "vlanTrunk": []}"#, "");
        assert_eq!((read.vlan, read.vlan_trunk, read.preserve_default_vlan), (None, Some(vec![]), false));
        assert_eq!(config(r#"{"vlanTrunk": null}"#, "").vlan_trunk, None);
    }

    #[test]
    fn backend_has_an_effect_only_with_masquerading() {
        let backend = |json| config(json, "").ip_masq_backend;
        assert_eq!(backend(r#"{"ipMasq": true}"#), None);
        assert_eq!(backend(r#"{"ipMasq": true, "ipMasqBackend": null}"#), None);
        assert_eq!(backend(r#"{"ipMasq": true, "ipMasqBackend": "iptables"}"#), Some(Backend::Iptables));
        assert_eq!(backend(r#"{"ipMasq": true, "ipMasqBackend": "nftables"}"#), Some(Backend::Nftables));
        assert_eq!(backend(r#"{"ipMasqBackend": "x"}"#), None);
    }
}
