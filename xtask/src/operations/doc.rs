//! What the documentation of an operation says, by the form that it has: a first sentence, `Gradient: ..` or
//! `No gradient.`, and `PyTorch: .. JAX: ..`.

/// Parts of a method's documentation.
#[derive(PartialEq, Debug)]
pub(crate) struct Doc {
    /// The first sentence.
    pub(crate) summary: String,
    /// The first sentence of what it says of the gradient, without `Gradient:`.
    pub(crate) gradient: Option<Gradient>,
    pub(crate) peers: Option<Peers>,
}

#[derive(PartialEq, Debug)]
pub(crate) enum Gradient {
    Is(String),
    None,
}

/// What others call it.
#[derive(PartialEq, Debug)]
pub(crate) struct Peers {
    pub(crate) pytorch: String,
    pub(crate) jax: String,
}

/// The line about peers, as it must read.
pub(crate) const PEERS: &str = "/// PyTorch: `torch.name`. JAX: `jnp.name`.";

impl Doc {
    /// Of documentation, line by line. The error says what is not of the form.
    pub(crate) fn parse(lines: &[String]) -> Result<Doc, String> {
        let mut doc = Doc { summary: String::new(), gradient: None, peers: None };
        for paragraph in paragraphs(lines) {
            let (text, peers) = match paragraph.iter().position(|line| line.starts_with("PyTorch: ")) {
                Some(at) => (&paragraph[..at], Some(paragraph[at..].join(" "))),
                None => (&paragraph[..], None),
            };
            if let Some(peers) = peers {
                doc.peers = Some(Peers::parse(&peers)?);
            }
            let text = unlinked(&text.join(" "));
            if doc.summary.is_empty() {
                doc.summary = first_sentence(&text).to_owned();
            }
            if doc.gradient.is_none() {
                doc.gradient = gradient(&text);
            }
        }
        Ok(doc)
    }
}

fn gradient(text: &str) -> Option<Gradient> {
    if let Some((_, gradient)) = text.split_once("Gradient: ") {
        return Some(Gradient::Is(first_sentence(gradient).trim_end_matches('.').to_owned()));
    }
    text.contains("No gradient").then_some(Gradient::None)
}

impl Peers {
    fn parse(text: &str) -> Result<Peers, String> {
        let names = |text: &str| (text == "none" || text.contains('`')).then(|| text.to_owned());
        let parsed = || {
            let (pytorch, jax) = text.strip_prefix("PyTorch: ")?.strip_suffix('.')?.split_once(". JAX: ")?;
            Some(Peers { pytorch: names(pytorch)?, jax: names(jax)? })
        };
        parsed().ok_or_else(|| format!("`{text}` does not read like `{PEERS}`, `none` without backticks"))
    }
}

/// The paragraphs of text, examples left out.
fn paragraphs(lines: &[String]) -> Vec<Vec<&str>> {
    let mut paragraphs = vec![Vec::new()];
    let mut in_example = false;
    for line in lines.iter().map(|line| line.trim()) {
        let fence = line.starts_with("```");
        in_example ^= fence;
        if fence || line.is_empty() {
            paragraphs.push(Vec::new());
        } else if !in_example {
            paragraphs.last_mut().expect("there is one from the start").push(line);
        }
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs
}

/// Up to a full stop, outside code, after which something new begins.
pub(crate) fn first_sentence(text: &str) -> &str {
    let mut in_code = false;
    for (at, c) in text.char_indices() {
        in_code ^= c == '`';
        let rest = &text[at + c.len_utf8()..];
        let begins = |next: char| !next.is_lowercase() && !next.is_numeric();
        if c == '.' && !in_code && rest.strip_prefix(' ').is_some_and(|next| next.starts_with(begins)) {
            return &text[..=at];
        }
    }
    text
}

/// Links of rustdoc, with a path behind them or without, as plain code: on a page of its own they lead nowhere.
pub(crate) fn unlinked(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, link)) = rest.split_once("[`") {
        let Some((name, after)) = link.split_once("`]") else { break };
        plain.push_str(&format!("{before}`{name}`"));
        rest = match after.strip_prefix('(').and_then(|path| path.split_once(')')) {
            Some((_, after)) => after,
            None => after,
        };
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Doc, String> {
        Doc::parse(&text.lines().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn the_three_parts_are_found_wherever_they_stand() {
        let expected = Doc {
            summary: "The sum of `a. B`, e.g. two; see `Tensor::add`.".to_owned(),
            gradient: Some(Gradient::Is("`dy`, repeated".to_owned())),
            peers: Some(Peers { pytorch: "`torch.sum(dim=..)`".to_owned(), jax: "none".to_owned() }),
        };
        let summary = "The sum of `a. B`, e.g. two;\nsee [`Tensor::add`].";
        for rest in [
            "Gradient: `dy`, repeated.\nPyTorch: `torch.sum(dim=..)`. JAX: none.",
            "More.\n\nGradient: `dy`,\nrepeated. Source: Gauss.\n\nPyTorch: `torch.sum(dim=..)`.\nJAX: none.",
            "\nGradient: `dy`, repeated.\n\n```\nGradient: in an example\n```\n\nPyTorch: `torch.sum(dim=..)`. JAX: none.",
        ] {
            assert_eq!(parse(&format!("{summary} {rest}")).as_ref(), Ok(&expected), "{rest}");
        }
    }

    #[test]
    fn links_become_code_and_code_stays() {
        let text = "As [`Tensor::at`], or [`grad`](crate::grad) (of a number).";
        assert_eq!(unlinked(text), "As `Tensor::at`, or `grad` (of a number).");
        assert_eq!(unlinked("`(softmax(x) - y) / x[i]`"), "`(softmax(x) - y) / x[i]`");
    }

    #[test]
    fn an_operation_may_have_no_gradient() {
        let doc = parse("Where it is NaN. No gradient.\n\nPyTorch: none. JAX: none.").unwrap();
        assert_eq!(doc.gradient, Some(Gradient::None));
        assert_eq!(parse("The shape.").unwrap().gradient, None);
    }

    #[test]
    fn peers_in_another_form_are_refused() {
        for line in ["PyTorch: torch.sum. JAX: none.", "PyTorch: `torch.sum`", "PyTorch: `a`. JAX: `b`"] {
            assert!(parse(line).unwrap_err().contains(line), "{line}");
        }
    }
}
