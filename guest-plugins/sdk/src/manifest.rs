//! The custom section `wasm-cni`: the description of a component that the host reads without running it.

/// All versions of the CNI specification that the reference plugins support.
pub const ALL_VERSIONS: &[&str] = &["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/// The kind of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The plugin creates the interface.
    Main,
    /// The plugin assigns addresses. Another plugin delegates to it.
    Ipam,
    /// The plugin runs after the plugin that created the interface.
    Chained,
}

/// Exports the verbs of a plugin, and puts its description into the component.
///
/// `kind` is a variant of [`Kind`]. `type` is the type of a plugin that wasm-cni ships; only those have it. `versions` is a constant `&[&str]`. `add` is a `fn() -> Result<(), Error>`. The
/// optional `status` has the same type.
#[macro_export]
macro_rules! plugin {
    (kind: $kind:ident $(, type: $type:literal)?, versions: $versions:expr, add: $add:path $(, status: $status:path)? $(,)?) => {
        const _: () = {
            // A native build, for tests, exports nothing. It only checks the types.
            const ADD: fn() -> Result<(), $crate::Error> = $add;

            #[cfg(not(target_family = "wasm"))]
            const _: &[fn() -> Result<(), $crate::Error>] = &[ADD, $($status)?];

            #[cfg(target_family = "wasm")]
            struct Plugin;

            #[cfg(target_family = "wasm")]
            impl $crate::bindings::exports::wasm_cni::plugin::add::Guest for Plugin {
                fn add() -> Result<(), $crate::Error> {
                    ADD()
                }
            }

            #[cfg(target_family = "wasm")]
            $crate::bindings::export!(Plugin with_types_in $crate::bindings);

            $crate::export_status!($($status)?);

            const LENGTH: usize = $crate::manifest::length($crate::Kind::$kind, concat!($($type)?), $versions);

            // The linker turns a static in this section into a custom section of the wasm module.
            #[used]
            #[cfg_attr(target_family = "wasm", unsafe(link_section = "wasm-cni"))]
            static MANIFEST: [u8; LENGTH] = $crate::manifest::render($crate::Kind::$kind, concat!($($type)?), $versions);
        };
    };
}

/// Exports `status` if it is given. The second half of [`plugin!`].
#[doc(hidden)]
#[macro_export]
macro_rules! export_status {
    () => {};
    ($status:path) => {
        #[cfg(target_family = "wasm")]
        impl $crate::bindings::status::exports::wasm_cni::plugin::status::Guest for Plugin {
            fn status() -> Result<(), $crate::Error> {
                $status()
            }
        }

        #[cfg(target_family = "wasm")]
        $crate::bindings::status::export!(Plugin with_types_in $crate::bindings::status);
    };
}

/// The length of the text of [`render`], in bytes.
pub const fn length(kind: Kind, of_type: &str, versions: &[&str]) -> usize {
    Writer::<0>::manifest(kind, of_type, versions).length
}

/// Builds `{"kind":"main","cniVersions":["0.1.0"]}` at compile time, because a custom section cannot contain
/// references.
pub const fn render<const N: usize>(kind: Kind, of_type: &str, versions: &[&str]) -> [u8; N] {
    Writer::manifest(kind, of_type, versions).bytes
}

/// Keeps the first `N` bytes, and counts all bytes.
struct Writer<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Writer<N> {
    const fn manifest(kind: Kind, of_type: &str, versions: &[&str]) -> Self {
        let kind = match kind {
            Kind::Main => "main",
            Kind::Ipam => "ipam",
            Kind::Chained => "chained",
        };
        let mut out = Writer { bytes: [0; N], length: 0 };
        out.push(r#"{"kind":""#);
        out.push(kind);
        if !of_type.is_empty() {
            out.push(r#"","type":""#);
            out.push(of_type);
        }
        out.push(r#"","cniVersions":["#);
        let mut i = 0;
        while i < versions.len() {
            out.push(if i == 0 { "\"" } else { ",\"" });
            out.push(versions[i]);
            out.push("\"");
            i += 1;
        }
        out.push("]}");
        out
    }

    const fn push(&mut self, text: &str) {
        let text = text.as_bytes();
        let mut i = 0;
        while i < text.len() {
            if self.length < N {
                self.bytes[self.length] = text[i];
            }
            self.length += 1;
            i += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifest_is_json_with_kind_and_versions() {
        const LENGTH: usize = length(Kind::Chained, "", &["0.4.0", "1.0.0"]);
        let bytes: [u8; LENGTH] = render(Kind::Chained, "", &["0.4.0", "1.0.0"]);
        assert_eq!(str::from_utf8(&bytes), Ok(r#"{"kind":"chained","cniVersions":["0.4.0","1.0.0"]}"#));
        const TYPED: usize = length(Kind::Main, "bridge", &["1.0.0"]);
        let bytes: [u8; TYPED] = render(Kind::Main, "bridge", &["1.0.0"]);
        assert_eq!(str::from_utf8(&bytes), Ok(r#"{"kind":"main","type":"bridge","cniVersions":["1.0.0"]}"#));
    }
}
