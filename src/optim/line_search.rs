//! How far to go in a direction: a search for a step that meets the strong Wolfe conditions.
//!
//! Bracketing and zooming as in Nocedal and Wright, *Numerical optimization* (2006), algorithms 3.5 and 3.6, with the
//! safeguards of Schmidt's minFunc, which Torch's `lswolfe` and after it PyTorch's L-BFGS took over: their iterates are
//! met exactly.

use retrograd::{Result, Tensor};

/// A step of length `t`: the function there, and its slope along the direction.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) t: f64,
    pub(super) value: f64,
    pub(super) gradient: Tensor,
    pub(super) slope: f64,
}

/// What a step has to meet, and how long it is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wolfe {
    /// Of the decrease that the slope promises, the part that must be there: `f(t) <= f(0) + c1 t f'(0)`.
    pub(super) c1: f64,
    /// Of the slope, the part that may be left: `|f'(t)| <= c2 |f'(0)|`.
    pub(super) c2: f64,
    /// The search ends when the bracket, times the greatest element of the direction, is smaller than this.
    pub(super) tolerance_change: f64,
    /// The greatest element of the direction.
    pub(super) greatest: f64,
    /// How often the step may be changed.
    pub(super) max_iter: usize,
}

impl Wolfe {
    /// Whether the function has not fallen enough; a value that is no number never has.
    fn too_high(&self, start: &Point, at: &Point) -> bool {
        let bound = start.value + self.c1 * at.t * start.slope;
        at.value > bound || at.value.is_nan()
    }

    fn flat(&self, start: &Point, at: &Point) -> bool {
        at.slope.abs() <= -self.c2 * start.slope
    }

    /// A step from `start` (where `t` is 0) that meets the conditions, or the best that was found, and how often `at`
    /// was asked. `first` is the first length tried.
    pub(super) fn search(
        &self,
        start: &Point,
        first: f64,
        mut at: impl FnMut(f64) -> Result<Point>,
    ) -> Result<(Point, usize)> {
        let (mut before, mut now) = (start.clone(), at(first)?);
        let mut tried = 0;
        loop {
            if tried >= self.max_iter {
                // Neither end is known to bracket anything; the lower of them it is, as of a bracket that is not narrowed.
                return self.zoom(start, [start.clone(), now], tried, at);
            }
            if self.too_high(start, &now) || (tried > 1 && now.value >= before.value) {
                break;
            }
            if self.flat(start, &now) {
                return Ok((now, tried + 1));
            }
            if now.slope >= 0.0 {
                break;
            }
            let bounds = (now.t + 0.01 * (now.t - before.t), now.t * 10.0);
            let t = interpolated(&before, &now, bounds);
            (before, now) = (now, at(t)?);
            tried += 1;
        }
        self.zoom(start, [before, now], tried, at)
    }

    /// Narrows a bracket that contains a step which meets the conditions.
    fn zoom(
        &self,
        start: &Point,
        mut ends: [Point; 2],
        mut tried: usize,
        mut at: impl FnMut(f64) -> Result<Point>,
    ) -> Result<(Point, usize)> {
        let (mut low, mut stalled) = (lower(&ends), false);
        while tried < self.max_iter {
            let high = 1 - low;
            let bounds = (ends[0].t.min(ends[1].t), ends[0].t.max(ends[1].t));
            if (bounds.1 - bounds.0) * self.greatest < self.tolerance_change {
                break;
            }
            let t = kept_off(bounds, interpolated(&ends[0], &ends[1], bounds), &mut stalled);
            let now = at(t)?;
            tried += 1;
            if self.too_high(start, &now) || now.value >= ends[low].value {
                ends[high] = now;
                low = lower(&ends);
                continue;
            }
            if self.flat(start, &now) {
                return Ok((now, tried + 1));
            }
            if now.slope * (ends[high].t - ends[low].t) >= 0.0 {
                // The low end becomes the high one, and the new point takes its place.
                ends.swap(0, 1);
            }
            ends[low] = now;
        }
        let [first, second] = ends;
        Ok((if low == 0 { first } else { second }, tried + 1))
    }
}

/// Which of two points is lower; the first of equal ones. One whose value is no number is not.
fn lower(ends: &[Point; 2]) -> usize {
    usize::from(!(ends[0].value <= ends[1].value || ends[1].value.is_nan()))
}

/// A step within bounds; if it is close to one of them twice in a row, or at it, a tenth of their distance away from it.
fn kept_off((least, most): (f64, f64), t: f64, stalled: &mut bool) -> f64 {
    let margin = 0.1 * (most - least);
    let close = (most - t).min(t - least) < margin;
    let off = close && (*stalled || t >= most || t <= least);
    *stalled = close && !off;
    match off {
        false => t,
        true if (t - most).abs() < (t - least).abs() => most - margin,
        true => least + margin,
    }
}

/// The least point, within bounds, of the cubic through two points with these values and slopes; the middle of the
/// bounds where it has none. Nocedal and Wright, (3.59).
fn interpolated(a: &Point, b: &Point, (least, most): (f64, f64)) -> f64 {
    let (left, right) = if a.t <= b.t { (a, b) } else { (b, a) };
    let chord = left.slope + right.slope - 3.0 * (left.value - right.value) / (left.t - right.t);
    let square = chord * chord - left.slope * right.slope;
    let middle = (least + most) / 2.0;
    if square.is_nan() || square < 0.0 {
        return middle;
    }
    let root = square.sqrt();
    let width = right.t - left.t;
    let t = right.t - width * ((right.slope + root - chord) / (right.slope - left.slope + 2.0 * root));
    if t.is_nan() { middle } else { t.max(least).min(most) }
}
