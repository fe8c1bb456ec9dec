//! What `serde` writes is what it reads: numbers for people, bytes for machines.

use proptest::prelude::*;
use retrograd::{DType, Result, Rng, Shape, Spec, Tensor, f16, tree, tree::Value, vmap};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::folder::bits;
use crate::trees::{runner, tensor, value};

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("has a value")
}

fn from_json<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// MessagePack, a format that is not for people.
fn to_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    rmp_serde::to_vec(value).expect("has a value")
}

fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, rmp_serde::decode::Error> {
    rmp_serde::from_slice(bytes)
}

fn refused<T: DeserializeOwned>(text: &str) -> String {
    let Err(error) = serde_json::from_str::<T>(text) else { panic!("{text} is accepted") };
    error.to_string().split(" at line").next().unwrap_or_default().to_owned()
}

#[test]
fn a_tensor_is_readable() -> Result<()> {
    let x = Tensor::from([[1.5f32, -0.0], [f32::NAN, f32::NEG_INFINITY]]);
    let text = r#"{"dtype":"f32","shape":[2,2],"data":[1.5,-0.0,"NaN","-inf"]}"#;
    assert_eq!(json(&x), text);
    assert_eq!(bits(&from_json(text)), bits(&x));
    assert_eq!(json(&Tensor::from([true, false])), r#"{"dtype":"bool","shape":[2],"data":[true,false]}"#);
    assert_eq!(json(&Tensor::from(i64::MIN)), r#"{"dtype":"i64","shape":[],"data":[-9223372036854775808]}"#);
    assert_eq!(
        json(&Tensor::from_slice(&[f16::from_f32(0.1)], [1])),
        r#"{"dtype":"f16","shape":[1],"data":[0.099975586]}"#
    );
    let any_order: Tensor = from_json(r#"{"data":[1,2.0,"inf"],"shape":[3],"dtype":"f64"}"#);
    assert_eq!(any_order.to_vec::<f64>()?, [1.0, 2.0, f64::INFINITY]);
    Ok(())
}

/// The bits, all NaN being one: numbers do not tell which it was.
fn bits_of_numbers(x: &Tensor) -> (DType, Vec<usize>, Vec<u64>) {
    let (dtype, shape, mut elements) = bits(x);
    if dtype.is_float() {
        let values = x.to_vec::<f64>().expect("has a value");
        elements.iter_mut().zip(values).filter(|(_, value)| value.is_nan()).for_each(|(bits, _)| *bits = 0);
    }
    (dtype, shape, elements)
}

#[test]
fn any_tensor_comes_back_as_numbers_and_as_bytes() {
    let run = |x: Tensor| {
        assert_eq!(bits_of_numbers(&from_json(&json(&x))), bits_of_numbers(&x));
        assert_eq!(bits(&from_bytes(&to_bytes(&x)).expect("just written")), bits(&x));
        Ok(())
    };
    runner(150).run(&tensor(), run).expect("every tensor comes back");
}

#[test]
fn any_value_comes_back_with_its_numbers_and_its_empty_parts() {
    fn same(a: &Value, b: &Value) -> bool {
        match (a, b) {
            (Value::Tensor(a), Value::Tensor(b)) => bits_of_numbers(a) == bits_of_numbers(b),
            (Value::Number(a), Value::Number(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
            (Value::List(a), Value::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
            }
            (Value::Map(a), Value::Map(b)) => {
                a.keys().eq(b.keys()) && a.values().zip(b.values()).all(|(a, b)| same(a, b))
            }
            _ => false,
        }
    }
    let run = |value: Value| {
        prop_assert!(same(&from_json(&json(&value)), &value), "{value:?}");
        prop_assert!(same(&from_bytes(&to_bytes(&value)).expect("just written"), &value), "{value:?}");
        Ok(())
    };
    runner(150).run(&value(), run).expect("every value comes back");
}

#[test]
fn parts_of_a_value_say_what_they_are() {
    let value =
        Value::from([("n", Value::Number(f64::NAN)), ("l", Value::List(vec![Tensor::from(1i32).into()]))]);
    assert_eq!(
        json(&value),
        r#"{"map":{"l":{"list":[{"tensor":{"dtype":"i32","shape":[],"data":[1]}}]},"n":{"number":"NaN"}}}"#
    );
}

#[test]
fn a_struct_of_tensors_derives_what_it_needs() -> Result<()> {
    #[derive(Serialize, Deserialize)]
    struct Checkpoint {
        step: u64,
        spec: Spec,
        weights: Vec<Tensor>,
        rng: Rng,
    }
    let mut rng = Rng::seed(3);
    let _ = rng.rand([2]);
    let shape = Tensor::ones([2, 3]).shape();
    let checkpoint = Checkpoint {
        step: 7,
        spec: Spec::new(from_json::<Shape>(&json(&shape)), DType::BF16),
        weights: vec![Tensor::from([1.0f32])],
        rng: rng.clone(),
    };
    let text = json(&checkpoint);
    assert_eq!(
        text,
        r#"{"step":7,"spec":{"shape":[2,3],"dtype":"bf16"},"weights":[{"dtype":"f32","shape":[1],"data":[1.0]}],"rng":{"dtype":"i64","shape":[2],"data":[3,1]}}"#
    );
    let mut read: Checkpoint = from_json(&text);
    assert_eq!(bits(&read.rng.randn([4])), bits(&rng.randn([4])));
    assert_eq!((read.step, read.spec.to_string(), read.weights.len()), (7, "bf16[2, 3]".to_owned(), 1));
    Ok(())
}

#[test]
fn what_is_no_tensor_is_refused() {
    for (text, expected) in [
        (r#"{"dtype":"f32","shape":[2],"data":[1]}"#, "f32[2] has 2 elements, got 1"),
        (r#"{"dtype":"u8","shape":[2],"data":[1,256]}"#, "element 1 of a tensor of u8 is Int(256)"),
        (r#"{"dtype":"i64","shape":[1],"data":[1.5]}"#, "element 0 of a tensor of i64 is Float(1.5)"),
        (r#"{"dtype":"bool","shape":[1],"data":[2]}"#, "element 0 of a tensor of bool is Int(2)"),
        (r#"{"dtype":"i64","shape":[1],"data":["NaN"]}"#, "element 0 of a tensor of i64 is Float(NaN)"),
        (
            r#"{"dtype":"f32","shape":[1],"data":["one"]}"#,
            "invalid value: string \"one\", expected a number, a truth value, \"NaN\", \"inf\" or \"-inf\"",
        ),
        (
            r#"{"dtype":"f32","shape":[1,1,1,1,1,1,1,1,1],"data":[1]}"#,
            "invalid length 9, expected the lengths of at most 8 axes",
        ),
        (
            r#"{"dtype":"f32","shape":[4294967295,4294967295,4294967295],"data":[]}"#,
            "[4294967295, 4294967295, 4294967295] has too many elements",
        ),
        (r#"{"dtype":"f32","shape":[1]}"#, "missing field `data`"),
    ] {
        assert_eq!(refused::<Tensor>(text), expected, "{text}");
    }
    assert!(refused::<DType>("\"f31\"").starts_with("unknown variant `f31`, expected one of `f32`, `f64`"));
    assert_eq!(
        refused::<Rng>(r#"{"dtype":"f32","shape":[2],"data":[1,2]}"#),
        "the key of a generator is i64[.., 2], got f32[2]"
    );
    let deep = format!("{}{{\"number\":1}}{}", r#"{"list":["#.repeat(200), "]}".repeat(200));
    assert!(refused::<Value>(&deep).contains("recursion limit"), "{}", refused::<Value>(&deep));
}

#[test]
fn formats_without_a_limit_do_not_overflow_the_stack() {
    let mut value = Value::Number(1.0);
    for _ in 0..127 {
        value = Value::List(vec![value]);
    }
    let as_deep_as_allowed = to_bytes(&value);
    assert!(from_bytes::<Value>(&as_deep_as_allowed).is_ok());
    let deeper = to_bytes(&Value::List(vec![value]));
    let error = from_bytes::<Value>(&deeper).map(|_| ()).expect_err("too deep");
    assert_eq!(error.to_string(), "lists and maps lie more than 128 deep within each other");
    // The refusal has not used up the limit for what comes after it.
    assert!(from_bytes::<Value>(&as_deep_as_allowed).is_ok());
}

#[test]
fn elements_that_are_bytes_have_the_length_of_their_shape() {
    let mut written = to_bytes(&Tensor::from([1.0f32, 2.0]));
    // The shape's only length, behind the dtype and the number of lengths.
    let at = written.iter().position(|&byte| byte == 2).expect("the length");
    written[at] = 3;
    let error = from_bytes::<Tensor>(&written).map(|_| ()).expect_err("eight bytes are two elements");
    assert_eq!(error.to_string(), "f32[3] takes 12 bytes, got 8");
}

#[test]
fn a_tensor_without_a_value_is_its_error() -> Result<()> {
    let invalid = Tensor::ones([2]) + Tensor::ones([3]);
    let error = serde_json::to_string(&invalid).map(|_| ()).expect_err("is invalid");
    assert!(error.to_string().starts_with("add: "), "{error}");
    let serialise = |x: &Tensor| {
        assert!(serde_json::to_string(x).expect_err("has no value").to_string().contains("vmap"));
        x.clone()
    };
    vmap(serialise).call(&Tensor::ones([2]), ()).map(|_| ())
}

#[test]
fn a_splat_and_a_view_are_written_out() -> Result<()> {
    assert_eq!(json(&Tensor::zeros([3])), r#"{"dtype":"f32","shape":[3],"data":[0.0,0.0,0.0]}"#);
    let tree = tree::map(&[Tensor::from([[1i32, 2], [3, 4]]).t()], Tensor::clone);
    assert_eq!(json(&tree), r#"[{"dtype":"i32","shape":[2,2],"data":[1,3,2,4]}]"#);
    Ok(())
}
