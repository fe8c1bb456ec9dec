//! What is said of files that cannot be read, trees that do not fit, and tensors that cannot be saved.

use std::collections::BTreeMap;
use std::fs;
use std::panic::Location;
use std::path::Path;

use retrograd::{Error, ErrorKind, Result, Tensor, Tree, bf16, io, vmap};

use crate::damage::with_header;
use crate::folder::folder;
use crate::python::golden;

/// The message without the line that it names, which is one of the caller's file, its other lines joined by ` | `.
#[track_caller]
fn said<T>(result: Result<T>) -> String {
    let Err(error) = result else { panic!("it is no error") };
    said_of(&error)
}

#[track_caller]
fn said_of(error: &Error) -> String {
    let file = Location::caller().file();
    assert_eq!(error.location().map(|at| at.file()), Some(file), "{error}");
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("  at ")).collect();
    lines.join("\n").replace("\n  ", " | ")
}

/// The same with the folder left out.
#[track_caller]
fn said_in<T>(folder: &Path, result: Result<T>) -> String {
    let Err(error) = result else { panic!("it is no error") };
    said_of(&error).replace(&format!("{}{}", folder.display(), std::path::MAIN_SEPARATOR), "")
}

fn parsed(header: &str, data: usize) -> Result<io::Archive> {
    io::Archive::from_bytes(with_header(header, data))
}

#[test]
fn a_file_that_does_not_fit_names_the_leaves() -> Result<()> {
    #[derive(Clone, Tree)]
    struct Layer {
        weight: Tensor,
        bias: Tensor,
    }
    let layer = |n: usize| Layer { weight: Tensor::zeros([n, 4]), bias: Tensor::zeros([4]) };
    #[derive(Clone, Tree)]
    struct Network {
        layers: Vec<Layer>,
    }
    let folder = folder("does_not_fit");
    let path = folder.join("x.safetensors");
    let saved = BTreeMap::from([
        ("layers".to_owned(), vec![(layer(3).weight)]),
        ("head".to_owned(), vec![Tensor::zeros([1])]),
    ]);
    io::save(&path, &saved)?;
    let like = Network { layers: vec![layer(4)] };
    let error = said_in(&folder, io::load(&path, &like).map(|_| ()));
    assert_eq!(
        error,
        "load: `x.safetensors` does not fit the tree | not in the file: `layers[0].weight`, `layers[0].bias` \
         | only in the file: `head.0`, `layers.0` | help: `load_partial` loads what fits, and tells of the rest"
    );
    io::save(&path, &Network { layers: vec![layer(3)] })?;
    let error = said_in(&folder, io::load(&path, &like).map(|_| ()));
    assert_eq!(
        error,
        "load: `x.safetensors` does not fit the tree | `layers[0].weight`: f32[3, 4] in the file, f32[4, 4] expected \
         | help: `load_partial` loads what fits, and tells of the rest"
    );
    let error = io::load(&path, &like).map(|_| ()).expect_err("as before");
    assert_eq!(error.kind(), ErrorKind::Tree);
    Ok(())
}

#[test]
fn of_long_lists_the_first_are_named() -> Result<()> {
    let bytes = io::to_bytes(&())?;
    let like: Vec<Tensor> = (0..11).map(|_| Tensor::zeros([1])).collect();
    assert_eq!(
        said(io::from_bytes(&bytes, &like)),
        "from_bytes: the archive does not fit the tree | not in the file: `[0]`, `[1]`, `[2]`, `[3]`, `[4]`, `[5]`, \
         `[6]`, `[7]`, and 3 more | help: `load_partial` loads what fits, and tells of the rest"
    );
    Ok(())
}

