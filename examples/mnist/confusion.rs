//! Which digits were read as which.

use std::fmt;

use crate::network::CLASSES;

/// `counts[label][answer]`: how many digits were which, and read as which.
#[derive(Debug, Default)]
pub(crate) struct Confusion {
    counts: [[usize; CLASSES]; CLASSES],
}

impl Confusion {
    /// Counts digits in: what they are, and what they were read as.
    pub(crate) fn add(&mut self, labels: &[i64], answers: &[i64]) {
        for (&label, &answer) in labels.iter().zip(answers) {
            self.counts[label as usize][answer as usize] += 1;
        }
    }

    /// The share of digits that were read right.
    pub(crate) fn accuracy(&self) -> f64 {
        let right: usize = (0..CLASSES).map(|digit| self.counts[digit][digit]).sum();
        right as f64 / self.counts.iter().flatten().sum::<usize>().max(1) as f64
    }
}

/// As a table, right answers on its diagonal, dots for zeros.
impl fmt::Display for Confusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "digit  read as\n     ")?;
        (0..CLASSES).try_for_each(|answer| write!(f, "{answer:5}"))?;
        for (label, row) in self.counts.iter().enumerate() {
            write!(f, "\n{label:5}")?;
            for &count in row {
                if count == 0 { write!(f, "    .")? } else { write!(f, "{count:5}")? }
            }
        }
        Ok(())
    }
}
