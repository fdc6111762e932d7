//! CHECK of an attachment in VLANs names the differences.

use crate::network::{add, call, machine, port, with_gateway, with_previous};
use serde_json::json;

#[test]
fn check_names_each_vlan_that_somebody_took_or_added() {
    let machine = machine(&["a"]);
    let trunk = json!([{"id": 7}, {"minID": 200, "maxID": 210}]);
    let config = with_gateway(json!({"vlanTrunk": trunk}));
    let result = add(&machine, &config, "a");
    let port = port(&result).to_owned();
    let check = with_previous(&config, &result);
    call("CHECK", &check, "a").ok(&machine);
    let breaks = [
        (
            format!("bridge vlan delete dev {port} vid 203-204"),
            format!("port {port} is not in VLAN 203-204"),
            format!("bridge vlan add dev {port} vid 203-204"),
        ),
        (
            format!("bridge vlan add dev {port} vid 100"),
            format!("port {port} has other tags in VLAN 100"),
            format!("bridge vlan add dev {port} vid 100 pvid untagged"),
        ),
        (
            format!("bridge vlan add dev {port} vid 300"),
            format!("port {port} is also in VLAN 300"),
            format!("bridge vlan delete dev {port} vid 300"),
        ),
        (
            "ip link set br0.100 down".to_owned(),
            "link br0.100 is down".to_owned(),
            "ip link set br0.100 up".to_owned(),
        ),
        (
            "ip address delete 10.1.2.1/24 dev br0.100".to_owned(),
            "address 10.1.2.1/24 is missing on br0.100".to_owned(),
            "ip address add 10.1.2.1/24 broadcast + dev br0.100".to_owned(),
        ),
    ];
    for (damage, said, repair) in breaks {
        machine.sh(&damage);
        let (code, _, details) = call("CHECK", &check, "a").error(&machine);
        assert_eq!((code, details), (106, said), "{damage}");
        machine.sh(&repair);
        call("CHECK", &check, "a").ok(&machine);
    }
    machine.sh(&format!("bridge vlan delete dev {port} vid 7; ip link delete br0.100"));
    let (_, _, details) = call("CHECK", &check, "a").error(&machine);
    for said in ["is not in VLAN 7", "link br0.100, the gateway of VLAN 100, is missing"] {
        assert!(details.contains(said), "every difference: {details}");
    }
    // DEL succeeds nevertheless, and ADD makes everything again.
    call("DEL", &config, "a").ok(&machine);
    let result = add(&machine, &config, "a");
    call("CHECK", &with_previous(&config, &result), "a").ok(&machine);
}