#[test]
fn an_invalid_leaf_is_its_own_error_with_its_path() {
    let invalid = Tensor::ones([2, 3]).matmul(&Tensor::ones([2, 3]));
    let tree = vec![("x".to_owned(), Tensor::ones([1])), ("y".to_owned(), invalid.clone())];
    let tree: Vec<BTreeMap<String, Tensor>> = tree.into_iter().map(|part| BTreeMap::from([part])).collect();
    let expected = "matmul: inner lengths differ: [2, 3] times [2, 3] | operands: f32[2, 3], f32[2, 3] | help: the \
                    last axis of the first is as long as the last but one of the second; see `t`";
    assert_eq!(said(io::to_bytes(&tree)), format!("leaf `[1][\"y\"]`: {expected}"));
    assert_eq!(said(io::from_bytes(&[], &tree)).split(':').next(), Some("from_bytes"));
    assert_eq!(said(io::to_bytes(&invalid)), expected);
    assert_eq!(said(io::npy::to_bytes(&invalid)), expected);
}

#[test]
fn a_tensor_without_a_value_is_an_error_of_the_line_that_saves_it() -> Result<()> {
    let save = |x: &Tensor| {
        let one = [x.clone()];
        let error = io::to_bytes(&one).expect_err("has no value");
        assert_eq!(error.location().map(|at| at.file()), Some(file!()), "{error}");
        assert!(error.to_string().starts_with("leaf `[0]`: to_bytes: "), "{error}");
        x.clone()
    };
    vmap(save).call(&Tensor::ones([2]), ()).map(|_| ())
}

#[test]
fn two_leaves_of_one_name_are_both_named() {
    let map = |parts: [(&str, Tensor); 2]| {
        BTreeMap::from(parts.map(|(name, x)| (name.to_owned(), BTreeMap::from([("b".to_owned(), x)]))))
    };
    let one = Tensor::ones([1]);
    let mut outer = map([("a", one.clone()), ("c", one.clone())]);
    outer.insert(String::from("d"), BTreeMap::from([("e".to_owned(), one.clone())]));
    let twice = (outer.clone(), vec![one.clone()]);
    assert!(io::to_bytes(&twice).is_ok());
    let dotted = BTreeMap::from([("a.b".to_owned(), one.clone()), ("x".to_owned(), one.clone())]);
    #[derive(Clone, Tree)]
    enum Either {
        Deep(BTreeMap<String, Tensor>),
    }
    let nested: BTreeMap<String, Either> = BTreeMap::from([
        ("p".to_owned(), Either::Deep(dotted)),
        ("p.Deep.0.a".to_owned(), Either::Deep(BTreeMap::new())),
    ]);
    assert!(io::to_bytes(&nested).is_ok());
    let tree = retrograd::tree::Value::from([
        ("a.b", one.clone().into()),
        ("a", retrograd::tree::Value::from([("b", one.into())])),
    ]);
    assert_eq!(
        said(io::to_bytes(&tree)),
        "to_bytes: leaves `[\"a\"][\"b\"]` and `[\"a.b\"]` would both be named `a.b` | help: rename a field, or a key \
         of a map"
    );
}

#[test]
fn the_name_that_the_format_reserves_is_refused() {
    let tree = BTreeMap::from([("__metadata__".to_owned(), Tensor::ones([1]))]);
    assert_eq!(
        said(io::to_bytes(&tree)),
        "to_bytes: leaf `[\"__metadata__\"]` would be named `__metadata__`, which the format reserves | help: rename \
         the field, or the key of the map"
    );
}

#[test]
fn a_file_that_is_not_there_or_no_file_is_named() {
    let folder = folder("not_there");
    let missing = said_in(&folder, io::load(folder.join("x.safetensors"), &Tensor::ones([1])));
    assert!(missing.starts_with("load: cannot read `x.safetensors`: "), "{missing}");
    let missing = said_in(&folder, io::npy::read(folder.join("x.npy")));
    assert!(missing.starts_with("npy::read: cannot read `x.npy`: "), "{missing}");
    #[cfg(unix)]
    {
        fs::create_dir(folder.join("inner")).expect("a new folder");
        assert_eq!(
            said_in(&folder, io::Archive::open(folder.join("inner"))),
            "open: cannot read `inner`: it is a folder"
        );
        assert_eq!(
            said_in(&folder, io::save(folder.join("inner"), &())),
            "save: cannot write `inner`: it is a folder | help: give the name of a file in it"
        );
    }
}

