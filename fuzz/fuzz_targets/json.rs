//! Any JSON is an error or a value, and a value that was read is written and read again to the bit.

#![no_main]

use libfuzzer_sys::fuzz_target;
use retrograd::tree::Value;

fuzz_target!(|input: &[u8]| {
    let Ok(value) = serde_json::from_slice::<Value>(input) else { return };
    let text = serde_json::to_string(&value).expect("it was JSON");
    let again: Value = serde_json::from_str(&text).expect("it was written just now");
    assert_eq!(text, serde_json::to_string(&again).expect("it was JSON"));
});
