//! Any tree is loaded as it was saved, to the bit.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use retrograd::{DType, Error, Result, Rng, Tensor, Tree, bf16, f16, grad, io, tree, tree::Value};

use crate::folder::{bits, folder};

/// A runner that draws the same cases in every run, unless the environment says otherwise.
pub(crate) fn runner(cases: u32) -> TestRunner {
    let set = |name| std::env::var_os(name).is_some();
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if !set("PROPTEST_CASES") {
        config.cases = cases;
    }
    if !set("PROPTEST_RNG_SEED") {
        config.rng_seed = RngSeed::Fixed(1);
    }
    TestRunner::new(config)
}

/// Elements of any bits, in a tensor of that shape.
fn filled(dtype: DType, shape: &[usize], seed: u64) -> Tensor {
    let n: usize = shape.iter().product();
    let mut state = seed;
    let mut next = || {
        // Steele, Lea and Flood's SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    };
    let words: Vec<u64> = (0..n).map(|_| next()).collect();
    fn of<T: retrograd::Element>(words: &[u64], shape: &[usize], element: impl Fn(u64) -> T) -> Tensor {
        Tensor::from_vec(words.iter().map(|&word| element(word)).collect::<Vec<T>>(), shape)
    }
    match dtype {
        DType::F32 => of(&words, shape, |word| f32::from_bits(word as u32)),
        DType::F64 => of(&words, shape, f64::from_bits),
        DType::F16 => of(&words, shape, |word| f16::from_bits(word as u16)),
        DType::BF16 => of(&words, shape, |word| bf16::from_bits(word as u16)),
        DType::I64 => of(&words, shape, |word| word as i64),
        DType::I32 => of(&words, shape, |word| word as i32),
        DType::U8 => of(&words, shape, |word| word as u8),
        _ => of(&words, shape, |word| word & 1 == 1),
    }
}

/// A tensor of any dtype, shape (numbers and empty ones among them) and layout.
pub(crate) fn tensor() -> impl Strategy<Value = Tensor> {
    let shape = prop::collection::vec(0usize..4, 0..4);
    (prop::sample::select(DType::ALL.to_vec()), shape, 0u8..5, any::<u64>()).prop_map(
        |(dtype, shape, layout, seed)| {
            let x = filled(dtype, &shape, seed);
            match layout {
                // A constant, which takes no memory.
                0 => Tensor::ones(&shape[..]).to_dtype(dtype),
                // A transpose.
                1 => x.permute((0..shape.len() as isize).rev().collect::<Vec<_>>()),
                // One row, seen many times.
                2 => x.unsqueeze(0).broadcast_to([&[3], &shape[..]].concat()),
                // Part of a larger one.
                3 => filled(dtype, &[&[3], &shape[..]].concat(), seed).narrow(0, 1, 1),
                _ => x,
            }
        },
    )
}

/// A tree of lists and maps, whose keys are odd.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec!["w", "b", "0", "1", "10", "x.y", "", "é\"\\\n", "名前"]);
    let leaf = prop_oneof![4 => tensor().prop_map(Value::Tensor), 1 => any::<f64>().prop_map(Value::Number)];
    leaf.prop_recursive(4, 24, 5, move |inner| {
        let list = prop::collection::vec(inner.clone(), 0..5).prop_map(Value::List);
        let map = prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..5);
        prop_oneof![list, map.prop_map(Value::Map)]
    })
}

#[track_caller]
fn assert_same<T: Tree>(got: &T, want: &T) {
    assert_eq!(tree::paths(got), tree::paths(want));
    for (got, want) in tree::leaves(got).iter().zip(tree::leaves(want)) {
        assert_eq!(bits(got), bits(&want));
    }
}

/// The tree with other elements in every leaf.
fn blank<T: Tree>(tree: &T) -> T {
    tree::map(tree, |x| Tensor::zeros(x.shape()).to_dtype(x.dtype()))
}

#[test]
fn any_tree_is_loaded_as_it_was_saved() {
    let path = folder("any_tree").join("tree.safetensors");
    let mut collisions = 0;
    let run = |value: Value| {
        let bytes = match io::to_bytes(&value) {
            Ok(bytes) => bytes,
            Err(error) => {
                collisions += 1;
                prop_assert!(error.to_string().contains("would both be named"), "{error}");
                return Ok(());
            }
        };
        assert_same(&io::from_bytes(&bytes, &blank(&value)).expect("just saved"), &value);
        io::save(&path, &value).expect("can be written");
        assert_eq!(
            std::fs::read(&path).expect("is there"),
            bytes,
            "a file has the bytes that `to_bytes` yields"
        );
        assert_same(&io::load(&path, &blank(&value)).expect("just saved"), &value);
        // Names and tensors are all that a file has: the same tree without its structure.
        let flat = io::Archive::open(&path).expect("just saved");
        let names: Vec<String> = flat.names().map(str::to_owned).collect();
        let tensors: BTreeMap<String, Tensor> =
            names.into_iter().map(|name| (name.clone(), flat.tensor(&name).expect("just saved"))).collect();
        assert_eq!(tensors.len(), tree::leaf_count(&value));
        Ok(())
    };
    let run = std::cell::RefCell::new(run);
    runner(150).run(&value(), |value| (run.borrow_mut())(value)).expect("every tree comes back");
    assert!(collisions < 100, "{collisions} trees had two leaves of one name");
}

