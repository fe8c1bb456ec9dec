//! Containers and table layers: gradients, shapes, errors.

use retrograd::nn::{
    AutoModule, CAddTable, CDivTable, CMaxTable, CMinTable, CMulTable, CSubTable, Concat, ConcatTable, Ctx,
    DotProduct, FlattenTable, JoinTable, Linear, MixtureTable, Mm, Mode, Module, Mv, NarrowTable, Parallel,
    ParallelTable, SelectTable, Sequential, SplitTable, Tanh, functionalize,
};
use retrograd::{Error, Result, Rng, Tensor, check, tree};

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
fn numbers_are_joined_as_vectors() -> Result<()> {
    let total = || AutoModule::new("Total", (), |(): &(), x: &Tensor| x.sum());
    let (x, both) = (numbers(1, &[4, 3]), Concat::new(0).add(total()).add(total()));
    check::module(both, &x, Mode::Train)?;
    check::module(JoinTable(0), &table(&[&[], &[2], &[]]), Mode::Train)?;
    // A table without elements has slices of none.
    let (y, saved, ()) = SplitTable(1).forward(&(), &(), &numbers(1, &[2, 0]), &mut Ctx::eval());
    assert_eq!((y.len(), SplitTable(1).backward(&(), &saved, &y).1.shape().to_vec()), (0, vec![2, 0]));
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
    assert_eq!(refusal(CSubTable, &one), "output: CSubTable: a table of 1 tensors, expected 2");
    assert_eq!(refusal(CAddTable, &Vec::new()), "output: CAddTable: an empty table");
    assert_eq!(refusal(SelectTable(1), &one), "output: SelectTable: element 1 of a table of 1 tensors");
    assert_eq!(
        refusal(NarrowTable { start: 0, length: 2 }, &one),
        "output[0]: NarrowTable: 2 elements from 0 on, of a table of 1 tensors"
    );
    assert_eq!(
        refusal(ParallelTable::new().add(Linear::new(3, 2)), &Vec::new()),
        "output[0]: ParallelTable: a table of 0 tensors for 1 layers"
    );
    assert_eq!(
        refusal(Parallel::new(0, -1).add(Linear::new(3, 2)), &numbers(1, &[2, 3])),
        "output: Parallel: 2 slices along axis 0 for 1 layers"
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

/// What a layer says by hand, outside of any transform: of its output, and of the gradient at a cotangent (at the
/// output itself if there is none). Nothing unwinds.
fn said<M: Module>(module: &M, input: &M::Input, dy: Option<&M::Output>) -> [Option<String>; 2] {
    let (params, state) = (module.params(&mut Rng::seed(0)), module.state());
    let (y, saved, _) = module.forward(&params, &state, input, &mut Ctx::eval());
    let (_, dx) = module.backward(&params, &saved, dy.unwrap_or(&y));
    let first = |leaves: Vec<Tensor>| leaves.iter().find_map(Tensor::error).map(Error::to_string);
    [first(tree::leaves(&y)), first(tree::leaves(&dx))]
}

#[test]
fn tables_that_do_not_fit_are_errors_forward_and_backward() {
    let tables = [vec![], table(&[&[2, 3]]), table(&[&[2, 3], &[3, 2], &[5]]), table(&[&[], &[4, 1, 1]])];
    for x in &tables {
        let all: [(&str, [Option<String>; 2]); 12] = [
            ("CAddTable", said(&CAddTable, x, None)),
            ("CSubTable", said(&CSubTable, x, None)),
            ("CMulTable", said(&CMulTable, x, None)),
            ("CDivTable", said(&CDivTable, x, None)),
            ("CMaxTable", said(&CMaxTable, x, None)),
            ("CMinTable", said(&CMinTable, x, None)),
            ("JoinTable", said(&JoinTable(-1), x, None)),
            ("SelectTable", said(&SelectTable(5), x, None)),
            ("Mm", said(&Mm::default(), x, None)),
            ("Mv", said(&Mv::default(), x, None)),
            ("DotProduct", said(&DotProduct, x, None)),
            ("MixtureTable", said(&MixtureTable, &(numbers(1, &[2, 2]), x.clone()), None)),
        ];
        for (name, [output, gradient]) in all {
            // An output is invalid, or it has a gradient; of no elements there is none.
            assert_eq!(
                output.is_some() && !x.is_empty(),
                gradient.is_some() && !x.is_empty(),
                "{name} of {x:?}"
            );
        }
    }
    let pair = table(&[&[2, 3], &[2, 3]]);
    let [output, gradient] = said(&SelectTable(5), &pair, None);
    assert_eq!(output.as_deref(), Some("SelectTable: element 5 of a table of 2 tensors"));
    assert_eq!(gradient, output);
    let narrow = NarrowTable { start: 1, length: usize::MAX };
    let [output, gradient] = said(&narrow, &pair, None);
    assert!(
        output.as_ref().is_some_and(|text| text.ends_with("from 1 on, of a table of 2 tensors")),
        "{output:?}"
    );
    assert_eq!(gradient, output);
    assert_eq!(
        said(&CSubTable, &pair[..1].to_vec(), None).map(Option::unwrap),
        ["CSubTable: a table of 1 tensors, expected 2"; 2]
    );
    let unlike = (numbers(1, &[2, 2]), table(&[&[2, 3], &[3, 3]]));
    let text = "MixtureTable: experts of shapes [[2, 3], [3, 3]], expected one shape [2, ..]".to_owned();
    assert_eq!(said(&MixtureTable, &unlike, None), [Some(text.clone()), Some(text)]);
    assert!(said(&SplitTable(7), &pair[0], None).iter().all(Option::is_some));
}

#[test]
fn gradients_that_do_not_fit_are_errors() {
    let (pair, one) = (table(&[&[2, 3], &[2, 3]]), table(&[&[2, 3]]));
    let gradient = |[output, gradient]: [Option<String>; 2]| {
        assert_eq!(output, None);
        gradient.expect("an error")
    };
    let narrow = NarrowTable { start: 0, length: 2 };
    let text = gradient(said(&narrow, &pair, Some(&one)));
    assert_eq!(text, "NarrowTable: 1 gradients for 2 elements");
    let text = gradient(said(&FlattenTable, &vec![pair.clone()], Some(&one)));
    assert_eq!(text, "FlattenTable: a gradient is missing");
    let text = gradient(said(&JoinTable(0), &pair, Some(&one[0])));
    assert!(text.contains("do not add up"), "{text}");
    let text = gradient(said(&CAddTable, &pair, Some(&Tensor::from(1.0))));
    assert_eq!(text, "a gradient of shape [] for an element of shape [2, 3]");
    let each = ParallelTable::new().add(Tanh).add(Tanh);
    let text = gradient(said(&each, &pair, Some(&one)));
    assert_eq!(text, "a table of 1 gradients for 2 outputs");
    let text = gradient(said(&Concat::new(0).add(Tanh).add(Tanh), &one[0], Some(&one[0])));
    assert!(text.contains("do not add up"), "{text}");
}

#[test]
fn containers_of_inputs_that_do_not_fit_are_errors_forward_and_backward() {
    let pair = table(&[&[2, 3], &[2, 3]]);
    let both = |said: [Option<String>; 2]| said.map(|text| text.expect("an error"));
    let each = ParallelTable::new().add(Tanh).add(Tanh).add(Tanh);
    let text = "ParallelTable: a table of 2 tensors for 3 layers";
    assert_eq!(both(said(&each, &pair, None)), [text, text]);
    assert_eq!(
        both(said(&each, &Vec::new(), None)),
        [text.replace("of 2", "of 0"), text.replace("of 2", "of 0")]
    );
    let slices = Parallel::new(0, 0).add(Tanh);
    let text = "Parallel: 2 slices along axis 0 for 1 layers";
    assert_eq!(both(said(&slices, &pair[0], None)), [text, text]);
    let beyond = Parallel::new(5, 0).add(Tanh).add(Tanh);
    assert!(both(said(&beyond, &pair[0], None)).iter().all(|text| text.starts_with("unbind: ")));
    let none = both(said(&Concat::new(0), &pair[0], None));
    assert!(none.iter().all(|text| text.starts_with("a container without layers")), "{none:?}");
    let unlike = Concat::new(0).add(Tanh).add(Linear::new(3, 2));
    let (params, state) = (unlike.params(&mut Rng::seed(0)), unlike.state());
    let (y, ..) = unlike.forward(&params, &state, &pair[0].f32(), &mut Ctx::eval());
    assert!(y.error().is_some_and(|error| error.to_string().starts_with("cat: ")));
}