#[test]
fn damage_is_told_of_by_byte_or_tensor() {
    let header = |header: &str, data| {
        let said = said(parsed(header, data));
        let prefix = "from_bytes: the bytes are not a whole safetensors file: ";
        said.strip_prefix(prefix).unwrap_or_else(|| panic!("{said}")).to_owned()
    };
    let entry = |name: &str, dtype: &str, shape: &str, from: u64, to: u64| {
        format!(r#""{name}":{{"dtype":"{dtype}","shape":[{shape}],"data_offsets":[{from},{to}]}}"#)
    };
    let one = |dtype: &str, shape: &str, from, to| format!("{{{}}}", entry("x", dtype, shape, from, to));
    for (text, data, expected) in [
        ("", 0, "the header does not begin with `{`"),
        ("{", 0, "the header ends where `\"` is expected"),
        ("{\"x\":1}", 0, "byte 5 of the header is '1', where `{` is expected"),
        ("{} x", 0, "byte 3 of the header is 'x', where the end of the header is expected"),
        ("{\"x\":{}}", 0, "tensor `x` has no `dtype`"),
        (r#"{"x":{"dtype":"F32","shape":[]}}"#, 0, "tensor `x` has no `data_offsets`"),
        (r#"{"x":{"shape":[],"shape":[]}}"#, 0, "tensor `x` has more than one `shape`"),
        (r#"{"x":{"device":"cpu"}}"#, 0, "tensor `x` has an unknown property `device`"),
        (r#"{"x":{"data_offsets":[0]}}"#, 0, "`data_offsets` are two numbers"),
        (r#"{"x":{"data_offsets":[0,1,2]}}"#, 0, "`data_offsets` are two numbers"),
        (r#"{"__metadata__":{"a":"b","a":"c"}}"#, 0, "there is more than one `a` in `__metadata__`"),
        (r#"{"__metadata__":{"a":"b"},"__metadata__":{}}"#, 0, "there is more than one `__metadata__`"),
        (
            &one("F32", "2", 0, 8),
            7,
            "it is cut off in tensor `x`: its tensors take 8 bytes, of which 7 are there",
        ),
        (&one("F32", "2", 0, 8), 9, "its tensors take 8 bytes, but 9 are there"),
        (&one("F32", "2", 0, 4), 4, "tensor `x`, f32[2], has 4 bytes instead of 8"),
        (&one("F32", "2", 4, 12), 12, "tensor `x` begins at byte 4 of the data, behind a hole"),
        (
            &one("F32", "2", 0, 8).replace("0,8", "8,0"),
            8,
            "tensor `x` begins at byte 8 of the data, behind a hole",
        ),
    ] {
        assert_eq!(header(text, data), expected, "{text}");
    }
    let two = format!("{{{},{}}}", entry("x", "U8", "4", 0, 4), entry("y", "U8", "4", 2, 6));
    let rest = two.replace("[2,6]", "[4,8]");
    assert_eq!(
        header(&rest, 5),
        "it is cut off in tensor `y`: its tensors take 8 bytes, of which 5 are there"
    );
    assert_eq!(header(&two, 6), "tensor `y` begins at byte 2 of the data, within the tensor before it");
    let two = format!("{{{},{}}}", entry("x", "U8", "4", 0, 4), entry("x", "U8", "4", 4, 8));
    assert_eq!(header(&two, 8), "there is more than one tensor `x`");
    let backward = format!("{{{},{}}}", entry("x", "U8", "4", 0, 4), entry("y", "U8", "4", 4, 3));
    assert_eq!(header(&backward, 4), "tensor `y` ends at byte 3, before it begins at 4");
}

#[test]
fn lengths_that_the_file_has_not_are_refused() {
    let of = |bytes: &[u8]| {
        let said = said(io::Archive::from_bytes(bytes));
        said.strip_prefix("from_bytes: the bytes are not a whole safetensors file: ")
            .expect("damaged")
            .to_owned()
    };
    assert_eq!(of(b"123"), "it has 3 bytes, fewer than the 8 that tell the length of its header");
    assert_eq!(
        of(&[3, 0, 0, 0, 0, 0, 0, 0, b'{', b'}']),
        "it is cut off: its header takes 3 bytes, of which 2 are there"
    );
    assert_eq!(of(&[255; 10]), "it would have a header of 18446744073709551615 bytes, more than 100000000");
    assert_eq!(of(&[1, 0, 0, 0, 0, 0, 0, 0, 255]), "the header is not UTF-8 from byte 0 on");
}

#[test]
fn a_tensor_that_cannot_be_held_does_not_spoil_the_others() -> Result<()> {
    let archive = parsed(
        r#"{"a":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]},
            "b":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[2,4]},
            "c":{"dtype":"BOOL","shape":[2],"data_offsets":[4,6]}}"#,
        6,
    )?;
    assert_eq!(archive.tensor("c")?.to_vec::<bool>()?, [false, false]);
    let help = "help: dtypes are f32, f64, f16, bf16, i64, i32, u8 and bool, shapes have up to 8 axes; convert it \
                where the file was written";
    assert_eq!(
        said(archive.tensor("a")),
        format!("tensor: tensor `a` cannot be read: dtype F8_E4M3 | {help}")
    );
    assert_eq!(
        said(archive.spec("b")),
        format!("spec: tensor `b` cannot be read: a shape of 9 axes, more than 8 | {help}")
    );
    assert_eq!(
        said(archive.spec("d")),
        "spec: there is no tensor `d` in the archive | help: `names` lists those that there are"
    );
    let like = BTreeMap::from(["a", "b", "c"].map(|name| (name.to_owned(), Tensor::zeros([2]))));
    assert_eq!(
        said(archive.load(&like)),
        "load: the archive does not fit the tree | `[\"a\"]`: dtype F8_E4M3 in the file, f32[2] expected | `[\"b\"]`: \
         a shape of 9 axes, more than 8 in the file, f32[2] expected | `[\"c\"]`: bool[2] in the file, f32[2] expected \
         | help: `load_partial` loads what fits, and tells of the rest"
    );
    Ok(())
}

#[test]
fn a_byte_that_is_no_truth_value_names_tensor_and_leaf() -> Result<()> {
    let mut bytes = io::to_bytes(&[Tensor::from([true, false])])?;
    *bytes.last_mut().expect("not empty") = 7;
    assert_eq!(
        said(io::from_bytes(&bytes, &[Tensor::from([true, false])])),
        "leaf `[0]`: tensor `0` in the archive: from_bytes: element 1 of a bool tensor is the byte 7, neither 0 nor 1"
    );
    Ok(())
}

#[test]
fn names_that_are_no_tree_are_refused() -> Result<()> {
    let names = |names: &[&str]| {
        let tensors: BTreeMap<String, Tensor> =
            names.iter().map(|name| (name.to_string(), Tensor::ones([1]))).collect();
        io::Archive::from_bytes(io::to_bytes(&tensors)?)?.load_values()
    };
    for both in [&["a", "a.b"][..], &["a.b.c", "a.b"], &["a.b.c", "a"]] {
        assert!(said(names(both)).contains("would be a part of it"));
    }
    assert_eq!(
        said(names(&["a", "a.b"])),
        "load_values: `a` is a tensor, and `a.b` would be a part of it | help: see `Archive::tensor`, which takes any \
         names"
    );
    let deep = vec!["a"; 33].join(".");
    assert_eq!(
        said(names(&[&deep])),
        format!("load_values: the name `{deep}` has 33 parts, more than 32 | help: see `Archive::tensor`")
    );
    Ok(())
}

#[test]
fn what_numpy_has_and_we_have_not_is_told() {
    let folder = golden("");
    let help = "help: dtypes are f4, f8, f2, i8, i4, u1 and b1, shapes have up to 8 axes; in NumPy, `astype` and \
                `reshape` convert";
    let file = |name: &str| {
        let Err(error) = io::npy::read(golden(name)) else { panic!("it is no error") };
        said_of(&error).replace(&folder.display().to_string(), "")
    };
    assert_eq!(file("i2.npy"), format!("npy::read: `i2.npy` cannot be read: dtype \"<i2\" | {help}"));
    assert_eq!(
        file("fields.npy"),
        "npy::read: `fields.npy` is not a whole .npy file: its array is structured: a list of fields, of which each \
         can be saved by itself"
    );
    let bf16 = Tensor::from_slice(&[bf16::ONE], [1]);
    assert_eq!(
        said(io::npy::to_bytes(&bf16)),
        "npy::to_bytes: NumPy has no dtype bf16 | help: convert it, as with `.f32()`"
    );
}

#[test]
fn damaged_npy_files_are_told_of() -> Result<()> {
    let of = |bytes: &[u8]| {
        let said = said(io::npy::from_bytes(bytes));
        said.strip_prefix("npy::from_bytes: what was given is not a whole .npy file: ")
            .unwrap_or(&said)
            .to_owned()
    };
    let good = io::npy::to_bytes(&Tensor::from([1.0, 2.0]))?;
    assert_eq!(of(b"PK"), "it ends after 2 bytes, within its header");
    assert_eq!(of(b"PK\x03\x04 and so on"), "it does not begin with `\\x93NUMPY`");
    assert_eq!(of(&good[..100]), "it ends after 100 bytes, within its header");
    assert_eq!(of(&good[..good.len() - 1]), "it is cut off: f64[2] takes 16 bytes, of which 15 are there");
    assert_eq!(of(&[&good[..], b"more"].concat()), "4 bytes follow its 16 bytes of elements");
    let mut version = good.clone();
    version[6] = 9;
    assert_eq!(of(&version), "version 9.0 of the format is not known");
    assert_eq!(
        of(b"\x93NUMPY\x02\x00\xff\xff\xff\xff"),
        "its header would have 4294967295 bytes, more than 65536"
    );
    let mut truth = io::npy::to_bytes(&Tensor::from([true]))?;
    *truth.last_mut().expect("not empty") = 2;
    assert_eq!(
        of(&truth),
        "what was given: npy::from_bytes: element 0 of a bool tensor is the byte 2, neither 0 nor 1"
    );
    Ok(())
}

#[cfg(feature = "npz")]
#[test]
fn damaged_npz_files_are_told_of() -> Result<()> {
    use io::npz;
    let good = npz::to_bytes(&BTreeMap::from([("abc".to_owned(), Tensor::from([1.0, 2.0]))]))?;
    assert!(
        said(npz::from_bytes(b"no archive"))
            .starts_with("npz::from_bytes: what was given is not a whole .npz file: ")
    );
    // Names are there twice: before the entry, and in the list at the end.
    let renamed = |to: &[u8; 7]| {
        let mut bytes = good.clone();
        for at in 0..bytes.len() - 7 {
            if &bytes[at..at + 7] == b"abc.npy" {
                bytes[at..at + 7].copy_from_slice(to);
            }
        }
        bytes
    };
    assert_eq!(
        said(npz::from_bytes(&renamed(b"abc.txt"))),
        "npz::from_bytes: what was given has an entry `abc.txt`, whose name does not end with `.npy`"
    );
    // One element is another: only the checksum shows it.
    let mut bytes = good.clone();
    let at = bytes.windows(8).position(|eight| eight == 2f64.to_le_bytes()).expect("an element");
    bytes[at] = 1;
    assert!(
        said(npz::from_bytes(&bytes))
            .starts_with("npz::from_bytes: cannot read `abc.npy` in what was given: ")
    );
    let bf16 = Tensor::from_slice(&[bf16::ONE], [1]);
    assert_eq!(
        said(npz::to_bytes(&vec![bf16])),
        "leaf `[0]`: npz::to_bytes: NumPy has no dtype bf16 | help: convert it, as with `.f32()`"
    );
    Ok(())
}
