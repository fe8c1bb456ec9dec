//! Any bytes are an error or a file, and what was read from a file is written and read again to the bit.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use retrograd::{Tensor, io};

/// What ends the header in inputs of the second kind: a byte that UTF-8 does not have.
const END: u8 = 0xff;

fuzz_target!(|input: &[u8]| {
    read(input);
    // The length of the header is hard to guess: here it is that of what comes before a sign.
    let mut parts = input.splitn(2, |&byte| byte == END);
    if let (Some(header), Some(data)) = (parts.next(), parts.next()) {
        let length = (header.len() as u64).to_le_bytes();
        read(&[&length, header, data].concat());
    }
});

fn read(bytes: &[u8]) {
    let Ok(archive) = io::Archive::from_bytes(bytes) else { return };
    let _ = archive.load_values();
    let mut tensors = BTreeMap::new();
    for name in archive.names() {
        assert!(archive.contains(name));
        if let Ok(tensor) = archive.tensor(name) {
            assert_eq!(*archive.spec(name).expect("was read").shape, *tensor.shape());
            tensors.insert(name.to_owned(), tensor);
        }
    }
    written_and_read_again(&tensors);
}

fn written_and_read_again(tensors: &BTreeMap<String, Tensor>) {
    let bytes = io::to_bytes(tensors).expect("they were in a file");
    let again = io::from_bytes(&bytes, tensors).expect("it was written just now");
    assert_eq!(bytes, io::to_bytes(&again).expect("they were in a file"));
}
