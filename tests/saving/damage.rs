//! Files that are damaged, cut off or made with malice: an error or a tree, never a panic, and no memory that the
//! file's size does not account for.

use std::cell::Cell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;
use retrograd::{Tensor, io, tree};

use crate::allocation::peak;
use crate::trees::{runner, tensor, value};

/// Something that happens to a file.
#[derive(Clone, Debug)]
enum Damage {
    Flip(Index, u8),
    Set(Index, u8),
    CutOff(Index),
    Remove(Index),
    Insert(Index, u8),
    /// Part of it once more.
    Repeat(Index, Index),
}

impl Damage {
    fn of(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let n = bytes.len();
        match self {
            Damage::Flip(at, bit) => bytes[at.index(n)] ^= 1 << (bit % 8),
            Damage::Set(at, value) => bytes[at.index(n)] = *value,
            Damage::CutOff(at) => bytes.truncate(at.index(n)),
            Damage::Remove(at) => drop(bytes.remove(at.index(n))),
            Damage::Insert(at, value) => bytes.insert(at.index(n), *value),
            Damage::Repeat(from, to) => {
                let (from, to) = (from.index(n), to.index(n));
                let part = bytes[from.min(to)..from.max(to)].to_vec();
                bytes.splice(to..to, part);
            }
        }
    }
}

fn damage() -> impl Strategy<Value = Vec<Damage>> {
    // Characters that headers are made of come up more often than they would by chance.
    let byte = prop_oneof![any::<u8>(), prop::sample::select(b"{}[]():,\"'0129\\ ".to_vec())];
    let at = any::<Index>;
    let one = prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        (at(), byte.clone()).prop_map(|(at, value)| Damage::Set(at, value)),
        at().prop_map(Damage::CutOff),
        at().prop_map(Damage::Remove),
        (at(), byte).prop_map(|(at, value)| Damage::Insert(at, value)),
        (at(), at()).prop_map(|(from, to)| Damage::Repeat(from, to)),
    ];
    prop::collection::vec(one, 1..4)
}

/// What reading a file of so many bytes may take at most: names and numbers in a header take more as they lie in
/// memory, and every tensor a few hundred bytes.
fn allowed(bytes: usize) -> usize {
    40 * bytes + (64 << 10)
}

/// Reads all there is to read; false if it is an error.
fn read_safetensors(bytes: &[u8]) -> bool {
    let Ok(archive) = io::Archive::from_bytes(bytes) else { return false };
    let whole = archive.names().filter(|name| archive.tensor(name).is_err()).count() == 0;
    whole && archive.load_values().is_ok()
}

/// Holds a reader to its promise for files that something happened to.
fn survives(file: impl Strategy<Value = Vec<u8>>, read: fn(&[u8]) -> bool) {
    let (good, bad) = (Cell::new(0), Cell::new(0));
    let run = |(mut bytes, damage): (Vec<u8>, Vec<Damage>)| {
        assert!(read(&bytes), "it was written just now");
        damage.iter().for_each(|damage| damage.of(&mut bytes));
        let (whole, most) = peak(|| read(&bytes));
        let count = if whole { &good } else { &bad };
        count.set(count.get() + 1);
        prop_assert!(most <= allowed(bytes.len()), "{most} bytes for a file of {}", bytes.len());
        Ok(())
    };
    runner(400).run(&(file, damage()), run).expect("no damage matters");
    // Damage of elements does not show, that of a header does.
    assert!(good.get() > 0 && bad.get() > 0, "{} and {}", good.get(), bad.get());
}

#[test]
fn damaged_safetensors_are_errors_or_tensors() {
    let whole = value().prop_filter_map("names collide or do not nest", |value| {
        io::to_bytes(&value).ok().filter(|bytes| read_safetensors(bytes))
    });
    survives(whole, read_safetensors);
}

#[test]
fn damaged_npy_files_are_errors_or_tensors() {
    let file = tensor().prop_filter_map("no bf16", |x| io::npy::to_bytes(&x).ok());
    survives(file, |bytes| io::npy::from_bytes(bytes).is_ok());
}

