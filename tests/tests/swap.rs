//! Swapping plugin logic is replacing a file.

use wasm_cni_tests::{Call, Machine, WALKTHROUGH, example_plugin};

#[test]
fn a_dropped_in_host_local_hands_out_from_the_top_and_dropped_out_again_it_does_not() {
    let machine = Machine::new();
    let plugins = machine.plugins();
    let add = |container: &str| {
        machine.netns(container);
        Call::new(&plugins, "bridge", "ADD", WALKTHROUGH).container(container).ok(&machine)
    };
    assert!(add("before").contains("10.15.20.2/24"));

    let installed = plugins.join("host-local.wasm");
    let original = std::fs::read(&installed).unwrap();
    std::fs::copy(example_plugin(), &installed).unwrap();
    assert!(add("swapped").contains("10.15.20.254/24"));
    assert!(add("next").contains("10.15.20.253/24"));
    // What one component leased, the host gives back whichever is installed.
    std::fs::write(&installed, original).unwrap();
    Call::new(&plugins, "bridge", "DEL", WALKTHROUGH).container("swapped").ok(&machine);
    assert!(!machine.sh("ls /var/lib/cni/networks/mybridge").contains("10.15.20.254"));
    assert!(add("after").contains("10.15.20."), "the original works again");
}
