//! Patterns on the paths of leaves.

use std::fmt;

/// A run of whole names to be found anywhere in a path.
#[derive(Clone)]
pub(super) struct Pattern {
    text: String,
    names: Vec<String>,
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.text)
    }
}

impl Pattern {
    pub(super) fn new(text: &str) -> Pattern {
        Pattern { text: text.to_owned(), names: names(text) }
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        if self.text == "*" {
            return true;
        }
        let run = |at: &[String]| self.names.iter().zip(at).all(|(pattern, name)| glob(pattern, name));
        !self.names.is_empty() && names(path).windows(self.names.len()).any(run)
    }
}

/// The names in a path: `layers[2].w` is `layers`, `[2]`, `w`; `["key"]` is `key`.
fn names(path: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut rest = path;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '.' => {
                rest = &rest[1..];
                continue;
            }
            '[' => bracketed(rest),
            _ => rest.find(['.', '[']).unwrap_or(rest.len()),
        };
        let (name, after) = rest.split_at(length);
        let key = name.strip_prefix("[\"").and_then(|key| key.strip_suffix("\"]"));
        names
            .push(key.map_or_else(|| name.to_owned(), |key| key.replace("\\\"", "\"").replace("\\\\", "\\")));
        rest = after;
    }
    names
}

/// How long the part in brackets at the beginning of `text` is: to the first `]` that is not in quotes.
fn bracketed(text: &str) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ']' if !quoted => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Whether a name fits a pattern in which `*` stands for any characters.
fn glob(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::{Pattern, names};

    #[test]
    fn a_path_is_split_into_its_names() {
        assert_eq!(names("encoder.layers[2].w"), ["encoder", "layers", "[2]", "w"]);
        assert_eq!(names(r#"["a.b]"].w"#), ["a.b]", "w"]);
        assert_eq!(names(r#"["say \"b\""][0]"#), [r#"say "b""#, "[0]"]);
        assert!(names("").is_empty());
    }

    #[test]
    fn a_pattern_matches_whole_names_anywhere() {
        let rows: [(&str, &str, bool); 14] = [
            ("b", "layers[0].b", true),
            ("b", "layers[0].bias", false),
            ("b*", "layers[0].bias", true),
            ("layers[0]", "encoder.layers[0].w", true),
            ("layers[0]", "encoder.layers[10].w", false),
            ("layers[*].w", "layers[10].w", true),
            ("layers.w", "layers[10].w", false),
            ("w", r#"["w"]"#, true),
            ("*or*", "decoder.w", false),
            ("*od*r", "decoder.w", true),
            ("a*a", "a", false),
            ("*", "", true),
            ("", "w", false),
            ("b.w", "w", false),
        ];
        for (pattern, path, expected) in rows {
            assert_eq!(Pattern::new(pattern).matches(path), expected, "{pattern} in {path}");
        }
    }
}
