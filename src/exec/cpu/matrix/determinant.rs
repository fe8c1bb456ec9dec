//! What the diagonal of a factorisation tells, and cofactors from it.

use super::{BadPivot, Factored, Real, Rewrite};
use crate::exec::cpu::scratch::Scratch;
use crate::exec::matrix::Determinant;

/// A part of the determinant.
pub(super) fn determinant<T: Real>(what: Determinant, factored: Factored<'_, T>) -> T {
    match what {
        Determinant::Value => factored.diagonal().fold(factored.sign(), |product, u| product * u),
        Determinant::Sign => factored.diagonal().fold(factored.sign(), |sign, u| {
            let magnitude = u.magnitude();
            // 0 and NaN are their own signs.
            if magnitude > T::ZERO { sign * if u > T::ZERO { T::ONE } else { -T::ONE } } else { sign * u }
        }),
        Determinant::LogMagnitude => {
            factored.diagonal().fold(T::ZERO, |sum, u| sum + u.magnitude().logarithm())
        }
    }
}

/// The transposed matrix of cofactors.
pub(super) struct Adjugate<'a, T>(pub(super) Factored<'a, T>);

impl<T: Real> Rewrite<T> for Adjugate<'_, T> {
    fn one(&self, at: usize, y: &mut [T]) -> Result<(), BadPivot> {
        let factored = self.0.at(at);
        let n = factored.n;
        if factored.diagonal().all(|u| u.magnitude() >= T::LEAST) {
            // `det(A) A^-1`: what is lost where a pivot is small in one is so in the other, and cancels.
            y.fill(T::ZERO);
            y.iter_mut().step_by(n + 1).for_each(|one| *one = T::ONE);
            factored.solve(false, y)?;
            let determinant = determinant(Determinant::Value, factored);
            y.iter_mut().for_each(|y| *y = determinant * *y);
            return Ok(());
        }
        // `A = P^T L U` makes it `adj(U) adj(L) adj(P^T)`, which is `adj(U) L^-1 P det(P)`.
        let mut upper = Scratch::filled(n * n, T::ZERO);
        adjugate_of_upper(factored, &mut upper);
        let mut turned: Scratch<T> = (0..n * n).map(|i| upper[i % n * n + i / n]).collect();
        factored.lower().transposed().solve(&mut turned)?;
        let sign = factored.sign();
        for (column, &to) in turned.chunks_exact(n).zip(factored.rows) {
            for (row, &value) in column.iter().enumerate() {
                y[row * n + to as usize] = sign * value;
            }
        }
        Ok(())
    }
}

/// The adjugate of `U`, without dividing, so that zeros on the diagonal are no special case. The cofactor at
/// `i <= j` is the product of the diagonal before `i` and after `j`, times the determinant of rows `i..j` and
/// columns `i + 1..=j`. That is a Hessenberg matrix, expanded along its last column again and again.
fn adjugate_of_upper<T: Real>(factored: Factored<'_, T>, y: &mut [T]) {
    let (n, u) = (factored.n, |i: usize, j: usize| factored.lu[i * factored.n + j]);
    let mut after = Scratch::filled(n, T::ONE);
    for j in (0..n - 1).rev() {
        after[j] = after[j + 1] * u(j + 1, j + 1);
    }
    let mut before = T::ONE;
    for i in 0..n {
        // The determinant for each `j`, with the sign of its cofactor.
        let mut minors = Scratch::filled(n, T::ZERO);
        minors[i] = T::ONE;
        for j in i + 1..n {
            let (mut sum, mut diagonal) = (T::ZERO, T::ONE);
            for k in (i..j).rev() {
                sum -= u(k, j) * diagonal * minors[k];
                diagonal *= u(k, k);
            }
            minors[j] = sum;
        }
        for j in i..n {
            y[i * n + j] = before * minors[j] * after[j];
        }
        before *= u(i, i);
    }
}
