//! The grammar of an equation: which axis of which operand has which name.

use crate::error::Misfit;
use crate::tensor::Shape;

/// The name of an axis: a letter, capitals first as in ASCII, or a place among the axes that `...` stands for,
/// counted from the last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Label(u8);

impl Label {
    /// The first that is no letter.
    const ELLIPSIS: u8 = 52;
    /// How many there are: the letters, and as many axes as an ellipsis may stand for.
    pub(super) const COUNT: usize = Label::ELLIPSIS as usize + crate::tensor::MAX_RANK;

    fn letter(letter: char) -> Option<Label> {
        match letter {
            'A'..='Z' => Some(Label(letter as u8 - b'A')),
            'a'..='z' => Some(Label(letter as u8 - b'a' + 26)),
            _ => None,
        }
    }

    /// The axes that an ellipsis of `rank` axes stands for, outermost first.
    fn ellipsis(rank: usize) -> impl Iterator<Item = Label> {
        (0..rank).rev().map(|place| Label(Label::ELLIPSIS + place as u8))
    }

    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            capital @ 0..26 => write!(f, "`{}`", char::from(b'A' + capital)),
            small @ 26..Label::ELLIPSIS => write!(f, "`{}`", char::from(b'a' + small - 26)),
            _ => f.write_str("an axis of `...`"),
        }
    }
}

/// A set of labels, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Labels(u64);

impl Labels {
    pub(super) fn contains(self, label: Label) -> bool {
        self.0 >> label.0 & 1 == 1
    }

    /// Adds a label; false where it was there.
    pub(super) fn insert(&mut self, label: Label) -> bool {
        let fresh = !self.contains(label);
        self.0 |= 1 << label.0;
        fresh
    }

    pub(super) fn union(self, other: Labels) -> Labels {
        Labels(self.0 | other.0)
    }

    pub(super) fn common(self, other: Labels) -> Labels {
        Labels(self.0 & other.0)
    }

    pub(super) fn without(self, other: Labels) -> Labels {
        Labels(self.0 & !other.0)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Label> {
        (0..Label::COUNT as u8).map(Label).filter(move |&label| self.contains(label))
    }
}

impl FromIterator<Label> for Labels {
    fn from_iter<I: IntoIterator<Item = Label>>(labels: I) -> Labels {
        labels.into_iter().fold(Labels::default(), |mut set, label| {
            set.insert(label);
            set
        })
    }
}

/// An equation for operands of known ranks.
#[derive(Debug)]
pub(super) struct Equation {
    /// The name of each axis of each operand.
    pub(super) operands: Vec<Vec<Label>>,
    /// The name of each axis of the result: distinct ones, of the operands.
    pub(super) output: Vec<Label>,
    /// The length of each name, at [`Label::index`].
    pub(super) lengths: [usize; Label::COUNT],
}

/// The axes of one operand, or of the result: letters before and after an ellipsis, if there is one.
struct Term<'a> {
    text: &'a str,
    before: Vec<Label>,
    after: Option<Vec<Label>>,
}

