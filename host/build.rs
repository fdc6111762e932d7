//! How the binary is linked.

fn main() {
    // The 7000 places that hold an address take two bytes each instead of 24. musl's start code reads this form.
    println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    println!("cargo::rerun-if-changed=build.rs");
}
