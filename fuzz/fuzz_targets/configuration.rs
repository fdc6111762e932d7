//! Changes a configuration so that it stays one: bytes that no longer are JSON are refused before anything of interest.

use serde_json::{Map, Value};

/// What a configuration may say, by key.
const WORDS: [(&str, &[&str]); 68] = [
    (
        "addresses",
        &[r#"[{"address": "10.1.2.9/24"}]"#, r#"[{"address": "fd00::9/64", "gateway": "fd00::1"}]"#],
    ),
    (
        "address",
        &[
            r#""10.1.2.9/24""#,
            r#""10.1.2.0/24""#,
            r#""fd00::9/128""#,
            r#""::ffff:10.1.2.9/120""#,
            r#""0.0.0.0/0""#,
        ],
    ),
    ("advmss", &["0", "1460", "4294967295"]),
    ("args", &[r#"{"cni": {"ips": ["10.1.2.7"]}}"#, r#"{"cni": {"mac": "0a:00:00:00:00:01"}}"#]),
    (
        "bridge",
        &[r#""br0""#, r#""cni0""#, r#""fifteen-bytes-x""#, r#""""#, r#""lo""#, r#""eth0""#, r#""br0.100""#],
    ),
    ("cniVersion", &[r#""0.2.0""#, r#""0.4.0""#, r#""1.1.0""#, r#""""#]),
    ("dataDir", &[r#""/run/networks""#, r#""""#, r#""relative""#, r#""/""#]),
    ("disableContainerInterface", &["true", "false"]),
    ("dns", &[r#"{"nameservers": ["10.0.0.53"], "search": []}"#, r#"{"domain": "x"}"#, "{}"]),
    (
        "dst",
        &[
            r#""0.0.0.0/0""#,
            r#""::/0""#,
            r#""10.9.0.0/16""#,
            r#""10.9.0.1/16""#,
            r#""10.1.2.0/24""#,
            r#""fd01::1/64""#,
        ],
    ),
    ("enabledad", &["true", "false"]),
    ("forceAddress", &["true", "false"]),
    (
        "gateway",
        &[r#""10.1.2.1""#, r#""10.1.2.254""#, r#""10.7.7.7""#, r#""fd00::1""#, r#""""#, r#""0.0.0.0""#],
    ),
    ("gw", &[r#""10.1.2.1""#, r#""10.1.2.254""#, r#""10.7.7.7""#, r#""fd00::1""#, r#""""#]),
    ("hairpinMode", &["true", "false"]),
    ("id", &["1", "0", "4094", "4095", "7"]),
    ("ipMasq", &["true", "false"]),
    ("ipMasqBackend", &[r#""iptables""#, r#""nftables""#, "null"]),
    (
        "ipRanges",
        &[r#"[[{"subnet": "10.1.2.0/24"}]]"#, r#"[[{"subnet": "fd00::/64"}], [{"subnet": "10.1.3.0/24"}]]"#],
    ),
    (
        "ipam",
        &[
            r#"{"type": "host-local", "subnet": "10.1.2.0/24"}"#,
            r#"{"type": "static"}"#,
            r#"{"type": "bridge"}"#,
            "{}",
        ],
    ),
    ("ips", &[r#"["10.1.2.7/24"]"#, r#"["fd00::7/64", "10.1.2.7/24"]"#, "[]"]),
    ("isDefaultGateway", &["true", "false"]),
    ("isGateway", &["true", "false"]),
    ("mac", &[r#""0a:00:00:00:00:01""#, r#""01:00:00:00:00:00""#, r#""00:00:00:00:00:00""#]),
    ("macspoofchk", &["true", "false"]),
    ("maxID", &["200", "4094", "1"]),
    ("minID", &["1", "100", "4094"]),
    ("mtu", &["0", "68", "67", "1279", "1400", "9000", "65535", "65536", "-1", "4294967295"]),
    ("name", &[r#""net""#, r#""other""#]),
    ("portIsolation", &["true", "false"]),
    ("preserveDefaultVlan", &["true", "false"]),
    (
        "prevResult",
        &[
            r#"{"cniVersion": "1.0.0", "ips": [{"address": "10.1.2.9/24"}], "interfaces": [{"name": "br0"}]}"#,
            r#"{"cniVersion": "1.0.0", "ips": [{"address": "10.1.2.9/24", "interface": 2}, {"address": "fd00::9/64", "interface": 2}], "interfaces": [{"name": "br0"}, {"name": "veth0"}, {"name": "eth0", "sandbox": "/run/netns/c"}]}"#,
        ],
    ),
    ("priority", &["0", "1", "4294967295"]),
    ("promiscMode", &["true", "false"]),
    ("rangeEnd", &[r#""10.1.2.9""#, r#""10.1.2.255""#, r#""10.1.2.1""#, r#""fd00::9""#]),
    ("rangeStart", &[r#""10.1.2.9""#, r#""10.1.2.0""#, r#""10.1.2.1""#, r#""fd00::9""#]),
    (
        "ranges",
        &[
            r#"[[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00::/64"}]]"#,
            r#"[[{"subnet": "10.1.2.0/30"}, {"subnet": "10.1.3.0/30"}]]"#,
        ],
    ),
    ("resolvConf", &[r#""/run/resolv.conf""#, r#""relative""#, r#""""#]),
    (
        "routes",
        &[
            r#"[{"dst": "0.0.0.0/0"}]"#,
            r#"[{"dst": "::/0", "gw": "fd00::1"}, {"dst": "10.9.0.0/16", "gw": "10.1.2.1"}]"#,
        ],
    ),
    (
        "runtimeConfig",
        &[
            r#"{"ips": ["10.1.2.7/24"]}"#,
            r#"{"mac": "0a:00:00:00:00:02"}"#,
            r#"{"portMappings": [{"hostPort": 53, "containerPort": 53, "protocol": "udp"}]}"#,
            r#"{"bandwidth": {"ingressRate": 8000, "ingressBurst": 8000}}"#,
        ],
    ),
    (
        "subnet",
        &[
            r#""10.1.2.0/24""#,
            r#""10.1.2.0/30""#,
            r#""0.0.0.0/0""#,
            r#""fd00::/126""#,
            r#""255.255.255.252/30""#,
            r#""::/0""#,
        ],
    ),
    (
        "type",
        &[
            r#""bandwidth""#,
            r#""firewall""#,
            r#""portmap""#,
            r#""tuning""#,
            r#""bridge""#,
            r#""host-local""#,
            r#""static""#,
        ],
    ),
    ("vlan", &["0", "1", "100", "4094"]),
    ("vlanTrunk", &[r#"[{"id": 7}]"#, r#"[{"minID": 100, "maxID": 200}, {"id": 4094}]"#, "[]"]),
    ("allmulti", &["true", "false"]),
    ("backend", &[r#""iptables""#, r#""nftables""#, r#""firewalld""#, r#""""#]),
    (
        "bandwidth",
        &[r#"{"ingressRate": 8000, "ingressBurst": 8000}"#, r#"{"egressRate": 123, "egressBurst": 456}"#],
    ),
    ("conditionsV4", &[r#"["!", "-d", "192.0.2.0/24"]"#, r#"["-i", "eth0"]"#, "[]"]),
    ("conditionsV6", &[r#"["!", "-d", "fd00:2::/64"]"#, "[]"]),
    ("containerPort", &["80", "0", "65535", "65536"]),
    ("egressBurst", &["0", "8", "34359738360", "34359738368"]),
    ("egressRate", &["0", "8", "100000", "18446744073709551615"]),
    ("externalSetMarkChain", &[r#""KUBE-MARK-MASQ""#, r#""""#, r#""CNI-HOSTPORT-SETMARK""#]),
    ("firewalldZone", &[r#""trusted""#, r#""other zone""#, r#""""#]),
    ("hostIP", &[r#""127.0.0.1""#, r#""::1""#, r#""0.0.0.0""#, r#""::""#, r#""10.0.0.1""#, r#""x""#]),
    ("hostPort", &["8080", "0", "1", "65535", "-1"]),
    ("ingressBurst", &["0", "8", "34359738360", "34359738368"]),
    ("ingressPolicy", &[r#""open""#, r#""same-bridge""#, r#""isolated""#, r#""""#]),
    ("ingressRate", &["0", "8", "100000", "18446744073709551615"]),
    ("iptablesAdminChainName", &[r#""OWN""#, r#""""#, r#""INPUT""#]),
    ("markMasqBit", &["0", "13", "31", "32"]),
    ("masqAll", &["true", "false"]),
    (
        "portMappings",
        &[
            r#"[{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]"#,
            r#"[{"hostPort": 8080, "containerPort": 80, "protocol": "udp", "hostIP": "::"}, {"hostPort": 8080, "containerPort": 81, "protocol": "tcp"}]"#,
            "[]",
        ],
    ),
    ("promisc", &["true", "false"]),
    ("protocol", &[r#""tcp""#, r#""UDP""#, r#""sctp""#, r#""icmp""#]),
    ("snat", &["true", "false"]),
    (
        "sysctl",
        &[
            r#"{"net.core.somaxconn": "500"}"#,
            r#"{"net.ipv4.conf.IFNAME.log_martians": "1"}"#,
            r#"{"kernel.shmmax": "1"}"#,
            r#"{"net/ipv4/../x": "1"}"#,
        ],
    ),
    ("txQLen", &["0", "1000", "-1", "4294967295"]),
];

/// Numbers that follow from a seed (xorshift).
pub struct Dice(u64);

impl Dice {
    /// Any seed does.
    pub fn new(seed: u32) -> Self {
        Dice(u64::from(seed) | 1 << 40)
    }

    /// A number below `end`, or 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 8).unwrap_or(0) % end.max(1)
    }
}

/// Another configuration of the kind; none, if the text is none.
pub fn changed(text: &str, dice: &mut Dice) -> Option<String> {
    let mut value: Value = serde_json::from_str(text).ok()?;
    for _ in 0..=dice.below(3) {
        let place = dice.below(places(&value));
        change(&mut value, &mut { place }, dice);
    }
    serde_json::to_string(&value).ok()
}

/// How many objects and lists there are.
fn places(value: &Value) -> usize {
    match value {
        Value::Object(object) => 1 + object.values().map(places).sum::<usize>(),
        Value::Array(list) => 1 + list.iter().map(places).sum::<usize>(),
        _ => 0,
    }
}

/// Changes the object or list that comes after `place` others.
fn change(value: &mut Value, place: &mut usize, dice: &mut Dice) {
    if !value.is_object() && !value.is_array() {
        return;
    }
    let Some(left) = place.checked_sub(1) else {
        *place = usize::MAX;
        match value {
            Value::Object(object) => change_object(object, dice),
            Value::Array(list) => change_list(list, dice),
            _ => {}
        }
        return;
    };
    *place = left;
    let parts: Vec<&mut Value> = match value {
        Value::Object(object) => object.values_mut().collect(),
        Value::Array(list) => list.iter_mut().collect(),
        _ => Vec::new(),
    };
    parts.into_iter().for_each(|part| change(part, place, dice));
}

fn change_object(object: &mut Map<String, Value>, dice: &mut Dice) {
    let known: Vec<String> = object.keys().cloned().collect();
    let key = known.get(dice.below(known.len()));
    match (dice.below(4), key) {
        (0, Some(key)) => drop(object.remove(key)),
        // Another value of what it says already.
        (1, Some(key)) => {
            let words = WORDS.iter().find(|(word, _)| word == key);
            if let Some((_, values)) = words {
                object.insert(key.clone(), chosen(values, dice));
            }
        }
        _ => {
            let (word, values) = WORDS[dice.below(WORDS.len())];
            object.insert(word.to_owned(), chosen(values, dice));
        }
    }
}

fn change_list(list: &mut Vec<Value>, dice: &mut Dice) {
    let place = dice.below(list.len());
    match (dice.below(3), list.get(place).cloned()) {
        (0, Some(_)) => drop(list.remove(place)),
        (1, Some(again)) => list.push(again),
        _ => list.reverse(),
    }
}

fn chosen(values: &[&str], dice: &mut Dice) -> Value {
    values
        .get(dice.below(values.len()))
        .and_then(|value| serde_json::from_str(value).ok())
        .unwrap_or_default()
}