impl<'a> Term<'a> {
    fn parse(text: &'a str) -> Result<Term<'a>, Box<Misfit>> {
        let letters = |part: &str| -> Result<Vec<Label>, Box<Misfit>> {
            let known = |c| Label::letter(c).ok_or_else(|| Misfit::shape(format!("`{c}` names no axis")));
            let letters = part.chars().filter(|c| !c.is_whitespace()).map(known).collect::<Result<_, _>>();
            letters.map_err(|misfit: Box<Misfit>| {
                misfit.help("an equation is made of letters, `...`, commas and one `->`: `...ij,jk->...ik`")
            })
        };
        let (before, after) = match text.split_once("...") {
            Some((_, after)) if after.contains("...") => {
                return Err(Misfit::shape(format!("`{text}` has `...` twice")));
            }
            Some((before, after)) => (letters(before)?, Some(letters(after)?)),
            None => (letters(text)?, None),
        };
        Ok(Term { text, before, after })
    }

    fn letters(&self) -> impl Iterator<Item = Label> {
        self.before.iter().chain(self.after.iter().flatten()).copied()
    }

    /// All names, where an ellipsis stands for `rank` axes.
    fn labels(&self, rank: usize) -> Vec<Label> {
        let rank = if self.after.is_some() { rank } else { 0 };
        let after = self.after.iter().flatten();
        self.before.iter().copied().chain(Label::ellipsis(rank)).chain(after.copied()).collect()
    }

    /// How many axes the ellipsis stands for in a tensor of this shape.
    fn ellipsis_rank(&self, operand: usize, shape: &Shape) -> Result<usize, Box<Misfit>> {
        let named = self.letters().count();
        let (fits, least) = match self.after {
            Some(_) => (shape.rank() >= named, " or more"),
            None => (shape.rank() == named, ""),
        };
        if !fits {
            let text = self.text;
            let message = format!("operand {operand}, `{text}`, has {named} axes{least}, got {shape}");
            return Err(Misfit::shape(message));
        }
        Ok(shape.rank() - named)
    }
}

impl Equation {
    /// Reads an equation, without its whitespace, for operands of the given shapes.
    pub(super) fn parse(text: &str, shapes: &[Shape]) -> Result<Equation, Box<Misfit>> {
        let (inputs, output) = match text.split_once("->") {
            Some((_, output)) if output.contains("->") => return Err(Misfit::shape("has `->` twice")),
            Some((inputs, output)) => (inputs, Some(Term::parse(output)?)),
            None => (text, None),
        };
        let terms = inputs.split(',').map(Term::parse).collect::<Result<Vec<_>, _>>()?;
        if terms.len() != shapes.len() {
            let message = format!("names {} operands, got {}", terms.len(), shapes.len());
            return Err(Misfit::shape(message));
        }
        let mut ellipsis = 0;
        let mut operands = Vec::with_capacity(terms.len());
        for (at, (term, shape)) in terms.iter().zip(shapes).enumerate() {
            let rank = term.ellipsis_rank(at, shape)?;
            ellipsis = ellipsis.max(rank);
            operands.push(term.labels(rank));
        }
        let output = match output {
            Some(output) => explicit_output(&output, &terms, ellipsis)?,
            None => implicit_output(&terms, ellipsis),
        };
        let lengths = lengths(&operands, shapes)?;
        Ok(Equation { operands, output, lengths })
    }
}

/// The axes of `...`, then the letters that appear once, in the order of the alphabet.
fn implicit_output(terms: &[Term<'_>], ellipsis: usize) -> Vec<Label> {
    let (mut once, mut again) = (Labels::default(), Labels::default());
    for letter in terms.iter().flat_map(Term::letters) {
        if !once.insert(letter) {
            again.insert(letter);
        }
    }
    Label::ellipsis(ellipsis).chain(once.without(again).iter()).collect()
}

fn explicit_output(
    output: &Term<'_>,
    terms: &[Term<'_>],
    ellipsis: usize,
) -> Result<Vec<Label>, Box<Misfit>> {
    let known: Labels = terms.iter().flat_map(Term::letters).collect();
    let mut seen = Labels::default();
    for letter in output.letters() {
        if !known.contains(letter) {
            return Err(Misfit::shape(format!("the result's {letter} is in no operand")));
        }
        if !seen.insert(letter) {
            return Err(Misfit::shape(format!("the result has {letter} twice")));
        }
    }
    if ellipsis > 0 && output.after.is_none() {
        let message = format!("`...` stands for {ellipsis} axes, which the result lacks");
        return Err(Misfit::shape(message)
            .help("write `...` in the result too; to sum over axes, name each with a letter"));
    }
    Ok(output.labels(ellipsis))
}

/// The length of each name: axes of one name are equally long, but those of length 1 repeat.
fn lengths(operands: &[Vec<Label>], shapes: &[Shape]) -> Result<[usize; Label::COUNT], Box<Misfit>> {
    let mut lengths = [1; Label::COUNT];
    // The operand that a length comes from.
    let mut source = [0; Label::COUNT];
    for (at, (labels, shape)) in operands.iter().zip(shapes).enumerate() {
        for (axis, &label) in labels.iter().enumerate() {
            let (length, known) = (shape.dim(axis), &mut lengths[label.index()]);
            if let Some(twin) = labels[..axis].iter().position(|&other| other == label)
                && shape.dim(twin) != length
            {
                let message = format!("{label} is {} and {length} long in operand {at}", shape.dim(twin));
                return Err(Misfit::shape(message).help("a diagonal is taken of axes of one length"));
            }
            if length == *known || length == 1 {
                continue;
            }
            if *known != 1 {
                let first = source[label.index()];
                let message =
                    format!("{label} is {known} long in operand {first} and {length} in operand {at}");
                return Err(Misfit::shape(message));
            }
            (*known, source[label.index()]) = (length, at);
        }
    }
    Ok(lengths)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The result's letters, `.` for an axis of an ellipsis.
    fn output(text: &str, shapes: &[&[u32]]) -> String {
        let shapes: Vec<Shape> = shapes.iter().map(|dims| Shape::of(dims)).collect();
        let equation = Equation::parse(text, &shapes).expect("a right equation");
        let letter = |label: &Label| label.to_string().chars().rev().nth(1).expect("a quoted name");
        equation.output.iter().map(letter).collect()
    }

    #[test]
    fn an_implicit_output_has_the_letters_that_appear_once_capitals_first() {
        assert_eq!(output("ij,jk", &[&[2, 3], &[3, 4]]), "ik");
        assert_eq!(output("ba", &[&[2, 3]]), "ab");
        assert_eq!(output("bA", &[&[2, 3]]), "Ab");
        assert_eq!(output("ii", &[&[2, 2]]), "");
        assert_eq!(output("k...i,k", &[&[2, 5, 3], &[2]]), ".i");
    }

    #[test]
    fn the_longest_ellipsis_counts() {
        assert_eq!(output("...i,...i->...i", &[&[5, 1, 3], &[4, 3]]), "..i");
        assert_eq!(output("...,...", &[&[], &[]]), "");
    }
}
