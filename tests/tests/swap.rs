//! To swap a plugin is to replace a file.

use wasm_cni_tests::{Call, Machine, WALKTHROUGH, example_plugin, repository};

#[test]
fn a_swapped_host_local_allocates_from_the_top_until_it_is_swapped_back() {
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
    // The host releases the lease of one component while the other one is installed.
    std::fs::write(&installed, original).unwrap();
    Call::new(&plugins, "bridge", "DEL", WALKTHROUGH).container("swapped").ok(&machine);
    assert!(!machine.sh("ls /var/lib/cni/networks/mybridge").contains("10.15.20.254"));
    assert!(add("after").contains("10.15.20."), "the original works again");
}

/// The command of the README, executed as a shell script.
#[test]
fn the_swap_of_the_readme_runs_word_for_word() {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let block =
        readme.split("```sh\n").find(|block| block.contains("host-local-top.wasm")).expect("README has it");
    let script = block.split("```").next().unwrap();
    let machine = Machine::new();
    // A directory that looks like a clone, with a copy of `target/dist` that the script may change.
    let plugins = machine.plugins();
    let target = machine.files().join("clone/target");
    std::fs::create_dir_all(&target).unwrap();
    std::os::unix::fs::symlink(&plugins, target.join("dist")).unwrap();
    std::os::unix::fs::symlink(example_plugin().parent().unwrap(), target.join("dist-examples")).unwrap();
    machine.sh(&format!("cd {}/clone && set -e\n{script}", machine.files().display()));
    machine.netns("1234567890");
    let result = Call::new(&plugins, "bridge", "ADD", WALKTHROUGH).ok(&machine);
    assert!(result.contains("10.15.20.254/24"), "{result}");
}