#[test]
fn elements_begin_at_multiples_of_their_size() -> Result<()> {
    let mixed = (Tensor::from([true, false, true]), Tensor::from([1.0f64]), Tensor::from([1i32, 2, 3]));
    let bytes = io::to_bytes(&mixed)?;
    let header = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    assert_eq!(header % 8, 0);
    let text = std::str::from_utf8(&bytes[8..8 + header]).expect("is JSON").trim_end();
    assert_eq!(
        text,
        r#"{"1":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},"2":{"dtype":"I32","shape":[3],"data_offsets":[8,20]},"0":{"dtype":"BOOL","shape":[3],"data_offsets":[20,23]}}"#
    );
    Ok(())
}

#[derive(Clone, Tree)]
struct Layer {
    weight: Tensor,
    bias: Option<Tensor>,
    #[tree(static)]
    dropout: f64,
}

#[derive(Clone, Tree)]
enum Head {
    Linear(Layer),
    Constant(Tensor),
}

#[derive(Clone, Tree)]
struct Network {
    layers: Vec<Layer>,
    head: Head,
}

fn network(fill: f64) -> Network {
    let layer = |bias: bool| Layer {
        weight: Tensor::full([2, 3], fill),
        bias: bias.then(|| Tensor::full([3], fill)),
        dropout: fill,
    };
    Network { layers: vec![layer(true), layer(false)], head: Head::Linear(layer(true)) }
}

#[test]
fn leaves_are_named_as_state_dicts_name_them() -> Result<()> {
    let archive = io::Archive::from_bytes(io::to_bytes(&network(1.0))?)?;
    let names: Vec<&str> = archive.names().collect();
    assert_eq!(
        names,
        ["layers.0.weight", "layers.0.bias", "layers.1.weight", "head.Linear.0.weight", "head.Linear.0.bias"]
    );
    Ok(())
}

#[test]
fn structure_and_static_values_are_those_of_the_tree_that_is_loaded_into() -> Result<()> {
    let loaded = io::from_bytes(&io::to_bytes(&network(1.0))?, &network(0.5))?;
    assert_eq!(loaded.layers[0].dropout, 0.5);
    assert_eq!(loaded.layers[0].weight.to_vec::<f32>()?, [1.0; 6]);
    assert!(matches!(&loaded.head, Head::Linear(layer) if layer.bias.is_some()));
    let mut other = network(0.0);
    other.head = Head::Constant(Tensor::zeros([3]));
    let error =
        io::from_bytes(&io::to_bytes(&network(1.0))?, &other).map(|_| ()).expect_err("another variant");
    assert!(error.to_string().contains("not in the file: `head.Constant[0]`"), "{error}");
    Ok(())
}

#[test]
fn a_generator_goes_on_where_it_was_saved() -> Result<()> {
    let mut rng = Rng::seed(7);
    let _ = rng.randn([5]);
    let mut loaded = io::from_bytes(&io::to_bytes(&rng)?, &Rng::seed(0))?;
    assert_eq!(bits(&loaded.randn([5])), bits(&rng.randn([5])));
    let several = Rng::seed(7).split(3);
    let error =
        io::from_bytes(&io::to_bytes(&several)?, &Rng::seed(0)).map(|_| ()).expect_err("of other shape");
    assert!(error.to_string().contains("`tensor`: i64[3, 2] in the file, i64[2] expected"), "{error}");
    Ok(())
}

#[test]
fn a_single_tensor_is_a_tree_too() -> Result<()> {
    let bytes = io::to_bytes(&Tensor::from(2.5))?;
    assert_eq!(io::Archive::from_bytes(&bytes[..])?.names().collect::<Vec<_>>(), ["tensor"]);
    assert_eq!(io::from_bytes(&bytes, &Tensor::zeros(()).f64())?.item::<f64>()?, 2.5);
    Ok(())
}

