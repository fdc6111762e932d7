//! `CNI_ARGS`, parsed as strictly as in the reference.

/// Parses `KEY=value` pairs separated by `;`. Empty text has no pairs.
///
/// `take` gets each pair in order, and returns whether it knows the key. An error of `take` is returned with the
/// pair. Keys are case-sensitive. An unknown key is an error, unless `IgnoreUnknown=1` (or `true`) is anywhere in the
/// text. The errors have the reference's texts.
pub fn parse(text: &str, mut take: impl FnMut(&str, &str) -> Result<bool, String>) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    let mut ignore_unknown = false;
    let mut unknown = Vec::new();
    for pair in text.split(';') {
        let (key, value) = pair
            .split_once('=')
            .filter(|(_, value)| !value.contains('='))
            .ok_or_else(|| format!("ARGS: invalid pair {pair:?}"))?;
        let taken = match key {
            "IgnoreUnknown" => boolean(value).map(|value| {
                ignore_unknown = value;
                true
            }),
            // The reference finds the field by reflection, and this is its error for this name.
            "CommonArgs" => {
                return Err(
                    "ARGS: cannot unmarshal into field 'CommonArgs' - type '*types.CommonArgs' does not \
                            implement encoding.TextUnmarshaler"
                        .to_owned(),
                );
            }
            _ => take(key, value),
        };
        match taken {
            Ok(true) => {}
            Ok(false) => unknown.push(format!("{pair:?}")),
            Err(cause) => return Err(format!("ARGS: error parsing value of pair {pair:?}: {cause}")),
        }
    }
    if unknown.is_empty() || ignore_unknown {
        Ok(())
    } else {
        Err(format!("ARGS: unknown args [{}]", unknown.join(" ")))
    }
}

fn boolean(value: &str) -> Result<bool, String> {
    let value = value.to_lowercase();
    match value.as_str() {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(format!("boolean unmarshal error: invalid input {value}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mac(text: &str) -> Result<Option<String>, String> {
        let mut mac = None;
        parse(text, |key, value| {
            let known = key == "MAC";
            if known {
                mac = Some(value.to_owned());
            }
            Ok(known)
        })?;
        Ok(mac)
    }

    fn refusal(text: &str) -> String {
        mac(text).expect_err(text)
    }

    #[test]
    fn known_keys_are_passed_on_and_empty_text_has_no_pairs() {
        assert_eq!(mac("MAC=0a:00:00:00:00:01"), Ok(Some("0a:00:00:00:00:01".to_owned())));
        assert_eq!(mac(""), Ok(None));
    }

    #[test]
    fn unknown_keys_are_refused_unless_ignore_unknown_is_anywhere() {
        assert_eq!(refusal("K8S_POD_NAME=x;FOO=y"), r#"ARGS: unknown args ["K8S_POD_NAME=x" "FOO=y"]"#);
        assert_eq!(refusal("mac=x"), r#"ARGS: unknown args ["mac=x"]"#);
        assert_eq!(refusal("IgnoreUnknown=0;FOO=y"), r#"ARGS: unknown args ["FOO=y"]"#);
        assert_eq!(mac("K8S_POD_NAME=x;IgnoreUnknown=TRUE;MAC=m"), Ok(Some("m".to_owned())));
    }

    #[test]
    fn text_without_equals_sign_is_refused_even_with_ignore_unknown() {
        assert_eq!(refusal("IgnoreUnknown=1;"), r#"ARGS: invalid pair """#);
        assert_eq!(refusal("IgnoreUnknown=1;A=b=c"), r#"ARGS: invalid pair "A=b=c""#);
        assert_eq!(
            refusal("IgnoreUnknown=Yes"),
            r#"ARGS: error parsing value of pair "IgnoreUnknown=Yes": boolean unmarshal error: invalid input yes"#
        );
    }
}
