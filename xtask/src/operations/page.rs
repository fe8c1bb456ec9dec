//! The catalogue as a page.

use std::fmt::{self, Write};

use retrograd::DType;
use retrograd::check::Order;

use super::doc::Gradient;
use super::{Catalogue, Entry, Family, Law};

const HEAD: &str = "\
<!-- Made by `cargo xtask operations` from the doc comments and the sample rows of the code. Change those instead. -->

# Operations

Every public operation, with its names in PyTorch and JAX. The reference (`cargo doc --open`) says more of each: shapes,
edges, errors, examples. How one program is written in the other two and here is in
[from-pytorch-and-jax.md](from-pytorch-and-jax.md).

- **dtypes**: of the data; positions and conditions have their own. *floats* are f32, f64, f16 and bf16, *integers* i64,
  i32 and u8, *numbers* both, *all* bool too.
- **gradient**: `dx` is the cotangent of an input `x`, `dy` that of the output `y`.
- **order**: how often it can be differentiated. *any*: its derivative is made of operations that have derivatives.
  *first*: its derivative has none itself. *zero*: the derivative is zero wherever there is one. *none*: the result is
  no floating-point number, or follows from none.

Dtypes and orders are found by trying each operation on the rows of [`src/ops/samples/`](../src/ops/samples); the rest
are the words of its documentation.
";

/// The page as Markdown.
pub(super) fn of(catalogue: &Catalogue) -> String {
    let mut page = HEAD.to_owned();
    let written = write_page(&mut page, catalogue);
    written.expect("writing to a string does not fail");
    page
}

fn write_page(page: &mut String, catalogue: &Catalogue) -> fmt::Result {
    let operations = catalogue.families.iter().flat_map(|family| &family.operations);
    let count = operations.filter(|entry| entry.law.is_some()).count();
    writeln!(page, "\n{count} operations, by the file that defines them:\n")?;
    for family in &catalogue.families {
        writeln!(page, "- [{}](#{})", family.title, anchor(&family.title))?;
    }
    for family in &catalogue.families {
        writeln!(page, "\n## {}\n", family.title)?;
        writeln!(page, "In [`{0}`](../{0}).", family.file)?;
        write_table(page, family)?;
    }
    Ok(())
}

/// The name that GitHub gives a heading.
fn anchor(title: &str) -> String {
    let kept = title.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn write_table(page: &mut String, family: &Family) -> fmt::Result {
    let (operations, others): (Vec<&Entry>, Vec<&Entry>) =
        family.operations.iter().partition(|entry| entry.law.is_some());
    if !operations.is_empty() {
        writeln!(page, "\n| operation | PyTorch | JAX | dtypes | gradient | order |")?;
        writeln!(page, "|---|---|---|---|---|---|")?;
        for entry in operations {
            write_head(page, entry)?;
            if let Some(law) = &entry.law {
                write_law(page, law)?;
            }
        }
    }
    if !others.is_empty() {
        writeln!(page, "\n| | PyTorch | JAX |")?;
        writeln!(page, "|---|---|---|")?;
        for entry in others {
            write_head(page, entry)?;
            writeln!(page)?;
        }
    }
    Ok(())
}

fn write_head(page: &mut String, entry: &Entry) -> fmt::Result {
    let feature = entry.feature.as_ref().map(|name| format!(" (feature `{name}`)")).unwrap_or_default();
    let what = format!("`{}`{feature}<br>{}", entry.call, entry.summary);
    write!(page, "| {} | {} | {} |", cell(&what), cell(&entry.peers.pytorch), cell(&entry.peers.jax))
}

fn write_law(page: &mut String, law: &Law) -> fmt::Result {
    let gradient = match &law.gradient {
        Gradient::Is(formula) => formula,
        Gradient::None => "none",
    };
    let order = match law.survey.order {
        Order::None => "none",
        Order::Zero => "zero",
        Order::First => "first",
        Order::Any => "any",
    };
    writeln!(page, " {} | {} | {order} |", dtypes(&law.survey.dtypes), cell(gradient))
}

/// Text that ends no cell early, in code too.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Dtypes by their common names where all of a kind are there.
fn dtypes(dtypes: &[DType]) -> String {
    if dtypes.len() == DType::ALL.len() {
        return "all".to_owned();
    }
    let mut names: Vec<&str> = Vec::new();
    for (kind, is_of_kind) in [
        ("floats", DType::is_float as fn(DType) -> bool),
        ("integers", DType::is_int),
        ("bool", |dtype| dtype == DType::Bool),
    ] {
        let mine = || dtypes.iter().copied().filter(|&dtype| is_of_kind(dtype));
        if mine().count() == DType::ALL.into_iter().filter(|&dtype| is_of_kind(dtype)).count() {
            names.push(kind);
        } else {
            names.extend(mine().map(DType::name));
        }
    }
    if names.starts_with(&["floats", "integers"]) {
        names.splice(..2, ["numbers"]);
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dtypes_go_by_their_common_name() {
        use DType::{BF16, Bool, F16, F32, F64, I32, I64, U8};
        for (some, name) in [
            (&DType::ALL[..], "all"),
            (&[F32, F64, F16, BF16], "floats"),
            (&[F32, F64, F16, BF16, I64, I32, U8], "numbers"),
            (&[F32, F64], "f32, f64"),
            (&[I64, I32, U8, Bool], "integers, bool"),
            (&[F32, F64, F16, BF16, I64, I32], "floats, i64, i32"),
            (&[Bool], "bool"),
        ] {
            assert_eq!(dtypes(some), name);
        }
    }

    #[test]
    fn headings_have_the_names_that_github_gives_them() {
        assert_eq!(anchor("Sums, and `where_`: a - b"), "sums-and-where_-a---b");
    }

    #[test]
    fn a_bar_does_not_end_a_cell() {
        assert_eq!(cell("`|a - b|`"), "`\\|a - b\\|`");
    }
}