#[test]
fn inside_a_gradient_values_are_saved() -> Result<()> {
    let path = folder("inside_a_gradient").join("x.safetensors");
    let loss = |x: &Tensor| -> Result<Tensor> {
        let y = x.square();
        io::save(&path, &y)?;
        Ok(y.sum())
    };
    let (dx, _) = grad(loss).call(&Tensor::from([3.0, 4.0]), ())?;
    assert_eq!(dx.to_vec::<f64>()?, [6.0, 8.0]);
    assert_eq!(io::load(&path, &Tensor::zeros([2]).f64())?.to_vec::<f64>()?, [9.0, 16.0]);
    Ok(())
}

#[test]
fn what_fits_is_loaded_and_the_rest_is_told() -> Result<()> {
    let bytes = io::to_bytes(&(Tensor::ones([2]), Tensor::ones([3]), Tensor::ones([4])))?;
    let like = vec![Tensor::zeros([2]), Tensor::zeros([5])];
    let loaded = io::Archive::from_bytes(&bytes[..])?.load_partial(&like)?;
    assert_eq!(loaded.tree[0].to_vec::<f32>()?, [1.0, 1.0]);
    assert_eq!(loaded.tree[1].to_vec::<f32>()?, [0.0; 5]);
    assert_eq!(loaded.mismatched[0].to_string(), "`[1]`: f32[3] in the file, f32[5] expected");
    assert_eq!((&loaded.missing[..], &loaded.unexpected[..]), (&[][..], &["2".to_owned()][..]));
    assert!(!loaded.is_complete());
    let all = io::Archive::from_bytes(&bytes[..])?.load_partial(&(
        Tensor::ones([2]),
        Tensor::ones([3]),
        Tensor::ones([4]),
    ))?;
    assert!(all.is_complete());
    Ok(())
}

/// Structure and numbers.
fn told(value: &Value) -> String {
    match value {
        Value::Tensor(x) => x.item::<f64>().expect("one number").to_string(),
        Value::Number(x) => x.to_string(),
        Value::List(parts) => format!("[{}]", parts.iter().map(told).collect::<Vec<_>>().join(", ")),
        Value::Map(parts) => {
            let parts: Vec<String> =
                parts.iter().map(|(key, part)| format!("{key}: {}", told(part))).collect();
            format!("{{{}}}", parts.join(", "))
        }
    }
}

#[test]
fn names_without_a_tree_become_lists_and_maps() -> Result<()> {
    let one = |x: f64| Value::Tensor(Tensor::from(x));
    let tree = Value::from([
        ("layers", Value::List(vec![Value::from([("w", one(0.0))]), Value::from([("w", one(1.0))])])),
        ("steps", Value::from([("0", one(2.0)), ("2", one(3.0))])),
        ("many", Value::List((0..12).map(|i| one(f64::from(i))).collect())),
        ("n", Value::Number(3.0)),
    ]);
    let loaded = io::Archive::from_bytes(io::to_bytes(&tree)?)?.load_values()?;
    assert_eq!(
        told(&loaded),
        "{layers: [{w: 0}, {w: 1}], many: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], steps: {0: 2, 2: 3}}"
    );
    assert!(
        matches!(io::Archive::from_bytes(io::to_bytes(&())?)?.load_values()?, Value::Map(parts) if parts.is_empty())
    );
    Ok(())
}

#[test]
fn texts_are_saved_beside_the_tensors() -> Result<()> {
    let path = folder("metadata").join("x.safetensors");
    io::save_with(&path, &Tensor::ones([1]), [("note", "a \"b\" \\ \n 名前"), ("", "")])?;
    let archive = io::Archive::open(&path)?;
    let read: Vec<(&str, &str)> = archive.metadata().iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(read, [("", ""), ("note", "a \"b\" \\ \n 名前")]);
    io::save(&path, &Tensor::ones([1]))?;
    assert!(io::Archive::open(&path)?.metadata().is_empty());
    Ok(())
}

#[test]
fn threads_share_an_archive() -> Result<()> {
    let path = folder("threads").join("x.safetensors");
    let tensors: Vec<Tensor> = (0..8).map(|i| Tensor::full([1000], i)).collect();
    io::save(&path, &tensors)?;
    let archive = io::Archive::open(&path)?;
    std::thread::scope(|scope| {
        let read = |i: usize| archive.tensor(&i.to_string()).and_then(|x| x.to_vec::<f32>());
        let threads: Vec<_> = (0..8).map(|i| scope.spawn(move || (i, read(i)))).collect();
        for thread in threads {
            let (i, values) = thread.join().map_err(|_| Error::msg("a thread panicked"))?;
            assert_eq!(values?, [i as f32; 1000]);
        }
        Ok(())
    })
}
