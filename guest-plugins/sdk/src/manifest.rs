//! What a component says about itself without being run: the custom section `wasm-cni`.

/// Every version of the CNI specification that the reference plugins speak.
pub const ALL_VERSIONS: &[&str] = &["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/// What a plugin is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It makes the interface.
    Main,
    /// It hands out addresses, and another plugin runs it.
    Ipam,
    /// It runs after the plugin that made the interface.
    Chained,
}

/// Exports a plugin's verbs and says what it is, in the component itself.
///
/// `kind` is a variant of [`Kind`], `versions` a constant `&[&str]`, `add` a `fn() -> Result<(), Error>`, and so is `status`,
/// which may be left out.
#[macro_export]
macro_rules! plugin {
    (kind: $kind:ident, versions: $versions:expr, add: $add:path $(, status: $status:path)? $(,)?) => {
        const _: () = {
            // Native builds, where tests run, only check the types: they export nothing.
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

            const LENGTH: usize = $crate::manifest::length($crate::Kind::$kind, $versions);

            // A static of this section becomes a custom section of the wasm module.
            #[used]
            #[cfg_attr(target_family = "wasm", unsafe(link_section = "wasm-cni"))]
            static MANIFEST: [u8; LENGTH] = $crate::manifest::render($crate::Kind::$kind, $versions);
        };
    };
}

/// Exports `status`, if there is one: the second half of [`plugin!`].
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

/// The length of [`render`]'s text, in bytes.
pub const fn length(kind: Kind, versions: &[&str]) -> usize {
    Writer::<0>::manifest(kind, versions).length
}

/// `{"kind":"main","cniVersions":["0.1.0"]}`, at compile time: a custom section holds bytes, no references.
pub const fn render<const N: usize>(kind: Kind, versions: &[&str]) -> [u8; N] {
    Writer::manifest(kind, versions).bytes
}

/// Keeps the first `N` bytes and counts all of them.
struct Writer<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Writer<N> {
    const fn manifest(kind: Kind, versions: &[&str]) -> Self {
        let kind = match kind {
            Kind::Main => "main",
            Kind::Ipam => "ipam",
            Kind::Chained => "chained",
        };
        let mut out = Writer { bytes: [0; N], length: 0 };
        out.push(r#"{"kind":""#);
        out.push(kind);
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
        const LENGTH: usize = length(Kind::Chained, &["0.4.0", "1.0.0"]);
        let bytes: [u8; LENGTH] = render(Kind::Chained, &["0.4.0", "1.0.0"]);
        assert_eq!(str::from_utf8(&bytes), Ok(r#"{"kind":"chained","cniVersions":["0.4.0","1.0.0"]}"#));
    }
}
