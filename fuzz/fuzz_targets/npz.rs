//! Any bytes are an error or arrays by name, and what was read is written and read again to the bit.

#![no_main]

use libfuzzer_sys::fuzz_target;
use retrograd::io::npz;

fuzz_target!(|input: &[u8]| {
    let Ok(arrays) = npz::from_bytes(input) else { return };
    let bytes = npz::to_bytes(&arrays).expect("they were in a file");
    let again = npz::from_bytes(&bytes).expect("it was written just now");
    assert!(again.keys().eq(arrays.keys()));
    assert_eq!(bytes, npz::to_bytes(&again).expect("they were in a file"));
});
