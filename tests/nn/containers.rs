//! Containers and table layers: gradients, shapes, errors.

use retrograd::nn::{
    CAddTable, CDivTable, CMaxTable, CMinTable, CMulTable, CSubTable, Concat, ConcatTable, Ctx, DotProduct,
    FlattenTable, JoinTable, Linear, MixtureTable, Mm, Mode, Module, Mv, NarrowTable, Parallel,
    ParallelTable, SelectTable, Sequential, SplitTable, functionalize,
};
use retrograd::{Result, Rng, Tensor, check};

fn numbers(seed: u64, shape: &[usize]) -> Tensor {
    Rng::seed(seed).randn(shape).f64()
}

fn table(shapes: &[&[usize]]) -> Vec<Tensor> {
    shapes.iter().zip(1..).map(|(shape, seed)| numbers(seed, shape)).collect()
}

#[test]
fn containers_have_the_derived_gradients() -> Result<()> {
    for mode in [Mode::Train, Mode::Eval] {
        let x = numbers(1, &[4, 3]);
        check::module(Concat::new(-1).add(Linear::new(3, 2)).add(Linear::new(3, 5)), &x, mode)?;
        check::module(Concat::new(0).add(Linear::new(3, 2)).add(Linear::new(3, 2)), &x, mode)?;
        check::module(ConcatTable::new().add(Linear::new(3, 2)).add(Linear::new(3, 5)), &x, mode)?;
        let pair = table(&[&[4, 3], &[2, 2]]);
        check::module(ParallelTable::new().add(Linear::new(3, 2)).add(Linear::new(2, 5)), &pair, mode)?;
        let slices = Parallel::new(1, -1).add(Linear::new(3, 2)).add(Linear::new(3, 1));
        check::module(slices, &numbers(1, &[4, 2, 3]), mode)?;
    }
    Ok(())
}

#[test]
fn containers_nest() -> Result<()> {
    let inner = Sequential::new()
        .add(ConcatTable::new().add(Linear::new(3, 2)).add(Sequential::new().add(Linear::new(3, 2))))
        .add(CMulTable)
        .add(Linear::new(2, 3));
    let outer = Sequential::new().add(Concat::new(-1).add(inner.clone()).add(inner)).add(Linear::new(6, 1));
    check::module(outer, &numbers(1, &[4, 3]), Mode::Train)
}

#[test]
fn table_layers_have_the_derived_gradients() -> Result<()> {
    let three = table(&[&[2, 3], &[2, 3], &[2, 3]]);
    let broadcast = table(&[&[2, 3], &[3], &[2, 1]]);
    let two = table(&[&[2, 3], &[1, 3]]);
    for mode in [Mode::Train, Mode::Eval] {
        for table in [&three, &broadcast, &two] {
            check::module(CAddTable, table, mode)?;
            check::module(CMulTable, table, mode)?;
        }
        check::module(CSubTable, &two, mode)?;
        check::module(CDivTable, &two, mode)?;
        check::module(CMaxTable, &three, mode)?;
        check::module(CMinTable, &three, mode)?;
        check::module(JoinTable(-1), &table(&[&[2, 3], &[2, 1]]), mode)?;
        check::module(SplitTable(1), &numbers(1, &[2, 3, 4]), mode)?;
        check::module(SelectTable(1), &three, mode)?;
        check::module(NarrowTable { start: 1, length: 2 }, &three, mode)?;
        check::module(FlattenTable, &vec![three.clone(), two.clone()], mode)?;
        check::module(DotProduct, &table(&[&[4, 3], &[4, 3]]), mode)?;
        check::module(MixtureTable, &(numbers(9, &[4, 2]), table(&[&[4, 3, 2], &[4, 3, 2]])), mode)?;
        for (transpose_a, transpose_b) in [(false, false), (true, false), (false, true), (true, true)] {
            let a: &[usize] = if transpose_a { &[5, 3, 2] } else { &[5, 2, 3] };
            let b: &[usize] = if transpose_b { &[4, 3] } else { &[3, 4] };
            check::module(Mm { transpose_a, transpose_b }, &table(&[a, b]), mode)?;
        }
        check::module(Mv { transpose: false }, &table(&[&[5, 2, 3], &[5, 3]]), mode)?;
        check::module(Mv { transpose: true }, &table(&[&[5, 2, 3], &[5, 2]]), mode)?;
    }
    Ok(())
}

#[test]
fn products_of_tables_have_gradients_at_zeros() -> Result<()> {
    let (f, ()) = functionalize(CMulTable, &mut Rng::seed(0));
    let x = vec![Tensor::from([0.0, 2.0]), Tensor::from([3.0, 0.0]), Tensor::from([5.0, 7.0])];
    let dx = retrograd::grad_only(|x: &Vec<Tensor>| f(&(), x).sum()).call(&x, ())?;
    assert_eq!(dx[0].to_vec::<f64>()?, [15.0, 0.0]);
    assert_eq!(dx[1].to_vec::<f64>()?, [0.0, 14.0]);
    assert_eq!(dx[2].to_vec::<f64>()?, [0.0, 0.0]);
    Ok(())
}

#[test]
fn equal_maxima_of_a_table_share_evenly() -> Result<()> {
    let (f, ()) = functionalize(CMaxTable, &mut Rng::seed(0));
    let x = vec![Tensor::from([1.0]), Tensor::from([1.0]), Tensor::from([0.0])];
    let dx = retrograd::grad_only(|x: &Vec<Tensor>| f(&(), x).sum()).call(&x, ())?;
    let dx: Vec<f64> = dx.iter().map(|dx| dx.item::<f64>()).collect::<Result<_>>()?;
    assert_eq!(dx, [0.5, 0.5, 0.0]);
    Ok(())
}

/// What a module says to an input that it cannot take.
fn refusal<M: Module>(module: M, input: &M::Input) -> String {
    let (params, state) = (module.params(&mut Rng::seed(0)), module.state());
    let apply = |input: &M::Input| module.forward(&params, &state, input, &mut Ctx::eval()).0;
    retrograd::jit(apply).call(input, ()).err().expect("refused").to_string()
}

#[test]
fn containers_refuse_what_does_not_fit() {
    let one = table(&[&[2, 3]]);
    assert_eq!(refusal(CSubTable, &one), "CSubTable: a table of 1 tensors, expected 2");
    assert_eq!(refusal(CAddTable, &Vec::new()), "output: CAddTable: an empty table");
    assert_eq!(refusal(SelectTable(1), &one), "output: SelectTable: element 1 of a table of 1 tensors");
    assert_eq!(
        refusal(NarrowTable { start: 0, length: 2 }, &one),
        "NarrowTable: 2 elements from 0 on, of a table of 1 tensors"
    );
    assert_eq!(
        refusal(ParallelTable::new().add(Linear::new(3, 2)), &Vec::new()),
        "ParallelTable: a table of 0 tensors for 1 layers"
    );
    assert_eq!(
        refusal(Parallel::new(0, -1).add(Linear::new(3, 2)), &numbers(1, &[2, 3])),
        "Parallel: 2 slices along axis 0 for 1 layers"
    );
    assert_eq!(
        refusal(Concat::new(0), &numbers(1, &[2, 3])),
        "output: a container without layers has no output: `add` one"
    );
    assert_eq!(
        refusal(MixtureTable, &(numbers(1, &[2, 3]), one)),
        "output: MixtureTable: weights of shape [2, 3] for 1 experts"
    );
}