#[cfg(feature = "npz")]
#[test]
fn damaged_npz_files_are_errors_or_tensors() {
    let arrays = prop::collection::btree_map("[a-c.é]{0,3}", tensor(), 0..4);
    let file = arrays.prop_filter_map("no bf16", |arrays| io::npz::to_bytes(&arrays).ok());
    survives(file, |bytes| io::npz::from_bytes(bytes).is_ok());
}

#[test]
fn every_beginning_of_a_file_is_an_error() {
    let bytes = io::to_bytes(&(Tensor::arange(3), Tensor::ones([2, 2]))).expect("can be saved");
    for end in 0..bytes.len() {
        assert!(io::Archive::from_bytes(&bytes[..end]).is_err(), "{end} bytes of {}", bytes.len());
    }
    let bytes = io::npy::to_bytes(&Tensor::arange(3)).expect("can be saved");
    for end in 0..bytes.len() {
        assert!(io::npy::from_bytes(&bytes[..end]).is_err(), "{end} bytes of {}", bytes.len());
    }
}

/// A file with this header and so many zeros.
pub(crate) fn with_header(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

#[test]
fn memory_is_not_taken_for_what_is_claimed() {
    let entry = |shape: &str, end: &str| {
        format!(r#"{{"x":{{"dtype":"F32","shape":[{shape}],"data_offsets":[0,{end}]}}}}"#)
    };
    let mut claims = vec![
        with_header(&entry("4294967295", "17179869180"), 0),
        with_header(&entry("4294967295,4294967295,4294967295", "18446744073709551615"), 4),
        with_header(&entry("18446744073709551615,2", "0"), 0),
        with_header(&entry("0,4294967295,4294967295,4294967295", "0"), 0),
        with_header(&entry("0,".repeat(10_000).trim_end_matches(','), "0"), 0),
        with_header(&entry("1", "4").replace('x', &"\\u0041".repeat(10_000)), 4),
    ];
    for length in [0, 1, 1 << 20, 100_000_000, 100_000_001, u64::MAX] {
        claims.push(length.to_le_bytes().to_vec());
        claims.push([&length.to_le_bytes()[..], b"{}"].concat());
    }
    for bytes in claims {
        let (_, most) = peak(|| read_safetensors(&bytes));
        assert!(most <= allowed(bytes.len()), "{most} bytes for a file of {}", bytes.len());
    }
    let mut npy = b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec();
    let (read, most) = peak(|| io::npy::from_bytes(&npy));
    assert!(read.is_err() && most <= allowed(npy.len()), "{most} bytes for a header of 4 GiB");
    npy = b"\x93NUMPY\x01\x00\x46\x00{'descr': '<f8', 'fortran_order': False, 'shape': (4294967295, 65536)}"
        .to_vec();
    let (read, most) = peak(|| io::npy::from_bytes(&npy));
    assert!(read.expect_err("cut off").to_string().contains("of which 0 are there"));
    assert!(most <= allowed(npy.len()), "{most} bytes for elements of 2 PiB");
}

#[test]
fn names_that_nest_too_deeply_are_refused_before_a_tree_is_built() {
    let name = vec!["a"; 100_000].join(".");
    let deep = BTreeMap::from([(name, Tensor::ones([1]))]);
    let archive =
        io::Archive::from_bytes(io::to_bytes(&deep).expect("any name can be saved")).expect("just saved");
    assert!(archive.load_values().expect_err("too deep").to_string().contains("100000 parts, more than 32"));
    assert!(tree::leaf_count(&archive.load(&deep).expect("as it was")) == 1);
}

#[test]
fn a_file_of_many_tensors_is_read_in_time() {
    // Any step that compares names with each other would take hours.
    let names = (0..100_000).map(|i| format!("{:05}", i * 7919 % 100_000));
    let many: BTreeMap<String, Tensor> = names.map(|name| (name, Tensor::zeros([0]))).collect();
    let archive = io::Archive::from_bytes(io::to_bytes(&many).expect("can be saved")).expect("just saved");
    assert_eq!(archive.len(), many.len());
    assert_eq!(archive.load(&many).expect("as it was").len(), many.len());
}
